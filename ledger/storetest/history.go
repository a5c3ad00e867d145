package storetest

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"pgregory.net/rapid"

	"chaperone"
	"chaperone/ledger"
)

// history is what a store lives through. It is data, so that a failure shrinks to the few steps that matter.
type history []step

// step is one act on a store.
type step struct {
	what  what
	batch ledger.Batch // with record
	query ledger.Query // with ask; its Patient comes from who
	who   string       // letters of a patient
	byID  bool         // asks by the public ids of who instead
	day   ledger.Day   // with purge
}

type what uint8

const (
	record what = iota
	ask
	reopen
	crash
	purgeDay
)

// GoString tells a history shortly, for rapid to print.
func (h history) GoString() string {
	var b strings.Builder
	for i, s := range h {
		fmt.Fprintf(&b, "\n%3d %s", i, s)
	}
	return b.String()
}

func (s step) String() string {
	switch s.what {
	case reopen:
		return "reopen"
	case crash:
		return "crash"
	case purgeDay:
		return "purge " + s.day.String()
	case ask:
		q := s.query
		return fmt.Sprintf("ask %s–%s to %v from %v %v patient %q by id %t detail %t", short(q.From), short(q.Until), q.Parties, q.Sources, q.Protocols, s.who, s.byID, q.Detail)
	}
	var b strings.Builder
	b.WriteString("record")
	for _, d := range s.batch.Disclosures {
		fmt.Fprintf(&b, " %d@%s(%s→%s %s %s", number(d.ID), short(d.Time), d.From.Claimed, d.To.Claimed, d.Protocol, d.Action)
		for _, c := range d.Covered {
			b.WriteString(" " + letters(append(c.Numbers[:len(c.Numbers):len(c.Numbers)], c.Demographic)))
		}
		b.WriteString(")")
	}
	for _, m := range s.batch.Merges {
		fmt.Fprintf(&b, " merge(%s<%s undo %t @%s)", letters(m.Survivor), letters(m.Prior), m.Undo, short(m.At))
	}
	for _, f := range s.batch.Findings {
		fmt.Fprintf(&b, " finding(%s@%s)", f.Rule, short(f.First))
	}
	for _, n := range s.batch.Notes {
		fmt.Fprintf(&b, " note(%d %d@%s)", n.Kind, number(n.ID), short(n.At))
	}
	return b.String()
}

func short(t time.Time) string {
	if t.IsZero() {
		return "open"
	}
	return fmt.Sprintf("%d/%s", ledger.DayOf(t)-first, t.UTC().Format("15:04:05.999999999"))
}

// The people of histories: few, so that they meet often.
const (
	numbersOfPeople = "ABCDEFGHIJ"
	namesOfPeople   = "uvwxyz"
)

// letters gives the letters of tokens.
func letters(list []chaperone.PatientToken) string {
	var b strings.Builder
	for _, t := range list {
		for _, c := range []byte(numbersOfPeople + namesOfPeople) {
			if token(c) == t {
				b.WriteByte(c)
			}
		}
	}
	return b.String()
}

const days = 4 // of a history

var (
	other   = chaperone.Party{Addr: netip.MustParseAddr("10.0.0.6"), Claimed: "OTHER", Proven: "CN=other"}
	systems = []chaperone.Party{archive, viewer, lab, mapped, called, other}
	kinds   = []struct {
		protocol chaperone.Protocol
		action   string
	}{{chaperone.DICOM, "C-STORE"}, {chaperone.DICOM, "C-FIND"}, {chaperone.DICOM, "C-GET"}, {chaperone.HL7, "ORU^R01"}, {chaperone.HL7, "ADT^A08"}, {chaperone.SMB, "READ"}}
	outcomes = []chaperone.Outcome{chaperone.Delivered, chaperone.Refused, chaperone.Unknown, chaperone.Partial}
	guarded  = []chaperone.Protection{"", chaperone.InClear, chaperone.TLS, chaperone.MutualTLS}
	matches  = []ledger.Match{
		{Name: "archive"}, {Name: "VIEWER"}, {Name: "cn=LAB.example"}, {Name: "köln"}, {Name: "nobody"}, {Prefix: netip.MustParsePrefix("10.0.0.0/31")},
		{Prefix: netip.MustParsePrefix("10.0.0.4/30")}, {Prefix: netip.MustParsePrefix("10.0.0.0/16")}, {Prefix: netip.MustParsePrefix("2001:db8::/32")}, {Prefix: netip.MustParsePrefix("0.0.0.0/0")},
	}
)

// Generators of small things.
var (
	moments = rapid.Custom(func(t *rapid.T) time.Time {
		clock := rapid.SampledFrom([]string{"00:00:00", "00:00:00.000001", "00:30:00", "10:00:00", "10:29:59.999999", "10:30:00", "10:59:59.999999", "11:00:00", "23:59:59.999999"}).Draw(t, "clock")
		return at(rapid.IntRange(0, days-1).Draw(t, "day"), clock)
	})
	ends = rapid.OneOf(rapid.Just(time.Time{}), moments, rapid.Custom(func(t *rapid.T) time.Time { // whole hours, and a day more
		return first.Time().Add(time.Duration(rapid.IntRange(0, 24*(days+1)).Draw(t, "hour")) * time.Hour)
	}), rapid.Map(moments, func(t time.Time) time.Time { return t.Add(1) }))
	someNumbers = rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]byte(numbersOfPeople)), 1, 3), func(l []byte) []chaperone.PatientToken { return tokens(string(l)) })
	aName       = rapid.Map(rapid.SampledFrom([]byte(namesOfPeople)), token)
	somebody    = rapid.Custom(func(t *rapid.T) (c ledger.Covered) {
		kind := rapid.IntRange(0, 5).Draw(t, "kind")
		if kind > 0 {
			c.Numbers = someNumbers.Draw(t, "numbers")
			if kind > 1 {
				c.Numbers = c.Numbers[:1] // joins are for good: many of them would leave one person
			}
		}
		if kind < 3 {
			c.Demographic = aName.Draw(t, "name")
		}
		return c
	})
	someMatches = rapid.Custom(func(t *rapid.T) []ledger.Match {
		return rapid.SliceOfN(rapid.SampledFrom(matches), 0, 3).Draw(t, "matches")
	})
)

// histories generates them.
var histories = rapid.Custom(func(t *rapid.T) history {
	w := world{}
	var h history
	for range rapid.IntRange(3, 20).Draw(t, "steps") {
		var s step
		switch n := rapid.IntRange(0, 39).Draw(t, "what"); {
		case n < 20:
			s.batch = w.batch(t)
		case n < 37:
			s = question(t)
		case n == 37:
			s.what = reopen
		case n == 38:
			s.what = crash
		default:
			s.what, s.day = purgeDay, first+ledger.Day(rapid.IntRange(0, days-1).Draw(t, "day"))
		}
		h = append(h, s)
	}
	return h
})

// world is what was said so far, to be said again.
type world struct {
	given []ledger.Disclosure
	found []chaperone.Finding
}

func (w *world) batch(t *rapid.T) (b ledger.Batch) {
	for range rapid.IntRange(0, 5).Draw(t, "disclosures") {
		if len(w.given) > 0 && rapid.IntRange(0, 4).Draw(t, "again") == 0 {
			b.Disclosures = append(b.Disclosures, rapid.SampledFrom(w.given).Draw(t, "given"))
			continue
		}
		d := w.disclosure(t)
		w.given = append(w.given, d)
		b.Disclosures = append(b.Disclosures, d)
	}
	for range max(0, rapid.IntRange(-3, 2).Draw(t, "merges")) {
		b.Merges = append(b.Merges, ledger.Merge{
			Survivor: someNumbers.Draw(t, "survivor"), Prior: someNumbers.Draw(t, "prior"), Undo: rapid.Bool().Draw(t, "undo"),
			At: at(0, "10:00:00").Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "at")) * time.Second),
		})
	}
	if rapid.IntRange(0, 4).Draw(t, "findings") == 0 {
		if len(w.found) > 0 && rapid.Bool().Draw(t, "again") {
			f := rapid.SampledFrom(w.found).Draw(t, "found")
			f.Count, f.Evidence.File, f.From.Port = 99, "again.pcap", 9
			b.Findings = append(b.Findings, f)
		}
		f := finding(rapid.SampledFrom([]string{"one", "two"}).Draw(t, "rule"), moments.Draw(t, "first"))
		f.From, f.Count = rapid.SampledFrom(systems).Draw(t, "from"), len(w.found)
		w.found = append(w.found, f)
		b.Findings = append(b.Findings, f)
	}
	if rapid.IntRange(0, 4).Draw(t, "notes") == 0 { // one a batch: the order within one of several days is the store's own
		b.Notes = append(b.Notes, note(t))
	}
	return b
}

func (w *world) disclosure(t *rapid.T) ledger.Disclosure {
	d := disclosure(len(w.given)+1, moments.Draw(t, "time"))
	kind := rapid.SampledFrom(kinds).Draw(t, "kind")
	d.Protocol, d.Action = kind.protocol, kind.action
	d.From, d.To = rapid.SampledFrom(systems).Draw(t, "from"), rapid.SampledFrom(systems).Draw(t, "to")
	d.From.Port, d.To.Port = rapid.SampledFrom([]uint16{0, 104, 65535}).Draw(t, "from port"), rapid.SampledFrom([]uint16{0, 11112}).Draw(t, "to port")
	d.Covered = rapid.SliceOfN(somebody, 0, 4).Draw(t, "covered")
	d.Records, d.Unidentified = rapid.IntRange(0, 9).Draw(t, "records"), rapid.IntRange(0, 3).Draw(t, "unidentified")
	d.Bytes = rapid.SampledFrom([]int64{0, 1, 1000, 1 << 40}).Draw(t, "bytes")
	d.Outcome, d.Protection = rapid.SampledFrom(outcomes).Draw(t, "outcome"), rapid.SampledFrom(guarded).Draw(t, "protection")
	d.Unseen = rapid.Bool().Draw(t, "unseen")
	if rapid.IntRange(0, 3).Draw(t, "requested") == 0 {
		by := rapid.SampledFrom(systems).Draw(t, "by")
		by.Port = rapid.SampledFrom([]uint16{0, 4242}).Draw(t, "by port")
		d.RequestedBy = &by
	}
	d.Evidence.File = rapid.SampledFrom([]string{"", "a.pcap", "b.pcap"}).Draw(t, "file")
	return d
}

func note(t *rapid.T) ledger.Note {
	n := ledger.Note{Kind: rapid.SampledFrom([]ledger.NoteKind{ledger.Remark, ledger.Policy, ledger.Coverage, ledger.Coverage}).Draw(t, "kind"), At: moments.Draw(t, "at"), Text: "said"}
	if k := rapid.IntRange(0, 5).Draw(t, "id"); k > 0 {
		n.ID = id(k)
	}
	if n.Kind == ledger.Coverage {
		from, until := moments.Draw(t, "from"), moments.Draw(t, "until")
		if until.Before(from) {
			from, until = until, from
		}
		n.Seen = ledger.Seen{From: from, Until: until, Packets: rapid.Int64Range(0, 1<<40).Draw(t, "packets"), Flows: 5, Decoded: 3, Hidden: 2}
	}
	return n
}

func question(t *rapid.T) step {
	s := step{what: ask, query: ledger.Query{From: ends.Draw(t, "from"), Until: ends.Draw(t, "until"), Detail: rapid.Bool().Draw(t, "detail")}}
	switch rapid.IntRange(0, 3).Draw(t, "of") {
	case 0:
		s.query.Parties = someMatches.Draw(t, "parties")
	case 1:
		s.query.Parties, s.query.Sources = someMatches.Draw(t, "parties"), someMatches.Draw(t, "sources")
	case 2:
		s.query.Protocols = rapid.SliceOfN(rapid.SampledFrom([]chaperone.Protocol{chaperone.HL7, chaperone.DICOM, chaperone.SMB, chaperone.RDP}), 0, 2).Draw(t, "protocols")
	}
	if rapid.IntRange(0, 3).Draw(t, "patient") == 0 {
		s.who = string(rapid.SliceOfN(rapid.SampledFrom([]byte(numbersOfPeople+namesOfPeople)), 1, 2).Draw(t, "who"))
		s.byID = rapid.Bool().Draw(t, "by id")
	}
	return s
}
