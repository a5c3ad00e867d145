package disk

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// acquire locks a ledger: shared for asking, else for this process alone. A read-only disk can be asked without a lock file.
func acquire(path string, shared bool) (*os.File, error) {
	flags, how := os.O_RDWR|os.O_CREATE, uint32(windows.LOCKFILE_EXCLUSIVE_LOCK)
	if shared {
		flags, how = os.O_RDONLY, 0
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if shared && errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = windows.LockFileEx(windows.Handle(f.Fd()), how|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	if err != nil {
		_ = f.Close()
		if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
			return nil, errInUse(path)
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}
