package index

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"chaperone/ledger"
)

// history is a fixed list of batches over some days.
func history(batches int) []made {
	random := rand.New(rand.NewPCG(3, 4))
	var all []made
	seq := uint64(0)
	for i := range batches {
		day := testDay + ledger.Day(i*4/batches)
		if random.IntN(5) == 0 {
			day = testDay + ledger.Day(random.IntN(4))
		}
		m := made{place: Place{Batch: uint64(i), First: seq, Count: 5, Day: day, Offset: int64(i) * 900, EntriesAt: 128, EntriesSize: 700}}
		for range m.place.Count {
			e := Event{Seq: seq, Way: Way(1 + random.Uint32N(3)), Records: 2, Bytes: 1000}
			e.Time = day.Time().Add(time.Duration(random.Int64N(dayMicros)) * time.Microsecond)
			binary.BigEndian.PutUint64(e.ID[:], random.Uint64())
			binary.BigEndian.PutUint64(e.ID[8:], random.Uint64())
			for n := ledger.Number(0); len(e.Numbers) < 4; {
				n += 1 + ledger.Number(random.Uint32N(200))
				e.Numbers = append(e.Numbers, n)
			}
			m.events = append(m.events, e)
			seq++
		}
		all = append(all, m)
	}
	return all
}

// opened opens an index with small buffers.
func opened(open func(Options) (*Index, error), o Options) (*Index, error) {
	x, err := open(o)
	if err == nil {
		x.pairs, x.patience = 60, 3
	}
	return x, err
}

// fill makes an index of batches and closes it.
func fill(o Options, batches []made) (err error) {
	x, err := opened(Create, o)
	if err != nil {
		return err
	}
	for _, m := range batches {
		if err = x.Batch(m.place); errors.Is(err, ErrLater) {
			err = x.Batch(m.place)
		}
		for i := 0; i < len(m.events) && err == nil; i++ {
			if err = x.Add(m.events[i]); errors.Is(err, ErrLater) {
				err = x.Add(m.events[i])
			}
		}
		if err != nil {
			break
		}
	}
	return errors.Join(err, x.Close())
}

// ask opens an index and compares all answers.
func ask(o Options, want *oracle) error {
	x, err := Open(o)
	if err != nil {
		return err
	}
	v, err := x.View()
	if err == nil {
		err = errors.Join(want.check(v, x), v.Close())
	}
	return errors.Join(err, x.Close())
}

func oracleOf(batches []made) *oracle {
	o := &oracle{}
	for _, m := range batches {
		o.places = append(o.places, m.place)
		o.events = append(o.events, m.events...)
	}
	return o
}

// files reads all files of a folder.
func files(t *testing.T, fs vfs.FS, dir string) map[string][]byte {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		if info, err := fs.Stat(fs.PathJoin(dir, name)); err != nil || info.IsDir() {
			continue
		}
		f, err := fs.Open(fs.PathJoin(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if all[name], err = io.ReadAll(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return all
}

// folder makes a file system with these files.
func folder(t *testing.T, dir string, files map[string][]byte) vfs.FS {
	t.Helper()
	fs := vfs.NewMem()
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		f, err := fs.Create(fs.PathJoin(dir, name), vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(slices.Clone(content)); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return fs
}

// TestDamage flips bits in every file, cuts every file short and takes it away: there is an error, or all answers are right.
func TestDamage(t *testing.T) {
	o := Options{Dir: "index", Cache: 1 << 20, fs: vfs.NewMem()}
	batches := history(24)
	if err := fill(o, batches); err != nil {
		t.Fatal(err)
	}
	whole := files(t, o.fs, o.Dir)
	want := oracleOf(batches)
	if err := ask(Options{Dir: "index", ReadOnly: true, fs: folder(t, o.Dir, whole)}, want); err != nil {
		t.Fatal(err)
	}
	noticed := 0
	damage := func(name string, content []byte, missing bool) {
		t.Helper()
		some := map[string][]byte{}
		for n, c := range whole {
			some[n] = c
		}
		some[name] = content
		if missing {
			delete(some, name)
		}
		err := ask(Options{Dir: "index", ReadOnly: true, Cache: 1 << 20, fs: folder(t, o.Dir, some)}, want)
		if errors.Is(err, errWrong) {
			t.Errorf("%s damaged: %v", name, err)
		}
		if err != nil {
			noticed++
		}
	}
	for name, content := range whole {
		for at := 0; at < len(content); at += 1 + len(content)/40 {
			flipped := slices.Clone(content)
			flipped[at] ^= 1 << (at % 8)
			damage(name, flipped, false)
		}
		damage(name, content[:len(content)/2], false)
		damage(name, content[:max(len(content)-1, 0)], false)
		damage(name, nil, true)
	}
	if noticed == 0 {
		t.Error("no damage was noticed")
	}
}

// within fails a test that does not come to an end.
func within(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it hangs")
	}
}

// TestFaults has the n-th operation of the file system fail, once or from there on: the index says so at the latest when it
// is closed, or is whole. Opened again it is either refused or right about everything before Next.
func TestFaults(t *testing.T) {
	t.Run("once", func(t *testing.T) { testFaults(t, 2, func(count, n int64) bool { return count == n }) })
	t.Run("from there on", func(t *testing.T) { testFaults(t, 3, func(count, n int64) bool { return count >= n }) })
}

func testFaults(t *testing.T, step int64, fails func(count, n int64) bool) {
	batches := history(16)
	for n := int64(1); ; n += step {
		var count, failed atomic.Int64
		memory := vfs.NewMem()
		fs := errorfs.Wrap(memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && fails(count.Add(1), n) {
				failed.Add(1)
				return errorfs.ErrInjected
			}
			return nil
		}))
		var err error
		within(t, func() { err = fill(Options{Dir: "index", fs: fs}, batches) })
		within(t, func() { resume(t, memory, batches, err) })
		if failed.Load() == 0 {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if t.Failed() {
			t.Fatalf("with operation %d failing", n)
		}
	}
}

// resume opens an index that was left after an error, or a crash. It must be refused, or go on to the right answers.
func resume(t *testing.T, fs vfs.FS, batches []made, failure error) {
	t.Helper()
	o := Options{Dir: "index", fs: fs}
	if failure == nil {
		if err := ask(o, oracleOf(batches)); err != nil {
			t.Errorf("closed without an error: %v", err)
		}
		return
	}
	err := ask(o, oracleOf(batches))
	if errors.Is(err, errWrong) {
		t.Error(err)
	}
	o.Unclean = true
	x, err := opened(Open, o)
	if err != nil {
		return
	}
	next := x.Next()
	for _, m := range batches {
		if m.place.First+uint64(m.place.Count) <= next {
			continue
		}
		if err := x.Batch(m.place); err != nil {
			t.Error(err)
		}
		for _, e := range m.events {
			if e.Seq < next {
				continue
			}
			if err := x.Add(e); err != nil {
				t.Error(err)
			}
		}
	}
	if err := x.Close(); err != nil {
		t.Errorf("after going on: %v", err)
	}
	o.Unclean = false
	if err := ask(o, oracleOf(batches)); err != nil {
		t.Errorf("after going on from %d: %v", next, err)
	}
}

// TestCrash cuts the power at a random operation, with random parts of what was not synced lost.
func TestCrash(t *testing.T) {
	batches := history(16)
	for n := range 40 {
		random := rand.New(rand.NewPCG(uint64(n), 7))
		memory := vfs.NewCrashableMem()
		var after vfs.FS
		var once sync.Once
		var count atomic.Int64
		at := int64(random.IntN(400))
		fs := errorfs.Wrap(memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && count.Add(1) == at {
				once.Do(func() {
					after = memory.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random})
				})
			}
			return nil
		}))
		if err := fill(Options{Dir: "index", fs: fs}, batches); err != nil {
			t.Fatal(err)
		}
		if after == nil {
			continue
		}
		within(t, func() { resume(t, after, batches, os.ErrDeadlineExceeded) })
		if t.Failed() {
			t.Fatalf("crash %d at operation %d", n, at)
		}
	}
}

// TestReadFaults has reads fail while questions are asked: an error, never a wrong answer.
func TestReadFaults(t *testing.T) {
	memory := vfs.NewMem()
	batches := history(16)
	if err := fill(Options{Dir: "index", fs: memory}, batches); err != nil {
		t.Fatal(err)
	}
	want := oracleOf(batches)
	for n := 0; ; n++ {
		var count, failed atomic.Int64
		fs := errorfs.Wrap(memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileReadAt && strings.HasSuffix(op.Path, ".sst") && count.Add(1) > int64(n) {
				failed.Add(1)
				return errorfs.ErrInjected
			}
			return nil
		}))
		var err error
		within(t, func() { err = ask(Options{Dir: "index", ReadOnly: true, Cache: 1, fs: fs}, want) })
		if errors.Is(err, errWrong) {
			t.Fatalf("read %d: %v", n, err)
		}
		if failed := failed.Load() > 0; failed != (err != nil) {
			t.Fatalf("read %d: failed %v, got %v", n, failed, err)
		} else if !failed || n > 60 {
			return
		}
	}
}
