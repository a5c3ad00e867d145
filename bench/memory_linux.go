package main

import (
	"os"
	"syscall"
)

// peakMemory gives the largest resident set of a process that has ended (getrusage(2): ru_maxrss is in KiB on Linux).
func peakMemory(s *os.ProcessState) int64 {
	if usage, ok := s.SysUsage().(*syscall.Rusage); ok {
		return usage.Maxrss << 10
	}
	return 0
}
