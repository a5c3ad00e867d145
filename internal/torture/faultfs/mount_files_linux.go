package faultfs

import (
	"cmp"
	"slices"
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// Files are opened without the kernel's cache, so that each call comes here.

func (a *adapter) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	i, errno := a.d.Create(in.NodeId, name, in.Mode)
	out.OpenFlags = fuse.FOPEN_DIRECT_IO
	return entry(&out.EntryOut, i, errno)
}

func (a *adapter) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	out.OpenFlags = fuse.FOPEN_DIRECT_IO
	return fuse.Status(a.d.Open(in.NodeId))
}

func (a *adapter) Release(_ <-chan struct{}, in *fuse.ReleaseIn) { a.d.Release(in.NodeId) }

func (a *adapter) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

func (a *adapter) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	n, errno := a.d.Read(in.NodeId, buf, int64(in.Offset))
	if errno != 0 {
		return nil, fuse.Status(errno)
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

func (a *adapter) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	if errno := a.d.Write(in.NodeId, data, int64(in.Offset)); errno != 0 {
		return 0, fuse.Status(errno)
	}
	return uint32(len(data)), fuse.OK
}

func (a *adapter) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return fuse.Status(a.d.Fsync(in.NodeId))
}

// Modes of fallocate(2).
const (
	keepSize  = 1
	punchHole = 2
)

func (a *adapter) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	switch {
	case in.Mode == punchHole|keepSize:
		return fuse.Status(a.d.Punch(in.NodeId, int64(in.Offset), int64(in.Length)))
	case in.Mode != 0:
		return fuse.Status(syscall.EOPNOTSUPP)
	}
	i, errno := a.d.Stat(in.NodeId)
	if end := int64(in.Offset + in.Length); errno == 0 && end > i.Size {
		errno = a.d.Truncate(in.NodeId, end)
	}
	return fuse.Status(errno)
}

func (a *adapter) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	i, errno := a.d.Mkdir(in.NodeId, name, in.Mode)
	return entry(out, i, errno)
}

func (a *adapter) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	i, errno := a.d.Link(in.Oldnodeid, in.NodeId, name)
	return entry(out, i, errno)
}

func (a *adapter) Unlink(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return fuse.Status(a.d.Unlink(in.NodeId, name))
}

func (a *adapter) Rmdir(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return fuse.Status(a.d.Rmdir(in.NodeId, name))
}

func (a *adapter) Rename(_ <-chan struct{}, in *fuse.RenameIn, from, name string) fuse.Status {
	if in.Flags != 0 {
		return fuse.Status(syscall.EINVAL) // exchange, or no replacing
	}
	return fuse.Status(a.d.Rename(in.NodeId, from, in.Newdir, name))
}

func (a *adapter) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, _ *fuse.OpenOut) fuse.Status {
	i, errno := a.d.Stat(in.NodeId)
	if errno == 0 && !i.Folder {
		errno = syscall.ENOTDIR
	}
	return fuse.Status(errno)
}

func (a *adapter) ReleaseDir(*fuse.ReleaseIn) {}

func (a *adapter) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return fuse.Status(a.d.FsyncFolder(in.NodeId))
}

func (a *adapter) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return a.list(in, func(e fuse.DirEntry, _ Info) bool { return out.AddDirEntry(e) })
}

func (a *adapter) ReadDirPlus(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return a.list(in, func(e fuse.DirEntry, i Info) bool {
		o := out.AddDirLookupEntry(e)
		if o == nil {
			return false
		}
		entry(o, i, 0)
		return true
	})
}

// list gives a folder's entries behind the offset that the kernel has. The offset is the number of the entry's file: numbers
// ascend, so what was listed does not come again however the folder changes meanwhile.
func (a *adapter) list(in *fuse.ReadIn, add func(fuse.DirEntry, Info) bool) fuse.Status {
	entries, errno := a.d.List(in.NodeId)
	if errno != 0 {
		return fuse.Status(errno)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Or(cmp.Compare(a.Number, b.Number), strings.Compare(a.Name, b.Name)) })
	for _, e := range entries {
		if e.Number <= in.Offset {
			continue
		}
		mode := uint32(syscall.S_IFREG)
		if e.Folder {
			mode = syscall.S_IFDIR
		}
		if !add(fuse.DirEntry{Mode: mode, Name: e.Name, Ino: e.Number, Off: e.Number}, e.Info) {
			break
		}
	}
	return fuse.OK
}
