package storetest

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"chaperone"
	"chaperone/ledger"
)

func ranges(b *bench) {
	day := func(n int) time.Time { return at(n, "00:00:00") }
	b.give(
		disclosure(1, at(0, "23:59:59.999999"), "A"), disclosure(2, day(1), "A"), disclosure(3, at(1, "00:00:00.000001"), "A"),
		disclosure(4, at(1, "10:29:59.999999"), "B"), disclosure(5, at(1, "10:30:00"), "B"), disclosure(6, at(1, "10:30:00.000001"), "C"),
		disclosure(7, at(1, "11:00:00"), "C"), disclosure(8, day(2), "D"), disclosure(9, at(3, "12:00:00"), "A"),
	)
	var open time.Time
	b.lasting(func() {
		for _, test := range []struct {
			name        string
			from, until time.Time
			want        []int
			patients    int
		}{
			{"everything", open, open, []int{1, 2, 3, 4, 5, 6, 7, 8, 9}, 4},
			{"a day", day(1), day(2), []int{2, 3, 4, 5, 6, 7}, 3},
			{"two days", day(1), day(3), []int{2, 3, 4, 5, 6, 7, 8}, 4},
			{"open end", at(1, "10:30:00"), open, []int{5, 6, 7, 8, 9}, 4},
			{"open beginning", open, at(1, "10:30:00"), []int{1, 2, 3, 4}, 2},
			{"an hour", at(1, "10:00:00"), at(1, "11:00:00"), []int{4, 5, 6}, 2},
			{"the beginning cuts an hour", at(1, "10:30:00"), at(1, "11:00:00"), []int{5, 6}, 2},
			{"the end cuts an hour", at(1, "10:00:00"), at(1, "10:30:00"), []int{4}, 1},
			{"a microsecond", at(1, "10:30:00"), at(1, "10:30:00.000001"), []int{5}, 1},
			{"both ends cut one hour", at(1, "10:29:59.999999"), at(1, "10:30:00.000001"), []int{4, 5}, 1},
			{"the end cuts a microsecond", at(1, "10:30:00"), at(1, "10:30:00.000000001"), []int{5}, 1},
			{"the beginning cuts a microsecond", at(1, "10:30:00.000000001"), at(1, "10:31:00"), []int{6}, 1},
			{"over midnight", at(0, "23:59:59.999999"), at(1, "00:00:00.000001"), []int{1, 2}, 1},
			{"nothing in it", at(2, "01:00:00"), at(3, "12:00:00"), []int{}, 0},
			{"empty", day(1), day(1), []int{}, 0},
			{"turned round", day(2), day(1), []int{}, 0},
			{"long before", time.Time{}.Add(1), time.Unix(-1, 0), []int{}, 0},
			{"long after", time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC), open, []int{}, 0},
			{"of all times", time.Time{}.Add(1), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), []int{1, 2, 3, 4, 5, 6, 7, 8, 9}, 4},
			{"in another zone", day(1).In(time.FixedZone("", 3600)), day(2).In(time.FixedZone("", -3600)), []int{2, 3, 4, 5, 6, 7}, 3},
		} {
			q := ledger.Query{From: test.from, Until: test.until}
			want(b, test.name, b.ids(q), test.want)
			s := b.scope(q)
			want(b, test.name+": patients", s.Patients, test.patients)
			if rows := b.rows(q); len(rows) > 0 && (!s.First.Equal(rows[0].Time) || !s.Last.Equal(rows[len(rows)-1].Time)) {
				b.Errorf("%s: got %v to %v, want the times of the first and the last row", test.name, s.First, s.Last)
			}
		}
	})
}

// ways are disclosures between all sorts of parties.
func ways(b *bench) {
	named := chaperone.Party{Addr: netip.MustParseAddr("10.0.3.1"), Claimed: "lab@north"}
	ported := viewer
	ported.Port = 4242
	b.give(
		between(disclosure(1, at(0, "10:00:00"), "A"), archive, viewer), between(disclosure(2, at(0, "11:00:00"), "B"), archive, lab),
		between(disclosure(3, at(0, "12:00:00"), "C"), lab, mapped), between(disclosure(4, at(1, "10:00:00"), "D"), viewer, called),
		by(between(disclosure(5, at(1, "11:00:00"), "A"), lab, named), chaperone.HL7, "ADT^A08"),
		by(between(disclosure(6, at(1, "12:00:00"), "E"), archive, ported), chaperone.SMB, "READ"),
	)
}

func parties(b *bench) {
	ways(b)
	net := func(list ...string) (m []ledger.Match) {
		for _, s := range list {
			m = append(m, ledger.Match{Prefix: netip.MustParsePrefix(s)})
		}
		return m
	}
	called := func(names ...string) (m []ledger.Match) {
		for _, s := range names {
			m = append(m, ledger.Match{Name: s})
		}
		return m
	}
	b.lasting(func() {
		for _, test := range []struct {
			name string
			q    ledger.Query
			want []int
		}{
			{"an address", ledger.Query{Parties: net("10.0.1.9/32")}, []int{1, 6}},
			{"a network", ledger.Query{Parties: net("10.0.0.0/22")}, []int{1, 3, 5, 6}},
			{"an address inside another", ledger.Query{Parties: net("10.0.2.3/32")}, []int{3}},
			{"IPv6", ledger.Query{Parties: net("2001:db8::/32")}, []int{2}},
			{"all of IPv4", ledger.Query{Parties: net("0.0.0.0/0")}, []int{1, 3, 5, 6}},
			{"all of IPv6", ledger.Query{Parties: net("::/0")}, []int{2}},
			{"a claimed name", ledger.Query{Parties: called("VIEWER")}, []int{1, 6}},
			{"whatever the case", ledger.Query{Parties: called("Lab@North")}, []int{2, 5}},
			{"a proven name", ledger.Query{Parties: called("cn=LAB.example")}, []int{2}},
			{"not only ASCII", ledger.Query{Parties: called("KÖLN")}, []int{4}},
			{"a part of a name", ledger.Query{Parties: called("VIEW")}, []int{}},
			{"no name", ledger.Query{Parties: called("")}, []int{}},
			{"several", ledger.Query{Parties: append(net("10.0.1.9/32"), called("köln", "nobody")...)}, []int{1, 4, 6}},
			{"a source", ledger.Query{Sources: called("archive")}, []int{1, 2, 6}},
			{"several sources", ledger.Query{Sources: append(net("2001:db8::7/128"), called("viewer")...)}, []int{3, 4, 5}},
			{"source and party", ledger.Query{Sources: called("archive"), Parties: net("::/0")}, []int{2}},
			{"a protocol", ledger.Query{Protocols: []chaperone.Protocol{chaperone.SMB}}, []int{6}},
			{"several protocols", ledger.Query{Protocols: []chaperone.Protocol{chaperone.SMB, chaperone.HL7, chaperone.RDP}}, []int{5, 6}},
			{"all fields", ledger.Query{From: at(0, "10:00:01"), Until: at(1, "11:00:01"), Parties: net("10.0.0.0/8"), Sources: called("LAB@NORTH"),
				Protocols: []chaperone.Protocol{chaperone.HL7, chaperone.DICOM}, Patient: &ledger.Who{Tokens: tokens("A")}}, []int{5}},
		} {
			want(b, test.name, b.ids(test.q), test.want)
		}
	})
}

// one patient by token and by id, and who that is after merges.
func onePatient(b *bench) {
	b.give(
		disclosure(1, at(0, "10:00:00"), "A", "D"), disclosure(2, at(0, "11:00:00"), "B"), disclosure(3, at(1, "10:00:00"), "BC"),
		disclosure(4, at(1, "11:00:00"), "x"), disclosure(5, at(2, "10:00:00"), "Ax"), disclosure(6, at(2, "11:00:00"), "E"),
	)
	of := func(letters string) ledger.Query { return ledger.Query{Patient: &ledger.Who{Tokens: tokens(letters)}} }
	check := func(name string, lines ...string) {
		b.Helper()
		b.lasting(func() {
			for _, line := range lines {
				letters, wanted, _ := strings.Cut(line, " ")
				want(b, name+": "+letters, strings.Trim(fmt.Sprint(b.ids(of(letters))), "[]"), wanted)
			}
		})
	}
	check("at first", "A 1 5", "B 2 3", "C 2 3", "D 1", "x 4", "E 6", "AE 1 5 6", "CZ 2 3", "ZE 6")
	b.record(ledger.Batch{Merges: []ledger.Merge{{Survivor: tokens("C"), Prior: tokens("A"), At: at(3, "10:00:00")}}})
	check("merged", "A 1 2 3 5", "B 1 2 3 5", "C 1 2 3 5", "x 4")
	b.record(ledger.Batch{Merges: []ledger.Merge{{Survivor: tokens("F"), Prior: tokens("EG"), At: at(3, "10:00:00")}}})
	check("with some who were never seen", "E 6", "F 6", "G 6")
	b.record(ledger.Batch{Merges: []ledger.Merge{{Survivor: tokens("A"), Prior: tokens("C"), Undo: true, At: at(3, "10:00:00")}}})
	check("undone", "A 1 5", "B 2 3", "F 6")
	b.lasting(func() {
		for _, who := range []ledger.Who{{}, {Tokens: tokens("Z")}, {ID: ledger.PatientID{1}}, {ID: ledger.PatientID{1}, Tokens: tokens("A")}} {
			q := ledger.Query{Patient: &who}
			if _, err := b.Scope(b.ctx, q); !errors.Is(err, ledger.ErrUnknown) {
				b.Errorf("scope of nobody: got %v, want %v", err, ledger.ErrUnknown)
			}
			if _, err := rowsOf(b.ctx, b.Store, q); !errors.Is(err, ledger.ErrUnknown) {
				b.Errorf("disclosures of nobody: got %v, want %v", err, ledger.ErrUnknown)
			}
		}
		want(b, "all whom a patient's disclosures cover", countsOf(b.scope(of("A")).Counts), people{2, 0, 2, 2, 2})
		q := of("B")
		q.From, q.Until = at(1, "00:00:00"), at(2, "00:00:00")
		want(b, "in a range", b.ids(q), []int{3})
	})
}

// idsLast: an id that was given out names the same person for good, also when a merge gave that person another one.
func idsLast(b *bench) {
	b.give(disclosure(1, at(0, "10:00:00"), "A"), disclosure(2, at(0, "11:00:00"), "B"), disclosure(3, at(0, "12:00:00"), "C", "Bx"))
	idOf := func(n int) ledger.PatientID {
		for _, r := range b.rows(ledger.Query{}) {
			if number(r.ID) == n && len(r.People) == 1 {
				return r.People[0]
			}
		}
		b.Fatalf("disclosure %d covers nobody, or several", n)
		return ledger.PatientID{}
	}
	a, second := idOf(1), idOf(2)
	by := func(id ledger.PatientID) []int { return b.ids(ledger.Query{Patient: &ledger.Who{ID: id}}) }
	b.lasting(func() {
		want(b, "an id", idOf(1), a)
		want(b, "asked by id", by(second), []int{2, 3})
		for _, r := range b.rows(ledger.Query{}) {
			for i := 1; i < len(r.People); i++ {
				if string(r.People[i-1][:]) >= string(r.People[i][:]) {
					b.Error("people are not in the order of bytes")
				}
			}
		}
	})
	b.record(ledger.Batch{Merges: []ledger.Merge{{Survivor: tokens("B"), Prior: tokens("A"), At: at(1, "10:00:00")}}})
	b.lasting(func() {
		want(b, "merged: the id of the older number", idOf(2), a)
		want(b, "merged: by its id", by(a), []int{1, 2, 3})
		want(b, "merged: by the id before", by(second), []int{1, 2, 3})
	})
	b.record(ledger.Batch{Merges: []ledger.Merge{{Survivor: tokens("B"), Prior: tokens("A"), Undo: true, At: at(1, "11:00:00")}}})
	b.lasting(func() {
		want(b, "undone: an id", idOf(2), second)
		want(b, "undone: by id", by(a), []int{1})
	})
}

func sums(b *bench) {
	d := disclosure(1, at(0, "10:00:00"), "A")
	d.Records, d.Unidentified, d.Bytes = 7, 3, 1<<41
	e := by(disclosure(2, at(0, "10:30:00")), chaperone.DICOM, "C-FIND")
	e.Records, e.Unidentified, e.Bytes = 1<<30, 1<<30, 5
	f := by(disclosure(3, at(0, "11:00:00"), "A", "A"), chaperone.DICOM, "C-MOVE")
	g := by(disclosure(4, at(0, "12:00:00"), "B"), chaperone.HL7, "C-STORE")
	h := by(disclosure(5, at(0, "13:00:00"), "B"), chaperone.DICOM, "C-GET")
	b.give(d, e, f, g, h)
	b.lasting(func() {
		want(b, "counts", b.scope(ledger.Query{}).Counts, ledger.Counts{
			Patients: 2, Unmerged: 2, Min: 2, Max: 2, Unidentified: 3 + 1<<30, Disclosures: 5, Records: 7 + 1<<30 + 2 + 1 + 1, Objects: 7 + 2 + 1, Bytes: 1<<41 + 5 + 20 + 10 + 10,
		})
		want(b, "nobody", b.scope(ledger.Query{From: at(0, "10:30:00"), Until: at(0, "10:30:01")}).Counts, ledger.Counts{
			Unidentified: 1 << 30, Disclosures: 1, Records: 1 << 30, Bytes: 5,
		})
	})
}

// parts: days, protocols and edges are what the same question gives for each alone.
func parts(b *bench) {
	ways(b)
	b.give(disclosure(7, at(1, "23:00:00"), "AB", "x"), disclosure(8, at(3, "00:00:00"), "x", "Cx"))
	b.lasting(func() {
		for _, q := range []ledger.Query{{}, {From: at(0, "10:30:00"), Until: at(1, "23:30:00")}, {Parties: []ledger.Match{{Name: "viewer"}}}} {
			if s := b.scope(q); len(s.Days)+len(s.Protocols)+len(s.Edges) > 0 {
				b.Error("got parts that nobody asked for")
			}
			q.Detail = true
			s := b.scope(q)
			alone := func(part ledger.Query) ledger.Counts { return b.scope(part).Counts }
			var days, protocols, edges int64
			for i, part := range s.Days {
				if i > 0 && s.Days[i-1].Day >= part.Day {
					b.Error("days are not in order")
				}
				p := q
				if begin := part.Day.Time(); p.From.Before(begin) {
					p.From = begin
				}
				if end := (part.Day + 1).Time(); p.Until.IsZero() || p.Until.After(end) {
					p.Until = end
				}
				want(b, "of "+part.Day.String(), part.Counts, alone(p))
				days += part.Disclosures
			}
			for _, part := range s.Protocols {
				p := q
				p.Protocols = []chaperone.Protocol{part.Protocol}
				want(b, "of "+string(part.Protocol), part.Counts, alone(p))
				protocols += part.Disclosures
			}
			for _, part := range s.Edges {
				if part.From.Port != 0 || part.To.Port != 0 {
					b.Error("an edge has a port")
				}
				p := q
				p.Sources, p.Parties = []ledger.Match{match(part.From)}, []ledger.Match{match(part.To)}
				want(b, "of an edge", part.Counts, alone(p))
				edges += part.Disclosures
			}
			want(b, "sums of the parts", [3]int64{days, protocols, edges}, [3]int64{s.Disclosures, s.Disclosures, s.Disclosures})
		}
	})
}

// match means one party of the tests and no other.
func match(p chaperone.Party) ledger.Match {
	if !p.Addr.IsValid() {
		return ledger.Match{Name: p.Claimed}
	}
	addr := p.Addr.Unmap()
	return ledger.Match{Prefix: netip.PrefixFrom(addr, addr.BitLen())}
}
