package index

import (
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// brittle is a file system that takes no writes after one has failed: Pebble would try again, for ever and without a pause,
// where a disk is full or dead. It is told that all is well from then on, so that it comes to an end, and the watcher's
// error is what everybody else gets. Nothing that was written before is harmed: whoever opens the index again finds that it
// was not closed.
type brittle struct {
	vfs.FS
	watch *watcher
}

// do does a write, unless one has failed.
func (w *watcher) do(write func() error) error {
	if w.broken.Load() {
		return nil
	}
	err := write()
	if err != nil && w.broken.CompareAndSwap(false, true) {
		w.fatal.CompareAndSwap(nil, &err)
	}
	return err
}

// file does what gives a file to write to. After a failure it is one that takes everything and keeps nothing.
func (b brittle) file(open func() (vfs.File, error)) (f vfs.File, err error) {
	if b.watch.broken.Load() {
		f, err = vfs.NewMem().Create("nothing", vfs.WriteCategoryUnspecified)
		return f, err
	}
	err = b.watch.do(func() error { f, err = open(); return err })
	if err != nil {
		return nil, err
	}
	return brittleFile{f, b.watch}, nil
}

func (b brittle) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return b.file(func() (vfs.File, error) { return b.FS.Create(name, c) })
}

func (b brittle) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return b.file(func() (vfs.File, error) { return b.FS.OpenReadWrite(name, c, o...) })
}

func (b brittle) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return b.file(func() (vfs.File, error) { return b.FS.ReuseForWrite(from, to, c) })
}

func (b brittle) OpenDir(name string) (vfs.File, error) {
	f, err := b.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return brittleFile{f, b.watch}, nil
}

func (b brittle) Link(from, to string) error {
	return b.watch.do(func() error { return b.FS.Link(from, to) })
}

func (b brittle) Rename(from, to string) error {
	return b.watch.do(func() error { return b.FS.Rename(from, to) })
}

func (b brittle) MkdirAll(dir string, mode os.FileMode) error {
	return b.watch.do(func() error { return b.FS.MkdirAll(dir, mode) })
}

// Remove says what happened, also before: a file that is not there is no failing disk.
func (b brittle) Remove(name string) error {
	if b.watch.broken.Load() {
		return nil
	}
	return b.FS.Remove(name)
}

func (b brittle) RemoveAll(name string) error {
	if b.watch.broken.Load() {
		return nil
	}
	return b.FS.RemoveAll(name)
}

type brittleFile struct {
	vfs.File
	watch *watcher
}

func (f brittleFile) Write(b []byte) (n int, err error) {
	n = len(b)
	err = f.watch.do(func() error { n, err = f.File.Write(b); return err })
	return n, err
}

func (f brittleFile) WriteAt(b []byte, at int64) (n int, err error) {
	n = len(b)
	err = f.watch.do(func() error { n, err = f.File.WriteAt(b, at); return err })
	return n, err
}

func (f brittleFile) Sync() error     { return f.watch.do(f.File.Sync) }
func (f brittleFile) SyncData() error { return f.watch.do(f.File.SyncData) }

func (f brittleFile) SyncTo(length int64) (full bool, err error) {
	err = f.watch.do(func() error { full, err = f.File.SyncTo(length); return err })
	return full, err
}
