//go:build unix

package site

import (
	"errors"

	"golang.org/x/sys/unix"
)

// mayMake reports whether this user may make something in a folder, without making anything. What is no question of permission is
// not told here.
func mayMake(in string) bool {
	err := unix.Access(in, unix.W_OK|unix.X_OK)
	return !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EROFS)
}
