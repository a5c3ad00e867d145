//go:build !linux

package record

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// syncData makes a file's bytes durable, and its length.
func syncData(f *os.File) error { return f.Sync() }

// syncFolder makes the names in a folder durable. Windows has no such call and writes them with the file.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}

// Punch does nothing here.
func Punch(*os.File, int64, int64) error { return nil }
