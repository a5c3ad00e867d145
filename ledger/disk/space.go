package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"chaperone/ledger/durable"
)

// reserve is a file that keeps space free: when the disk is full, what records a refusal may use it up piece by piece. It
// begins with its wanted size as text, so that it is made whole again also by another run; behind that are zeros.
type reserve struct {
	path         string
	size, wanted int64
	said         int64 // in its head: what was wanted when it was written
}

const (
	reservePiece = 1 << 20                    // is given back at a time
	reserveHead  = 32                         // what stays of a reserve that is used up
	reserveForm  = "chaperone reserve %13d\n" // of as many bytes
)

// look takes the file as it is.
func (r *reserve) look(path string) error {
	*r = reserve{path: path}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r.size, r.wanted = info.Size(), info.Size()
	var head [reserveHead]byte
	n, _ := f.ReadAt(head[:], 0)
	var wanted int64
	if _, err := fmt.Sscanf(string(head[:n]), reserveForm, &wanted); err == nil { // one of an earlier version has no head
		r.wanted, r.said = max(r.size, wanted), wanted
	}
	return nil
}

// open makes the file as large as it should be, as far as the disk has room, in whole pieces: 0 leaves it as it was last asked
// to be, and less gives it up.
func (r *reserve) open(path string, wanted int64) error {
	if err := r.look(path); err != nil {
		return err
	}
	if wanted < 0 {
		r.size, r.wanted = 0, 0
		return durable.Remove(path)
	}
	if wanted == 0 {
		if _, free, ok := used(filepath.Dir(path)); ok {
			return r.refill(free)
		}
		return nil
	}
	r.wanted = (wanted + reservePiece - 1) / reservePiece * reservePiece
	if r.size > r.wanted {
		r.size = r.wanted
		if err := os.Truncate(path, r.wanted); err != nil {
			return err
		}
	}
	if err := r.fill(); err != nil {
		return err
	}
	if r.size < r.wanted {
		missing := fmt.Errorf("there is room for %d of %d MiB", r.size/reservePiece, r.wanted/reservePiece)
		r.wanted = r.size // what was never there was not used: releases need not wait for it
		return missing
	}
	return nil
}

// Room gives how many bytes are free on the disk of a folder that is there or can be made.
func Room(dir string) (free int64, ok bool) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return 0, false
	}
	for {
		if _, free, ok = used(dir); ok || dir == filepath.Dir(dir) {
			return free, ok
		}
		dir = filepath.Dir(dir)
	}
}

// refill makes it whole again when there is room for it and some more.
func (r *reserve) refill(free int64) error {
	if missing := r.wanted - r.size; missing > 0 && free > 2*missing {
		return r.fill()
	}
	return nil
}

// fill makes the file as large as it should be, without holes: they would keep nothing free. It leaves the room that is needed to work.
func (r *reserve) fill() error {
	if r.size >= r.wanted && r.said == r.wanted {
		return nil
	}
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	for r.size < r.wanted {
		if _, free, ok := used(filepath.Dir(r.path)); ok && free < working+reservePiece {
			break
		}
		n := min(reservePiece, r.wanted-r.size)
		done, err := allocate(f, r.size, n)
		if !done {
			_, err = f.WriteAt(make([]byte, n), r.size)
		}
		if err != nil {
			_ = f.Truncate(r.size) // a full disk: what was got is kept
			break
		}
		r.size += n
	}
	n, err := fmt.Fprintf(f, reserveForm, r.wanted)
	r.size = max(r.size, int64(n))
	if err == nil {
		r.said = r.wanted
	} else if durable.NoRoom(err) {
		err = nil // so that it is not filled by a later run
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// give gives a piece back to the disk and reports whether there was one.
func (r *reserve) give() bool {
	if r.size <= reserveHead {
		return false
	}
	left := max(reserveHead, r.size-reservePiece)
	if os.Truncate(r.path, left) != nil {
		return false
	}
	r.size = left
	return true
}

// used reports whether some of it was given: what releases something has to wait until it is whole again.
func (r *reserve) used() bool { return r.size < r.wanted }

// fullness tells the operator once that the disk fills, at 80 and at 90 %.
type fullness struct{ told int }

func (f *fullness) check(used int, dir string, warn func(string)) {
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
