package disk

import (
	"errors"
	"fmt"
	"os"

	"chaperone/ledger/durable"
)

// reserve is a file that keeps space free: when the disk is full, what records a refusal may use it up piece by piece.
type reserve struct {
	path         string
	size, wanted int64
}

// reservePiece is given back at a time.
const reservePiece = 1 << 20

// open makes the file as large as it should be, as far as the disk has room, in whole pieces: 0 leaves it as it is, and less
// gives it up.
func (r *reserve) open(path string, wanted int64) error {
	r.path, r.wanted = path, (wanted+reservePiece-1)/reservePiece*reservePiece
	info, err := os.Stat(path)
	switch {
	case err == nil:
		r.size = info.Size()
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	switch {
	case wanted < 0:
		r.size, r.wanted = 0, 0
		return durable.Remove(path)
	case wanted == 0:
		r.wanted = r.size
	case r.size > r.wanted:
		r.size = r.wanted
		return os.Truncate(path, r.wanted)
	}
	return r.fill()
}

// fill writes the file up to its size: a hole would keep nothing free.
func (r *reserve) fill() error {
	if r.size >= r.wanted {
		return nil
	}
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	piece := make([]byte, reservePiece)
	for r.size < r.wanted {
		n, err := f.Write(piece)
		r.size += int64(n)
		if err != nil {
			break // a full disk: what was got is kept
		}
	}
	return errors.Join(f.Sync(), f.Close())
}

// give gives a piece back to the disk and reports whether there was one.
func (r *reserve) give() bool {
	if r.size <= 0 {
		return false
	}
	left := max(0, r.size-reservePiece)
	if os.Truncate(r.path, left) != nil {
		return false
	}
	r.size = left
	return true
}

// used reports whether some of it was given: what releases something has to wait until it is whole again.
func (r *reserve) used() bool { return r.size < r.wanted }

// full tells the operator once that the disk fills, at 80 and at 90 %.
type full struct{ told int }

func (f *full) check(used int, dir string, warn func(string)) {
	level := levelOf(used)
	if level > f.told {
		warn(fmt.Sprintf("the disk of the ledger %s is %d %% full: %s", dir, used, whenFull))
	}
	f.told = level
}

// whenFull is what to do about a disk that fills.
const whenFull = "free space, or purge days that are past their retention"

// levelOf gives from where on a disk that is so full is told of; 0 for one that has room.
func levelOf(used int) int {
	switch {
	case used >= 90:
		return 90
	case used >= 80:
		return 80
	}
	return 0
}

// look looks at the disk and gives how much of it is free.
func (l *Ledger) look() (free int64, ok bool) {
	percent, free, ok := l.usage(l.dir)
	if ok {
		l.space.check(percent, l.dir, l.warn)
	}
	return free, ok
}
