package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// allocate makes a file larger by bytes that the disk keeps for it. It is quicker than writing them, and also keeps something
// where zeros are compressed. done is false where the file system cannot.
func allocate(f *os.File, at, n int64) (done bool, err error) {
	err = unix.Fallocate(int(f.Fd()), 0, at, n)
	for errors.Is(err, unix.EINTR) {
		err = unix.Fallocate(int(f.Fd()), 0, at, n)
	}
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return false, nil
	}
	return true, err
}
