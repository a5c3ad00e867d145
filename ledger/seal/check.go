package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"
)

// Hasher computes the root of leaves that stream by, in memory that does not grow. The zero value is the empty tree.
type Hasher struct {
	size  uint64
	roots []tlog.Hash // of the full subtrees, the largest first
}

// Add appends a leaf.
func (h *Hasher) Add(leaf []byte) {
	top := LeafHash(leaf)
	for n := h.size; n&1 == 1; n >>= 1 {
		top = tlog.NodeHash(h.roots[len(h.roots)-1], top)
		h.roots = h.roots[:len(h.roots)-1]
	}
	h.roots = append(h.roots, top)
	h.size++
}

// Size is the number of leaves.
func (h *Hasher) Size() uint64 { return h.size }

// Root is the tree's root as of now.
func (h *Hasher) Root() tlog.Hash {
	if len(h.roots) == 0 {
		root, _ := tlog.TreeHash(0, nil) // of the empty tree; nothing is read
		return root
	}
	root := h.roots[len(h.roots)-1]
	for i := len(h.roots) - 2; i >= 0; i-- {
		root = tlog.NodeHash(h.roots[i], root)
	}
	return root
}

func (h *Hasher) addUntil(ctx context.Context, until uint64, leaves Leaves) error {
	for leaf, err := range leaves(h.size) {
		if err != nil {
			return err
		}
		h.Add(leaf)
		if h.size == until {
			return nil
		}
		if h.size%chunk == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("seal: the record ends after %d batches, %d were expected: %w", h.size, until, ErrRolledBack)
}

// CheckTiles compares a record with a signed tree and with every hash tile of it in a ledger's folder, in one pass and
// in flat memory.
//
// Errors: ErrRolledBack when the record ends too early; ErrRewritten when it gives another root, with the first batch that
// is not what was signed as far as the tiles tell; ErrTile with the first bad file when only tiles are wrong.
func CheckTiles(ctx context.Context, dir string, tree tlog.Tree, leaves Leaves) error {
	dir = filepath.Join(dir, logFolder)
	size := uint64(tree.N)
	var e edge
	var bad error                  // the first bad tile
	differ, at := false, uint64(0) // whether a tile of leaves has another hash, and of which leaf
	compare := func(tiles []tile) error {
		for i := range tiles {
			t := &tiles[i]
			path := filepath.Join(dir, t.path())
			want := t.bytes()
			have, err := os.ReadFile(path)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				err = fmt.Errorf("seal: %s is missing: %w", path, ErrTile)
			case err != nil:
				return err
			case !bytes.Equal(have, want):
				offset := firstDifference(have, want) / tlog.HashSize * tlog.HashSize
				if t.level == 0 && !differ && len(have) == len(want) {
					differ, at = true, t.n*tileWidth+uint64(offset/tlog.HashSize)
				}
				err = fmt.Errorf("seal: %s is wrong at offset %d: %w", path, offset, ErrTile)
			}
			if bad == nil {
				bad = err
			}
		}
		return nil
	}
	if size > 0 {
		for leaf, err := range leaves(0) {
			if err != nil {
				return err
			}
			e.add(LeafHash(leaf))
			if e.size%tileWidth == 0 || e.size == size {
				if err := compare(e.full(e.size)); err != nil {
					return err
				}
				e.cut(e.size)
				if err := ctx.Err(); err != nil {
					return err
				}
			}
			if e.size == size {
				break
			}
		}
	}
	if e.size < size {
		return fmt.Errorf("seal: the record has %d batches, %d were signed: %w", e.size, size, ErrRolledBack)
	}
	if err := compare(e.partial(0, size)); err != nil {
		return err
	}
	have, err := e.tree(size)
	if err != nil {
		return err
	}
	if have.Hash != tree.Hash {
		if differ {
			return fmt.Errorf("seal: batch %d is not the one in the hash tiles: %w", at, ErrRewritten)
		}
		return fmt.Errorf("seal: the %d batches do not give the signed root: %w", size, ErrRewritten)
	}
	return bad
}

func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
