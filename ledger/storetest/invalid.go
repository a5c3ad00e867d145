package storetest

import (
	"errors"
	"strings"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// invalid: nothing of an invalid batch is recorded, and the error says which part without saying what is in it.
func invalid(b *bench) {
	moment := at(0, "10:00:00")
	give := func(change func(*ledger.Disclosure)) ledger.Batch {
		d := disclosure(1, moment, "A")
		change(&d)
		return ledger.Batch{Disclosures: []ledger.Disclosure{disclosure(2, moment, "B"), d}}
	}
	find := func(change func(*chaperone.Finding)) ledger.Batch {
		f := finding("rule", moment)
		change(&f)
		return ledger.Batch{Findings: []chaperone.Finding{finding("good", moment), f}}
	}
	note := func(n ledger.Note) ledger.Batch {
		return ledger.Batch{Notes: []ledger.Note{{Kind: ledger.Remark, At: moment}, n}}
	}
	merge := func(m ledger.Merge) ledger.Batch {
		return ledger.Batch{Disclosures: []ledger.Disclosure{disclosure(2, moment, "B")}, Merges: []ledger.Merge{m}}
	}
	early, late := time.Unix(0, -1), time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name  string
		batch ledger.Batch
	}{
		{"no id", give(func(d *ledger.Disclosure) { d.ID = [16]byte{} })},
		{"no time", give(func(d *ledger.Disclosure) { d.Time = time.Time{} })},
		{"before 1970", give(func(d *ledger.Disclosure) { d.Time = early })},
		{"after 2261", give(func(d *ledger.Disclosure) { d.Time = late })},
		{"no protocol", give(func(d *ledger.Disclosure) { d.Protocol = "" })},
		{"no action", give(func(d *ledger.Disclosure) { d.Action = "" })},
		{"no outcome", give(func(d *ledger.Disclosure) { d.Outcome = "" })},
		{"another outcome", give(func(d *ledger.Disclosure) { d.Outcome = "lost" })},
		{"another protection", give(func(d *ledger.Disclosure) { d.Protection = "rot13" })},
		{"negative records", give(func(d *ledger.Disclosure) { d.Records = -1 })},
		{"negative unidentified", give(func(d *ledger.Disclosure) { d.Unidentified = -1 })},
		{"negative bytes", give(func(d *ledger.Disclosure) { d.Bytes = -1 })},
		{"negative packet", give(func(d *ledger.Disclosure) { d.Evidence.Packet = -1 })},
		{"negative offset", give(func(d *ledger.Disclosure) { d.Evidence.Offset = -1 })},
		{"covers nobody", give(func(d *ledger.Disclosure) { d.Covered = append(d.Covered, ledger.Covered{}) })},
		{"an empty token", give(func(d *ledger.Disclosure) {
			d.Covered[0].Numbers = append(d.Covered[0].Numbers, chaperone.PatientToken{})
		})},
		{"covers too many", give(func(d *ledger.Disclosure) { d.Covered = make([]ledger.Covered, ledger.MaxCovered+1) })},
		{"a merge before 1970", merge(ledger.Merge{Survivor: tokens("A"), Prior: tokens("B"), At: early})},
		{"a merge of an empty token", merge(ledger.Merge{Survivor: tokens("A"), Prior: make([]chaperone.PatientToken, 1), At: moment})},
		{"a merge of too many", merge(ledger.Merge{Survivor: distinct(1025), Prior: distinct(1024), At: moment})},
		{"a finding without a rule", find(func(f *chaperone.Finding) { f.Rule = "" })},
		{"a finding without a time", find(func(f *chaperone.Finding) { f.First = time.Time{} })},
		{"a finding that ends too late", find(func(f *chaperone.Finding) { f.Last = late })},
		{"a finding of no severity", find(func(f *chaperone.Finding) { f.Severity = chaperone.Critical + 1 })},
		{"a finding of negative count", find(func(f *chaperone.Finding) { f.Count = -1 })},
		{"a finding of negative bytes", find(func(f *chaperone.Finding) { f.Bytes = -1 })},
		{"a note of no kind", note(ledger.Note{At: moment})},
		{"a note without a time", note(ledger.Note{Kind: ledger.Remark})},
		{"a purge from outside", note(ledger.Note{Kind: ledger.Purge, At: moment, Day: first})},
		{"a remark of a day", note(ledger.Note{Kind: ledger.Remark, At: moment, Day: first})},
		{"a remark with coverage", note(ledger.Note{Kind: ledger.Remark, At: moment, Seen: ledger.Seen{Packets: 1}})},
		{"coverage of no time", note(ledger.Note{Kind: ledger.Coverage, At: moment})},
		{"coverage that ends first", note(ledger.Note{Kind: ledger.Coverage, At: moment, Seen: ledger.Seen{From: moment, Until: moment.Add(-1)}})},
		{"coverage of negative packets", note(ledger.Note{Kind: ledger.Coverage, At: moment, Seen: ledger.Seen{From: moment, Until: moment, Packets: -1}})},
	} {
		receipt, err := b.Record(b.ctx, test.batch)
		if !errors.Is(err, ledger.ErrInvalid) {
			b.Errorf("%s: got %v, want %v", test.name, err, ledger.ErrInvalid)
		} else if strings.Contains(err.Error(), token('A').String()) {
			b.Errorf("%s: the error tells a token", test.name)
		}
		want(b, test.name, receipt, ledger.Receipt{})
	}
	b.give(disclosure(3, moment, "C")) // a refused batch is no failed write
	b.lasting(func() {
		want(b, "ids", b.ids(ledger.Query{}), []int{3})
		list, err := findingsOf(b.ctx, b.Store, ledger.Query{})
		said, err2 := notesOf(b.ctx, b.Store)
		if len(list)+len(said) > 0 || err != nil || err2 != nil {
			b.Errorf("got %d findings and %d notes of invalid batches, %v, %v", len(list), len(said), err, err2)
		}
	})
}

// distinct gives so many tokens.
func distinct(n int) []chaperone.PatientToken {
	list := make([]chaperone.PatientToken, n)
	for i := range list {
		list[i] = id(i + 1)
	}
	return list
}
