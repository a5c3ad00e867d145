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
		return nil, fmt.Errorf("%s: another process has this ledger open; while one records nobody else can open it: stop it first, or ask a copy that was made before (ledger backup, ledger restore)", dir)
	}
	return f, err
}

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
// Error: another process has it open in a way that does not go together.
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
