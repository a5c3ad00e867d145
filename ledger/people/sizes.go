package people

import (
	"encoding/binary"
	"fmt"
)

// sizes is what a head says, before anything is made of it.
type sizes struct {
	dicts   [2]dictSizes
	sparse  [3]struct{ words, values uint32 }
	weak    uint32 // words
	aliases uint32
	extra   []uint64
}

type dictSizes struct {
	seed     [2]uint64
	n        uint32
	segments [segmentCount]struct {
		used           uint32
		exponent, bits uint8
	}
}

// parseHead reads a head and checks each size against the others.
func parseHead(b []byte) (*sizes, error) {
	if len(b) < leastHead || len(b) > leastHead+8*maxExtra {
		return nil, fmt.Errorf("a head of %d bytes: %w", len(b), ErrDamaged)
	}
	r := reader{b}
	h := &sizes{}
	for i := range h.dicts {
		if err := h.dicts[i].parse(&r); err != nil {
			return nil, err
		}
	}
	n := h.dicts[0].n
	words := n>>6 + 1 // that a set of known numbers has at most
	for i := range h.sparse {
		s := &h.sparse[i]
		s.words, s.values = r.u32(), r.u32()
		if s.words > words || s.values > n {
			return nil, fmt.Errorf("groups larger than the table: %w", ErrDamaged)
		}
	}
	h.weak, h.aliases = r.u32(), r.u32()
	if h.weak > words {
		return nil, fmt.Errorf("more weak identifiers than identifiers: %w", ErrDamaged)
	}
	if extra := r.u32(); uint64(extra)*8 != uint64(len(r.left)) {
		return nil, fmt.Errorf("a head of %d bytes for %d extra parts: %w", len(b), extra, ErrDamaged)
	}
	for len(r.left) > 0 {
		h.extra = append(h.extra, r.u64())
	}
	return h, nil
}

func (d *dictSizes) parse(r *reader) error {
	d.seed = [2]uint64{r.u64(), r.u64()}
	d.n = r.u32()
	used := uint64(0)
	for i := range d.segments {
		s := &d.segments[i]
		s.used, s.exponent, s.bits = r.u32(), r.u8(), r.u8()
		used += uint64(s.used)
		slots := uint64(1) << min(s.exponent, 32)
		// One slot is empty, or a search would not end.
		if s.exponent > 32 || s.bits > 32 || uint64(s.used) >= slots && s.used > 0 {
			return fmt.Errorf("slots of segment %d: %w", i, ErrDamaged)
		}
	}
	if used != uint64(d.n) {
		return fmt.Errorf("%d tokens in %d slots: %w", d.n, used, ErrDamaged)
	}
	return nil
}

// body gives the bytes of all pieces; more than limit when they are more.
func (h *sizes) body(limit uint64) uint64 {
	size := uint64(h.weak)*8 + uint64(h.aliases)*aliasSize + uint64(h.dicts[1].n)*numberSize
	for i := range h.dicts {
		size += uint64(h.dicts[i].n) * tokenSize
		for _, s := range h.dicts[i].segments {
			if s.exponent > 0 {
				size += slotSize << s.exponent
			}
		}
	}
	for _, s := range h.sparse {
		size += uint64(s.words)*8 + uint64(s.values)*4
	}
	for _, n := range h.extra {
		if n > limit {
			return n // adding it could run over
		}
		size += n
	}
	return size
}

// image makes a table and places to read all pieces to.
func (h *sizes) image() *image {
	m := &image{t: New(), aliases: make([]byte, int(h.aliases)*aliasSize)}
	for i, d := range m.dicts() {
		from := &h.dicts[i]
		d.seed, d.n, d.tokens = from.seed, from.n, makeColumn(tokenSize, from.n)
		for j, s := range from.segments {
			if s.exponent > 0 {
				d.segments[j] = segment{make([]byte, slotSize<<s.exponent), s.used, s.bits}
			}
		}
	}
	m.t.first = makeColumn(numberSize, m.t.demographics.n)
	m.t.weak.words = make([]uint64, h.weak)
	for i, s := range m.sparse() {
		s.has.words = make([]uint64, h.sparse[i].words)
		m.values[i] = make([]uint32, h.sparse[i].values)
	}
	for _, n := range h.extra {
		m.extra = append(m.extra, make([]byte, n))
	}
	return m
}

// reader takes integers off bytes whose length was checked.
type reader struct{ left []byte }

func (r *reader) u8() uint8 {
	v := r.left[0]
	r.left = r.left[1:]
	return v
}

func (r *reader) u32() uint32 {
	v := binary.LittleEndian.Uint32(r.left)
	r.left = r.left[4:]
	return v
}

func (r *reader) u64() uint64 {
	v := binary.LittleEndian.Uint64(r.left)
	r.left = r.left[8:]
	return v
}
