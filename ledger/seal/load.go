package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"
)

// chunk is how many leaves are worked on before their tiles are written and forgotten, and before ctx is looked at.
const chunk = 1 << 16

// Load catches up with a record of some batches; it is called once, after Open. It reads the leaves of the last tile
// under the checkpoint and those after it, and all of them when the tiles do not give the signed root. Missing tiles at
// the edge are made again. Afterwards Size is batches; of a read only log it is the checkpoint's.
//
// Errors: ErrRolledBack when the record is shorter than the checkpoint, ErrRewritten when it gives another root.
func (l *Log) Load(ctx context.Context, batches uint64, leaves Leaves) error {
	signed := uint64(l.tree.N)
	if batches < signed {
		return fmt.Errorf("seal: the record has %d batches, %s is of %d: %w",
			batches, filepath.Join(l.dir, checkpointFile), signed, ErrRolledBack)
	}
	e, err := l.edgeAtLastTile()
	if err == nil {
		err = l.reach(ctx, &e, leaves)
	}
	if errors.Is(err, ErrTile) || errors.Is(err, ErrRewritten) {
		e = edge{} // the tiles cannot be trusted: the record decides
		err = l.reach(ctx, &e, leaves)
	}
	if err != nil {
		return err
	}
	l.edge = e
	if err := l.checkCosigned(ctx, leaves); err != nil || l.signer == nil {
		return err
	}
	return l.feed(ctx, &l.edge, batches, leaves, true)
}

// edgeAtLastTile reads the edge as it was before the leaves of the checkpoint's last tile. Errors: ErrTile.
func (l *Log) edgeAtLastTile() (edge, error) {
	signed := uint64(l.tree.N)
	var e edge
	if signed == 0 {
		return e, nil
	}
	e.size = (signed - 1) &^ (tileWidth - 1)
	e.start = e.size
	e.rows = append(e.rows, row{base: e.size})
	for level := 1; e.size>>(tileHeight*level) > 0; level++ {
		count := e.size >> (tileHeight * level)
		r := row{base: count &^ (tileWidth - 1)}
		if width := int(count % tileWidth); width > 0 {
			hashes, err := l.readEdgeTile(level, count/tileWidth, width)
			if err != nil {
				return e, err
			}
			r.hashes = hashes
		}
		e.rows = append(e.rows, r)
	}
	return e, nil
}

// readEdgeTile reads the first hashes of a tile at the edge, or makes them of the tiles below.
func (l *Log) readEdgeTile(level int, n uint64, width int) ([]tlog.Hash, error) {
	have := min(uint64(l.tree.N)>>(tileHeight*level)-n*tileWidth, tileWidth)
	if b, err := readTile(l.dir, level, n, int(have)); err == nil {
		return hashesOf(b)[:width], nil
	}
	hashes := make([]tlog.Hash, width)
	for i := range hashes {
		b, err := readTile(l.dir, level-1, n*tileWidth+uint64(i), tileWidth)
		if err != nil {
			return nil, err
		}
		hashes[i] = subtree(hashesOf(b))
	}
	return hashes, nil
}

// reach feeds an edge up to the checkpoint and compares the root. Tiles that are missing or wrong are made anew.
func (l *Log) reach(ctx context.Context, e *edge, leaves Leaves) error {
	if l.latest == nil {
		return nil
	}
	signed := uint64(l.tree.N)
	start := e.size
	if err := l.feed(ctx, e, signed, leaves, false); err != nil {
		return err
	}
	tree, err := e.tree(signed)
	if err != nil {
		return err
	}
	if tree.Hash != l.tree.Hash {
		return fmt.Errorf("seal: the first %d batches do not give the root in %s: %w",
			signed, filepath.Join(l.dir, checkpointFile), ErrRewritten)
	}
	if l.signer != nil {
		if start == 0 {
			if err := l.feed(ctx, &edge{}, signed, leaves, true); err != nil {
				return err
			}
		}
		return l.mend(e.partial(0, signed))
	}
	return nil
}

// feed adds leaves to an edge until it has a size, in flat memory: full tiles are written or only forgotten.
func (l *Log) feed(ctx context.Context, e *edge, until uint64, leaves Leaves, write bool) error {
	if e.size >= until {
		return ctx.Err()
	}
	flush := func() error {
		if write {
			if err := l.mend(e.full(e.size)); err != nil {
				return err
			}
		}
		e.cut(e.size)
		return ctx.Err()
	}
	for leaf, err := range leaves(e.size) {
		if err != nil {
			return err
		}
		e.add(LeafHash(leaf))
		if e.size == until {
			return flush()
		}
		if e.size%chunk == 0 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("seal: the record ends after %d batches, %d were expected: %w", e.size, until, ErrRolledBack)
}

// mend writes the tiles that differ from what is on disk. One below the checkpoint that is right was flushed before it
// was signed; one above may be left from a crash, and is written and flushed again in any case.
func (l *Log) mend(tiles []tile) error {
	wrong := tiles[:0:0]
	for i := range tiles {
		t := &tiles[i]
		end := (t.n*tileWidth + uint64(len(t.hashes))) << (tileHeight * t.level)
		if end <= uint64(l.tree.N) {
			have, err := os.ReadFile(filepath.Join(l.dir, t.path()))
			if err == nil && bytes.Equal(have, t.bytes()) {
				continue
			}
		}
		wrong = append(wrong, *t)
	}
	if len(wrong) == 0 {
		return nil
	}
	if err := l.makeFolder(); err != nil {
		return err
	}
	if err := writeTiles(l.dir, wrong); err != nil {
		return fmt.Errorf("seal: hash tiles: %w", err)
	}
	for i := range wrong {
		if t := &wrong[i]; t.n*tileWidth >= uint64(l.tree.N)>>(tileHeight*t.level) {
			removeOld(l.dir, wrong[i:i+1]) // of a crash: the checkpoint does not need it
		}
	}
	return nil
}

// checkCosigned compares the tree that witnesses saw with ours. The tiles it needs are made again when they are missing.
func (l *Log) checkCosigned(ctx context.Context, leaves Leaves) error {
	if l.cosigned.N == 0 {
		return nil
	}
	root, err := tlog.TreeHash(l.cosigned.N, l.HashReader())
	if errors.Is(err, ErrTile) {
		var h Hasher
		if err := h.addUntil(ctx, uint64(l.cosigned.N), leaves); err != nil {
			return err
		}
		root, err = h.Root(), nil
	}
	if err != nil {
		return err
	}
	if root != l.cosigned.Hash {
		return fmt.Errorf("seal: the first %d batches do not give the root that witnesses cosigned: %w", l.cosigned.N, ErrRewritten)
	}
	return nil
}

// Repair makes all tiles of the latest checkpoint again from the record, which must give the signed root: it is what to
// do about ErrTile.
func (l *Log) Repair(ctx context.Context, leaves Leaves) error {
	if l.signer == nil {
		return errors.New("seal: the log is open for reading only")
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.reach(ctx, &edge{}, leaves)
}
