package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"chaperone/ledger/disk"
	"chaperone/ledger/durable"
	"chaperone/ledger/seal"
)

// state is a log as it was at one moment.
type state struct {
	notes map[string][]byte // checkpoint and cosigned, by name
	tiles map[string][]byte // where each goes; nil for one that is there already
}

// log copies the log: the hash tiles, then the checkpoint over them.
func (c *copier) log(ctx context.Context) error {
	if c.state == nil {
		s, err := c.read(ctx)
		if err != nil {
			return err
		}
		c.state = s
	}
	for path, b := range c.state.tiles {
		if b == nil {
			continue
		}
		if err := makeFolder(filepath.Dir(path)); err != nil {
			return err
		}
		if err := durable.WriteFile(path, b); err != nil {
			return err
		}
	}
	for _, name := range []string{checkpointFile, cosignedFile} {
		if b, ok := c.state.notes[name]; ok {
			if err := makeFolder(filepath.Join(c.to, logFolder)); err != nil {
				return err
			}
			if err := durable.WriteFile(filepath.Join(c.to, logFolder, name), b); err != nil {
				return err
			}
		}
	}
	err := filepath.WalkDir(filepath.Join(c.to, logFolder, "tile"), func(path string, e fs.DirEntry, err error) error {
		if _, ok := c.state.tiles[path]; err == nil && !e.IsDir() && !ok {
			err = os.Remove(path) // a partial tile that is full now
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Files of a log beside its tiles.
const (
	checkpointFile = "checkpoint"
	cosignedFile   = "cosigned"
)

// read reads the log.
func (c *copier) read(ctx context.Context) (*state, error) {
	notes, err := c.notes()
	if err != nil {
		return nil, err
	}
	s := &state{notes, map[string][]byte{}}
	return s, c.files(ctx, logFolder+"/tile", func(path string, b []byte) error {
		if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, b) {
			b = nil
		}
		s.tiles[path] = b
		return nil
	})
}

// notes reads what is signed. What witnesses cosigned comes first: it is never newer than the checkpoint.
func (c *copier) notes() (map[string][]byte, error) {
	notes := map[string][]byte{}
	for _, name := range []string{cosignedFile, checkpointFile} {
		b, err := os.ReadFile(filepath.Join(c.from, logFolder, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		notes[name] = b
	}
	return notes, nil
}

// cosigning is how long witnesses may take to cosign the checkpoint that a copy is as of.
const cosigning = 2 * time.Second

// sealed reads the log of a ledger in which another process may record, as it was at one moment, and what of the record is under
// its checkpoint: that is durable, and changed by a purge alone. Witnesses that are being asked get a moment to answer: a copy cannot be
// shown to them later, when they have seen more.
func (c *copier) sealed(ctx context.Context, v note.Verifier) error {
	const tries = 50 // a checkpoint is signed twice a second, and with it tiles come and go
	var last error
	var until time.Time
	policy, _ := seal.ReadWitnesses(c.from) // verifying tells of a list that is broken
	if tree, _, err := seal.ReadCheckpoint(c.from, v); err == nil && tree.N > 0 && len(policy.Witnesses) > 0 && !c.atRest(v) {
		until = time.Now().Add(cosigning)
	}
	for range tries {
		if err := c.awaitWitnesses(ctx, until); err != nil {
			return err
		}
		tree, signed, err := seal.ReadCheckpoint(c.from, v)
		if err != nil {
			return err
		}
		s, err := c.read(ctx)
		if err == nil && bytes.Equal(signed, s.notes[checkpointFile]) {
			var now map[string][]byte
			if now, err = c.notes(); err == nil && maps.EqualFunc(s.notes, now, bytes.Equal) { // so the tiles are those under it
				if !cosigned(now) && time.Now().Before(until) {
					continue // one that was signed meanwhile
				}
				c.state, c.until, c.live = s, uint64(tree.N), true
				return nil
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		last = err
	}
	return fmt.Errorf("the log changes faster than it can be read: try again (%v)", last)
}

// atRest reports whether nobody records, and so asks witnesses, as far as can be told without a lock that could keep somebody from beginning to:
// what a clean close says is there until then.
func (c *copier) atRest(v note.Verifier) bool {
	_, err := disk.ReadClosed(c.from, v)
	return err == nil
}

// awaitWitnesses waits until they have cosigned the latest checkpoint, and no longer than until then.
func (c *copier) awaitWitnesses(ctx context.Context, until time.Time) error {
	for time.Now().Before(until) {
		if notes, err := c.notes(); err != nil || cosigned(notes) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// cosigned reports whether what witnesses cosigned is the checkpoint: theirs is that with their signatures behind it.
func cosigned(notes map[string][]byte) bool {
	return bytes.HasPrefix(notes[cosignedFile], notes[checkpointFile])
}
