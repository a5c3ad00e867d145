package index

import (
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"chaperone/ledger"
)

// fullDisk takes no byte once it is full.
type fullDisk struct {
	vfs.FS
	full *atomic.Bool
}

func (d fullDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	return fullFile{f, d.full}, nil
}

type fullFile struct {
	vfs.File
	full *atomic.Bool
}

func (f fullFile) Write(b []byte) (int, error) {
	if f.full.Load() {
		return 0, syscall.ENOSPC
	}
	return f.File.Write(b)
}

// TestOpenOnFullDisk: Pebble would try for ever; the index says what is wrong.
func TestOpenOnFullDisk(t *testing.T) {
	disk := fullDisk{vfs.NewMem(), new(atomic.Bool)}
	o := Options{Dir: "index", fs: disk}
	x, err := Create(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Batch(Place{Count: 1, Day: 1}); err != nil {
		t.Fatal(err)
	}
	if err := x.Add(Event{ID: [16]byte{1}, Time: ledger.Day(1).Time(), Way: 1, Numbers: []ledger.Number{1}}); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	disk.full.Store(true)
	ended := make(chan error, 1)
	go func() {
		x, err := Open(o)
		if err == nil {
			err = x.Close()
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %v, want ENOSPC", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not come back")
	}
}
