//go:build unix

package approval

import (
	"fmt"
	"os"
	"syscall"
)

// give gives what root made to whoever owns the other path, so that a guard that is not root can read it.
func give(path, like string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(like)
	if err != nil {
		return fmt.Errorf("approval: %w", err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		return os.Chown(path, int(owner.Uid), int(owner.Gid))
	}
	return nil
}
