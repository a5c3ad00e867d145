// Package lock keeps a folder for one process, or for several that only read, by a file in it. The system lets go of it when
// the process ends, however it ends; the file stays and says nothing.
package lock

import (
	"errors"
	"fmt"
	"os"
)

// File is what the file is called in a folder.
const File = "lock"

// ErrHeld says that another process has the folder, in a way that does not go together.
var ErrHeld = errors.New("another process has it")

// Take takes a lock file: shared for reading, else for this process alone. Closing it lets go. It does not wait.
//
// Errors: ErrHeld; the file cannot be made. Shared, a file that is not there is no error, and nil: a read-only disk has none.
func Take(path string, shared bool) (*os.File, error) {
	flags := os.O_RDWR | os.O_CREATE
	if shared {
		flags = os.O_RDONLY
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if shared && errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := errors.Join(try(f, shared), still(f, path)); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// still reports as held a file that another process removed between its opening and its locking: it keeps nobody out.
func still(f *os.File, path string) error {
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(path); err != nil || !os.SameFile(mine, there) {
		return ErrHeld
	}
	return nil
}
