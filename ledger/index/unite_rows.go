package index

import (
	"encoding/binary"
	"fmt"
	"slices"
)

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

// cells unites the rows of a way: disclosures of a later run are later.
func (m *merger) cells() ([]byte, error) {
	m.content.reset()
	for _, it := range m.same {
		b, err := valueOf(it)
		if err == nil {
			err = m.row.parse(b)
		}
		if err == nil {
			err = m.content.row(&m.row)
		}
		if err != nil {
			return nil, err
		}
	}
	m.value = m.content.appendTo(m.value[:0])
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
