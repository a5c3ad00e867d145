package keys

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

var errTooLong = errors.New("longer than such a file is")

// readFile reads a whole file of bounded size.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s: %w", path, errTooLong)
	}
	return b, nil
}

// writeNew puts a file that must not be there yet, whole and on disk. Errors: os.ErrExist.
func writeNew(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := fill(f, b); err != nil {
		return err
	}
	// A link refuses an existing name, which a rename does not. Where a file system has no links, the time between the look
	// and the rename is left.
	if err := os.Link(f.Name(), path); err != nil {
		if errors.Is(err, os.ErrExist) {
			return err
		}
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s: %w", path, os.ErrExist)
		}
		if err := os.Rename(f.Name(), path); err != nil {
			return err
		}
	}
	return syncFolder(filepath.Dir(path))
}

// replace puts a file in the place of another, whole and on disk. The new bytes are in temp first.
func replace(path, temp string, b []byte) error {
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = fill(f, b)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp) // as on a full disk: nobody was given what is in it
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// fill writes a file, brings it to disk and closes it.
func fill(f *os.File, b []byte) error {
	_, err := f.Write(b)
	return finish(f, err)
}

// finish brings a file to disk, unless there was an error before, and closes it. It gives the first error.
func finish(f *os.File, err error) error {
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// makeFolder makes a folder and those above it, names on disk.
func makeFolder(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	var missing []string
	for at := dir; ; at = filepath.Dir(at) {
		_, err := os.Stat(at)
		if err == nil || at == filepath.Dir(at) {
			break
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		missing = append(missing, at)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, at := range missing {
		if err := syncFolder(filepath.Dir(at)); err != nil {
			return err
		}
	}
	return nil
}

// syncFolder brings the names in a folder to disk. Windows has no such call and keeps names in its file system's log.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return finish(f, nil)
}
