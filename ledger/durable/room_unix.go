//go:build unix

package durable

import (
	"errors"

	"golang.org/x/sys/unix"
)

// NoRoom reports whether an error says that the disk is full.
func NoRoom(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
