package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// State is where a message of a spool is.
type State string

const (
	Waits    State = "waits"
	Again    State = "again" // it was rejected, and is about to wait again
	Rejected State = "rejected"
)

// List gives what lies in a spool, the oldest first, without taking it away from a guard that uses it: first what waits, then what is to be
// sent again, then what was rejected, each with its file. What comes and goes meanwhile may be in it or not.
//
// Errors: *Damage; ErrWrongKey; it cannot be read; that of each.
func List(dir string, key func(id [16]byte) [32]byte, each func(file string, k Kept, state State) error) error {
	b, err := os.ReadFile(filepath.Join(dir, cursorFile))
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	delivered, _, _ := newest(b)
	for _, in := range []struct {
		state State
		name  string
	}{{Waits, ""}, {Again, againFolder}, {Rejected, rejectedFolder}} {
		folder := filepath.Join(dir, in.name)
		firsts, err := names(folder)
		if err != nil && (in.name == "" || !errors.Is(err, os.ErrNotExist)) { // a backup may have left out a folder that was empty
			return fmt.Errorf("spool: %w", err)
		}
		for i, first := range firsts {
			path := filepath.Join(folder, segmentName(first))
			err := Read(path, key, func(k Kept) error {
				if in.state == Waits && (k.Number <= delivered || i+1 < len(firsts) && k.Number >= firsts[i+1]) {
					return nil
				}
				return each(path, k, in.state)
			})
			var damage *Damage
			switch {
			case errors.Is(err, os.ErrNotExist): // it was delivered just now
			case errors.As(err, &damage) && in.state == Waits && i+1 == len(firsts) && damage.Offset > 0: // it is being written
			case err != nil:
				return err
			}
		}
	}
	return nil
}

// newest gives the number that a cursor's file holds, and in which place. ok is false when no place of it can be read.
func newest(b []byte) (number uint64, at int64, ok bool) {
	for i := range int64(2) {
		start := i * placesApart
		if start+placeSize > int64(len(b)) {
			break
		}
		if n, whole := placed(b[start : start+placeSize]); whole && (!ok || n > number) {
			number, at, ok = n, i, true
		}
	}
	return number, at, ok
}

// IsSpool reports whether a folder is a spool.
func IsSpool(dir string) bool {
	b, err := os.ReadFile(filepath.Join(dir, cursorFile))
	return err == nil && bytes.HasPrefix(b, []byte(cursorMagic))
}
