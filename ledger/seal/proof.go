package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// tiles reads hash tiles of one state of a log: the edge from memory, full tiles from disk.
type tiles struct {
	dir  string
	rows []row
}

func (t *tiles) Height() int                         { return tileHeight }
func (t *tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}

func (t *tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(want))
	for i, w := range want {
		start := uint64(w.N) * tileWidth
		if w.L < len(t.rows) && start >= t.rows[w.L].base {
			r := &t.rows[w.L]
			if start+uint64(w.W) > r.len() {
				return nil, fmt.Errorf("seal: tile %d of level %d is beyond the tree", w.N, w.L)
			}
			data[i] = (&tile{hashes: r.hashes[start-r.base:][:w.W]}).bytes()
			continue
		}
		b, err := readTile(t.dir, w.L, uint64(w.N), w.W)
		if err != nil {
			return nil, err
		}
		data[i] = b
	}
	return data, nil
}

// HashReader reads hashes of the tree as of now, Tree(). Every hash is checked against the signed root. Errors: ErrTile.
func (l *Log) HashReader() tlog.HashReader {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reader()
}

// reader is HashReader under the lock.
func (l *Log) reader() tlog.HashReader {
	known := &tiles{l.dir, append([]row(nil), l.edge.rows...)}
	checked := tlog.TileHashReader(l.tree, known)
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		if len(indexes) == 0 {
			return nil, nil
		}
		hashes, err := checked.ReadHashes(indexes)
		var disk *fs.PathError
		if err != nil && !errors.Is(err, ErrTile) && !errors.As(err, &disk) {
			err = fmt.Errorf("seal: tiles in %s do not give the signed root: %w", l.dir, ErrTile)
		}
		return hashes, err
	})
}

// at gives a reader for the first size leaves of the latest checkpoint.
func (l *Log) at(size uint64) (tlog.HashReader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if size > uint64(l.tree.N) {
		return nil, fmt.Errorf("seal: a proof for %d batches; %d are signed", size, l.tree.N)
	}
	return l.reader(), nil
}

// ProveInclusion proves that leaf n is in the tree of the first size leaves (RFC 6962 2.1.1). Errors: ErrTile.
func (l *Log) ProveInclusion(n, size uint64) (tlog.RecordProof, error) {
	r, err := l.at(size)
	if err != nil {
		return nil, err
	}
	return tlog.ProveRecord(int64(size), int64(n), r)
}

// ProveConsistency proves that the tree of the first old leaves is the beginning of that of the first size ones
// (RFC 6962 2.1.2). Errors: ErrTile.
func (l *Log) ProveConsistency(old, size uint64) (tlog.TreeProof, error) {
	r, err := l.at(size)
	if err != nil || old == 0 {
		return tlog.TreeProof{}, err
	}
	return tlog.ProveTree(int64(size), int64(old), r)
}

// ProveRange proves that leaves first, …, end-1, one after the other, are in the tree of the first size leaves: the
// hashes of the largest subtrees that hold none of them, from left to right. Of one leaf, these are the hashes of its
// inclusion proof in another order. Errors: ErrTile.
func (l *Log) ProveRange(first, end, size uint64) ([]tlog.Hash, error) {
	if first >= end || end > size {
		return nil, fmt.Errorf("seal: batches %d to %d of %d are not a range", first, end, size)
	}
	r, err := l.at(size)
	if err != nil {
		return nil, err
	}
	return ProveRange(r, first, end, size)
}

// ProveRange is that of a Log, for any tree whose hashes r gives. 0 <= first < end <= size.
func ProveRange(r tlog.HashReader, first, end, size uint64) ([]tlog.Hash, error) {
	var indexes []int64
	var parts []int // how many hashes each subtree is made of
	outside(0, size, first, end, func(lo, hi uint64) {
		n := len(indexes)
		for lo < hi {
			level := bits.Len64(hi-lo) - 1
			indexes = append(indexes, tlog.StoredHashIndex(level, int64(lo>>level)))
			lo += 1 << level
		}
		parts = append(parts, len(indexes)-n)
	})
	hashes, err := r.ReadHashes(indexes)
	if err != nil {
		return nil, err
	}
	proof := make([]tlog.Hash, 0, len(parts))
	for _, n := range parts {
		h := hashes[n-1]
		for i := n - 2; i >= 0; i-- {
			h = tlog.NodeHash(hashes[i], h)
		}
		proof = append(proof, h)
		hashes = hashes[n:]
	}
	return proof, nil
}

// outside gives the largest subtrees of [lo, hi) that have no leaf of [first, end), from left to right.
func outside(lo, hi, first, end uint64, each func(lo, hi uint64)) {
	switch {
	case end <= lo || hi <= first:
		each(lo, hi)
	case first <= lo && hi <= end:
	default:
		mid := lo + split(hi-lo)
		outside(lo, mid, first, end, each)
		outside(mid, hi, first, end, each)
	}
}

// split is where a tree of n > 1 leaves parts: the largest power of two below n.
func split(n uint64) uint64 { return 1 << (bits.Len64(n-1) - 1) }

var errRange = errors.New("seal: the proof does not fit the range")

// RangeRoot gives the root of the tree of size leaves that has these leaf hashes from first on and a proof of ProveRange.
// It is for the caller to compare it with a signed one.
func RangeRoot(first uint64, leaves []tlog.Hash, size uint64, proof []tlog.Hash) (tlog.Hash, error) {
	end := first + uint64(len(leaves))
	if len(leaves) == 0 || end < first || end > size {
		return tlog.Hash{}, errRange
	}
	var root func(lo, hi uint64) (tlog.Hash, bool)
	root = func(lo, hi uint64) (tlog.Hash, bool) {
		switch {
		case end <= lo || hi <= first:
			if len(proof) == 0 {
				return tlog.Hash{}, false
			}
			h := proof[0]
			proof = proof[1:]
			return h, true
		case lo+1 == hi:
			return leaves[lo-first], true
		}
		mid := lo + split(hi-lo)
		left, ok := root(lo, mid)
		if !ok {
			return left, false
		}
		right, ok := root(mid, hi)
		return tlog.NodeHash(left, right), ok
	}
	h, ok := root(0, size)
	if !ok || len(proof) != 0 {
		return tlog.Hash{}, errRange
	}
	return h, nil
}
