package record

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// A part's sum stands in its batch's header, which is a leaf of the log. Version 1 has the SHA-256 of the part. In version 2 the
// blocks are the leaves of a tree (RFC 6962, section 2.1), so that one of them can be shown without the others:
//
//	SHA-256("chaperone/blocks/v1" ‖ the part's first PartHead bytes ‖ root of the tree)
//
// The table of ends is bound by it too: with other ends there are other blocks. An empty part has the SHA-256 of nothing in both.

// PartHead is how many bytes of a part its sum covers as they are: nonce, commitment, number of blocks.
const PartHead = partHead

// fits reports whether a part is the one that a header of this version has the sum of.
func fits(version uint32, part []byte, sum [32]byte) bool {
	if version == 1 || len(part) == 0 {
		return sha256.Sum256(part) == sum
	}
	got, err := sumOf(part)
	return err == nil && got == sum
}

// sumOf gives the sum of a part in version 2. Error: ErrMalformed.
func sumOf(part []byte) ([32]byte, error) {
	if len(part) == 0 {
		return sha256.Sum256(nil), nil
	}
	// One hash for each full subtree from the left, as long as nothing of its size stands beside it.
	var row [32]tlog.Hash
	n := uint32(0)
	hash, prefix := sha256.New(), []byte{0} // as tlog.RecordHash, which takes new memory each time
	err := eachBlock(part, func(block []byte) {
		hash.Reset()
		_, _ = hash.Write(prefix) // it has no error
		_, _ = hash.Write(block)
		var h tlog.Hash
		hash.Sum(h[:0])
		level := 0
		for ; n>>level&1 == 1; level++ {
			h = nodeHash(&row[level], &h)
		}
		row[level] = h
		n++
	})
	if err != nil || n == 0 {
		return [32]byte{}, fmt.Errorf("record: part without blocks, or %w", ErrMalformed)
	}
	level := bits.TrailingZeros32(n)
	root := row[level]
	for level++; n>>level > 0; level++ {
		if n>>level&1 == 1 {
			root = nodeHash(&row[level], &root)
		}
	}
	return TreeSum(part[:PartHead], root), nil
}

// nodeHash is tlog.NodeHash without new memory.
func nodeHash(left, right *tlog.Hash) tlog.Hash {
	var b [1 + 2*tlog.HashSize]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+tlog.HashSize:], right[:])
	return sha256.Sum256(b[:])
}

// TreeSum gives the sum of a part in version 2, from its first PartHead bytes and the root over its blocks.
func TreeSum(head []byte, root tlog.Hash) [32]byte {
	b := append(make([]byte, 0, 128), "chaperone/blocks/v1"...)
	return sha256.Sum256(append(append(b, head...), root[:]...))
}

// Blocks gives the sealed blocks of a part. They lie in it. Error: ErrMalformed.
func Blocks(part []byte) (blocks [][]byte, err error) {
	return blocks, eachBlock(part, func(block []byte) { blocks = append(blocks, block) })
}

// BlocksIn gives how many blocks a part has, from its first PartHead bytes.
func BlocksIn(head []byte) uint32 { return binary.BigEndian.Uint32(head[PartHead-4:]) }

// OpenBlock opens block i of a part of which nothing else is there but its first PartHead bytes. Errors: ErrKey, ErrMalformed.
func OpenBlock(head, block []byte, i int, k PartKey) ([]byte, error) {
	if len(head) != PartHead || len(block) < tagSize {
		return nil, fmt.Errorf("record: block of %d bytes: %w", len(block), ErrMalformed)
	}
	if k.commitment() != [32]byte(head[nonceSize:]) {
		return nil, fmt.Errorf("record: part: %w", ErrKey)
	}
	o := Opened{aead: k.aead(), nonce: [8]byte(head[12:])}
	return o.unseal(nil, block, i)
}

// eachBlock gives the sealed blocks of a part. Error: ErrMalformed.
func eachBlock(part []byte, each func(block []byte)) error {
	table, err := tableSize(part, len(part))
	if err != nil {
		return err
	}
	ends, blocks, start := part[partHead:table], part[table:], uint32(0)
	for ; len(ends) > 0; ends = ends[4:] {
		end := binary.BigEndian.Uint32(ends)
		if end < start || uint64(end) > uint64(len(blocks)) {
			return fmt.Errorf("record: ends of blocks: %w", ErrMalformed)
		}
		each(blocks[start:end])
		start = end
	}
	if uint64(start) != uint64(len(blocks)) {
		return fmt.Errorf("record: blocks of %d bytes, not %d: %w", len(blocks), start, ErrMalformed)
	}
	return nil
}
