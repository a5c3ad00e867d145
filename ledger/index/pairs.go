package index

import (
	"cmp"
	"encoding/binary"

	"chaperone/ledger"
)

// Pairs calls a function with every pair of a number and a disclosure of a day, in no order: what Postings gives for all
// numbers together.
func (v *View) Pairs(day ledger.Day, each func(n ledger.Number, seq uint64) error) error {
	for _, r := range v.state.of(day) {
		if err := v.pairsOf(r, each); err != nil {
			return err
		}
	}
	for i := range v.memory {
		p := &v.memory[i]
		for at := range p.events {
			if p.events[at].day() != day {
				continue
			}
			for _, n := range p.numbersOf(int32(at)) {
				if err := each(n, p.events[at].seq); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (v *View) pairsOf(r run, each func(n ledger.Number, seq uint64) error) error {
	it, err := v.state.iterator()
	if err != nil {
		return err
	}
	prefix := appendKey(nil, r.day, r.number, postingsRow)
	var values []uint64
	for ok := it.SeekGE(prefix); ok && string(it.Key()[:len(prefix)]) == string(prefix) && err == nil; ok = it.Next() {
		group := ledger.Number(binary.BigEndian.Uint32(it.Key()[len(prefix):])) << groupBits
		var row []byte
		var p postings
		if row, err = valueOf(it); err == nil {
			p, err = parsePostings(row)
		}
		if err == nil {
			values, err = appendTo(values[:0], &p.sequence)
		}
		for i := 0; i < len(values) && err == nil; i++ {
			err = each(group+ledger.Number(values[i]>>p.w), p.base+values[i]&(1<<p.w-1))
		}
		if err != nil {
			break
		}
	}
	return cmp.Or(err, v.state.done(it))
}
