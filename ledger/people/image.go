package people

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"chaperone/ledger"
)

// A saved table, all integers little-endian, because its large parts are as they are in memory:
//
//	 0  8 magic "chappeop"
//	 8  4 version
//	12  4 bytes that sealing adds to each chunk
//	16  4 bytes of the head before sealing
//	20  4 CRC32C of bytes 0..20
//	24    sealed chunks: the head, then the pieces in the order of image.pieces
//
// The head says how large all pieces are, and so where each is in the file:
//
//	two dictionaries, identifiers and demographics:
//	      16 seed of the hash
//	       4 tokens
//	   256×6 segments: used slots u32, exponent of the slots u8 (0: none), bits of a number in a slot u8
//	three sparse arrays, parents of joined, ring of joined, parents of alike:
//	       4 words of its set    4 values
//	 4 words of the set of weak identifiers
//	 4 aliases
//	 4 extra parts, then 8 for the bytes of each
//
// A piece is 65,536 tokens, 65,536 first numbers of demographics, or 1 MiB of slots, of words of a set, of values, of
// aliases or of an extra part; the last piece of each of these is shorter.
const (
	magic       = "chappeop"
	version     = 1
	prefaceSize = 24
	pieceSize   = 1 << 20
	dictHead    = 16 + 4 + segmentCount*6
	leastHead   = 2*dictHead + 3*8 + 4 + 4 + 4
	maxExtra    = 64
	aliasSize   = 17 // two numbers u32, time i64, alive u8
)

// image is a table with what a file holds in flat form.
type image struct {
	t       *Table
	values  [3][]uint32 // of sparse()
	aliases []byte
	extra   [][]byte
}

func (m *image) dicts() [2]*dict { return [2]*dict{&m.t.ids, &m.t.demographics} }

func (m *image) sparse() [3]*sparse {
	return [3]*sparse{&m.t.joined.parent, &m.t.joined.next, &m.t.alike.parent}
}

// imageOf makes a table flat.
func imageOf(t *Table, extra [][]byte) *image {
	t.Ready()
	m := &image{t: t, extra: extra}
	for i, s := range m.sparse() {
		m.values[i] = slices.Concat(s.values...)
	}
	pairs := make([]pair, 0, len(t.aliases))
	for about := range t.aliases {
		pairs = append(pairs, about)
	}
	slices.SortFunc(pairs, func(x, y pair) int { return cmp.Or(cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b)) })
	for _, about := range pairs {
		m.aliases = appendAlias(m.aliases, about, t.aliases[about])
	}
	return m
}

func appendAlias(b []byte, about pair, a alias) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(about.a))
	b = binary.LittleEndian.AppendUint32(b, uint32(about.b))
	b = binary.LittleEndian.AppendUint64(b, uint64(a.at))
	if a.alive {
		return append(b, 1)
	}
	return append(b, 0)
}

func parseAlias(b []byte) (pair, alias) {
	little := binary.LittleEndian
	return pair{ledger.Number(little.Uint32(b)), ledger.Number(little.Uint32(b[4:]))},
		alias{int64(little.Uint64(b[8:])), b[16] == 1}
}

// head gives the first chunk.
func (m *image) head() []byte {
	little := binary.LittleEndian
	var b []byte
	for _, d := range m.dicts() {
		b = little.AppendUint64(b, d.seed[0])
		b = little.AppendUint64(b, d.seed[1])
		b = little.AppendUint32(b, d.n)
		for i := range d.segments {
			s := &d.segments[i]
			b = little.AppendUint32(b, s.used)
			b = append(b, byte(bits.TrailingZeros(uint(max(len(s.slots)/slotSize, 1)))), s.bits)
		}
	}
	for i, s := range m.sparse() {
		b = little.AppendUint32(b, uint32(len(s.has.words)))
		b = little.AppendUint32(b, uint32(len(m.values[i])))
	}
	b = little.AppendUint32(b, uint32(len(m.t.weak.words)))
	b = little.AppendUint32(b, uint32(len(m.aliases)/aliasSize))
	b = little.AppendUint32(b, uint32(len(m.extra)))
	for _, extra := range m.extra {
		b = little.AppendUint64(b, uint64(len(extra)))
	}
	return b
}

// piece is a place in memory that one chunk is written from and read to: one of the three.
type piece struct {
	bytes   []byte
	words   []uint64
	numbers []uint32
}

// pieces gives all of them in the order of a file.
func (m *image) pieces() []piece {
	var all []piece
	addBytes := func(b []byte) {
		for part := range slices.Chunk(b, pieceSize) {
			all = append(all, piece{bytes: part})
		}
	}
	addWords := func(words []uint64) {
		for part := range slices.Chunk(words, pieceSize/8) {
			all = append(all, piece{words: part})
		}
	}
	for _, d := range m.dicts() {
		for _, chunk := range d.tokens.chunks {
			addBytes(chunk)
		}
		for i := range d.segments {
			addBytes(d.segments[i].slots)
		}
	}
	for _, chunk := range m.t.first.chunks {
		addBytes(chunk)
	}
	addWords(m.t.weak.words)
	for i, s := range m.sparse() {
		addWords(s.has.words)
		for part := range slices.Chunk(m.values[i], pieceSize/4) {
			all = append(all, piece{numbers: part})
		}
	}
	addBytes(m.aliases)
	for _, extra := range m.extra {
		addBytes(extra)
	}
	return all
}

func (p *piece) size() int { return len(p.bytes) + 8*len(p.words) + 4*len(p.numbers) }

// plain gives the bytes of a piece; it appends to an empty buffer those that are not bytes in memory.
func (p *piece) plain(buffer []byte) []byte {
	if p.bytes != nil {
		return p.bytes
	}
	for _, w := range p.words {
		buffer = binary.LittleEndian.AppendUint64(buffer, w)
	}
	for _, n := range p.numbers {
		buffer = binary.LittleEndian.AppendUint32(buffer, n)
	}
	return buffer
}

// fill takes the bytes of a piece, which are as many as it needs.
func (p *piece) fill(b []byte) {
	if p.bytes != nil {
		copy(p.bytes, b)
	}
	for i := range p.words {
		p.words[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	for i := range p.numbers {
		p.numbers[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
}
