package faultfs

import (
	"fmt"
	"path"
	"syscall"
)

// Kind is a kind of call that can fail.
type Kind uint8

// Kinds of calls. Fsync is of files and folders, Unlink also of folders.
const (
	Open Kind = iota
	Create
	Read
	Write
	Truncate
	Fsync
	Rename
	Unlink
	Mkdir
	Kinds // how many there are
)

var kindNames = [Kinds]string{"open", "create", "read", "write", "truncate", "fsync", "rename", "unlink", "mkdir"}

func (k Kind) String() string {
	if k < Kinds {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Fault is a call that was made to fail.
type Fault struct {
	Kind Kind
	Path string // below the root
}

// faults is what is to go wrong.
type faults struct {
	calls       [Kinds]int
	kind        Kind
	at          int // the call of that kind that fails, from 1; 0 for none
	hit         *Fault
	left        int // changes until the power fails; below 0: never
	failed      chan struct{}
	dead        bool // the power has failed
	dying       bool // it fails in this call
	ignoreFsync bool
	limit       int64 // of bytes of all files; 0 for none
}

// FailAt makes the n-th call of a kind from now on, from 1, fail with EIO. 0 takes it back.
func (d *Disk) FailAt(kind Kind, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults.calls[kind] = 0
	d.faults.kind, d.faults.at, d.faults.hit = kind, n, nil
}

// Hit gives the call that FailAt made fail, nil when it did not come yet.
func (d *Disk) Hit() *Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.faults.hit
}

// PowerFailsAfter lets n more changes (writes, fsyncs, changes of folders) happen. From then on every call fails with EIO
// until Cut. The channel is closed in that moment.
func (d *Disk) PowerFailsAfter(n int) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults.left, d.faults.failed = n, make(chan struct{})
	return d.faults.failed
}

// Dead reports whether the power has failed.
func (d *Disk) Dead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.faults.dead
}

// IgnoreFsync makes fsync a lie, as cheap disks tell it: it succeeds and does nothing.
func (d *Disk) IgnoreFsync() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults.ignoreFsync = true
}

// Limit sets how many bytes all files may have together; 0 for any number.
func (d *Disk) Limit(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults.limit = bytes
}

// begin decides whether a call fails. number and name say on what, for the report.
func (d *Disk) begin(kind Kind, number uint64, name string) syscall.Errno {
	f := &d.faults
	if f.dead {
		f.dying = false
		return syscall.EIO
	}
	f.calls[kind]++
	if kind == f.kind && f.calls[kind] == f.at {
		f.hit = &Fault{kind, path.Join(d.path(number), name)}
		return syscall.EIO
	}
	if f.left < 0 || kind == Open || kind == Read {
		return 0
	}
	if f.left == 0 {
		f.dead, f.dying = true, true
		close(f.failed)
		return syscall.EIO
	}
	f.left--
	return 0
}

// path finds a name of a node, "" for the root or one without a name.
func (d *Disk) path(number uint64) string {
	type place struct {
		folder uint64
		path   string
	}
	todo := []place{{Root, ""}}
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for name, child := range d.nodes[p.folder].entries {
			if child == number {
				return path.Join(p.path, name)
			}
			if n := d.nodes[child]; n != nil && n.folder {
				todo = append(todo, place{child, path.Join(p.path, name)})
			}
		}
	}
	return ""
}
