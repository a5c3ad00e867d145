package record

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Builder collects the entries of one batch and seals them into a frame. It uses its memory again for the next batch. The
// zero value is ready. It is not safe for concurrent use.
type Builder struct {
	Random io.Reader // of nonces; nil: crypto/rand

	dictionary  section
	entries     section
	statements  []byte // entries that are not disclosures, each after its length: they come last
	stated      int
	disclosures int
}

// Dictionary adds an entry to the dictionary part. It is copied.
func (b *Builder) Dictionary(entry []byte) { b.dictionary.add(entry, DictionaryBlock) }

// Entry adds an entry to the entries part. It is copied.
func (b *Builder) Entry(entry []byte) {
	if len(entry) > 0 && Kind(entry[0]) == KindDisclosure {
		b.disclosures++
		b.entries.add(entry, EntriesBlock)
		return
	}
	b.stated++
	b.statements = append(number(b.statements, len(entry)), entry...)
}

// Size gives how many bytes the frame will have at most: a caller cuts its batches by it.
func (b *Builder) Size() int {
	statements := partHead + len(b.statements) + b.stated*(4+tagSize)
	return HeaderSize + b.dictionary.size() + b.entries.size() + statements
}

// Len gives how many entries were added to either part.
func (b *Builder) Len() int { return b.dictionary.count + b.entries.count + b.stated }

// Reset forgets what was added.
func (b *Builder) Reset() {
	b.dictionary.reset()
	b.entries.reset()
	b.statements, b.stated, b.disclosures = b.statements[:0], 0, 0
}

// Frame appends the frame of what was added to dst and resets the Builder. Version, sizes, sums and counts of the header are filled
// in; the rest is the caller's. The key of a part without entries may be nil.
//
// Errors: ErrTooLarge when the parts would be larger than MaxParts; dst is returned as it was and the entries are kept.
func (b *Builder) Frame(dst []byte, h Header, dictionary, day *Master) ([]byte, Header, error) {
	if b.Size() > MaxParts {
		return dst, h, fmt.Errorf("record: batch of %d bytes: %w", b.Size(), ErrTooLarge)
	}
	for rest := b.statements; len(rest) > 0; {
		length, n := binary.Uvarint(rest)
		end := n + int(length)
		b.entries.add(rest[n:end], EntriesBlock)
		rest = rest[end:]
	}
	h.Version = Version
	h.Entries, h.Disclosures = uint32(b.entries.count), uint32(b.disclosures)
	h.DictionarySize, h.EntriesSize = uint32(b.dictionary.size()), uint32(b.entries.size())

	start := len(dst)
	dst = slices.Grow(dst, int(h.Size()))[:start+HeaderSize]
	dst = b.dictionary.seal(dst, dictionary, b.Random)
	dst = b.entries.seal(dst, day, b.Random)
	at := start + int(h.EntriesAt())
	var err1, err2 error
	h.DictionarySum, err1 = sumOf(dst[start+HeaderSize : at])
	h.EntriesSum, err2 = sumOf(dst[at:])
	if err := errors.Join(err1, err2); err != nil {
		panic(err) // of parts that were made here
	}
	h.Append(dst[:start])
	b.Reset()
	return dst, h, nil
}

// section is a part in the clear, cut into blocks.
type section struct {
	count  int // entries
	plain  []byte
	starts []int // of the blocks in plain
}

func (s *section) add(entry []byte, most int) {
	if s.count%most == 0 {
		s.starts = append(s.starts, len(s.plain))
	}
	s.count++
	s.plain = append(number(s.plain, len(entry)), entry...)
}

func (s *section) reset() { s.count, s.plain, s.starts = 0, s.plain[:0], s.starts[:0] }

// size gives the length of the part.
func (s *section) size() int {
	if s.count == 0 {
		return 0
	}
	return partHead + len(s.starts)*(4+tagSize) + len(s.plain)
}

// seal appends the part to dst, which has room for it.
func (s *section) seal(dst []byte, m *Master, random io.Reader) []byte {
	if s.count == 0 {
		return dst
	}
	if random == nil {
		random = rand.Reader
	}
	var nonce [nonceSize]byte
	if _, err := io.ReadFull(random, nonce[:]); err != nil {
		panic(err) // crypto/rand has no error, and a nonce must not be used twice
	}
	key := m.PartKey(nonce)
	commitment := key.commitment()
	dst = append(dst, nonce[:]...)
	dst = append(dst, commitment[:]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s.starts)))
	for i := range s.starts {
		dst = binary.BigEndian.AppendUint32(dst, uint32(s.end(i)+(i+1)*tagSize))
	}
	aead := key.aead()
	of := nonce[12:] // of a block: the last four bytes count
	for i, from := range s.starts {
		binary.BigEndian.PutUint32(of[8:], uint32(i))
		dst = aead.Seal(dst, of, s.plain[from:s.end(i)], nil)
	}
	return dst
}

// end gives where block i ends in plain.
func (s *section) end(i int) int {
	if i+1 < len(s.starts) {
		return s.starts[i+1]
	}
	return len(s.plain)
}
