package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/mem"
)

// errPromise is wrapped by every error that says that a ledger did not do what it promised.
var errPromise = errors.New("the ledger broke its promise")

func broken(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if errors.Is(err, errPromise) {
		return err
	}
	return fmt.Errorf("%w: %w", errPromise, err)
}

// check compares all that a ledger says with what it acknowledged, and with what a store in memory says that was given the
// same. With exactly, nothing else may be in it: otherwise disclosures may be that were never acknowledged.
func (b *books) check(ctx context.Context, s ledger.Store, exactly bool) error {
	rows, err := readAll(ctx, s, b.seed)
	if err != nil {
		return err
	}
	lost, wrong := 0, 0
	for id, sum := range b.disclosures {
		switch row, ok := rows[id]; {
		case !ok:
			lost++
		case digest(row.Disclosure, row.Persons, row.Weak) != sum:
			wrong++
		}
	}
	switch {
	case lost > 0:
		return broken("%d of %d acknowledged disclosures are lost", lost, len(b.disclosures))
	case wrong > 0:
		return broken("%d acknowledged disclosures are not what was recorded", wrong)
	case exactly && len(rows) != len(b.disclosures):
		return broken("%d disclosures are on record, %d were recorded", len(rows), len(b.disclosures))
	}
	if err := whole(rows); err != nil {
		return err
	}
	if err := b.checkNotes(ctx, s); err != nil {
		return err
	}
	return b.compare(ctx, s, rows, exactly)
}

// readAll reads every disclosure, and checks each against what its id says.
func readAll(ctx context.Context, s ledger.Store, seed uint32) (map[[16]byte]ledger.Row, error) {
	rows := map[[16]byte]ledger.Row{}
	seqs := map[uint64]bool{}
	var last time.Time
	err := s.Disclosures(ctx, ledger.Query{}, func(row ledger.Row) error {
		switch _, twice := rows[row.ID]; {
		case twice:
			return broken("disclosure %x is on record twice", row.ID)
		case seqs[row.Seq]:
			return broken("two disclosures have the number %d", row.Seq)
		case row.Time.Before(last):
			return broken("the disclosures are not in the order of time")
		case !bytes.Equal(row.ID[:4], firstBytes(seed)):
			return broken("disclosure %x was never given", row.ID)
		case digest(row.Disclosure, row.Persons, row.Weak) != want(row.ID):
			return broken("disclosure %x is not what was given", row.ID)
		}
		last = row.Time
		seqs[row.Seq] = true
		rows[row.ID] = row
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading all disclosures: %w", err)
	}
	return rows, s.Findings(ctx, ledger.Query{}, func(chaperone.Finding) error { return broken("a finding that was never given") })
}

func firstBytes(seed uint32) []byte {
	id := place{seed: seed}.id()
	return id[:4]
}

// whole checks that what a batch discloses of one day is on record as a whole, or not at all. The first disclosure of a batch
// may come alone: later rounds give it once more.
func whole(rows map[[16]byte]ledger.Row) error {
	for id, row := range rows {
		p := placeOf(id)
		if p.item == 1 {
			continue
		}
		p.item = 0
		n := items(random(p.id()))
		for i := range n {
			p.item = uint16(i + 1)
			_, ok := rows[p.id()]
			if !ok && ledger.DayOf(disclosure(p.id()).Time) == ledger.DayOf(row.Time) {
				return broken("of a batch, a part of one day is on record")
			}
		}
	}
	return nil
}

func (b *books) checkNotes(ctx context.Context, s ledger.Store) error {
	found := map[[16]byte]bool{}
	err := s.Notes(ctx, func(n ledger.Note) error {
		if found[n.ID] {
			return broken("a note is on record twice")
		}
		found[n.ID] = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading all notes: %w", err)
	}
	for id := range b.notes {
		if !found[id] {
			return broken("an acknowledged note is lost")
		}
	}
	return nil
}

// compare asks the ledger and a store in memory the same.
func (b *books) compare(ctx context.Context, s ledger.Store, rows map[[16]byte]ledger.Row, exactly bool) error {
	oracle := mem.New()
	var all ledger.Batch
	for _, id := range slices.SortedFunc(maps.Keys(rows), func(x, y [16]byte) int { return bytes.Compare(x[:], y[:]) }) {
		all.Disclosures = append(all.Disclosures, disclosure(id))
	}
	for pair := range pairs {
		merged, shows, err := isMerged(ctx, s, pair)
		if err != nil {
			return err
		}
		if !shows {
			merged = b.merges[pair]
		}
		if b.merges[pair] && !merged {
			return broken("an acknowledged merge is lost")
		}
		if merged {
			all.Merges = append(all.Merges, merge(pair))
		}
	}
	if _, err := oracle.Record(ctx, all); err != nil {
		return err
	}
	for i, q := range questions() {
		got, gotErr := s.Scope(ctx, q)
		want, wantErr := oracle.Scope(ctx, q)
		switch unknown := errors.Is(wantErr, ledger.ErrUnknown); {
		case unknown && (errors.Is(gotErr, ledger.ErrUnknown) || gotErr == nil && (got.Disclosures == 0 || !exactly)):
			// A number may be known from a merge, or as somebody's from a batch of several days whose first day only was
			// written: then it leads to disclosures that are on record.
			continue
		case gotErr != nil:
			return fmt.Errorf("question %d: %w", i, gotErr)
		case wantErr != nil:
			return fmt.Errorf("question %d, in memory: %w", i, wantErr)
		}
		if !exactly && got.Min <= want.Min && got.Max >= want.Max {
			// Identifiers may be known from what was not acknowledged, though the disclosures are not on record.
			got.Min, got.Max = want.Min, want.Max
		}
		if got.Counts != want.Counts || !got.First.Equal(want.First) || !got.Last.Equal(want.Last) {
			return broken("question %d: got %+v, want %+v", i, got.Counts, want.Counts)
		}
	}
	return nil
}

// questions are some of every kind.
func questions() []ledger.Query {
	party := ledger.Match{Prefix: netip.MustParsePrefix("10.9.0.0/27")}
	cut := firstDay.Add(5*time.Hour + 17*time.Minute)
	return []ledger.Query{
		{},
		{Detail: true},
		{From: cut, Until: cut.Add(36 * time.Hour)},
		{From: firstDay.Add(3 * time.Hour), Until: firstDay.Add(50 * time.Hour), Parties: []ledger.Match{party}},
		{Sources: []ledger.Match{{Name: "sender"}}, Protocols: []chaperone.Protocol{chaperone.DICOM}},
		{Patient: &ledger.Who{Tokens: []chaperone.PatientToken{token("second number", 3)}}},
		{Patient: &ledger.Who{Tokens: []chaperone.PatientToken{token("name", 1)}}, Until: cut},
	}
}

// isMerged reports whether the two numbers of a pair lead to the same disclosures. It does not show while there are none.
func isMerged(ctx context.Context, s ledger.Store, pair int) (merged, shows bool, err error) {
	var found [2][][16]byte
	for side := range found {
		who := &ledger.Who{Tokens: []chaperone.PatientToken{pairToken(pair, side)}}
		err := s.Disclosures(ctx, ledger.Query{Patient: who}, func(row ledger.Row) error {
			found[side] = append(found[side], row.ID)
			return nil
		})
		if err != nil && !errors.Is(err, ledger.ErrUnknown) {
			return false, false, fmt.Errorf("reading one patient's disclosures: %w", err)
		}
	}
	return slices.Equal(found[0], found[1]), len(found[0])+len(found[1]) > 0, nil
}
