package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"chaperone/ledger"
)

// TestTogether adds, looks up, asks and purges from several goroutines: every view is of one moment.
func TestTogether(t *testing.T) {
	x, err := opened(Create, Options{Dir: "index", fs: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	batches := history(200)
	var asking sync.WaitGroup
	ended := make(chan struct{})
	for range 3 {
		asking.Go(func() {
			for {
				if err := moment(x, batches); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-ended:
					return
				default:
				}
			}
		})
	}
	var all oracle
	for _, m := range batches {
		if err := all.add(x, m); err != nil {
			t.Fatal(err)
		}
		if m.place.Batch%50 == 49 {
			if err := x.Purge(testDay + 50); err != nil { // a day without disclosures
				t.Fatal(err)
			}
		}
	}
	close(ended)
	asking.Wait()
	v, err := x.View()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(all.check(v, x), v.Close(), x.Close()); err != nil {
		t.Fatal(err)
	}
}

// moment makes a view while disclosures are added, and asks it from two goroutines at once.
func moment(x *Index, batches []made) error {
	least := x.Next()
	v, err := x.View()
	if err != nil {
		return err
	}
	most := x.Next()
	var counts [2]uint64
	var errs [2]error
	var both sync.WaitGroup
	for i := range counts {
		both.Go(func() { counts[i], errs[i] = count(v) })
	}
	both.Wait()
	if err := errors.Join(errs[0], errs[1], v.Close()); err != nil {
		return err
	}
	if counts[0] != counts[1] || counts[0] < least || counts[0] > most {
		return differ(nil, "disclosures: got %v, want %d to %d", counts, least, most)
	}
	for _, m := range batches {
		e := m.events[0]
		if e.Seq >= least {
			break
		}
		if seq, ok, err := x.Find(e.ID, ledger.DayOf(e.Time)); err != nil || !ok || seq != e.Seq {
			return differ(err, "find %d: got %d %v", e.Seq, seq, ok)
		}
	}
	return nil
}

// count gives the number of a view's disclosures, by way, by hour, and of the numbers.
func count(v *View) (uint64, error) {
	var sums Sums
	each := uint64(0)
	for _, day := range v.Days() {
		ways, err := v.Ways(day)
		if err != nil {
			return 0, err
		}
		for _, way := range ways {
			if err := v.Cells(day, way, 0, 24, nil, &sums); err != nil {
				return 0, err
			}
			for hour := range hours {
				if err := v.Seqs(day, way, hour, func(uint64) error { each++; return nil }); err != nil {
					return 0, err
				}
			}
		}
	}
	pairs := uint64(0)
	for n := ledger.Number(1); n < 900; n++ {
		if err := v.Postings(n, 0, 1<<31, func(uint64) error { pairs++; return nil }); err != nil {
			return 0, err
		}
	}
	if each != uint64(sums.Disclosures) || pairs != 4*each {
		return 0, differ(nil, "got %d by hour, %d pairs, want of %d", each, pairs, sums.Disclosures)
	}
	return each, nil
}

func TestOpen(t *testing.T) {
	batches := history(8)
	o := Options{Dir: "index", fs: vfs.NewMem()}
	asking := Options{Dir: "index", fs: o.fs, ReadOnly: true}
	if _, err := Open(o); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: got %v, want %v", err, fs.ErrNotExist)
	}
	if err := fill(o, batches); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(o); err == nil {
		t.Error("made a second one in the same folder")
	}
	x, err := Open(asking)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := x.Next(), uint64(8*5); got != want {
		t.Errorf("next: got %d, want %d", got, want)
	}
	if got := x.Stats(); got.Disclosures != 8*5 || got.Pairs != 8*5*4 || got.Days != 4 || got.Runs != 4 {
		t.Errorf("stats: got %+v", got)
	}
	for name, call := range map[string]func() error{
		"add":   func() error { return x.Add(Event{Seq: 1000, Time: testDay.Time()}) },
		"batch": func() error { return x.Batch(Place{First: 1000, Count: 1}) },
		"flush": x.Flush, "purge": func() error { return x.Purge(testDay) },
	} {
		if err := call(); !errors.Is(err, ledger.ErrReadOnly) {
			t.Errorf("%s: got %v, want %v", name, err, ledger.ErrReadOnly)
		}
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if x, err = Open(o); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(asking); !errors.Is(err, ErrUnclean) {
		t.Errorf("while it is written: got %v, want %v", err, ErrUnclean)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("closed twice: got %v, want %v", err, ErrClosed)
	}
	if _, err := x.View(); !errors.Is(err, ErrClosed) {
		t.Errorf("view of a closed one: got %v, want %v", err, ErrClosed)
	}
	if err := ask(asking, oracleOf(batches)); err != nil {
		t.Error(err)
	}
}

func TestAddRefuses(t *testing.T) {
	x, err := Create(Options{Dir: "index", fs: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	good := Event{Seq: 7, Time: testDay.Time(), Numbers: []ledger.Number{1, 2}}
	if err := x.Add(good); err != nil {
		t.Fatal(err)
	}
	good.Seq = 8
	for name, change := range map[string]func(e *Event){
		"the same again":       func(e *Event) { e.Seq = 7 },
		"before 1970":          func(e *Event) { e.Time = ledger.Day(0).Time().Add(-1000) },
		"numbers out of order": func(e *Event) { e.Numbers = []ledger.Number{2, 1} },
		"a number twice":       func(e *Event) { e.Numbers = []ledger.Number{2, 2} },
		"negative records":     func(e *Event) { e.Records = -1 },
		"negative bytes":       func(e *Event) { e.Bytes = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			e := good
			change(&e)
			if err := x.Add(e); err == nil {
				t.Error("it was taken")
			}
		})
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestPurgeDeletes looks for the rows of a purged day in the folder's files.
func TestPurgeDeletes(t *testing.T) {
	o := Options{Dir: "index", fs: vfs.NewMem()}
	x, err := opened(Create, o)
	if err != nil {
		t.Fatal(err)
	}
	var all oracle
	for _, m := range history(40) {
		if err := all.add(x, m); err != nil {
			t.Fatal(err)
		}
	}
	id := all.events[0].ID
	day := ledger.DayOf(all.events[0].Time)
	if err := x.Flush(); err != nil {
		t.Fatal(err)
	}
	holds := func() bool {
		for _, content := range files(t, o.fs, o.Dir) {
			if bytes.Contains(content, id[8:]) {
				return true
			}
		}
		return false
	}
	if !holds() {
		t.Fatal("the id is not in the files before")
	}
	if err := x.Purge(day); err != nil {
		t.Fatal(err)
	}
	if holds() {
		t.Error("the id is still in a file")
	}
	if _, ok, err := x.Find(id, day); ok || err != nil {
		t.Errorf("find: got %v %v", ok, err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}

// The filters say “new” only of ids that are: of days from before, of filters that were dropped, and while events come.
func TestFilters(t *testing.T) {
	dir := t.TempDir()
	x, err := Create(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	day := ledger.Day(20000)
	id := func(n int) (id [16]byte) { binary.BigEndian.PutUint32(id[4:], uint32(n)); return id }
	n := 0
	add := func(count int) {
		t.Helper()
		if err := x.Batch(Place{Batch: uint64(n), First: uint64(n), Count: uint32(count), Day: day}); err != nil {
			t.Fatal(err)
		}
		for range count {
			if err := x.Add(Event{Seq: uint64(n), ID: id(n), Time: day.Time(), Way: 1, Numbers: []ledger.Number{1}}); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	check := func(when string) {
		t.Helper()
		for i := range n {
			if seq, ok, err := x.Find(id(i), day); err != nil || !ok || seq != uint64(i) {
				t.Fatalf("%s: id %d: got %d, %t, %v", when, i, seq, ok, err)
			}
		}
		for i := n; i < n+10_000; i++ {
			if _, ok, err := x.Find(id(i), day); ok || err != nil {
				t.Fatalf("%s: id %d, which is new: got %t, %v", when, i, ok, err)
			}
		}
		let := 0
		for i := n; i < n+10_000; i++ {
			if id := id(i); !x.filters.isNew(day, &id) {
				let++
			}
		}
		if let > 300 {
			t.Errorf("%s: the filter lets %d of 10,000 through", when, let)
		}
	}
	add(20_000)
	check("in memory")
	if err := x.Flush(); err != nil {
		t.Fatal(err)
	}
	add(500)
	check("on disk and in memory")
	x.filters.drop(day)
	check("dropped")
	add(500)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if x, err = Open(Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	add(10)
	check("opened again")
}
