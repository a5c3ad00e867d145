package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"chaperone/ledger/lock"
)

// acquire locks a ledger: shared for asking, else for this process alone. A read-only disk can be asked without a lock file.
func acquire(dir string, shared bool) (*os.File, error) {
	if err := folder(dir); err != nil {
		return nil, err
	}
	f, err := lock.Take(filepath.Join(dir, lockFile), shared)
	if errors.Is(err, lock.ErrHeld) {
		return nil, held(dir)
	}
	return f, err
}

// held is the error for a ledger that another process has open.
type held string

func (dir held) Error() string {
	return string(dir) + ": another process has this ledger open; ask or back it up beside that one with --live, or stop that one first"
}

func (held) Unwrap() error { return lock.ErrHeld }

// folder refuses a file in the place of a ledger's folder.
func folder(dir string) error {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("%s: not a folder; a ledger is one", dir)
	}
	return nil
}

// Lock keeps a ledger as it is until release is called: nobody can record meanwhile. With shared, others may ask, verify and
// copy it at the same time. A folder that has no lock file, as on a read-only disk, is not locked.
//
// Error: another process has it open in a way that does not go together (lock.ErrHeld).
func Lock(dir string, shared bool) (release func() error, err error) {
	f, err := acquire(dir, shared)
	if err != nil {
		return nil, err
	}
	return func() error {
		if f == nil {
			return nil
		}
		if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			return err
		}
		return nil
	}, nil
}
