package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
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
		err = m.row()
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
}

// heads writes the head of the united run.
func (m *merger) heads(s *state, runs []run) error {
	it, err := s.iterator()
	if err != nil {
		return err
	}
	var ways []uint32
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

// row writes what the runs have under their least key.
func (m *merger) row() error {
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

// united gives the value of the least key, or nil when there is nothing to be written yet.
func (m *merger) united() ([]byte, error) {
	kind := m.key[runKey]
	if kind == placesRow {
		return nil, m.addPlaces()
	}
	if len(m.same) == 1 || kind == idRow { // of an id that is there twice, the first counts
		return valueOf(m.same[0])
	}
	switch kind {
	case postingsRow:
		return m.postings()
	case cellsRow:
		return m.cells()
	}
	return nil, fmt.Errorf("%w: a row of kind %d", ErrDamaged, kind)
}

// postings unites rows of postings by counting: disclosures of a later run are later.
func (m *merger) postings() ([]byte, error) {
	m.lists, m.values = m.lists[:0], m.values[:0]
	var starts [groupSize + 1]int
	w := width(m.into.first, m.into.next)
	for _, it := range m.same {
		b, err := valueOf(it)
		if err != nil {
			return nil, err
		}
		p, err := parsePostings(b)
		if err != nil {
			return nil, err
		}
		at := len(m.values)
		if m.values, err = appendTo(m.values, &p.sequence); err != nil {
			return nil, err
		}
		for i, v := range m.values[at:] {
			place, seq := v>>p.w, p.base+v&(1<<p.w-1)
			if seq < m.into.first || seq >= m.into.next {
				return nil, fmt.Errorf("%w: postings of a disclosure that the run does not have", ErrDamaged)
			}
			m.values[at+i] = place<<w | (seq - m.into.first)
			starts[place+1]++
		}
	}
	for i := range groupSize {
		starts[i+1] += starts[i]
	}
	m.spare = slices.Grow(m.spare[:0], len(m.values))[:len(m.values)]
	for _, v := range m.values {
		m.spare[starts[v>>w]] = v
		starts[v>>w]++
	}
	if err := ascending(m.spare); err != nil {
		return nil, err
	}
	m.value = appendPostings(m.value[:0], m.into.first, w, m.spare)
	return m.value, nil
}

func ascending(values []uint64) error {
	for i := 1; i < len(values); i++ {
		if values[i-1] >= values[i] {
			return fmt.Errorf("%w: runs of a day overlap", ErrDamaged)
		}
	}
	return nil
}

// cells unites the hours of a way. An hour that only one run has is copied.
func (m *merger) cells() ([]byte, error) {
	var bodies [hours][][]byte
	for _, it := range m.same {
		b, err := valueOf(it)
		for least := 0; err == nil && len(b) > 0; {
			var hour int
			var body []byte
			if hour, body, b, err = nextCell(b, least); err == nil {
				bodies[hour] = append(bodies[hour], body)
				least = hour + 1
			}
		}
		if err != nil {
			return nil, err
		}
	}
	m.value = m.value[:0]
	for hour, parts := range bodies {
		if len(parts) == 1 {
			m.value = appendCell(m.value, hour, parts[0])
		}
		if len(parts) < 2 {
			continue
		}
		m.content.reset()
		for _, body := range parts {
			c, err := parseCell(body)
			if err == nil {
				err = m.content.add(&c)
			}
			if err != nil {
				return nil, err
			}
		}
		slices.Sort(m.content.numbers)
		m.content.numbers = slices.Compact(m.content.numbers)
		m.value = m.content.appendTo(m.value, hour)
	}
	return m.value, nil
}

// addPlaces gathers batches, and writes them in rows of the usual size.
func (m *merger) addPlaces() (err error) {
	for _, it := range m.same {
		b, err := valueOf(it)
		if err != nil {
			return err
		}
		if m.places, err = parsePlaces(m.places, m.into.day, b); err != nil {
			return err
		}
	}
	return m.endPlaces(placesPerRow)
}

// endPlaces writes rows of the batches that were gathered, as long as there are enough.
func (m *merger) endPlaces(enough int) error {
	for len(m.places) >= enough {
		n := min(len(m.places), placesPerRow)
		m.key = appendKey(m.key[:0], m.into.day, m.into.number, placesRow)
		m.key = binary.BigEndian.AppendUint64(m.key, m.places[0].First)
		m.value = appendPlaces(m.value[:0], m.places[:n])
		if err := m.tables.set(m.key, m.value); err != nil {
			return err
		}
		m.places = append(m.places[:0], m.places[n:]...)
	}
	return nil
}
