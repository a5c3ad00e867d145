// Package export gives a ledger's log to others: as a folder that any client of C2SP tlog-tiles can read, from a web server
// or from disk. It holds the batches' headers, which are the leaves, and no entry of them. Lists of disclosures are written
// by package ask.
package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"chaperone/ledger/disk"
	"chaperone/ledger/durable"
	"chaperone/ledger/keys"
	"chaperone/ledger/record"
	"chaperone/ledger/seal"
)

const tileWidth = 256

// Log writes the log of the ledger in dir, as far as it was signed, into a new folder: checkpoint, tile/L/… and
// tile/entries/…. It gives the number of batches. The checkpoint has the witnesses' cosignatures if they saw as much, and is
// written last: a folder without it is not finished.
//
// Errors: the ledger is open for recording, has nothing signed or is not what was signed; the folder is not empty.
func Log(ctx context.Context, dir, out string) (batches uint64, err error) {
	release, err := disk.Lock(dir, true)
	if err != nil {
		return 0, fmt.Errorf("export: %w", err)
	}
	defer func() { err = errors.Join(err, release()) }()
	if batches, err = write(ctx, dir, out); err != nil {
		return 0, fmt.Errorf("export: %w", err)
	}
	return batches, nil
}

func write(ctx context.Context, dir, out string) (uint64, error) {
	meta, err := keys.ReadMeta(dir)
	if err != nil {
		return 0, err
	}
	verifier, err := keys.ParseVerifier(meta.Verifier)
	if err != nil {
		return 0, err
	}
	tree, signed, err := seal.ReadCheckpoint(dir, verifier)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, errors.New("nothing of this ledger was signed yet")
	}
	if err != nil {
		return 0, err
	}
	if signed, err = cosigned(dir, verifier, tree, signed); err != nil {
		return 0, err
	}
	if entries, err := os.ReadDir(out); err == nil && len(entries) > 0 {
		return 0, fmt.Errorf("%s: not empty; name a new folder", out)
	}
	w, err := record.Walk(filepath.Join(dir, record.Folder), meta.ID, record.WalkOptions{HeadersOnly: true})
	if err != nil {
		return 0, err
	}
	defer w.Close()
	b := &bundles{out: out, size: uint64(tree.N)}
	if err := seal.CheckTiles(ctx, dir, tree, func(uint64) iter.Seq2[[]byte, error] { return b.leaves(w) }); err != nil {
		return 0, err
	}
	if err := copyTiles(dir, out, b.size); err != nil {
		return 0, err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return 0, err
	}
	return b.size, durable.WriteFile(filepath.Join(out, "checkpoint"), signed)
}

// cosigned gives the checkpoint with the cosignatures of the same tree, if there are any.
func cosigned(dir string, verifier note.Verifier, tree tlog.Tree, own []byte) ([]byte, error) {
	policy, err := seal.ReadWitnesses(dir)
	if err != nil {
		return nil, err
	}
	signed, err := os.ReadFile(filepath.Join(dir, "log", "cosigned"))
	if errors.Is(err, fs.ErrNotExist) {
		return own, nil
	}
	if err != nil {
		return nil, err
	}
	if have, _, err := policy.Open(signed, verifier); err == nil && have == tree {
		return signed, nil
	}
	return own, nil
}

// bundles writes leaves that pass by into bundles of 256.
type bundles struct {
	out   string
	size  uint64
	n     uint64
	bytes []byte
}

func (b *bundles) leaves(w *record.Walker) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for b.n < b.size {
			f, err := w.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil {
				err = b.add(f.Leaf)
			}
			if !yield(f.Leaf, err) || err != nil {
				return
			}
		}
	}
}

func (b *bundles) add(leaf []byte) error {
	b.bytes = seal.AppendBundle(b.bytes, leaf)
	b.n++
	if b.n%tileWidth != 0 && b.n != b.size {
		return nil
	}
	first := (b.n - 1) / tileWidth
	err := put(filepath.Join(b.out, filepath.FromSlash(seal.BundlePath(first, int(b.n-first*tileWidth)))), b.bytes)
	b.bytes = b.bytes[:0]
	return err
}

// copyTiles copies the tiles of the first size leaves, which were compared with the record just now.
func copyTiles(dir, out string, size uint64) error {
	for level := 0; size>>(8*level) > 0; level++ {
		hashes := size >> (8 * level)
		for n := uint64(0); n*tileWidth < hashes; n++ {
			path := filepath.FromSlash(tilePath(level, n, min(hashes-n*tileWidth, tileWidth)))
			b, err := os.ReadFile(filepath.Join(dir, "log", path))
			if err == nil {
				err = put(filepath.Join(out, path), b)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// tilePath is where a tile is, below the log's prefix. Bundles are numbered in the same way.
func tilePath(level int, n, width uint64) string {
	return strings.Replace(seal.BundlePath(n, int(width)), "entries", strconv.Itoa(level), 1)
}

func put(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}
