package main

import (
	"os"
	"syscall"
)

// reloadSignals: Windows has none. SIGHUP comes when a console window is closed, which would end the program in any case.
func reloadSignals() []os.Signal { return []os.Signal{syscall.SIGHUP} }
