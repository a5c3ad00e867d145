package source

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// recorder writes captures piece by piece while they are followed. In the bubble of synctest the polling takes no time.
type recorder struct {
	t      *testing.T
	c      *Captures
	got    chan string
	end    chan error
	cancel context.CancelFunc
}

func follow(t *testing.T, paths ...string) *recorder {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Open(ctx, paths, Options{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{t, c, make(chan string), make(chan error), cancel}
	go func() {
		for {
			p, err := c.Next()
			if err != nil {
				r.end <- err
				return
			}
			r.got <- order([]Packet{p})
		}
	}()
	return r
}

// polls lets the clock of the bubble run until the files were looked at again.
func polls() {
	time.Sleep(2 * pollEvery)
	synctest.Wait()
}

// want receives packets.
func (r *recorder) want(packets ...string) {
	r.t.Helper()
	for _, want := range packets {
		if got := <-r.got; got != want {
			r.t.Fatalf("got %s, want %s", got, want)
		}
	}
}

// stop ends the run and gives the files.
func (r *recorder) stop() []File {
	r.t.Helper()
	polls()
	r.cancel()
	if err := <-r.end; err != io.EOF {
		r.t.Errorf("got %v at the end, want EOF", err)
	}
	files := r.c.Files()
	if err := r.c.Close(); err != nil {
		r.t.Error(err)
	}
	return files
}

func grow(t *testing.T, name string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
}

func TestFollowFile(t *testing.T) {
	for _, start := range []int{0, 3, 20, 24, 30, 99, 120} {
		synctest.Test(t, func(t *testing.T) {
			whole := simplePcap(1, 2, 3)
			name := write(t, t.TempDir(), "live", whole[:start])
			r := follow(t, name)
			size := len(simplePcap(1)) - 24 // of one record
			for have, n := 0, start; ; n++ {
				for ; have < (n-24)/size; have++ {
					r.want(fmt.Sprintf("0:%d@%d", have+1, have+1))
				}
				if n == len(whole) {
					break
				}
				polls()
				grow(t, name, whole[n:n+1])
			}
			if f := r.stop()[0]; f.Err != nil || f.Packets != 3 {
				t.Errorf("started with %d bytes: got %d packets and error %v, want 3 and none", start, f.Packets, f.Err)
			}
		})
	}
}

func TestFollowTwoFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a, b := write(t, dir, "a", simplePcap(1)), write(t, dir, "b", simplePcap(2))
		r := follow(t, a, b)
		r.want("0:1@1", "1:1@2")
		grow(t, b, simplePcap(3)[24:])
		r.want("1:2@3")
		grow(t, a, simplePcap(4)[24:])
		r.want("0:2@4")
		r.stop()
	})
}

func TestFollowFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "1.pcap", simplePcap(1))
		two := write(t, dir, "2.pcap", simplePcap(2))
		three := write(t, dir, "3.pcap", nil)
		r := follow(t, dir)
		r.want("0:1@1", "1:1@2")
		grow(t, two, simplePcap(3)[24:90])
		grow(t, three, simplePcap()[:3])
		write(t, dir, "notes.txt", []byte("these are notes about captures"))
		polls()
		grow(t, two, simplePcap(3)[90:])
		r.want("1:2@3")
		grow(t, three, simplePcap()[3:]) // a header: the recorder has moved on
		polls()
		grow(t, three, simplePcap(4)[24:])
		r.want("2:1@4")
		grow(t, three, simplePcap(5)[24:50])
		files := r.stop()
		for i, packets := range []int64{1, 2, 1} {
			if files[i].Packets != packets || files[i].Err != nil {
				t.Errorf("%s: got %d packets and error %v, want %d and none", filepath.Base(files[i].Name), files[i].Packets, files[i].Err, packets)
			}
		}
		if s := r.c.Skipped(); len(s) != 1 {
			t.Errorf("got skipped %v, want the notes", s)
		}
	})
}

func TestFollowMovesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "1.pcap", simplePcap(1, 2)[:120])
		r := follow(t, dir)
		r.want("0:1@1")
		write(t, dir, "2.pcap", simplePcap(3))
		r.want("1:1@3")
		files := r.stop()
		if files[0].Err == nil || files[1].Err != nil {
			t.Errorf("got errors %v and %v, want that the first was left in the middle of a packet", files[0].Err, files[1].Err)
		}
	})
}

func TestFollowShrunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := write(t, t.TempDir(), "live", simplePcap(1, 2))
		r := follow(t, name)
		r.want("0:1@1", "0:2@2")
		if err := os.Truncate(name, 24); err != nil {
			t.Fatal(err)
		}
		if err := <-r.end; err != io.EOF {
			t.Errorf("got %v, want EOF", err)
		}
		want := name + ": behind packet 2: the file became shorter while it was read"
		if err := r.c.Files()[0].Err; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		r.cancel()
		if err := r.c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestFollowStoppedInABacklog(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Open(ctx, []string{write(t, t.TempDir(), "file", simplePcap(1, 2))}, Options{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := c.Next(); err != io.EOF || c.Files()[0].Err == nil {
		t.Errorf("got %v and error %v in Files, want EOF and that reading was stopped", err, c.Files()[0].Err)
	}
}
