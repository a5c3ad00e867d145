package seal

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// A tile holds 256 hashes: those of 8 levels of the tree follow from them.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// edge is the right side of a tree: all hashes that are not in a full tile on disk yet.
type edge struct {
	size  uint64 // leaves
	start uint64 // of them, those whose full tiles are not here any more
	rows  []row  // by level of tiles
}

// row is one level of tiles. Hashes are only added: a slice of them stays valid when the row grows or is cut.
type row struct {
	base   uint64 // number of the first hash; a multiple of 256
	hashes []tlog.Hash
}

func (r *row) len() uint64 { return r.base + uint64(len(r.hashes)) }

// add appends a leaf, and the hash of every tile that it fills to the level above.
func (e *edge) add(h tlog.Hash) {
	e.size++
	for level := 0; ; level++ {
		if level == len(e.rows) {
			e.rows = append(e.rows, row{})
		}
		r := &e.rows[level]
		r.hashes = append(r.hashes, h)
		if r.len()%tileWidth != 0 {
			return
		}
		h = subtree(r.hashes[len(r.hashes)-tileWidth:])
	}
}

// subtree is the root of a full subtree over 1, 2, 4, … 256 hashes.
func subtree(hashes []tlog.Hash) tlog.Hash {
	var b [tileWidth]tlog.Hash
	n := copy(b[:], hashes)
	for ; n > 1; n /= 2 {
		for i := 0; i < n/2; i++ {
			b[i] = tlog.NodeHash(b[2*i], b[2*i+1])
		}
	}
	return b[0]
}

// ReadHashes reads hashes of the edge (tlog.HashReader).
func (e *edge) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		up := level % tileHeight
		from, until := uint64(n)<<up, uint64(n+1)<<up
		if level/tileHeight >= len(e.rows) {
			return nil, fmt.Errorf("seal: level %d is above the tree", level)
		}
		r := &e.rows[level/tileHeight]
		if from < r.base || until > r.len() {
			return nil, fmt.Errorf("seal: hash %d of level %d is not at the edge", n, level)
		}
		hashes[i] = subtree(r.hashes[from-r.base : until-r.base])
	}
	return hashes, nil
}

// tree gives the tree of the first n leaves, n not before the last cut.
func (e *edge) tree(n uint64) (tlog.Tree, error) {
	root, err := tlog.TreeHash(int64(n), e)
	return tlog.Tree{N: int64(n), Hash: root}, err
}

// cut forgets the hashes that are in full tiles of the first n leaves.
func (e *edge) cut(n uint64) {
	e.start = n
	for level := range e.rows {
		r := &e.rows[level]
		if base := n >> (tileHeight * level) &^ (tileWidth - 1); base > r.base {
			r.hashes = append([]tlog.Hash(nil), r.hashes[base-r.base:]...)
			r.base = base
		}
	}
}

// tile is a hash tile and its content.
type tile struct {
	level  int
	n      uint64
	hashes []tlog.Hash // 256, or less in a partial one
}

// full gives the tiles that the leaves since the last cut and before until filled.
func (e *edge) full(until uint64) []tile {
	var tiles []tile
	for level := range e.rows {
		r := &e.rows[level]
		shift := tileHeight * (level + 1)
		for n := e.start >> shift; n < until>>shift; n++ {
			start := n*tileWidth - r.base
			tiles = append(tiles, tile{level, n, r.hashes[start : start+tileWidth]})
		}
	}
	return tiles
}

// partial gives the tiles at the edge of the first n leaves that are not full, without those that were the same with old leaves.
func (e *edge) partial(old, n uint64) []tile {
	var tiles []tile
	for level := range e.rows {
		r := &e.rows[level]
		count := n >> (tileHeight * level)
		if width := count % tileWidth; width > 0 && count != old>>(tileHeight*level) {
			start := count - width - r.base
			tiles = append(tiles, tile{level, count / tileWidth, r.hashes[start : start+width]})
		}
	}
	return tiles
}
