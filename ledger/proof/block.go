package proof

import (
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"chaperone/ledger/record"
	"chaperone/ledger/seal"
)

// cut leaves of a batch the block that has a disclosure, if its format knows blocks that stand for themselves.
func (b *Batch) cut(number uint64) error {
	h, err := record.ParseHeader(b.Header)
	if err != nil || h.Version < 2 {
		return err
	}
	blocks, err := record.Blocks(b.Entries)
	if err != nil {
		return err
	}
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(at []int64) (list []tlog.Hash, err error) {
		for _, i := range at {
			list = append(list, stored[i])
		}
		return list, nil
	})
	for i, block := range blocks {
		more, err := tlog.StoredHashes(int64(i), block, read)
		if err != nil {
			return fmt.Errorf("proof: tree over blocks: %w", err)
		}
		stored = append(stored, more...)
	}
	i := int64(number-h.Before) / record.EntriesBlock
	path, err := seal.ProveRange(read, uint64(i), uint64(i)+1, uint64(len(blocks)))
	if err != nil {
		return fmt.Errorf("proof: block %d of batch %d: %w", i, h.Batch, err)
	}
	n := uint32(i)
	b.Block = &n
	for k := range path {
		b.Path = append(b.Path, path[k][:])
	}
	b.Entries = slices.Concat(b.Entries[:record.PartHead], blocks[i])
	return nil
}

// blocks reports whether a batch is shown in part.
func (d *Document) blocks() bool {
	return slices.ContainsFunc(d.Batches, func(b Batch) bool { return b.Block != nil || b.Path != nil })
}

// openBlock checks one block of a batch, opens and counts it.
func openBlock(t *tally, h *record.Header, b *Batch, key record.PartKey, each func(i uint64, d *record.Disclosure)) error {
	wrong := func(what string) error {
		return fmt.Errorf("proof: batch %d: %s: %w", h.Batch, what, ErrInvalid)
	}
	if h.Version < 2 || h.EntriesSize == 0 || len(b.Entries) < record.PartHead {
		return wrong("it cannot be shown in part")
	}
	head, sealed := b.Entries[:record.PartHead], b.Entries[record.PartHead:]
	path, err := hashes(b.Path)
	if err != nil {
		return err
	}
	size := record.BlocksIn(head)
	if !fullBlocks(h, size) {
		return wrong("it has not as many blocks as its entries need")
	}
	root, err := seal.RangeRoot(uint64(*b.Block), []tlog.Hash{tlog.RecordHash(sealed)}, uint64(size), path)
	if err != nil || record.TreeSum(head, root) != h.EntriesSum {
		return wrong("this is not a block of its entries")
	}
	plain, err := record.OpenBlock(head, sealed, int(*b.Block), key)
	if err != nil {
		return fmt.Errorf("proof: batch %d: %w: %w", h.Batch, ErrInvalid, err)
	}
	return t.block(h, *b.Block, plain, each)
}

// fullBlocks reports whether a part of so many blocks can have all but the last of them full.
func fullBlocks(h *record.Header, blocks uint32) bool {
	return uint64(blocks) == (uint64(h.Entries)+record.EntriesBlock-1)/record.EntriesBlock
}

// hashes reads a path.
func hashes(path [][]byte) ([]tlog.Hash, error) {
	list := make([]tlog.Hash, len(path))
	for i, h := range path {
		if len(h) != tlog.HashSize {
			return nil, fmt.Errorf("proof: path: %w", ErrInvalid)
		}
		list[i] = tlog.Hash(h)
	}
	return list, nil
}
