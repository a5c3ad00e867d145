package people

import (
	"math/bits"

	"chaperone/ledger"
)

// Bits is a set of numbers, one bit each. It is for questions, where sets are large and lie dense. The zero value is an
// empty set. It is not safe for concurrent changes.
type Bits struct {
	words []uint64
}

// NewBits makes an empty set with room for the numbers up to limit. A greater number makes it grow.
func NewBits(limit ledger.Number) *Bits { return &Bits{words: make([]uint64, int(limit>>6)+1)} }

// grow makes room for a number.
func (b *Bits) grow(n ledger.Number) {
	if need := int(n>>6) + 1; need > len(b.words) {
		b.words = append(b.words, make([]uint64, need-len(b.words))...)
	}
}

// Add puts a number into the set.
func (b *Bits) Add(n ledger.Number) {
	if int(n>>6) >= len(b.words) {
		b.grow(n)
	}
	b.words[n>>6] |= 1 << (n & 63)
}

// AddSorted puts ascending numbers into the set: it grows once.
func (b *Bits) AddSorted(numbers []ledger.Number) {
	if len(numbers) == 0 {
		return
	}
	b.grow(numbers[len(numbers)-1])
	words := b.words
	for _, n := range numbers {
		words[n>>6] |= 1 << (n & 63)
	}
}

// AddRange puts the numbers from <= n < until into the set.
func (b *Bits) AddRange(from, until ledger.Number) {
	if from >= until {
		return
	}
	last := until - 1
	b.grow(last)
	first, end := int(from>>6), int(last>>6)
	low, high := ^uint64(0)<<(from&63), ^uint64(0)>>(63-last&63)
	if first == end {
		b.words[first] |= low & high
		return
	}
	b.words[first] |= low
	for i := first + 1; i < end; i++ {
		b.words[i] = ^uint64(0)
	}
	b.words[end] |= high
}

// Or puts all numbers of another set into the set.
func (b *Bits) Or(o *Bits) {
	if missing := len(o.words) - len(b.words); missing > 0 {
		b.words = append(b.words, make([]uint64, missing)...)
	}
	words := b.words[:len(o.words)]
	for i, w := range o.words {
		words[i] |= w
	}
}

// Has reports whether a number is in the set.
func (b *Bits) Has(n ledger.Number) bool {
	return int(n>>6) < len(b.words) && b.words[n>>6]&(1<<(n&63)) != 0
}

// Len counts the numbers in the set.
func (b *Bits) Len() int {
	n := 0
	for _, w := range b.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// Each calls a function with every number of the set, ascending. The function must not change the set.
func (b *Bits) Each(each func(ledger.Number)) {
	for i, w := range b.words {
		for ; w != 0; w &= w - 1 {
			each(ledger.Number(i<<6 + bits.TrailingZeros64(w)))
		}
	}
}

// Reset makes the set empty and keeps its memory.
func (b *Bits) Reset() { clear(b.words) }
