package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"chaperone"
	"chaperone/ledger"
)

func emptyStore(b *bench) {
	b.lasting(func() {
		s := b.scope(ledger.Query{Detail: true})
		want(b, "counts", s.Counts, ledger.Counts{})
		if !s.First.IsZero() || !s.Last.IsZero() || len(s.Days)+len(s.Protocols)+len(s.Edges)+len(s.Seen)+len(s.Purged) > 0 {
			b.Errorf("an empty store answers with something: %+v", s)
		}
		want(b, "rows", len(b.rows(ledger.Query{})), 0)
	})
}

func everyField(b *bench) {
	asker := chaperone.Party{Proven: "CN=asker", Addr: netip.MustParseAddr("192.0.2.4"), Port: 4242, Claimed: "ASKER"}
	full := disclosure(1, at(0, "10:00:00.000001"), "A", "Bx", "y")
	full.From, full.To, full.RequestedBy = lab, viewer, &asker
	full.From.Port, full.To.Port = 104, 65535
	full.Protocol, full.Action, full.Protection, full.Outcome, full.Unseen = chaperone.HL7, "ORU^R01", chaperone.MutualTLS, chaperone.Partial, true
	full.Unidentified, full.Records, full.Bytes = 5, 9, 1<<40
	full.Evidence = chaperone.Evidence{File: "b.pcap", Packet: 1 << 33, Record: 1 << 63, Offset: 1 << 50}
	bare := ledger.Disclosure{Disclosure: chaperone.Disclosure{ID: id(2), Time: time.Unix(0, 0), Protocol: "x", Action: "y", Outcome: chaperone.Unknown}}
	late := disclosure(3, time.Date(2261, 12, 31, 23, 59, 59, 999_999_000, time.UTC), "C")
	late.Outcome, late.From, late.To = chaperone.Refused, mapped, called
	b.give(full, bare, late)
	b.lasting(func() {
		rows := b.rows(ledger.Query{})
		if len(rows) != 3 {
			b.Fatalf("got %d rows, want 3", len(rows))
		}
		for i, d := range []ledger.Disclosure{bare, full, late} {
			if got, want := plain(rows[i]), plain(ledger.Row{Disclosure: d.Disclosure}); !reflect.DeepEqual(got, want) {
				b.Errorf("got %+v, want %+v", got, want)
			}
			want(b, "people", len(rows[i].People), len(d.Covered))
			want(b, "persons", rows[i].Persons, len(d.Covered))
		}
		want(b, "weak", rows[1].Weak, 1)
	})
}

// plain is what of a row does not depend on the store, so that two can be compared.
func plain(r ledger.Row) chaperone.Disclosure {
	d := r.Disclosure
	d.Time = d.Time.UTC()
	d.From.Addr, d.To.Addr = d.From.Addr.Unmap(), d.To.Addr.Unmap()
	if d.RequestedBy != nil {
		by := *d.RequestedBy
		d.RequestedBy = &by
	}
	return d
}

func cuts(b *bench) {
	long := strings.Repeat("ü", ledger.MaxText) // twice as many bytes
	odd := "x" + long
	d := disclosure(1, at(0, "10:00:00.123456789"), "A")
	d.Action, d.To.Claimed, d.To.Proven, d.Evidence.File = long, odd, "\xff\xfe", odd
	b.give(d)
	f := finding("rule", at(0, "10:00:00.000000999"))
	f.Title = odd
	b.record(ledger.Batch{Findings: []chaperone.Finding{f}, Notes: []ledger.Note{{Kind: ledger.Remark, At: at(0, "10:00:00.000001001"), Text: odd}}})
	b.lasting(func() {
		rows := b.rows(ledger.Query{})
		if len(rows) != 1 {
			b.Fatalf("got %d rows, want 1", len(rows))
		}
		r := rows[0]
		if r.Action != long[:ledger.MaxText] || r.To.Claimed != odd[:ledger.MaxText-1] || r.To.Proven != "\xff\xfe" || r.Evidence.File != odd[:ledger.MaxText-1] {
			b.Error("texts are not cut at the last whole rune within the bound")
		}
		want(b, "time", r.Time.UTC(), at(0, "10:00:00.123456"))
		want(b, "of a range that begins within the microsecond", len(b.rows(ledger.Query{From: at(0, "10:00:00.123456001")})), 0)
		list, err := findingsOf(b.ctx, b.Store, ledger.Query{})
		if err != nil || len(list) != 1 || list[0].Title != odd[:ledger.MaxText-1] || !list[0].First.Equal(at(0, "10:00:00")) {
			b.Errorf("the finding is not cut: %d, %v", len(list), err)
		}
		said, err := notesOf(b.ctx, b.Store)
		if err != nil || len(said) != 1 || said[0].Text != odd[:ledger.MaxText-1] || !said[0].At.Equal(at(0, "10:00:00.000001")) {
			b.Errorf("the note is not cut: %d, %v", len(said), err)
		}
	})
}

func once(b *bench) {
	one, two, three := disclosure(1, at(0, "10:00:00"), "A"), disclosure(2, at(0, "11:00:00"), "B"), disclosure(3, at(1, "10:00:00"), "C")
	want(b, "first", b.give(one, two), ledger.Receipt{Recorded: 2})
	want(b, "again", b.give(one, two), ledger.Receipt{Already: 2})
	b.lasting(func() {
		want(b, "later", b.give(two, one, one), ledger.Receipt{Already: 3})
		want(b, "ids", b.ids(ledger.Query{}), []int{1, 2})
	})
	want(b, "twice in a batch", b.give(three, three, one), ledger.Receipt{Recorded: 1, Already: 2})
	b.lasting(func() {
		want(b, "ids", b.ids(ledger.Query{}), []int{1, 2, 3})
		want(b, "records", b.scope(ledger.Query{}).Records, 3)
	})
}

// repeated: a disclosure that is on record brings no joins, no likeness and nobody new, whatever it says this time.
func repeated(b *bench) {
	b.give(disclosure(1, at(0, "10:00:00"), "A", "B"), disclosure(2, at(0, "10:00:01"), "C"))
	want(b, "receipt", b.give(disclosure(1, at(0, "10:00:00"), "AB", "Ax", "Bx", "D", "y")), ledger.Receipt{Already: 1})
	b.lasting(func() {
		want(b, "counts", countsOf(b.scope(ledger.Query{}).Counts), people{3, 0, 3, 3, 3})
		if _, err := b.Scope(b.ctx, ledger.Query{Patient: &ledger.Who{Tokens: tokens("D")}}); !errors.Is(err, ledger.ErrUnknown) {
			b.Errorf("somebody whom only a repetition names: got %v, want %v", err, ledger.ErrUnknown)
		}
	})
}

func emptyBatch(b *bench) {
	want(b, "receipt", b.record(ledger.Batch{}), ledger.Receipt{})
	b.give(disclosure(1, at(0, "10:00:00"), "A"))
	want(b, "receipt", b.record(ledger.Batch{}), ledger.Receipt{})
	b.lasting(func() { want(b, "ids", b.ids(ledger.Query{}), []int{1}) })
}

func notKept(b *bench) {
	asker := chaperone.Party{Claimed: "ASKER"}
	d := disclosure(1, at(0, "10:00:00"), "AB", "C")
	d.RequestedBy = &asker
	batch := ledger.Batch{
		Disclosures: []ledger.Disclosure{d}, Merges: []ledger.Merge{{Survivor: tokens("A"), Prior: tokens("C"), At: at(0, "10:00:00")}},
		Findings: []chaperone.Finding{finding("rule", at(0, "10:00:00"))}, Notes: []ledger.Note{{Kind: ledger.Remark, At: at(0, "10:00:00"), Text: "said"}},
	}
	b.record(batch)
	asker.Claimed = "CHANGED"
	batch.Disclosures[0].Covered[0].Numbers[1] = token('X')
	batch.Disclosures[0].Covered[1] = ledger.Covered{Demographic: token('z')}
	batch.Disclosures[0].ID = id(9)
	batch.Merges[0].Survivor[0] = token('Y')
	batch.Findings[0].Rule, batch.Notes[0].Text = "changed", "changed"
	b.lasting(func() {
		rows := b.rows(ledger.Query{Patient: &ledger.Who{Tokens: tokens("B")}})
		if len(rows) != 1 || number(rows[0].ID) != 1 || rows[0].RequestedBy.Claimed != "ASKER" {
			b.Errorf("the store shares memory with the batch: %+v", rows)
		}
		want(b, "counts", countsOf(b.scope(ledger.Query{}).Counts), people{1, 0, 2, 1, 3})
	})
}

func order(b *bench) {
	b.give(disclosure(1, at(1, "10:00:00"), "A"), disclosure(2, at(0, "23:59:59.999999"), "A"), disclosure(3, at(1, "10:00:00"), "B"))
	b.give(disclosure(4, at(0, "00:00:00"), "A"), disclosure(5, at(1, "10:00:00"), "C"), disclosure(6, at(1, "09:59:59"), "C"))
	b.lasting(func() {
		want(b, "ids", b.ids(ledger.Query{}), []int{4, 2, 6, 1, 3, 5})
		seq, batch := map[int]uint64{}, map[int]uint64{}
		taken := map[uint64]bool{}
		for _, r := range b.rows(ledger.Query{}) {
			seq[number(r.ID)], batch[number(r.ID)], taken[r.Seq] = r.Seq, r.Batch, true
			if r.Seq > 5 {
				b.Errorf("got number %d among 6", r.Seq)
			}
		}
		want(b, "numbers", len(taken), 6)
		for _, before := range []int{1, 2, 3} {
			for _, after := range []int{4, 5, 6} {
				if seq[before] >= seq[after] || batch[before] >= batch[after] {
					b.Errorf("%d was recorded before %d: got numbers %d and %d, batches %d and %d", before, after, seq[before], seq[after], batch[before], batch[after])
				}
			}
		}
	})
}

// long: histories of one day and of many, out of order on record. A row stays the caller's.
func long(b *bench) {
	const many, oneDay, prime = 10_700, 9_500, 7_919
	const others = "BCDx" // beside A, by turns
	var wanted []ledger.Disclosure
	for i := range many {
		n := i * prime % many
		day, of := 0, n
		if n >= oneDay {
			day, of = 1+n%5, n-oneDay
		}
		when := at(day, "00:00:00").Add(time.Duration(of/2) * time.Second) // two at a time
		wanted = append(wanted, disclosure(n, when, "A", others[n%4:n%4+1]))
	}
	for part := range slices.Chunk(wanted, 1_000) {
		b.give(part...)
	}
	slices.SortStableFunc(wanted, func(a, b ledger.Disclosure) int { return a.Time.Compare(b.Time) })
	b.lasting(func() {
		for whose, q := range map[string]ledger.Query{
			others: {}, "ABCDx": {Patient: &ledger.Who{Tokens: tokens("A")}}, "C": {Patient: &ledger.Who{Tokens: tokens("C")}},
		} {
			var ids []int
			for _, d := range wanted {
				if n := number(d.ID); strings.IndexByte(whose, others[n%4]) >= 0 {
					ids = append(ids, n)
				}
			}
			named := 2
			if q.Patient != nil {
				named = 1 // the others are nobody's business
			}
			people := map[byte]string{}
			rows := b.rows(q)
			if len(rows) != len(ids) {
				b.Fatalf("of %s: got %d rows, want %d", whose, len(rows), len(ids))
			}
			for i, r := range rows {
				other := others[ids[i]%4]
				got := fmt.Sprint(r.People, r.Weak == 1)
				if people[other] == "" && (r.Weak == 1) == (other == 'x') {
					people[other] = got
				}
				if number(r.ID) != ids[i] || r.Persons != 2 || len(r.People) != named || bytes.Compare(r.People[0][:], r.People[named-1][:]) > 1-named || got != people[other] {
					b.Fatalf("of %s: row %d is disclosure %d of %s, want %d of A and %c, as %q", whose, i, number(r.ID), got, ids[i], other, people[other])
				}
			}
		}
	})
}

func huge(b *bench) {
	const many, wide = 5_000, 20_000
	var batch ledger.Batch
	for n := range many {
		d := disclosure(n, at(n%3, "00:00:00").Add(time.Duration(n)*7*time.Second))
		d.Covered = []ledger.Covered{{Numbers: []chaperone.PatientToken{id(n % 1000)}}}
		batch.Disclosures = append(batch.Disclosures, d)
	}
	d := disclosure(many, at(1, "12:00:00"))
	for n := range wide {
		d.Covered = append(d.Covered, ledger.Covered{Numbers: []chaperone.PatientToken{id(n)}})
	}
	batch.Disclosures = append(batch.Disclosures, d)
	want(b, "receipt", b.record(batch), ledger.Receipt{Recorded: many + 1})
	b.lasting(func() {
		s := b.scope(ledger.Query{})
		want(b, "counts", countsOf(s.Counts), people{wide, 0, wide, wide, wide})
		want(b, "disclosures", s.Disclosures, many+1)
		want(b, "a patient's", len(b.rows(ledger.Query{Patient: &ledger.Who{Tokens: []chaperone.PatientToken{id(999)}}})), many/1000+1)
		want(b, "again", b.record(batch), ledger.Receipt{Already: many + 1})
	})
}
