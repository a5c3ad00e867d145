//go:build unix

package main

import (
	"os"
	"syscall"
)

// reloadSignals are those at which a guard reads its site file again.
func reloadSignals() []os.Signal { return []os.Signal{syscall.SIGHUP} }
