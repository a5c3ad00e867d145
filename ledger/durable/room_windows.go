package durable

import (
	"errors"

	"golang.org/x/sys/windows"
)

// NoRoom reports whether an error says that the disk is full.
func NoRoom(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}
