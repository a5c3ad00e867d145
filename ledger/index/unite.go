package index

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// merge writes the rows of several runs of a day, in the order of their disclosures, as one run with the number of the
// first. The tables hold the whole run when it returns. Memory is bounded by the largest row.
func (x *Index) merge(runs []run) (run, error) {
	m := &merger{tables: &x.tables, into: run{day: runs[0].day, number: runs[0].number}}
	made, size := len(x.tables.paths), x.tables.size
	err := m.heads(x.state, runs)
	if err == nil {
		err = m.open(x.state, runs)
	}
	for err == nil && len(m.sources) > 0 {
		err = m.next()
	}
	if err == nil {
		err = m.endPlaces(1)
	}
	if err == nil {
		err = x.tables.finish()
	}
	for _, it := range m.all {
		err = cmp.Or(err, readError(it.Close()))
	}
	m.into.tables, m.into.size = uint64(len(x.tables.paths)-made), x.tables.size-size
	return m.into, err
}

type merger struct {
	tables  *tables
	into    run
	all     []*pebble.Iterator
	sources []*pebble.Iterator // those that have rows left, in the order of the runs
	same    []*pebble.Iterator // of them, those at the least key
	places  []Place            // not written yet
	key     []byte
	value   []byte
	values  []uint64
	spare   []uint64
	lists   []postings
	content content
	row     cells
}

// heads writes the head of the united run.
func (m *merger) heads(s *state, runs []run) error {
	it, err := s.iterator()
	if err != nil {
		return err
	}
	var ways []Way
	for i := range runs {
		r := runs[i]
		head, ok, err := get(it, appendKey(m.key[:0], r.day, r.number, headRow))
		if err == nil && !ok {
			err = fmt.Errorf("%w: run %d of %s has no head", ErrDamaged, r.number, r.day)
		}
		if err == nil {
			ways, err = parseHead(head, &r, ways)
		}
		if err != nil {
			return cmp.Or(err, s.done(it))
		}
		m.into.add(&r)
	}
	slices.Sort(ways)
	m.value = appendHead(m.value[:0], &m.into, slices.Compact(ways))
	m.key = appendKey(m.key[:0], m.into.day, m.into.number, headRow)
	return cmp.Or(s.done(it), m.tables.set(m.key, m.value))
}

// add puts another run, with later disclosures, to this one.
func (r *run) add(o *run) {
	r.first, r.next = joined(r.first, r.next, o.first, o.next)
	r.place, r.past = joined(r.place, r.past, o.place, o.past)
	r.disclosures += o.disclosures
	r.pairs += o.pairs
}

// joined gives the least range around two, of which either may be empty.
func joined(a, b, c, d uint64) (from, until uint64) {
	switch {
	case a == b:
		return c, d
	case c == d:
		return a, b
	}
	return min(a, c), max(b, d)
}

// open begins to read the runs after their heads.
func (m *merger) open(s *state, runs []run) error {
	for _, r := range runs {
		it, err := s.base.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{
			LowerBound: appendKey(nil, r.day, r.number, headRow+1),
			UpperBound: appendKey(nil, r.day, r.number, kinds),
		}})
		if err != nil {
			return readError(err)
		}
		m.all = append(m.all, it)
		if it.First() {
			m.sources = append(m.sources, it)
		} else if err := it.Error(); err != nil {
			return readError(err)
		}
	}
	return nil
}

// next writes what the runs have under their least key.
func (m *merger) next() error {
	var least []byte
	for _, it := range m.sources {
		key := it.Key()[runKey:]
		c := -1
		if len(least) > 0 {
			c = bytes.Compare(key, least)
		}
		if c < 0 {
			least, m.same = key, m.same[:0]
		}
		if c <= 0 {
			m.same = append(m.same, it)
		}
	}
	m.key = append(m.key[:runKey], least...)
	value, err := m.united()
	if err == nil && value != nil {
		err = m.tables.set(m.key, value)
	}
	if err != nil {
		return err
	}
	for _, it := range m.same {
		if it.Next() {
			continue
		}
		if err := it.Error(); err != nil {
			return readError(err)
		}
		m.sources = slices.DeleteFunc(m.sources, func(s *pebble.Iterator) bool { return s == it })
	}
	return nil
}
