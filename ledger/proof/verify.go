package proof

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"chaperone/ledger/record"
	"chaperone/ledger/seal"
)

// Verify checks a document: everything in it but "claimed" follows from the keys when it returns without an error.
//
// Errors: ErrInvalid, with what does not hold; seal.ErrCheckpoint.
func Verify(text []byte, k Keys) (*Verified, error) {
	var v Verified
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v.Document); err != nil {
		return nil, fmt.Errorf("proof: not a document: %w: %w", ErrInvalid, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("proof: something follows the document: %w", ErrInvalid)
	}
	doc := &v.Document
	switch {
	case doc.Format == format && doc.Version == 1 && doc.blocks():
		return nil, fmt.Errorf("proof: version 1 has no single blocks: %w", ErrInvalid)
	case doc.Format != format || doc.Version < 1 || doc.Version > version:
		return nil, fmt.Errorf("proof: format %q, version %d: only %q, up to version %d, can be checked", doc.Format, doc.Version, format, version)
	case doc.Kind == OfDisclosure && doc.Disclosure != nil && doc.Count == nil && len(doc.Batches) == 1 && doc.Claimed.Objects == nil:
	case doc.Kind == OfCount && doc.Disclosure == nil && doc.Count != nil && len(doc.Batches) > 0 && doc.Claimed.Objects != nil && !doc.blocks():
	default:
		return nil, fmt.Errorf("proof: kind %q does not fit what is there: %w", doc.Kind, ErrInvalid)
	}
	if learn, trust := doc.Words(); doc.Learn != learn || doc.Trust != trust {
		return nil, fmt.Errorf("proof: what the reader learns and must trust is not what this kind of proof says: %w", ErrInvalid)
	}
	tree, cosigned, err := k.Witnesses.Open([]byte(doc.Checkpoint), k.Log)
	if err != nil {
		return nil, err
	}
	if len(cosigned) < k.Witnesses.Need {
		return nil, fmt.Errorf("proof: %d of the witnesses cosigned, %d are needed: %w", len(cosigned), k.Witnesses.Need, ErrInvalid)
	}
	v.Cosigned, v.Batches = cosigned, tree.N
	if err := included(doc, tree); err != nil {
		return nil, err
	}
	return &v, recount(doc)
}

// included checks that the headers are leaves of the tree.
func included(doc *Document, tree tlog.Tree) error {
	leaves := make([]tlog.Hash, len(doc.Batches))
	for i := range doc.Batches {
		leaves[i] = seal.LeafHash(doc.Batches[i].Header)
	}
	path, err := hashes(doc.Path)
	if err != nil {
		return err
	}
	root, err := seal.RangeRoot(doc.First, leaves, uint64(tree.N), path)
	if err != nil || root != tree.Hash {
		return fmt.Errorf("proof: the batches are not under this checkpoint: %w", ErrInvalid)
	}
	return nil
}

// recount opens the batches, and compares what comes out with what the document says.
func recount(doc *Document) error {
	var f Filter
	if doc.Count != nil {
		var err error
		if f, err = doc.Count.filter(); err != nil {
			return err
		}
	}
	t := newTally(f)
	var found *Disclosed
	for i := range doc.Batches {
		b := &doc.Batches[i]
		h, err := record.ParseHeader(b.Header)
		if err == nil {
			err = t.header(&h, doc.First+uint64(i))
		}
		if err != nil {
			return err
		}
		if h.EntriesSize > 0 && b.Entries == nil && b.Key == nil {
			t.closed(&h)
			continue
		}
		err = openBatch(t, &h, b, func(i uint64, d *record.Disclosure) {
			if doc.Disclosure != nil && h.Before+i == doc.Disclosure.Number {
				found = disclosed(h.Before+i, d)
			}
		})
		if err != nil {
			return err
		}
	}
	used := t.ways
	if doc.Disclosure != nil {
		if found == nil || !reflect.DeepEqual(found, doc.Disclosure) {
			return fmt.Errorf("proof: the disclosure in the batch is not the one of the document: %w", ErrInvalid)
		}
		used = map[uint32]int64{found.Way: 0}
	} else if have := t.result(); !reflect.DeepEqual(have, doc.Count) {
		return fmt.Errorf("proof: counting again gives %d disclosures of %d identifiers, and not what the document says: %w",
			have.Disclosures, have.Identifiers, ErrInvalid)
	}
	if !sameWays(doc.Claimed.Ways, used) {
		return fmt.Errorf("proof: the ways that are claimed are not those that are used: %w", ErrInvalid)
	}
	if doc.Count != nil && *doc.Claimed.Objects != *t.objects(doc.Claimed.Ways) {
		return fmt.Errorf("proof: another number of objects follows from the ways that are claimed: %w", ErrInvalid)
	}
	return nil
}

// openBatch checks what is shown of a batch, opens and counts it.
func openBatch(t *tally, h *record.Header, b *Batch, each func(i uint64, d *record.Disclosure)) error {
	var key record.PartKey
	if len(b.Entries) > 0 {
		if len(b.Key) != len(key) {
			return fmt.Errorf("proof: batch %d: not a key: %w", h.Batch, ErrInvalid)
		}
		copy(key[:], b.Key)
	} else if b.Key != nil {
		return fmt.Errorf("proof: batch %d: a key for nothing: %w", h.Batch, ErrInvalid)
	}
	if b.Block != nil {
		return openBlock(t, h, b, key, each)
	}
	if b.Path != nil || uint64(len(b.Entries)) != uint64(h.EntriesSize) || !h.HasEntries(b.Entries) {
		return fmt.Errorf("proof: batch %d: these are not its entries: %w", h.Batch, ErrInvalid)
	}
	part, err := record.OpenPartWith(b.Entries, key)
	if err != nil {
		return fmt.Errorf("proof: batch %d: %w: %w", h.Batch, ErrInvalid, err)
	}
	return t.batch(h, part, each)
}

// filter reads what was counted.
func (c *Counted) filter() (f Filter, err error) {
	for _, m := range []struct {
		text string
		to   *time.Time
	}{{c.From, &f.From}, {c.Until, &f.Until}} {
		if m.text == "" {
			continue
		}
		if *m.to, err = time.Parse(time.RFC3339Nano, m.text); err != nil {
			return f, fmt.Errorf("proof: the period is not in RFC 3339: %w", ErrInvalid)
		}
	}
	f.Ways = c.Ways
	return f, nil
}
