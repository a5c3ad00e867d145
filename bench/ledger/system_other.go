//go:build !linux

package main

import "os"

func fdatasync(f *os.File) error { return f.Sync() }

func peakMemory() float64 { return 0 }

func childMemory(*os.ProcessState) float64 { return 0 }
