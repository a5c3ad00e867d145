package disk

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"chaperone/ledger"
	"chaperone/ledger/durable"
	"chaperone/ledger/index"
	"chaperone/ledger/keys"
	"chaperone/ledger/record"
	"chaperone/ledger/seal"
	"chaperone/page"
)

// Closed is what a clean close says, signed: how far the record goes, and which files were derived from it. While it is
// there and true, they need not be made anew.
type Closed struct {
	Version int             `json:"version"`
	End     record.Position `json:"end"`
	Batches uint64          `json:"batches"`
	Events  uint64          `json:"disclosures"`
	Files   []ClosedFile    `json:"files"`
}

// ClosedFile is one derived file.
type ClosedFile struct {
	Name   string `json:"name"` // in the ledger's folder, with slashes
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// errNotClosed says that the index has to be made anew.
var errNotClosed = errors.New("was not closed cleanly")

// ReadClosed reads what the last clean close of a ledger says. Errors: os.ErrNotExist after a crash or while it is open; it
// was not signed with the ledger's key.
func ReadClosed(dir string, v note.Verifier) (*Closed, error) {
	path := filepath.Join(dir, closedFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	text, err := keys.OpenNote(b, v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c := new(Closed)
	err = json.Unmarshal([]byte(text), c)
	switch {
	case c.Version > 1:
		return nil, fmt.Errorf("%s: %w", path, keys.ErrNewer)
	case err != nil || c.Version != 1:
		return nil, fmt.Errorf("%s: not understood", path)
	}
	return c, nil
}

// writeClosed signs what is there now.
func (l *Ledger) writeClosed() error {
	c := Closed{Version: 1, End: l.end, Batches: l.batches, Events: l.events}
	names, err := derived(l.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		size, sum, err := Digest(filepath.Join(l.dir, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		c.Files = append(c.Files, ClosedFile{name, size, sum})
	}
	text, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return err
	}
	signed, err := note.Sign(&note.Note{Text: string(text) + "\n"}, l.signer)
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(l.dir, closedFile), signed)
}

// goesAsFar refuses a record that has fewer whole batches than when the ledger was closed. No crash explains that: all of them were durable then,
// and what the close says is gone from the disk before anything is written again. It is looked at before anything is touched, that least of all:
// without it the next one would take what is missing for a write that nobody was told of.
func (l *Ledger) goesAsFar() error {
	if l.before == nil || l.before.Batches == 0 {
		return nil
	}
	purged := (&rebuild{ledger: l, lost: map[ledger.Day]bool{}}).missing // of the last batch only: what purges a day comes behind it
	w, err := record.Walk(l.files.dir, l.meta.ID, record.WalkOptions{From: l.before.Batches - 1, Purged: purged})
	if err != nil {
		return err
	}
	defer w.Close()
	_, err = w.Next()
	at, damage := w.At(), (*record.Damage)(nil)
	file, whole := filepath.Join(l.files.dir, record.SegmentName(at.Segment)), page.Count(int(at.Batch), "whole batch", "whole batches")
	const advice = "keep this folder as evidence and restore a backup"
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s ends at byte %d, with %s, and there were %d when the ledger was closed: %s: %w", file, at.Offset, whole, l.before.Batches, advice, seal.ErrRolledBack)
	case errors.As(err, &damage):
		return fmt.Errorf("%s, byte %d: %s; %s before that, and there were %d when the ledger was closed: %s", file, at.Offset, damage.What, whole, l.before.Batches, advice)
	}
	return err
}

// derived lists the files that are derived from the record, in order.
func derived(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, indexFolder))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && e.Name() != "LOCK" {
			names = append(names, indexFolder+"/"+e.Name())
		}
	}
	names = append(names, peopleFile)
	slices.Sort(names)
	return names, nil
}

// Digest gives size and SHA-256 of a file.
func Digest(path string) (int64, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, bufio.NewReaderSize(f, 1<<20))
	return n, hex.EncodeToString(h.Sum(nil)), err
}

// closedCleanly gives what the last close says if the files are those it names, of those sizes. The content of tables and people
// checks itself when it is read (the index by its blocks, the people by their seal), and ledger verify compares the digests. What
// says which tables there are is compared now: of a list whose end is damaged Pebble takes what stands before it, without a word.
func (l *Ledger) closedCleanly() (*Closed, error) {
	c, err := ReadClosed(l.dir, l.verify)
	if err != nil {
		return nil, err
	}
	for _, f := range c.Files {
		info, err := os.Stat(filepath.Join(l.dir, filepath.FromSlash(f.Name)))
		if err != nil {
			return nil, err
		}
		if info.Size() != f.Size {
			return nil, fmt.Errorf("%s: has %d bytes and had %d when the ledger was closed", f.Name, info.Size(), f.Size)
		}
		if strings.HasSuffix(f.Name, ".sst") || f.Name == peopleFile {
			continue
		}
		if _, sum, err := Digest(filepath.Join(l.dir, filepath.FromSlash(f.Name))); err != nil {
			return nil, err
		} else if sum != f.SHA256 {
			return nil, l.changed(f.Name)
		}
	}
	names, err := derived(l.dir)
	if err != nil {
		return nil, err
	}
	if len(names) != len(c.Files) {
		return nil, fmt.Errorf("%s: has other files than when the ledger was closed", indexFolder)
	}
	return c, nil
}

// changed is the error for a list of the index that is not what was signed: a later version's is one of those.
func (l *Ledger) changed(name string) error {
	x, err := index.Open(index.Options{Dir: filepath.Join(l.dir, indexFolder), ReadOnly: true})
	if errors.Is(err, index.ErrNewer) {
		return err
	}
	if err == nil {
		_ = x.Close() // it was only read
	}
	return fmt.Errorf("%s: is not what it was when the ledger was closed", name)
}
