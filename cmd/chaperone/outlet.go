package main

import (
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"syscall"
)

// outlet is standard output. When its reader has gone (as head does), the command is told so by an error, and ends as it does after
// any other: with its ledger closed. A signal would end the process in the middle of that.
type outlet struct {
	to   io.Writer
	gone atomic.Bool
}

var errUnread = errors.New("nobody reads the output any more")

func (o *outlet) Write(b []byte) (int, error) {
	n, err := o.to.Write(b)
	if brokenPipe(err) {
		o.gone.Store(true)
		err = errUnread
	}
	return n, err
}

// brokenPipe reports whether a reader has gone. Windows has two codes of its own for it: ERROR_BROKEN_PIPE and ERROR_NO_DATA.
func brokenPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || runtime.GOOS == "windows" && (errors.Is(err, syscall.Errno(109)) || errors.Is(err, syscall.Errno(232)))
}

// besides reports whether an error, which may join several, says more than one thing says.
func besides(err, thing error) bool {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range all.Unwrap() {
			if besides(one, thing) {
				return true
			}
		}
		return false
	}
	if inner := errors.Unwrap(err); inner != nil {
		return besides(inner, thing)
	}
	return err != nil && err != thing
}
