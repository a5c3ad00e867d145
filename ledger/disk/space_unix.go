//go:build unix

package disk

import "golang.org/x/sys/unix"

// used gives how full the disk of a folder is, in per cent, and how many bytes are free for us; ok is false when it cannot be known.
func used(dir string) (percent int, free int64, ok bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil || s.Blocks == 0 {
		return 0, 0, false
	}
	taken := s.Blocks - s.Bfree
	return int(taken * 100 / max(1, taken+s.Bavail)), int64(s.Bavail) * int64(s.Bsize), true
}
