package proof

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"chaperone/ledger"
	"chaperone/ledger/record"
)

// Disclosure proves one disclosure by its number in the order of recording, which is in a batch. Its block is opened to the
// reader, or the whole batch when its format has no blocks that can be shown alone.
//
// Errors: ErrNotSigned, ErrPurged, ledger.ErrUnknown when the disclosure is not in the batch, seal.ErrTile.
func Disclosure(s *Source, batch, number uint64) (*Document, error) {
	doc, err := s.begin(OfDisclosure, batch, batch+1)
	if err != nil {
		return nil, err
	}
	t := newTally(Filter{})
	b, err := s.open(t, batch, func(first uint64) func(uint64, *record.Disclosure) {
		return func(i uint64, d *record.Disclosure) {
			if first+i == number {
				doc.Disclosure = disclosed(number, d)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	switch {
	case t.count.Closed > 0:
		return nil, fmt.Errorf("proof: batch %d: %w", batch, ErrPurged)
	case doc.Disclosure == nil:
		return nil, fmt.Errorf("proof: disclosure %d in batch %d: %w", number, batch, ledger.ErrUnknown)
	}
	if err := b.cut(number); err != nil {
		return nil, err
	}
	doc.Batches = []Batch{b}
	doc.Learn, doc.Trust = doc.Words()
	if doc.Disclosure.File != 0 {
		doc.Claimed.File = s.Words(doc.Disclosure.File)
	}
	way, err := s.way(doc.Disclosure.Way)
	if err != nil {
		return nil, err
	}
	doc.Claimed.Ways = []Way{way}
	return doc, nil
}

// Count proves what a filter counts in the batches first, …, end-1.
//
// Errors: ErrNotSigned, ErrTooLong, seal.ErrTile.
func Count(ctx context.Context, s *Source, first, end uint64, f Filter) (*Document, error) {
	if first >= end {
		return nil, fmt.Errorf("proof: batches %d to %d are not a range", first, end)
	}
	if end-first > maxBatches {
		return nil, fmt.Errorf("proof: %d batches: %w", end-first, ErrTooLong)
	}
	doc, err := s.begin(OfCount, first, end)
	if err != nil {
		return nil, err
	}
	t := newTally(f)
	size := 0
	for n := first; n < end; n++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b, err := s.open(t, n, nil)
		if err != nil {
			return nil, err
		}
		if size += len(b.Entries); size > maxBytes {
			return nil, fmt.Errorf("proof: %d bytes in batches %d to %d: %w", size, first, n+1, ErrTooLong)
		}
		doc.Batches = append(doc.Batches, b)
	}
	doc.Learn, doc.Trust = doc.Words()
	doc.Count = t.result()
	doc.Claimed.Ways = []Way{}
	for _, n := range slices.Sorted(maps.Keys(t.ways)) {
		way, err := s.way(n)
		if err != nil {
			return nil, err
		}
		doc.Claimed.Ways = append(doc.Claimed.Ways, way)
	}
	doc.Claimed.Objects = t.objects(doc.Claimed.Ways)
	return doc, nil
}

// begin makes what both kinds have in common.
func (s *Source) begin(kind string, first, end uint64) (*Document, error) {
	text, tree, err := s.signed(end)
	if err != nil {
		return nil, fmt.Errorf("proof: batch %d: %w", end-1, err)
	}
	path, err := s.Log.ProveRange(first, end, uint64(tree.N))
	if err != nil {
		return nil, err
	}
	doc := &Document{Format: format, Version: version, Kind: kind, Checkpoint: text, First: first, Path: make([][]byte, len(path))}
	for i := range path {
		doc.Path[i] = path[i][:]
	}
	return doc, nil
}

// open reads a batch and counts it. each, which may be nil, is told the number of the batch's first disclosure.
func (s *Source) open(t *tally, n uint64, each func(first uint64) func(uint64, *record.Disclosure)) (Batch, error) {
	header, entries, key, err := s.Batch(n)
	if err != nil {
		return Batch{}, err
	}
	b := Batch{Header: header}
	h, err := record.ParseHeader(header)
	if err == nil {
		err = t.header(&h, n)
	}
	if err != nil {
		return b, err
	}
	if h.EntriesSize > 0 && key == nil {
		t.closed(&h)
		return b, nil
	}
	b.Entries = entries
	if key != nil && len(entries) > 0 {
		b.Key = key[:]
	}
	var see func(uint64, *record.Disclosure)
	if each != nil {
		see = each(h.Before)
	}
	return b, openBatch(t, &h, &b, see)
}
