//go:build !linux

package faultfs

import "errors"

var errNoFUSE = errors.New("faultfs: mounting works on Linux only")

// ErrBusy says that files were left open.
var ErrBusy = errors.New("faultfs: unmount: files are still open")

// Mount is a disk in the machine's tree of files.
type Mount struct{}

// Mountable says why nothing can be mounted here.
func Mountable() error { return errNoFUSE }

// NewMount answers an error: mounting works on Linux only.
func NewMount(*Disk, string) (*Mount, error) { return nil, errNoFUSE }

// Close does nothing.
func (m *Mount) Close() error { return nil }
