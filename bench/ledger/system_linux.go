package main

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"syscall"
)

func fdatasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

// peakMemory gives the largest resident set of this process so far, in MB. Unlike getrusage's it does not begin with the
// parent's (proc(5): VmHWM).
func peakMemory() float64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kib * 1024 / 1e6
		}
	}
	return 0
}

// childMemory gives the largest resident set of a process that has ended, in MB, which begins with this process's own
// (getrusage(2): ru_maxrss is in KiB). This one is small: the work is done in children.
func childMemory(s *os.ProcessState) float64 {
	if usage, ok := s.SysUsage().(*syscall.Rusage); ok {
		return float64(usage.Maxrss) * 1024 / 1e6
	}
	return 0
}
