package people

import (
	"math/bits"
	"slices"

	"chaperone/ledger"
)

// sparse gives some numbers a value, another number. Most numbers have none: they cost a bit. The values of 256 numbers,
// those that have one, stand together, so that going over all of them is going over memory in order.
type sparse struct {
	has    Bits
	values [][]uint32 // by 256 numbers
	n      int        // numbers that have a value
}

// wordsPerBlock is the number of words of has that one slice of values is for.
const wordsPerBlock = 4

// rank gives the place of a number's value in its block, whether it has one or not.
func (s *sparse) rank(n ledger.Number) int {
	w := int(n >> 6)
	rank := bits.OnesCount64(s.has.words[w] & (1<<(n&63) - 1))
	for i := w &^ (wordsPerBlock - 1); i < w; i++ {
		rank += bits.OnesCount64(s.has.words[i])
	}
	return rank
}

func (s *sparse) get(n ledger.Number) (ledger.Number, bool) {
	if !s.has.Has(n) {
		return 0, false
	}
	return ledger.Number(s.values[n>>8][s.rank(n)]), true
}

// or gives the value of a number, or the number itself.
func (s *sparse) or(n ledger.Number) ledger.Number {
	if v, ok := s.get(n); ok {
		return v
	}
	return n
}

func (s *sparse) set(n, value ledger.Number) {
	if s.has.Has(n) {
		s.values[n>>8][s.rank(n)] = uint32(value)
		return
	}
	s.has.Add(n)
	if missing := int(n>>8) + 1 - len(s.values); missing > 0 {
		s.values = append(s.values, make([][]uint32, missing)...)
	}
	block := &s.values[n>>8]
	*block = slices.Insert(*block, s.rank(n), uint32(value))
	s.n++
}

// collapse puts values in the place of the numbers of a set that have one. It needs values less than their numbers, and
// values that have none themselves. It gives by how many numbers the set is smaller then.
func (s *sparse) collapse(b *Bits) (fewer int) {
	if s.n == 0 {
		return 0
	}
	at := 0
	for w := range min(len(s.has.words), len(b.words)) {
		if w%wordsPerBlock == 0 {
			at = 0
		}
		has := s.has.words[w]
		hits := has & b.words[w]
		b.words[w] &^= hits
		fewer += bits.OnesCount64(hits)
		for ; hits != 0; hits &= hits - 1 {
			below := hits&-hits - 1
			v := s.values[w/wordsPerBlock][at+bits.OnesCount64(has&below)]
			fewer -= int(^b.words[v>>6] >> (v & 63) & 1)
			b.words[v>>6] |= 1 << (v & 63)
		}
		at += bits.OnesCount64(has)
	}
	return fewer
}

// expand adds the numbers to a set whose value is in it, and gives how many were not there. The set must have room for them.
func (s *sparse) expand(b *Bits) (more int) {
	if s.n == 0 {
		return 0
	}
	var values []uint32
	for w, has := range s.has.words {
		if w%wordsPerBlock == 0 {
			values = s.values[w/wordsPerBlock]
		}
		var found uint64
		for ; has != 0; has &= has - 1 {
			if v := values[0]; b.words[v>>6]&(1<<(v&63)) != 0 {
				found |= has & -has
			}
			values = values[1:]
		}
		more += bits.OnesCount64(found &^ b.words[w])
		b.words[w] |= found
	}
	return more
}

// each calls a function with all numbers that have a value, from a number on, ascending. It may change the value.
func (s *sparse) each(from ledger.Number, each func(n ledger.Number, value *uint32)) {
	for block := int(from >> 8); block < len(s.values); block++ {
		i := 0
		for w := block * wordsPerBlock; w < min((block+1)*wordsPerBlock, len(s.has.words)); w++ {
			for has := s.has.words[w]; has != 0; has &= has - 1 {
				if n := ledger.Number(w<<6 + bits.TrailingZeros64(has)); n >= from {
					each(n, &s.values[block][i])
				}
				i++
			}
		}
	}
}
