package faultfs

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestMount goes through the kernel: what the ledger's files need works as on any file system, and faults arrive.
func TestMount(t *testing.T) {
	if err := Mountable(); err != nil {
		t.Skip(err)
	}
	d, dir := New(), t.TempDir()
	m, err := NewMount(d, dir)
	if err != nil {
		t.Skip("cannot mount here: ", err)
	}
	closed := false
	t.Cleanup(func() {
		if !closed {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	folder := filepath.Join(dir, "one", "two")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("0123456789"), 50_000)
	path := filepath.Join(folder, "file")
	if err := os.WriteFile(path, want[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(want[100:])
	if err := errors.Join(err, f.Sync()); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got other bytes back (%v)", err)
	}
	d.FailAt(Fsync, 1)
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("fsync: got %v, want EIO", err)
	}
	d.Limit(int64(len(want)) + 10)
	if _, err := f.Write(make([]byte, 100)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write: got %v, want ENOSPC", err)
	}
	d.Limit(0)
	if err := f.Truncate(5); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := os.Rename(path, filepath.Join(folder, "renamed")); err != nil {
		t.Error(err)
	}
	if err := os.Link(filepath.Join(folder, "renamed"), filepath.Join(folder, "linked")); err != nil {
		t.Error(err)
	}
	var names []string
	err = fs.WalkDir(os.DirFS(dir), ".", func(p string, _ fs.DirEntry, err error) error {
		names = append(names, p)
		return err
	})
	if err != nil || len(names) != 5 {
		t.Errorf("got %v and %v, want 5 names", names, err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "one")); err != nil {
		t.Error(err)
	}
	closed = true
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("after unmounting: got %d entries (%v), want 0", len(entries), err)
	}
}
