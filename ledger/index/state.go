package index

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"chaperone/ledger"
)

// state is the runs at one moment and the rows as they were then. It does not change: whoever writes or removes runs puts
// another in its place. An open iterator holds on to the files of its moment.
type state struct {
	runs    []run // by day, then number
	byPlace []run // those with batches, by their first
	refs    int   // the index while it is the latest, views, look-ups; under the index's lock

	mu   sync.Mutex
	base *pebble.Iterator // never moved
	free []*pebble.Iterator
}

func newState(db *pebble.DB, runs []run) (*state, error) {
	base, err := db.NewIter(&pebble.IterOptions{UseL6Filters: true})
	if err != nil {
		return nil, readError(err)
	}
	s := &state{runs: runs, base: base, refs: 1}
	for _, r := range runs {
		if r.past > r.place {
			s.byPlace = append(s.byPlace, r)
		}
	}
	slices.SortFunc(s.byPlace, func(a, b run) int {
		if a.place < b.place {
			return -1
		}
		return 1
	})
	return s, nil
}

// of gives the runs of one day.
func (s *state) of(day ledger.Day) []run {
	from := sort.Search(len(s.runs), func(i int) bool { return s.runs[i].day >= day })
	until := from
	for until < len(s.runs) && s.runs[until].day == day {
		until++
	}
	return s.runs[from:until]
}

// iterator lends an iterator.
func (s *state) iterator() (*pebble.Iterator, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		it := s.free[n-1]
		s.free = s.free[:n-1]
		return it, nil
	}
	it, err := s.base.Clone(pebble.CloneOptions{})
	return it, readError(err)
}

// done takes an iterator back. One that met an error is of no more use.
func (s *state) done(it *pebble.Iterator) error {
	if err := it.Error(); err != nil {
		_ = it.Close() // the same error again
		return readError(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, it)
	return nil
}

// close ends the iterators. Nobody may have one.
func (s *state) close() error {
	var err error
	for _, it := range append(s.free, s.base) {
		err = errors.Join(err, it.Close())
	}
	return readError(err)
}

// get finds the value of one key. The value is the iterator's, and valid until it moves.
func get(it *pebble.Iterator, key []byte) (value []byte, ok bool, err error) {
	if !it.SeekGE(key) || string(it.Key()) != string(key) {
		return nil, false, readError(it.Error())
	}
	value, err = valueOf(it)
	return value, err == nil, err
}

// valueOf gives the value at an iterator. It is valid until it moves.
func valueOf(it *pebble.Iterator) ([]byte, error) {
	value, err := it.ValueAndErr()
	return value, readError(err)
}

// readError says what a reader was told by Pebble.
func readError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrNewer):
		return err
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	default:
		return fmt.Errorf("index: reading rows: %w", err)
	}
}
