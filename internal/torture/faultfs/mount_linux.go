package faultfs

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// Mount is a disk in the machine's tree of files.
type Mount struct {
	dir    string
	server *fuse.Server
}

// Mountable says why nothing can be mounted here, nil when it can.
func Mountable() error {
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("faultfs: FUSE is needed: %w", err)
	}
	return f.Close()
}

// NewMount shows a disk in an empty folder. The folder's old content is hidden until Close.
func NewMount(d *Disk, dir string) (*Mount, error) {
	options := &fuse.MountOptions{
		FsName: "faultfs", Name: "faultfs", DisableXAttrs: true,
		DirectMountStrict: os.Geteuid() == 0, // root needs no fusermount3
	}
	server, err := fuse.NewServer(&adapter{RawFileSystem: fuse.NewDefaultRawFileSystem(), d: d}, dir, options)
	if err != nil {
		return nil, fmt.Errorf("faultfs: mount: %w", err)
	}
	m := &Mount{dir: dir, server: server}
	go server.Serve() // Close waits for it
	ready := make(chan error, 1)
	go func() { ready <- server.WaitMount() }()
	select {
	case err = <-ready:
	case <-time.After(patience):
		err = errors.New("the kernel does not answer")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("faultfs: mount: %w", err), m.Close())
	}
	return m, nil
}

// patience bounds every wait for the kernel.
const patience = 10 * time.Second

// ErrBusy says that files were left open. Their file system is gone all the same.
var ErrBusy = errors.New("faultfs: unmount: files are still open")

// Close takes the disk out of the tree. After it nothing changes the disk, whatever is still open.
func (m *Mount) Close() error {
	done := make(chan error, 1)
	go func() { done <- m.server.Unmount() }()
	var err error
	select {
	case err = <-done:
	case <-time.After(patience):
		err = errors.New("the kernel does not answer")
	}
	if err == nil {
		return nil
	}
	// Force: whoever waits for an answer gets an error. Detach: open files keep no mount alive.
	forced := syscall.Unmount(m.dir, syscall.MNT_DETACH|syscall.MNT_FORCE)
	if errors.Is(err, syscall.EBUSY) && forced == nil {
		m.server.Wait()
		return ErrBusy
	}
	return fmt.Errorf("faultfs: unmount: %w", errors.Join(err, forced))
}

// adapter answers the kernel's requests.
type adapter struct {
	fuse.RawFileSystem // answers ENOSYS for the rest
	d                  *Disk
}

func (a *adapter) String() string { return "faultfs" }

// valid is for how long the kernel may believe an answer, in seconds. All changes come through it.
const valid = 1

func fill(out *fuse.Attr, i Info) {
	out.Ino, out.Size, out.Nlink, out.Blksize = i.Number, uint64(i.Size), 1, 4096
	out.Blocks = uint64(i.Size+sector-1) / sector
	out.Mode = syscall.S_IFREG | i.Mode
	if i.Folder {
		out.Mode = syscall.S_IFDIR | i.Mode
	}
	out.Owner = fuse.Owner{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
	out.SetTimes(&i.Modified, &i.Modified, &i.Modified)
}

func entry(out *fuse.EntryOut, i Info, errno syscall.Errno) fuse.Status {
	if errno == 0 {
		out.NodeId, out.EntryValid, out.AttrValid = i.Number, valid, valid
		fill(&out.Attr, i)
	}
	return fuse.Status(errno)
}

func (a *adapter) Lookup(_ <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	i, errno := a.d.Lookup(in.NodeId, name)
	return entry(out, i, errno)
}

func (a *adapter) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	i, errno := a.d.Stat(in.NodeId)
	if errno == 0 {
		out.AttrValid = valid
		fill(&out.Attr, i)
	}
	return fuse.Status(errno)
}

func (a *adapter) SetAttr(c <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	if mode, ok := in.GetMode(); ok {
		if errno := a.d.Chmod(in.NodeId, mode); errno != 0 {
			return fuse.Status(errno)
		}
	}
	if size, ok := in.GetSize(); ok {
		if errno := a.d.Truncate(in.NodeId, int64(size)); errno != 0 {
			return fuse.Status(errno)
		}
	}
	return a.GetAttr(c, &fuse.GetAttrIn{InHeader: in.InHeader}, out)
}

func (a *adapter) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	const block = 4096
	free, all := a.d.Space()
	out.Bsize, out.Frsize, out.NameLen = block, block, 255
	out.Blocks, out.Bfree, out.Bavail = uint64(all)/block, uint64(free)/block, uint64(free)/block
	out.Files, out.Ffree = 1<<20, 1<<20
	return fuse.OK
}

func (a *adapter) Access(<-chan struct{}, *fuse.AccessIn) fuse.Status { return fuse.OK }
