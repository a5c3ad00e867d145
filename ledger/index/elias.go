package index

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// An ascending sequence is stored as Elias and Fano found: of each value the low bits as they are, the rest in unary. It
// takes about two bits more a value than the logarithm of their mean distance, dense or sparse, and one part of it can be
// read alone.
//
//	size      field
//	uvarint   n, the number of values; nothing follows when it is 0
//	uvarint   the last value
//	⌈n·l/8⌉   the low l bits of each value, the first value in the lowest bits
//	⌈h/8⌉     a bit for each value, at its place in the sequence plus its bits above l; h = n + (last value >> l)
//
// l is the logarithm of the mean distance, rounded down: see lowBits.
type sequence struct {
	n    int
	last uint64
	l    uint
	low  []byte // begins with the low bits; what follows them is not theirs
	high []byte
}

// maxValue bounds the values: a value's low bits must lie within eight bytes wherever they begin.
const maxValue = 1<<57 - 1

func lowBits(n int, last uint64) uint {
	if mean := (last + 1) / uint64(n); mean > 1 {
		return uint(bits.Len64(mean)) - 1
	}
	return 0
}

// appendSequence appends strictly ascending values, none above maxValue.
func appendSequence[T ~uint32 | ~uint64](b []byte, values []T) []byte {
	n := len(values)
	b = binary.AppendUvarint(b, uint64(n))
	if n == 0 {
		return b
	}
	last := uint64(values[n-1])
	b = binary.AppendUvarint(b, last)
	l := lowBits(n, last)
	low := len(b)
	high := low + (n*int(l)+7)/8
	end := high + (n+int(last>>l)+7)/8
	b = extend(b, end-low+8) // 8 more, to write whole words
	mask := uint64(1)<<l - 1
	for i, v := range values {
		if l > 0 {
			bit := i * int(l)
			word := b[low+bit>>3:][:8]
			binary.LittleEndian.PutUint64(word, binary.LittleEndian.Uint64(word)|(uint64(v)&mask)<<(bit&7))
		}
		at := i + int(uint64(v)>>l)
		b[high+at>>3] |= 1 << (at & 7)
	}
	return b[:end]
}

// extend appends n zero bytes.
func extend(b []byte, n int) []byte {
	if have := cap(b) - len(b); have >= n {
		clear(b[len(b) : len(b)+n])
		return b[:len(b)+n]
	}
	return append(b, make([]byte, n)...)
}

// parseSequence finds the parts of a sequence and gives what follows it. It does not look at the values.
func parseSequence(b []byte) (s sequence, rest []byte, err error) {
	n, b, err := uvarint(b, "length of a sequence")
	if err != nil || n == 0 {
		return sequence{}, b, err
	}
	if n > 8*uint64(len(b)) {
		return sequence{}, nil, fmt.Errorf("%w: a sequence of %d values in %d bytes", ErrDamaged, n, len(b))
	}
	s.n = int(n)
	if s.last, b, err = uvarint(b, "last value of a sequence"); err != nil {
		return sequence{}, nil, err
	}
	if s.last > maxValue {
		return sequence{}, nil, fmt.Errorf("%w: a sequence ends with %d", ErrDamaged, s.last)
	}
	s.l = lowBits(s.n, s.last)
	low := (uint64(s.n)*uint64(s.l) + 7) / 8
	end := low + (uint64(s.n)+s.last>>s.l+7)/8
	if end > uint64(len(b)) {
		return sequence{}, nil, fmt.Errorf("%w: a sequence of %d bytes in %d bytes", ErrDamaged, end, len(b))
	}
	s.low, s.high = b, b[low:end]
	return s, b[end:], nil
}

// word gives eight bytes from a place on, zeros beyond the end.
func word(b []byte, at int) uint64 {
	if at+8 <= len(b) {
		return binary.LittleEndian.Uint64(b[at:])
	}
	return lastWord(b, at)
}

func lastWord(b []byte, at int) (w uint64) {
	for i := len(b) - 1; i >= at; i-- {
		w = w<<8 | uint64(b[i])
	}
	return w
}

// appendTo appends all values to a slice. It checks that they ascend and are as many as they should be.
func appendTo[T ~uint32 | ~uint64](values []T, s *sequence) ([]T, error) {
	if uint64(T(s.last)) != s.last {
		return values, fmt.Errorf("%w: a value of %d", ErrDamaged, s.last)
	}
	if err := s.count(); err != nil {
		return values, err
	}
	begin := len(values)
	values = slices.Grow(values, s.n)[:begin+s.n]
	out := values[begin:]
	k, l, mask := 0, int(s.l), uint64(1)<<s.l-1
	before, disorder := ^uint64(0), uint64(0)
	for at := 0; at < len(s.high); at += 8 {
		for w := word(s.high, at); w != 0; w &= w - 1 {
			bit := k * l
			v := uint64(at*8+bits.TrailingZeros64(w)-k)<<s.l | word(s.low, bit>>3)>>(bit&7)&mask
			disorder |= v - before - 1 // its highest bit says that v is not greater
			out[k] = T(v)
			before = v
			k++
		}
	}
	if disorder>>63 != 0 || (s.n > 0 && before != s.last) {
		return values[:begin], fmt.Errorf("%w: a sequence out of order", ErrDamaged)
	}
	return values, nil
}

// count checks that there are as many values as there should be.
func (s *sequence) count() error {
	ones := 0
	for at := 0; at < len(s.high); at += 8 {
		ones += bits.OnesCount64(word(s.high, at))
	}
	if ones != s.n {
		return fmt.Errorf("%w: a sequence of %d values has %d", ErrDamaged, s.n, ones)
	}
	return nil
}

// within calls a function with the values from <= v < until, without reading those before.
func (s *sequence) within(from, until uint64, each func(v uint64) error) error {
	at, k, skip := 0, 0, from>>s.l // words and values left behind; zeros still to pass
	if from > s.last || s.n == 0 {
		return nil
	}
	w := word(s.high, 0)
	for {
		zeros := uint64(bits.OnesCount64(^w))
		if zeros >= skip {
			break
		}
		skip -= zeros
		k += 64 - int(zeros)
		if at += 8; at >= len(s.high) {
			return fmt.Errorf("%w: a sequence ends before its last value", ErrDamaged)
		}
		w = word(s.high, at)
	}
	if skip > 0 {
		zeros := ^w
		for ; skip > 1; skip-- {
			zeros &= zeros - 1
		}
		passed := uint64(2)<<bits.TrailingZeros64(zeros) - 1
		k += bits.OnesCount64(w & passed)
		w &^= passed
	}
	before, mask := uint64(0), uint64(1)<<s.l-1
	for {
		for ; w != 0; w &= w - 1 {
			bit := k * int(s.l)
			v := uint64(at*8+bits.TrailingZeros64(w)-k)<<s.l | word(s.low, bit>>3)>>(bit&7)&mask
			if k >= s.n || v < before || v > s.last {
				return fmt.Errorf("%w: a sequence out of order", ErrDamaged)
			}
			if v >= until {
				return nil
			}
			if v >= from {
				if err := each(v); err != nil {
					return err
				}
			}
			before = v
			k++
		}
		if at += 8; at >= len(s.high) {
			return nil
		}
		w = word(s.high, at)
	}
}

// uvarint takes one number off the front.
func uvarint(b []byte, what string) (uint64, []byte, error) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), b[1:], nil
	}
	return longUvarint(b, what)
}

func longUvarint(b []byte, what string) (uint64, []byte, error) {
	if len(b) >= 8 {
		w := binary.LittleEndian.Uint64(b)
		if ends := ^w & 0x8080808080808080; ends != 0 { // the last byte of a number has no highest bit
			w &= (ends ^ (ends - 1)) & 0x7f7f7f7f7f7f7f7f
			w = w&0x007f007f007f007f | w>>1&0x3f803f803f803f80 // its bytes' seven bits, two by two
			w = w&0x00003fff00003fff | w>>2&0x0fffc0000fffc000
			w = w&0x000000000fffffff | w>>4&0x00fffffff0000000
			return w, b[bits.TrailingZeros64(ends)/8+1:], nil
		}
	}
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, fmt.Errorf("%w: %s is cut off", ErrDamaged, what)
	}
	return v, b[n:], nil
}
