package storetest

import (
	"errors"
	"fmt"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// finding gives one with every field set.
func finding(rule string, when time.Time) chaperone.Finding {
	from, to := viewer, lab
	from.Port, to.Port = 3389, 445
	return chaperone.Finding{
		Rule: rule, Severity: chaperone.High, Technique: "T1110.001", Title: "seen", Advice: "do", From: from, To: to, Account: "admin",
		First: when, Last: when, Count: 3, Bytes: 4, Evidence: chaperone.Evidence{File: "a.pcap", Packet: 5, Record: 6, Offset: 7},
	}
}

func findings(b *bench) {
	one := finding("one", at(1, "10:30:00"))
	again := one
	again.Severity, again.Title, again.Count, again.Last, again.Bytes, again.Technique = chaperone.Low, "otherwise", 9, at(2, "10:00:00"), 9, ""
	again.From.Port, again.To.Port, again.Evidence.File = 1, 2, "b.pcap"
	others := []chaperone.Finding{one}
	for i, change := range []func(*chaperone.Finding){
		func(f *chaperone.Finding) { f.Rule = "two" },
		func(f *chaperone.Finding) { f.From = archive },
		func(f *chaperone.Finding) { f.To.Claimed = "" },
		func(f *chaperone.Finding) { f.To.Proven = "" },
		func(f *chaperone.Finding) { f.To = chaperone.Party{} },
		func(f *chaperone.Finding) { f.Account = "" },
		func(f *chaperone.Finding) { f.First = at(1, "10:30:00.000001") },
		func(f *chaperone.Finding) { f.Evidence.Packet = 0 },
		func(f *chaperone.Finding) { f.Evidence.Record = 0 },
		func(f *chaperone.Finding) { f.Evidence.Offset = 0 },
		func(f *chaperone.Finding) { f.First, f.Last = at(0, "10:00:00"), at(3, "10:00:00") },
	} {
		f := one
		f.Count = 100 + i
		change(&f)
		others = append(others, f)
	}
	want(b, "receipt", b.record(ledger.Batch{Findings: append([]chaperone.Finding{one, again}, others...)}), ledger.Receipt{})
	b.record(ledger.Batch{Findings: []chaperone.Finding{again, finding("later", at(1, "10:30:00"))}})
	ask := func(q ledger.Query) (counts []int) {
		list, err := findingsOf(b.ctx, b.Store, q)
		if err != nil {
			b.Fatalf("findings: %v", err)
		}
		for _, f := range list {
			counts = append(counts, f.Count)
		}
		return counts
	}
	b.lasting(func() {
		want(b, "in the order of time, then of recording", fmt.Sprint(ask(ledger.Query{})), "[110 3 100 101 102 103 104 105 107 108 109 3 106]")
		want(b, "half-open range", fmt.Sprint(ask(ledger.Query{From: at(1, "10:30:00.000001"), Until: at(2, "00:00:00")})), "[106]")
		want(b, "the end is outside", fmt.Sprint(ask(ledger.Query{From: at(0, "10:00:01"), Until: at(1, "10:30:00")})), "[]")
		list, err := findingsOf(b.ctx, b.Store, ledger.Query{From: at(1, "00:00:00")})
		if err != nil || len(list) == 0 {
			b.Fatalf("got %d findings, %v", len(list), err)
		}
		got := list[0]
		got.First, got.Last = got.First.UTC(), got.Last.UTC()
		want(b, "every field", got, one)
		b.record(ledger.Batch{Findings: []chaperone.Finding{again}})
	})
}

func notes(b *bench) {
	remark := ledger.Note{ID: id(1), Kind: ledger.Remark, At: at(0, "10:00:00"), Text: "first"}
	again := ledger.Note{ID: id(1), Kind: ledger.Policy, At: at(1, "10:00:00"), Text: "again"}
	always := ledger.Note{Kind: ledger.Remark, At: at(0, "09:00:00"), Text: "always"}
	policy := ledger.Note{ID: id(2), Kind: ledger.Policy, At: at(0, "11:00:00"), Text: "policy"}
	for _, n := range []ledger.Note{remark, again, always, policy, always} {
		want(b, "receipt", b.record(ledger.Batch{Notes: []ledger.Note{n}}), ledger.Receipt{})
	}
	b.record(ledger.Batch{Notes: []ledger.Note{remark, remark}})
	b.lasting(func() {
		list, err := notesOf(b.ctx, b.Store)
		if err != nil {
			b.Fatalf("notes: %v", err)
		}
		for i := range list {
			list[i].At, list[i].Seen = list[i].At.UTC(), ledger.Seen{}
		}
		want(b, "in the order of recording", list, []ledger.Note{remark, always, policy, always})
		b.record(ledger.Batch{Notes: []ledger.Note{remark, policy}})
	})
}

func coverage(b *bench) {
	cover := func(n int64, from, until time.Time) {
		seen := ledger.Seen{From: from, Until: until, Packets: n, Flows: 2, Decoded: 3, Hidden: 4, LostBytes: 1 << 40, Malformed: 6}
		b.record(ledger.Batch{Notes: []ledger.Note{{ID: id(int(n)), Kind: ledger.Coverage, At: until, Seen: seen}}})
	}
	cover(1, at(1, "10:00:00"), at(1, "12:00:00"))
	cover(2, at(0, "10:00:00"), at(0, "12:00:00"))
	cover(3, at(0, "00:00:00"), at(3, "00:00:00"))
	cover(4, at(2, "10:00:00"), at(2, "10:00:00"))
	cover(1, at(2, "10:00:00"), at(2, "10:00:00")) // its id is known
	b.give(disclosure(1, at(1, "11:00:00"), "A"))
	var open time.Time
	b.lasting(func() {
		for _, test := range []struct {
			name        string
			from, until time.Time
			want, near  []int64
		}{
			{"everything", open, open, []int64{1, 2, 3, 4}, nil},
			{"within", at(1, "10:30:00"), at(1, "11:00:00"), []int64{1, 3}, nil},
			{"over the beginning", at(0, "12:00:01"), at(1, "10:00:00.000001"), []int64{1, 3}, []int64{2}},
			{"up to the beginning", at(0, "12:00:01"), at(1, "10:00:00"), []int64{3}, []int64{1, 2}},
			{"a minute away", at(0, "12:01:00"), at(1, "09:59:00.000001"), []int64{3}, []int64{1, 2}},
			{"further away", at(0, "12:01:00.000001"), at(1, "09:59:00"), []int64{3}, nil},
			{"from the last moment on", at(1, "12:00:00"), at(1, "13:00:00"), []int64{1, 3}, nil},
			{"open end", at(1, "12:00:00.000001"), open, []int64{3, 4}, []int64{1}},
			{"open beginning", open, at(0, "10:00:00"), []int64{3}, []int64{2}},
			{"a run of one moment", at(2, "10:00:00"), at(2, "10:00:00.000001"), []int64{3, 4}, nil},
			{"outside", at(3, "00:00:00.000001"), open, nil, []int64{3}},
		} {
			s := b.scope(ledger.Query{From: test.from, Until: test.until, Parties: []ledger.Match{{Name: "whoever"}}})
			packets := func(runs []ledger.Seen) (list []int64) {
				for _, r := range runs {
					list = append(list, r.Packets)
				}
				return list
			}
			want(b, test.name, packets(s.Seen), test.want)
			want(b, test.name+", near", packets(s.Near), test.near)
		}
		s := b.scope(ledger.Query{})
		got := s.Seen[0]
		got.From, got.Until = got.From.UTC(), got.Until.UTC()
		want(b, "every field", got, ledger.Seen{From: at(1, "10:00:00"), Until: at(1, "12:00:00"), Packets: 1, Flows: 2, Decoded: 3, Hidden: 4, LostBytes: 1 << 40, Malformed: 6})
	})
}

// purge: a purged day is forgotten for good, and what is known of people is not.
func purge(b *bench) {
	if b.Purge == nil {
		b.Skip("this store cannot purge")
	}
	gone := disclosure(1, at(0, "10:00:00"), "AB", "x")
	b.give(gone, disclosure(2, at(1, "00:00:00"), "A"), disclosure(3, at(1, "10:00:00"), "C"))
	b.record(ledger.Batch{
		Merges:   []ledger.Merge{{Survivor: tokens("A"), Prior: tokens("C"), At: at(0, "10:00:00")}},
		Findings: []chaperone.Finding{finding("gone", at(0, "23:59:59.999999")), finding("stays", at(1, "00:00:00"))},
		Notes:    []ledger.Note{{ID: id(1), Kind: ledger.Remark, At: at(0, "10:00:00"), Text: "stays too"}},
	})
	b.record(ledger.Batch{Notes: []ledger.Note{{Kind: ledger.Remark, At: at(1, "10:00:00"), Text: "stays"}}})
	for range 2 { // again does nothing
		if err := b.Purge(first); err != nil {
			b.Fatalf("purge: %v", err)
		}
	}
	b.lasting(func() {
		want(b, "ids", b.ids(ledger.Query{}), []int{2, 3})
		s := b.scope(ledger.Query{Detail: true})
		want(b, "counts", countsOf(s.Counts), people{1, 0, 2, 1, 3})
		want(b, "purged", s.Purged, []ledger.Day{first})
		want(b, "purged, outside the range", len(b.scope(ledger.Query{From: at(1, "00:00:00")}).Purged), 0)
		want(b, "purged, at the end of the range", len(b.scope(ledger.Query{Until: at(0, "00:00:00")}).Purged), 0)
		want(b, "purged, in a range without a moment", len(b.scope(ledger.Query{From: at(0, "23:00:00"), Until: at(0, "23:00:00")}).Purged), 0)
		want(b, "purged, within the range", len(b.scope(ledger.Query{From: at(0, "23:00:00"), Until: at(0, "23:30:00")}).Purged), 1)
		want(b, "somebody known from that day only", b.ids(ledger.Query{Patient: &ledger.Who{Tokens: tokens("x")}}), []int{})
		again := disclosure(9, at(0, "12:00:00"), "D", "Ex", "Cx")
		want(b, "again", b.give(gone, again), ledger.Receipt{Purged: 2})
		if _, err := b.Scope(b.ctx, ledger.Query{Patient: &ledger.Who{Tokens: tokens("D")}}); !errors.Is(err, ledger.ErrUnknown) {
			b.Errorf("somebody of a purged day: got %v, want %v", err, ledger.ErrUnknown)
		}
		b.record(ledger.Batch{Findings: []chaperone.Finding{finding("new", at(0, "10:00:00"))}, Notes: []ledger.Note{{ID: id(8), Kind: ledger.Remark, At: at(0, "10:00:00")}}})
		list, err := findingsOf(b.ctx, b.Store, ledger.Query{})
		if err != nil || len(list) != 1 || list[0].Rule != "stays" {
			b.Errorf("got %d findings, %v", len(list), err)
		}
		said, err := notesOf(b.ctx, b.Store)
		if err != nil || len(said) != 4 || said[0].Text != "stays too" || said[1].Text != "stays" || said[2].Kind != ledger.Purge || said[2].Day != first {
			b.Errorf("got notes %+v, %v; want three and one of the purge", said, err)
		}
	})
}
