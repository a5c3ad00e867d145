package faultfs

import (
	"maps"
	"syscall"
	"time"
)

// Open opens a file.
func (d *Disk) Open(number uint64) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, errno := d.file(number)
	if errno != 0 {
		return errno
	}
	if errno := d.begin(Open, number, ""); errno != 0 {
		return errno
	}
	n.opens++
	return 0
}

// Release closes a file.
func (d *Disk) Release(number uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.nodes[number]
	if n == nil || n.opens == 0 {
		return
	}
	if n.opens--; n.opens == 0 {
		d.sweep()
	}
}

// Read reads into b and gives the number of bytes that were there.
func (d *Disk) Read(number uint64, b []byte, offset int64) (int, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, errno := d.file(number)
	if errno != 0 {
		return 0, errno
	}
	if errno := d.begin(Read, number, ""); errno != 0 {
		return 0, errno
	}
	if offset < 0 || offset >= int64(len(n.data)) {
		return 0, 0
	}
	return copy(b, n.data[offset:]), 0
}

// Write writes b. A write that fails, or that the power fails under, may have written a part.
func (d *Disk) Write(number uint64, b []byte, offset int64) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, errno := d.file(number)
	if errno != 0 {
		return errno
	}
	failed := d.begin(Write, number, "")
	if failed != 0 {
		if d.faults.dead && !d.faults.dying {
			return failed
		}
		b = b[:len(b)/2]
	}
	if errno := d.room(offset + int64(len(b)) - int64(len(n.data))); errno != 0 {
		return errno
	}
	d.resize(n, max(int64(len(n.data)), offset+int64(len(b))))
	n.touch(offset, offset+int64(len(b)))
	copy(n.data[offset:], b)
	n.modified = time.Now()
	return failed
}

// Truncate sets a file's size.
func (d *Disk) Truncate(number uint64, size int64) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, errno := d.file(number)
	if errno != 0 {
		return errno
	}
	if errno := d.begin(Truncate, number, ""); errno != 0 {
		return errno
	}
	if errno := d.room(size - int64(len(n.data))); errno != 0 {
		return errno
	}
	d.resize(n, size)
	n.modified = time.Now()
	return 0
}

// Punch puts zeros in place of a part of a file.
func (d *Disk) Punch(number uint64, offset, length int64) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, errno := d.file(number)
	if errno != 0 {
		return errno
	}
	if errno := d.begin(Truncate, number, ""); errno != 0 {
		return errno
	}
	size := int64(len(n.data))
	until := size
	if offset < size && length < size-offset {
		until = offset + length
	}
	if offset < until {
		n.touch(offset, until)
		clear(n.data[offset:until])
	}
	return 0
}

// Fsync makes a file's content and size durable, but not its name.
func (d *Disk) Fsync(number uint64) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.nodes[number]
	if n == nil {
		return syscall.ENOENT
	}
	if errno := d.begin(Fsync, number, ""); errno != 0 {
		// Linux marks pages clean whose writing failed: they are never written again.
		if n.lost == nil {
			n.lost = map[int64][]byte{}
		}
		maps.Copy(n.lost, n.old)
		n.old = nil
		return errno
	}
	if d.faults.ignoreFsync {
		return 0
	}
	n.size, n.old = int64(len(n.data)), nil
	return 0
}

func (d *Disk) room(more int64) syscall.Errno {
	if more > 0 && d.faults.limit > 0 && d.used+more > d.faults.limit {
		return syscall.ENOSPC
	}
	return 0
}

func (d *Disk) resize(n *node, size int64) {
	have := int64(len(n.data))
	d.used += size - have
	if size < have {
		n.touch(size, have)
		n.data = n.data[:size]
		return
	}
	n.touch(have, size)
	n.data = append(n.data, make([]byte, size-have)...)
}

// touch remembers what the disk has of the sectors that are about to change.
func (n *node) touch(from, until int64) {
	if from >= until {
		return
	}
	if n.old == nil {
		n.old = map[int64][]byte{}
	}
	for s := from / sector; s <= (until-1)/sector; s++ {
		if _, ok := n.old[s]; ok {
			continue
		}
		if b, ok := n.lost[s]; ok {
			n.old[s] = b
			delete(n.lost, s)
			continue
		}
		var b []byte
		if at := s * sector; at < int64(len(n.data)) {
			b = append(b, n.data[at:min(at+sector, int64(len(n.data)))]...)
		}
		n.old[s] = b
	}
}
