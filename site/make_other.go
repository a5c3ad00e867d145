//go:build !unix

package site

// mayMake is not known where access lists say it: the guard's start tells.
func mayMake(string) bool { return true }
