//go:build unix

package main

import "syscall"

// descriptors gives how many files and sockets this process may have open.
func descriptors() (int, error) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return int(limit.Cur), err
}
