package disk

import (
	"errors"
	"os"
	"path/filepath"
)

// Lock keeps a ledger as it is until release is called: nobody can record meanwhile. With shared, others may ask, verify and
// copy it at the same time. A folder that has no lock file, as on a read-only disk, is not locked.
//
// Error: another process has it open in a way that does not go together.
func Lock(dir string, shared bool) (release func() error, err error) {
	f, err := acquire(filepath.Join(dir, lockFile), shared)
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
