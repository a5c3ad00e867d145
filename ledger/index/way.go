package index

import "chaperone/ledger/record"

// Way names a way: the number of the first way to the same receiver, then its own number on record. A day's rows are in the
// order of ways, so those to one receiver lie side by side: most questions are about a receiver.
type Way uint64

// wayBits are those of a way's own number.
const wayBits = 28

// Number gives the way's number on record.
func (w Way) Number() uint32 { return uint32(w & (1<<wayBits - 1)) }

// Ways names ways in the order of their numbers on record. The zero value has none.
type Ways struct {
	first map[record.Side]uint32 // to a receiver
	all   []Way
}

// Add takes in the next way, which is to a receiver. Of more than 2^28 ways it gives a name that Add of an index refuses.
func (w *Ways) Add(to record.Side) Way {
	if w.first == nil {
		w.first = map[record.Side]uint32{}
	}
	n := uint32(len(w.all) + 1)
	first, ok := w.first[to]
	if !ok {
		first = n
		w.first[to] = n
	}
	name := Way(first)<<wayBits | Way(n)
	if n >= 1<<wayBits {
		name = maxValue + 1
	}
	w.all = append(w.all, name)
	return name
}

// Of gives the name of the way with a number on record. It must be one that was added.
func (w *Ways) Of(number uint32) Way { return w.all[number-1] }
