package faultfs

import (
	"syscall"
	"time"
)

// Create makes a file, which is open then.
func (d *Disk) Create(folder uint64, name string, mode uint32) (Info, syscall.Errno) {
	return d.add(Create, folder, name, &node{mode: mode & 0o7777, modified: time.Now(), opens: 1})
}

// Mkdir makes a folder. Its entry is volatile until its parent is fsynced.
func (d *Disk) Mkdir(folder uint64, name string, mode uint32) (Info, syscall.Errno) {
	return d.add(Mkdir, folder, name, newFolder(mode&0o7777))
}

func (d *Disk) add(kind Kind, folder uint64, name string, n *node) (Info, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, errno := d.folder(folder)
	if errno != 0 {
		return Info{}, errno
	}
	if f.entries[name] != 0 {
		return Info{}, syscall.EEXIST
	}
	if errno := d.begin(kind, folder, name); errno != 0 {
		return Info{}, errno
	}
	d.last++
	d.nodes[d.last] = n
	f.change(change{name: name, number: d.last})
	return d.stat(d.last)
}

// Link gives a file a second name.
func (d *Disk) Link(number, folder uint64, name string) (Info, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, errno := d.file(number); errno != 0 {
		return Info{}, errno
	}
	f, errno := d.folder(folder)
	if errno != 0 {
		return Info{}, errno
	}
	if f.entries[name] != 0 {
		return Info{}, syscall.EEXIST
	}
	if errno := d.begin(Create, folder, name); errno != 0 {
		return Info{}, errno
	}
	f.change(change{name: name, number: number})
	return d.stat(number)
}

// Rename gives a file or folder another name in its folder, in place of what has it.
func (d *Disk) Rename(folder uint64, from string, to uint64, name string) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, errno := d.folder(folder)
	if errno != 0 {
		return errno
	}
	number := f.entries[from]
	switch {
	case number == 0:
		return syscall.ENOENT
	case folder != to:
		return syscall.EXDEV
	}
	if there := d.nodes[f.entries[name]]; there != nil && there.folder && len(there.entries) > 0 {
		return syscall.ENOTEMPTY
	}
	if errno := d.begin(Rename, folder, from); errno != 0 {
		return errno
	}
	if from != name {
		f.change(change{name: name, number: number, gone: from})
	}
	return 0
}

// Unlink removes a file's name.
func (d *Disk) Unlink(folder uint64, name string) syscall.Errno { return d.remove(folder, name, false) }

// Rmdir removes an empty folder.
func (d *Disk) Rmdir(folder uint64, name string) syscall.Errno { return d.remove(folder, name, true) }

func (d *Disk) remove(folder uint64, name string, wantFolder bool) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, errno := d.folder(folder)
	if errno != 0 {
		return errno
	}
	n := d.nodes[f.entries[name]]
	switch {
	case n == nil:
		return syscall.ENOENT
	case n.folder && !wantFolder:
		return syscall.EISDIR
	case !n.folder && wantFolder:
		return syscall.ENOTDIR
	case len(n.entries) > 0:
		return syscall.ENOTEMPTY
	}
	if errno := d.begin(Unlink, folder, name); errno != 0 {
		return errno
	}
	f.change(change{name: name})
	d.sweep()
	return 0
}

// FsyncFolder makes a folder's entries durable.
func (d *Disk) FsyncFolder(number uint64) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, errno := d.folder(number)
	if errno != 0 {
		return errno
	}
	if errno := d.begin(Fsync, number, ""); errno != 0 {
		return errno
	}
	if d.faults.ignoreFsync {
		return 0
	}
	f.settle(len(f.pending))
	d.sweep()
	return 0
}

func (n *node) change(c change) {
	c.apply(n.entries)
	n.pending = append(n.pending, c)
	n.modified = time.Now()
}

// settle makes the first changes durable.
func (n *node) settle(count int) {
	for _, c := range n.pending[:count] {
		c.apply(n.settled)
	}
	n.pending = n.pending[count:]
}
