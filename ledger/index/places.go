package index

import (
	"cmp"
	"encoding/binary"
	"sort"

	"chaperone/ledger"
)

// Near is the batches of the row in which Place looked last: what is close by needs no other. It is for one goroutine.
type Near []Place

// Place tells where the batch of a disclosure is. ok is false for one that is not in the index.
func (v *View) Place(seq uint64, near *Near) (p Place, ok bool, err error) {
	if p, ok = placeOf(*near, seq); ok {
		return p, true, nil
	}
	for i := range v.memory {
		if p, ok = placeOf(v.memory[i].places, seq); ok {
			return p, true, nil
		}
	}
	runs := v.state.byPlace
	for i := sort.Search(len(runs), func(i int) bool { return runs[i].place > seq }) - 1; i >= 0; i-- {
		if runs[i].past <= seq {
			continue
		}
		places, err := v.placesBefore(runs[i], seq, (*near)[:0])
		if err != nil {
			*near = nil
			return Place{}, false, err
		}
		*near = places
		if p, ok = placeOf(places, seq); ok {
			return p, true, nil
		}
	}
	return Place{}, false, nil
}

// placesBefore appends the batches of the row in which a disclosure's would be.
func (v *View) placesBefore(r run, seq uint64, places []Place) ([]Place, error) {
	it, err := v.state.iterator()
	if err != nil {
		return nil, err
	}
	var buffer [runKey + 9]byte
	first := appendKey(buffer[:0], r.day, r.number, placesRow)
	if it.SeekLT(binary.BigEndian.AppendUint64(first, seq+1)) && string(it.Key()[:len(first)]) == string(first) {
		var value []byte
		if value, err = valueOf(it); err == nil {
			places, err = parsePlaces(places, r.day, value)
		}
	}
	return places, cmp.Or(err, v.state.done(it))
}

// placeOf finds the batch of a disclosure among some in ascending order.
func placeOf(places []Place, seq uint64) (Place, bool) {
	i := sort.Search(len(places), func(i int) bool { return places[i].First > seq }) - 1
	if i < 0 || seq-places[i].First >= uint64(places[i].Count) {
		return Place{}, false
	}
	return places[i], true
}

// Places calls a function with the batches of a day, ascending.
func (v *View) Places(day ledger.Day, each func(Place) error) error {
	for _, r := range v.state.of(day) {
		if err := v.placesOf(r, each); err != nil {
			return err
		}
	}
	for i := range v.memory {
		for _, p := range v.memory[i].places {
			if p.Day != day {
				continue
			}
			if err := each(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *View) placesOf(r run, each func(Place) error) error {
	it, err := v.state.iterator()
	if err != nil {
		return err
	}
	prefix := appendKey(nil, r.day, r.number, placesRow)
	var places []Place
	for ok := it.SeekGE(prefix); ok && string(it.Key()[:len(prefix)]) == string(prefix) && err == nil; ok = it.Next() {
		var value []byte
		if value, err = valueOf(it); err == nil {
			places, err = parsePlaces(places[:0], r.day, value)
		}
		for i := 0; i < len(places) && err == nil; i++ {
			err = each(places[i])
		}
		if err != nil {
			break
		}
	}
	return cmp.Or(err, v.state.done(it))
}
