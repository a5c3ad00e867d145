package faultfs

import (
	"bytes"
	"math/rand/v2"
	"syscall"
	"testing"
)

// put makes a file with content, not fsynced.
func put(t *testing.T, d *Disk, name string, b []byte) uint64 {
	t.Helper()
	i, errno := d.Create(Root, name, 0o600)
	if errno != 0 {
		t.Fatal(errno)
	}
	write(t, d, i.Number, b, 0)
	d.Release(i.Number)
	return i.Number
}

func write(t *testing.T, d *Disk, number uint64, b []byte, at int64) {
	t.Helper()
	if errno := d.Write(number, b, at); errno != 0 {
		t.Fatal(errno)
	}
}

// content gives a file's bytes, ok is false when there is none.
func content(d *Disk, name string) (b []byte, ok bool) {
	i, errno := d.Lookup(Root, name)
	if errno != 0 {
		return nil, false
	}
	b = make([]byte, i.Size)
	n, errno := d.Read(i.Number, b, 0)
	return b[:n], errno == 0
}

func TestCut(t *testing.T) {
	first, second := bytes.Repeat([]byte("1"), 3000), bytes.Repeat([]byte("2"), 3000)
	for _, test := range []struct {
		name string
		do   func(d *Disk)
		want map[string][]byte // after a cut that takes everything; nil: no such file
	}{
		{"nothing fsynced", func(d *Disk) { put(t, d, "a", first) }, map[string][]byte{"a": nil}},
		{"file but not folder", func(d *Disk) { d.Fsync(put(t, d, "a", first)) }, map[string][]byte{"a": nil}},
		{"folder but not file", func(d *Disk) { put(t, d, "a", first); d.FsyncFolder(Root) }, map[string][]byte{"a": {}}},
		{"both", func(d *Disk) { d.Fsync(put(t, d, "a", first)); d.FsyncFolder(Root) }, map[string][]byte{"a": first}},
		{"overwritten since", func(d *Disk) {
			a := put(t, d, "a", first)
			d.Fsync(a)
			d.FsyncFolder(Root)
			write(t, d, a, second, 1000)
		}, map[string][]byte{"a": first}},
		{"truncated since", func(d *Disk) {
			a := put(t, d, "a", first)
			d.Fsync(a)
			d.FsyncFolder(Root)
			d.Truncate(a, 10)
			d.Truncate(a, 5000)
		}, map[string][]byte{"a": first}},
		{"renamed since", func(d *Disk) {
			d.Fsync(put(t, d, "a", first))
			d.Fsync(put(t, d, "b", second))
			d.FsyncFolder(Root)
			d.Rename(Root, "b", Root, "a")
		}, map[string][]byte{"a": first, "b": second}},
		{"renamed and fsynced", func(d *Disk) {
			d.Fsync(put(t, d, "a", first))
			d.Fsync(put(t, d, "b", second))
			d.Rename(Root, "b", Root, "a")
			d.FsyncFolder(Root)
		}, map[string][]byte{"a": second, "b": nil}},
		{"unlinked since", func(d *Disk) {
			d.Fsync(put(t, d, "a", first))
			d.FsyncFolder(Root)
			d.Unlink(Root, "a")
		}, map[string][]byte{"a": first}},
		{"a failed fsync is not made good by the next", func(d *Disk) {
			a := put(t, d, "a", first)
			d.Fsync(a)
			d.FsyncFolder(Root)
			write(t, d, a, second, 0)
			d.FailAt(Fsync, 1)
			d.Fsync(a)
			d.Fsync(a)
		}, map[string][]byte{"a": first}},
		{"what is written after a failed fsync counts", func(d *Disk) {
			a := put(t, d, "a", first)
			d.FsyncFolder(Root)
			d.FailAt(Fsync, 1)
			d.Fsync(a)
			write(t, d, a, second, 0)
			d.Fsync(a)
		}, map[string][]byte{"a": second}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := New()
			test.do(d)
			d.Drop()
			for name, want := range test.want {
				if got, ok := content(d, name); ok != (want != nil) || !bytes.Equal(got, want) {
					t.Errorf("%s: got %d bytes (there: %t), want %d", name, len(got), ok, len(want))
				}
			}
		})
	}
}

// TestTear checks that a torn file is made of pieces of what was and what was to be, and of nothing else.
func TestTear(t *testing.T) {
	const size = 20 * sector
	before, after := bytes.Repeat([]byte("1"), size), bytes.Repeat([]byte("2"), 2*size)
	kept, torn := 0, 0
	for seed := range uint64(200) {
		d := New()
		a := put(t, d, "a", before)
		d.Fsync(a)
		d.FsyncFolder(Root)
		write(t, d, a, after, 0)
		d.cut(rand.New(rand.NewPCG(seed, 0)), tear)
		got, _ := content(d, "a")
		if len(got) < size || len(got) > 2*size {
			t.Fatalf("seed %d: got a size of %d, want %d to %d", seed, len(got), size, 2*size)
		}
		new := bytes.Count(got, []byte("2"))
		for at := 0; at < len(got); at += sector {
			piece := got[at:min(at+sector, len(got))]
			want := byte('1')
			if at >= size {
				want = 0
			}
			if piece[0] != '2' && piece[0] != want || bytes.Count(piece, piece[:1]) != len(piece) {
				t.Fatalf("seed %d: the piece at %d is neither what was nor what was to be", seed, at)
			}
		}
		if new == len(got) {
			kept++
		} else if new > 0 {
			torn++
		}
	}
	if torn < 50 || kept == 200 {
		t.Errorf("got %d torn files of 200, want at least 50", torn)
	}
}

func TestPower(t *testing.T) {
	d := New()
	a := put(t, d, "a", []byte("12"))
	d.Fsync(a)
	d.FsyncFolder(Root)
	d.PowerFailsAfter(1)
	write(t, d, a, []byte("34"), 0)
	for i := range 3 {
		if errno := d.Fsync(a); errno != syscall.EIO {
			t.Fatalf("fsync %d: got %v, want EIO", i, errno)
		}
	}
	if errno := d.Write(a, []byte("5"), 0); errno != syscall.EIO || !d.Dead() {
		t.Errorf("write: got %v, want EIO", errno)
	}
	d.Drop()
	if got, _ := content(d, "a"); string(got) != "12" {
		t.Errorf("got %q, want what was fsynced", got)
	}
}

func TestIgnoredFsync(t *testing.T) {
	d := New()
	d.IgnoreFsync()
	if errno := d.Fsync(put(t, d, "a", []byte("1"))); errno != 0 {
		t.Fatal(errno)
	}
	if errno := d.FsyncFolder(Root); errno != 0 {
		t.Fatal(errno)
	}
	d.Drop()
	if _, ok := content(d, "a"); ok {
		t.Error("got a file, want none: its fsync was a lie")
	}
}

func TestLimit(t *testing.T) {
	d := New()
	d.Limit(1000)
	a := put(t, d, "a", make([]byte, 900))
	if errno := d.Write(a, make([]byte, 200), 900); errno != syscall.ENOSPC {
		t.Errorf("write: got %v, want ENOSPC", errno)
	}
	if errno := d.Truncate(a, 1001); errno != syscall.ENOSPC {
		t.Errorf("truncate: got %v, want ENOSPC", errno)
	}
	b := put(t, d, "b", make([]byte, 100))
	d.Unlink(Root, "a")
	write(t, d, b, make([]byte, 1000), 0)
	if free, all := d.Space(); free != 0 || all != 1000 {
		t.Errorf("got %d free of %d, want 0 of 1000", free, all)
	}
}

func TestFailAt(t *testing.T) {
	d := New()
	folder, _ := d.Mkdir(Root, "folder", 0o700)
	d.FailAt(Create, 2)
	for i, want := range []syscall.Errno{0, syscall.EIO, 0} {
		if _, got := d.Create(folder.Number, string(rune('a'+i)), 0o600); got != want {
			t.Errorf("call %d: got %v, want %v", i, got, want)
		}
	}
	if hit := d.Hit(); hit == nil || *hit != (Fault{Create, "folder/b"}) {
		t.Errorf("got %v, want folder/b", hit)
	}
}
