//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

// inheritedSockets gives the sockets that whoever started this process had opened for it (sd_listen_fds(3)): descriptors from 3
// on, LISTEN_FDS of them, when LISTEN_PID is this process.
func inheritedSockets() ([]net.Listener, error) {
	pid, n := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name) // they are not for children
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	count, err := strconv.Atoi(n)
	if err != nil || count < 0 || count > 1024 {
		return nil, fmt.Errorf("guard: LISTEN_FDS does not say how many sockets there are")
	}
	const first = 3
	var sockets []net.Listener
	for fd := first; fd < first+count; fd++ {
		syscall.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), "socket "+strconv.Itoa(fd))
		socket, err := net.FileListener(f)
		_ = f.Close() // the listener has its own
		if err != nil {
			return nil, fmt.Errorf("guard: inherited descriptor %d: %w", fd, err)
		}
		sockets = append(sockets, socket)
	}
	return sockets, nil
}
