// Package faultfs is a file system for tests that behaves like a disk on its worst day. It lives in memory and can be mounted
// (Linux, FUSE). When the power fails it forgets what was not fsynced, or keeps it in torn pieces; it can run full; and a
// chosen call fails with an input/output error.
//
// What a power cut leaves (Cut):
//
//   - a file's content as of its last fsync. What was written since is kept, lost, or kept in pieces of 512 or 4096 bytes;
//     the size may be the old one, the new one, or between them;
//   - a folder's entries as of its last fsync. Of the changes since (create, rename, unlink, mkdir) the first few happened:
//     any number of them, in their order, for each folder by itself. So a file that was fsynced is lost all the same when
//     its folder was not;
//   - nothing of a write whose fsync failed: a later fsync that succeeds does not bring it back.
//
// A rename from one folder to another is refused (EXDEV): nobody who needs it to be atomic may rely on two folders.
package faultfs

import (
	"maps"
	"sync"
	"syscall"
	"time"
)

// Root is the number of the root folder.
const Root = 1

// sector is the least that a disk writes as a whole.
const sector = 512

// Disk is the file system. All methods are safe for concurrent use; errors are those of the system calls they stand for.
type Disk struct {
	mu     sync.Mutex
	nodes  map[uint64]*node
	last   uint64 // number given
	used   int64  // bytes of all files
	faults faults
}

// node is a file or a folder.
type node struct {
	folder   bool
	mode     uint32
	opens    int
	modified time.Time

	data []byte           // a file's, as it reads now
	size int64            // as of the last fsync
	old  map[int64][]byte // sectors written since the last fsync, as the disk has them
	lost map[int64][]byte // sectors whose fsync failed, as the disk has them

	entries map[string]uint64 // a folder's, as it lists now
	settled map[string]uint64 // as of its last fsync
	pending []change          // since then, in order
}

// change is one change of a folder: name points to number, or to nothing when it is 0; gone vanishes in the same moment.
type change struct {
	name   string
	number uint64
	gone   string
}

func (c change) apply(entries map[string]uint64) {
	if c.gone != "" {
		delete(entries, c.gone)
	}
	if c.number == 0 {
		delete(entries, c.name)
		return
	}
	entries[c.name] = c.number
}

// New makes an empty disk that keeps everything, with no limit.
func New() *Disk {
	d := &Disk{nodes: map[uint64]*node{}, last: Root}
	d.nodes[Root] = newFolder(0o755)
	d.faults.left = -1
	return d
}

func newFolder(mode uint32) *node {
	return &node{folder: true, mode: mode, modified: time.Now(), entries: map[string]uint64{}, settled: map[string]uint64{}}
}

// Info is what stat tells.
type Info struct {
	Number   uint64
	Folder   bool
	Mode     uint32 // permission bits
	Size     int64
	Modified time.Time
}

// Entry is one name in a folder.
type Entry struct {
	Name string
	Info
}

// Stat describes a node.
func (d *Disk) Stat(number uint64) (Info, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stat(number)
}

func (d *Disk) stat(number uint64) (Info, syscall.Errno) {
	n := d.nodes[number]
	if n == nil {
		return Info{}, syscall.ENOENT
	}
	return Info{Number: number, Folder: n.folder, Mode: n.mode, Size: int64(len(n.data)), Modified: n.modified}, 0
}

// Lookup finds a name in a folder.
func (d *Disk) Lookup(folder uint64, name string) (Info, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, errno := d.folder(folder)
	if errno != 0 {
		return Info{}, errno
	}
	number, ok := f.entries[name]
	if !ok {
		return Info{}, syscall.ENOENT
	}
	return d.stat(number)
}

// List gives a folder's entries, in no order.
func (d *Disk) List(folder uint64) ([]Entry, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, errno := d.folder(folder)
	if errno != 0 {
		return nil, errno
	}
	var list []Entry
	for name, number := range f.entries {
		info, _ := d.stat(number)
		list = append(list, Entry{name, info})
	}
	return list, 0
}

// Chmod changes permission bits, which are not part of what a power cut may lose.
func (d *Disk) Chmod(number uint64, mode uint32) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.nodes[number]
	if n == nil {
		return syscall.ENOENT
	}
	n.mode = mode & 0o7777
	return 0
}

// Space gives the bytes that are free, and those of the whole disk.
func (d *Disk) Space() (free, all int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all = d.faults.limit
	if all == 0 {
		all = 1 << 40
	}
	return max(all-d.used, 0), all
}

func (d *Disk) folder(number uint64) (*node, syscall.Errno) {
	n := d.nodes[number]
	switch {
	case n == nil:
		return nil, syscall.ENOENT
	case !n.folder:
		return nil, syscall.ENOTDIR
	}
	return n, 0
}

func (d *Disk) file(number uint64) (*node, syscall.Errno) {
	n := d.nodes[number]
	switch {
	case n == nil:
		return nil, syscall.ENOENT
	case n.folder:
		return nil, syscall.EISDIR
	}
	return n, 0
}

// sweep forgets nodes that no name, no possible outcome of a power cut and no open file leads to. Space is free again as
// soon as no name and no open file leads to it.
func (d *Disk) sweep() {
	known := d.reach(true)
	maps.DeleteFunc(d.nodes, func(number uint64, _ *node) bool { return !known[number] })
	d.used = 0
	for number := range d.reach(false) {
		d.used += int64(len(d.nodes[number].data))
	}
}

// reach gives the nodes that can be reached now, or also after a power cut.
func (d *Disk) reach(cut bool) map[uint64]bool {
	reached := map[uint64]bool{}
	todo := []uint64{Root}
	for number, n := range d.nodes {
		if n.opens > 0 {
			todo = append(todo, number)
		}
	}
	for len(todo) > 0 {
		number := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		n := d.nodes[number]
		if n == nil || reached[number] {
			continue
		}
		reached[number] = true
		for _, number := range n.entries {
			todo = append(todo, number)
		}
		if !cut {
			continue
		}
		for _, number := range n.settled {
			todo = append(todo, number)
		}
		for _, c := range n.pending {
			todo = append(todo, c.number)
		}
	}
	return reached
}
