package index

import (
	"cmp"

	"chaperone/ledger"
)

// Find gives the disclosure with an id, of a day. Of an id that is new the filters say so, most times, before anything else
// is looked at: recording asks for each disclosure.
func (x *Index) Find(id [16]byte, day ledger.Day) (seq uint64, ok bool, err error) {
	x.mu.Lock()
	if x.err != nil {
		x.mu.Unlock()
		return 0, false, x.err
	}
	if x.filters.isNew(day, &id) {
		x.mu.Unlock()
		return 0, false, nil
	}
	for _, b := range []*buffer{x.frozen, x.active} {
		if b == nil {
			continue
		}
		if at, ok := b.ids[dayID{day, id}]; ok {
			seq := b.events[at].seq
			x.mu.Unlock()
			return seq, true, nil
		}
	}
	s := x.state
	runs := s.of(day)
	if len(runs) == 0 {
		x.mu.Unlock()
		return 0, false, nil
	}
	old := x.filters.old[day]
	s.refs++
	x.mu.Unlock()
	seq, ok, err = s.find(id, runs)
	if err == nil && !ok && old && !x.readOnly {
		err = x.learn(day, s, runs)
	}
	if releaseErr := x.release(s); err == nil {
		err = releaseErr
	}
	return seq, ok, err
}

func (s *state) find(id [16]byte, runs []run) (seq uint64, ok bool, err error) {
	it, err := s.iterator()
	if err != nil {
		return 0, false, err
	}
	var buffer [runKey + 1 + len(id)]byte
	for _, r := range runs {
		key := append(appendKey(buffer[:0], r.day, r.number, idRow), id[:]...)
		if !it.SeekPrefixGE(key) {
			if it.Error() != nil {
				break // done tells
			}
			continue
		}
		value, err := valueOf(it)
		if err == nil {
			seq, _, err = uvarint(value, "number of a disclosure")
		}
		err = cmp.Or(err, s.done(it))
		return seq, err == nil, err
	}
	return 0, false, s.done(it)
}
