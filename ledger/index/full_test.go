package index

import (
	"errors"
	"slices"
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

// TestFullDisk: what a full disk does not take stays in memory and is asked there; when there is room again, it goes on.
func TestFullDisk(t *testing.T) {
	disk := fullDisk{vfs.NewMem(), new(atomic.Bool)}
	o := Options{Dir: "index", fs: disk}
	x, err := opened(Create, o)
	if err != nil {
		t.Fatal(err)
	}
	batches := history(24)
	var there oracle
	refused := 0
	for i, m := range batches {
		x.work.Wait() // tables that are written and not yet taken in cannot be tried again
		disk.full.Store(i >= 6 && i < 18)
		err := there.add(x, m)
		if errors.Is(err, ErrLater) && errors.Is(err, syscall.ENOSPC) {
			refused++
			v, err := x.View()
			if err == nil {
				err = errors.Join(there.check(v, x), v.Close())
			}
			if err != nil {
				t.Fatalf("asking on a full disk: %v", err)
			}
			disk.full.Store(false)
			if n := len(there.places); n > 0 && there.places[n-1] == m.place {
				there.places = there.places[:n-1] // it is told again
			}
			m.events = slices.DeleteFunc(m.events, func(e Event) bool { return e.Seq < x.Next() })
			if err := there.add(x, m); err != nil {
				t.Fatal(err)
			}
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if refused == 0 {
		t.Fatal("nothing was refused")
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ask(o, oracleOf(batches)); err != nil {
		t.Error(err)
	}
}

// TestGivenUp: an index that is closed without what it had no room for does not count as whole.
func TestGivenUp(t *testing.T) {
	disk := fullDisk{vfs.NewMem(), new(atomic.Bool)}
	o := Options{Dir: "index", fs: disk}
	x, err := opened(Create, o)
	if err != nil {
		t.Fatal(err)
	}
	disk.full.Store(true)
	var there oracle
	for _, m := range history(24) {
		if err = there.add(x, m); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrLater) {
		t.Fatalf("got %v, want %v", err, ErrLater)
	}
	disk.full.Store(false)
	if err := x.Close(); !errors.Is(err, ErrLater) {
		t.Errorf("closing: got %v, want %v", err, ErrLater)
	}
	if _, err := Open(o); !errors.Is(err, ErrUnclean) {
		t.Errorf("opening: got %v, want %v", err, ErrUnclean)
	}
}

// TestPurgeOnFullDisk: days that are not in memory can be purged also when memory cannot be written.
func TestPurgeOnFullDisk(t *testing.T) {
	disk := fullDisk{vfs.NewMem(), new(atomic.Bool)}
	x, err := opened(Create, Options{Dir: "index", fs: disk})
	if err != nil {
		t.Fatal(err)
	}
	add := func(seq uint64, day ledger.Day) {
		t.Helper()
		if err := x.Batch(Place{First: seq, Count: 1, Day: day}); err != nil {
			t.Fatal(err)
		}
		if err := x.Add(Event{Seq: seq, ID: [16]byte{byte(seq)}, Time: day.Time(), Way: 1, Numbers: []ledger.Number{1}}); err != nil {
			t.Fatal(err)
		}
	}
	add(0, 1)
	if err := x.Flush(); err != nil {
		t.Fatal(err)
	}
	add(1, 2)
	disk.full.Store(true)
	if err := x.Flush(); !errors.Is(err, ErrLater) {
		t.Fatalf("got %v, want %v", err, ErrLater)
	}
	if err := x.flushDay(1); err != nil {
		t.Errorf("for a day on disk: %v", err)
	}
	if err := x.flushDay(2); !errors.Is(err, ErrLater) {
		t.Errorf("for a day in memory: got %v, want %v", err, ErrLater)
	}
	disk.full.Store(false)
	if err := x.Close(); err != nil {
		t.Error(err)
	}
}
