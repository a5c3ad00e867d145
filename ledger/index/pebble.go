package index

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"chaperone/ledger"
)

const (
	cacheSize  = 16 << 20
	blockSize  = 8 << 10  // of cells, a few ways to one receiver: larger ones read what was not asked for
	indexBlock = 64 << 10 // one level of index for a table of the usual size
	tableSize  = 64 << 20
	memtable   = 256 << 10 // nothing is ever written to one: rows come as tables

	// format is Pebble's own version of the folder. It changes only together with our version: a newer Pebble must still
	// write what an older program reads.
	format = pebble.FormatTableFormatV6
)

// options are those of every opening. Pebble only ever takes whole tables in and out, in our goroutines: it compacts
// nothing by itself, its memory tables stay empty, and there is no write-ahead log.
func options(o Options, watch *watcher) *pebble.Options {
	p := &pebble.Options{
		Cache:                       pebble.NewCache(cacheSize),
		DisableAutomaticCompactions: true,
		DisableWAL:                  true,
		FormatMajorVersion:          format,
		FS:                          unlocked{brittle{o.fs, watch}},
		Logger:                      watch,
		MemTableSize:                memtable,
		ReadOnly:                    o.ReadOnly,
		EventListener: &pebble.EventListener{
			BackgroundError: watch.background,
			DataCorruption:  func(pebble.DataCorruptionInfo) {}, // whoever reads is told
			DiskSlow:        func(pebble.DiskSlowInfo) {},
			TableDeleted:    watch.deleted,
		},
	}
	if o.Cache > 0 {
		p.Cache.Unref()
		p.Cache = pebble.NewCache(o.Cache)
	}
	p.Levels[0] = pebble.LevelOptions{
		BlockSize: blockSize, IndexBlockSize: indexBlock, FilterPolicy: bloom.FilterPolicy(10),
	}
	p.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	p.EnsureDefaults()
	return p
}

// unlocked leaves the lock out: a ledger has one for all its folders, and an index whose write failed could not be opened
// again by the process that still holds it.
type unlocked struct{ vfs.FS }

func (unlocked) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// watcher hears what Pebble has to say. Pebble gives errors of its MANIFEST to Fatalf, which must not end the program, and
// then returns them; when a folder cannot be synced it panics. What became of the write is not known then, so nothing is
// written any more.
type watcher struct {
	fatal   atomic.Pointer[error]
	broken  atomic.Bool // a write failed: see brittle
	opening atomic.Bool
	halted  chan struct{} // while opening: Pebble would try for ever
	halt    sync.Once
	lost    atomic.Bool // it panicked: its locks may be held for ever, so it is left alone
	mu      sync.Mutex
	changed sync.Cond
	waiting map[uint64]ledger.Day // tables that are to be deleted
	failed  error                 // of a deletion
}

func newWatcher() *watcher {
	w := &watcher{waiting: map[uint64]ledger.Day{}, halted: make(chan struct{})}
	w.changed.L = &w.mu
	return w
}

func (*watcher) Infof(string, ...any)  {}
func (*watcher) Errorf(string, ...any) {}
func (w *watcher) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	w.background(err)
}

// background takes an error of something that Pebble does by itself. While it opens, it would try that again without a pause
// and never come back: what called is held for ever, and open goes on without it.
func (w *watcher) background(err error) {
	w.fatal.CompareAndSwap(nil, &err)
	if w.opening.Load() {
		w.lost.Store(true)
		w.halt.Do(func() { close(w.halted) })
		select {}
	}
}

// open opens Pebble, and comes back also when Pebble does not. Then its files stay open until the program ends.
func (w *watcher) open(open func() (*pebble.DB, error)) (*pebble.DB, error) {
	type result struct {
		db  *pebble.DB
		err error
	}
	done := make(chan result, 1)
	w.opening.Store(true)
	go func() {
		var r result
		r.err = w.guard(func() (err error) {
			r.db, err = open()
			return err
		})
		done <- r
	}()
	select {
	case r := <-done:
		w.opening.Store(false)
		return r.db, r.err
	case <-w.halted:
		return nil, w.err()
	}
}

// err gives what Fatalf was told.
func (w *watcher) err() error {
	if err := w.fatal.Load(); err != nil {
		return *err
	}
	return nil
}

// guard runs what writes through Pebble.
func (w *watcher) guard(write func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			w.lost.Store(true)
			w.Fatalf("%v", r)
			err = w.err()
		}
	}()
	if w.lost.Load() {
		return w.err()
	}
	if err = write(); w.err() != nil {
		return w.err()
	}
	return err
}

// await notes tables of a day that are about to be taken out. Pebble deletes them when nobody reads them any more.
func (w *watcher) await(day ledger.Day, tables []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range tables {
		w.waiting[t] = day
	}
}

// wait returns when all tables of a day that were taken out are deleted.
func (w *watcher) wait(day ledger.Day) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.failed == nil && w.awaits(day) {
		w.changed.Wait()
	}
	return w.failed
}

func (w *watcher) awaits(day ledger.Day) bool {
	for _, of := range w.waiting {
		if of == day {
			return true
		}
	}
	return false
}

func (w *watcher) deleted(info pebble.TableDeleteInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting, uint64(info.FileNum))
	w.failed = errors.Join(w.failed, info.Err)
	w.changed.Broadcast()
}

// tables writes rows in the order of their keys into new tables beside Pebble's folder of them.
type tables struct {
	fs      vfs.FS
	dir     string
	options sstable.WriterOptions
	made    int // ever, for names
	size    uint64
	paths   []string
	writer  *sstable.Writer
}

// set writes one row. The caller ends the table with its run, so that a run can be taken out as whole files.
func (t *tables) set(key, value []byte) error {
	if t.writer != nil && t.writer.Raw().EstimatedSize() >= tableSize {
		if err := t.finish(); err != nil {
			return err
		}
	}
	if t.writer == nil {
		t.made++
		path := t.fs.PathJoin(t.dir, fmt.Sprintf("new-%d", t.made))
		f, err := t.fs.Create(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			return writeError(err)
		}
		t.paths = append(t.paths, path)
		t.writer = sstable.NewWriter(objstorageprovider.NewFileWritable(f), t.options)
	}
	return writeError(t.writer.Set(key, value))
}

// finish ends the table that is being written, and syncs it.
func (t *tables) finish() error {
	if t.writer == nil {
		return nil
	}
	w := t.writer
	t.writer = nil
	if err := w.Close(); err != nil {
		return writeError(err)
	}
	meta, err := w.Metadata()
	if err == nil {
		t.size += meta.Size
	}
	return writeError(err)
}

func writeError(err error) error {
	if err != nil {
		return fmt.Errorf("%w: a new table: %w", ErrLater, err)
	}
	return nil
}

// drop removes what was written and not taken in.
func (t *tables) drop() {
	if t.writer != nil {
		_ = t.writer.Close()
		t.writer = nil
	}
	for _, path := range t.paths {
		_ = t.fs.Remove(path) // Pebble has removed what it took
	}
	t.paths = nil
}
