// Package durable puts files on disk so that after a power cut they are there whole, or not at all.
package durable

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// temporary is appended to a file's name while it is being written.
const temporary = ".new"

// WriteFile puts a file of mode 0600 in the place of path. When it returns without an error, name and content are on disk.
func WriteFile(path string, b []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// Write is WriteFile for a file that is written piece by piece. After an error the old file is still there.
func Write(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path+temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(path+temporary, path)
	}
	if err != nil {
		_ = os.Remove(path + temporary)
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// Remove removes a file if it is there, and returns when its name is gone from the disk.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// SyncFolder brings the names in a folder to disk. Windows has no such call and keeps names in its file system's log.
func SyncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
