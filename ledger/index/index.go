// Package index finds disclosures by id, by day, way and hour, and by the numbers of patients. It is derived from the
// record and can be made from it anew at any time: what it says is never more than what the record says, and after a crash
// it may be thrown away.
//
// Disclosures are gathered in memory and written as a run of rows of one day into tables of a Pebble store, which takes
// whole tables in and out and does nothing else. Several runs of a day are united when it is no longer being written, so
// that a question finds few. The rows are in the comments of rows.go, cell.go and elias.go.
package index

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"chaperone/ledger"
)

// Errors that callers tell apart. After ErrUnclean and ErrDamaged the index must be made anew from the record. After ErrLater
// nothing is lost, and the same can be tried again: a disk was full.
var (
	ErrLater   = errors.New("index: cannot be written now")
	ErrNewer   = errors.New("index: written by a newer version of this program")
	ErrUnclean = errors.New("index: not closed cleanly")
	ErrDamaged = errors.New("index: damaged")
	ErrClosed  = errors.New("index: closed")
)

// Options say which index, and how.
type Options struct {
	Dir      string
	ReadOnly bool   // for asking
	Unclean  bool   // take one that was not closed cleanly: go on adding from Next
	Cache    int64  // bytes of rows kept in memory; 0 means 16 MiB
	fs       vfs.FS // nil for the system's; tests put faults into it
}

const (
	fullPairs  = 1 << 18 // in a buffer, before it is written
	fullEvents = 1 << 16
)

// Index is an open index. Its methods are safe for concurrent use, except that Batch and Add come from one goroutine.
type Index struct {
	dir      string
	readOnly bool
	db       *pebble.DB
	watch    *watcher
	pairs    int // in a full buffer
	patience int // runs of a day that is being written, before they are united

	change sync.Mutex // held by whoever changes the runs, before mu
	packer packer
	tables tables
	warm   map[ledger.Day]bool // days whose runs are not united yet

	mu      sync.Mutex // guards what follows
	idle    sync.Cond  // frozen became nil
	active  *buffer
	frozen  *buffer // is being written
	spare   *buffer
	state   *state
	filters filters
	next    uint64
	past    uint64 // batches up to this disclosure are known
	viewers int
	lastRun uint32 // under change
	later   error  // frozen could not be written, and nobody is writing it
	refused error  // the last Batch or Add: one that could be tried again, and was not yet
	err     error  // of writing: nothing is written or asked any more
	work    sync.WaitGroup
}

// Create makes an empty index. There must be none in the folder.
func Create(o Options) (*Index, error) {
	if o.ReadOnly {
		return nil, errors.New("index: cannot be made for asking only")
	}
	x := newIndex(&o)
	if err := o.fs.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	p := options(o, x.watch)
	defer p.Cache.Unref()
	p.ErrorIfExists = true
	if err := x.open(o.fs, p); err != nil {
		return nil, err
	}
	if err := x.begin(nil); err != nil {
		return nil, errors.Join(err, x.shut())
	}
	return x, nil
}

// Open opens an index. Errors: fs.ErrNotExist when there is none, ErrUnclean, ErrNewer, ErrDamaged, or what the system says.
func Open(o Options) (*Index, error) {
	x := newIndex(&o)
	kept, err := readRuns(o.fs, o.Dir)
	clean := err == nil
	switch {
	case errors.Is(err, os.ErrNotExist):
		if names, err := o.fs.List(o.Dir); err != nil || !slices.ContainsFunc(names, isManifest) {
			return nil, fmt.Errorf("index: %s: %w", o.Dir, os.ErrNotExist)
		}
		if !o.Unclean {
			return nil, fmt.Errorf("%w: %s", ErrUnclean, o.Dir)
		}
	case err != nil:
		return nil, err
	}
	p := options(o, x.watch)
	defer p.Cache.Unref()
	p.ErrorIfNotExists = true
	if err := x.open(o.fs, p); err != nil {
		return nil, err
	}
	runs, err := x.listed()
	if err == nil && clean && !slices.Equal(runs, bare(kept)) {
		err = fmt.Errorf("%w: %s: the tables are not those of the list %s", ErrDamaged, o.Dir, runsFile)
	}
	if err == nil {
		if clean {
			runs = kept
		} else {
			err = x.readHeads(runs)
		}
	}
	if err == nil && !o.ReadOnly {
		err = removeRuns(o.fs, o.Dir)
	}
	if err == nil {
		err = x.begin(runs)
	}
	if err != nil {
		return nil, errors.Join(err, x.shut())
	}
	return x, nil
}

func newIndex(o *Options) *Index {
	if o.fs == nil {
		o.fs = vfs.Default
	}
	x := &Index{
		dir: o.Dir, readOnly: o.ReadOnly, watch: newWatcher(), active: newBuffer(),
		pairs: fullPairs, patience: 8, warm: map[ledger.Day]bool{}, filters: newFilters(),
	}
	x.idle.L = &x.mu
	return x
}

func (x *Index) open(fs vfs.FS, p *pebble.Options) (err error) {
	x.db, err = x.watch.open(func() (*pebble.DB, error) { return pebble.Open(x.dir, p) })
	if err != nil && x.db != nil {
		_ = x.shut() // the same error
	}
	if pebble.IsCorruptionError(err) {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, x.dir, err)
	}
	if err != nil {
		return fmt.Errorf("index: %s: %w", x.dir, err)
	}
	dir := p.FS.PathJoin(x.dir, "new")
	if !x.readOnly {
		err = cmp.Or(p.FS.RemoveAll(dir), p.FS.MkdirAll(dir, 0o700))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("index: %w", err), x.shut())
	}
	x.tables = tables{fs: fs, dir: dir, options: p.MakeWriterOptions(6, format.MaxTableFormat())}
	return nil
}

// begin takes up the runs that are there.
func (x *Index) begin(runs []run) (err error) {
	for _, r := range runs {
		x.next, x.past = max(x.next, r.next), max(x.past, r.past)
		x.lastRun = max(x.lastRun, r.number)
		x.filters.old[r.day] = true
	}
	x.state, err = newState(x.db, runs)
	return err
}

// Next gives the first disclosure that was never added. After a crash, those from there on must be added again.
func (x *Index) Next() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.next
}

// Close writes what is in memory, unites the runs of each day, and marks the index as whole. Views must be closed. After an
// error the index on disk counts as not closed cleanly.
func (x *Index) Close() error {
	var err error
	if !x.readOnly {
		err = x.Flush()
		if errors.Is(err, ErrClosed) {
			return err
		}
		x.work.Wait() // also for uniting
		if err == nil {
			err = x.settle()
		}
	}
	x.mu.Lock()
	if errors.Is(x.err, ErrClosed) {
		x.mu.Unlock()
		return x.err
	}
	x.err = ErrClosed
	state := x.state
	err = cmp.Or(err, x.refused)
	x.mu.Unlock()
	err = errors.Join(err, x.release(state))
	err = cmp.Or(err, x.shut())
	if err != nil || x.readOnly {
		return err
	}
	return writeRuns(x.tables.fs, x.dir, state.runs)
}

// shut closes Pebble.
func (x *Index) shut() error {
	if err := x.watch.guard(x.db.Close); err != nil {
		return fmt.Errorf("index: closing: %w", err)
	}
	return nil
}

// Stats describe what is on disk.
type Stats struct{ Disclosures, Pairs, Days, Runs, Size int64 }

// Stats gives figures of the runs on disk; what is in memory is not among them.
func (x *Index) Stats() Stats {
	x.mu.Lock()
	defer x.mu.Unlock()
	var s Stats
	for i, r := range x.state.runs {
		if i == 0 || x.state.runs[i-1].day != r.day {
			s.Days++
		}
		s.Runs++
		s.Disclosures += int64(r.disclosures)
		s.Pairs += int64(r.pairs)
		s.Size += int64(r.size)
	}
	return s
}
