package ask

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/mem"
)

var update = flag.Bool("update", false, "rewrite testdata")

var (
	archive = chaperone.Party{Addr: netip.MustParseAddr("10.0.0.5"), Port: 104, Claimed: "ARCHIVE"}
	viewer  = chaperone.Party{Addr: netip.MustParseAddr("10.0.1.9"), Port: 4242, Claimed: "VIEWER"}
	lab     = chaperone.Party{Addr: netip.MustParseAddr("2001:db8:1234:5678:9abc:def0:1234:5678"), Claimed: "LAB@NORTH", Proven: "CN=lab.example"}
	hostile = chaperone.Party{Addr: netip.MustParseAddr("192.0.2.66"), Port: 443, Claimed: "=cmd|'/C calc'!A0\x1b[31m\u202e"}
	asker   = chaperone.Party{Claimed: "@ASKER"}

	style = Style{Names: map[netip.Addr]string{viewer.Addr: "Reading room 2"}, Zone: time.FixedZone("CET", 3600)}
	begin = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
)

func token(letter byte) chaperone.PatientToken { return chaperone.PatientToken{0xab, 0xcd, letter} }

// invented makes a ledger of invented people: letters are numbers, small ones names.
func invented(t *testing.T) *mem.Store {
	t.Helper()
	s := mem.New()
	n := byte(0)
	give := func(hours int, protocol chaperone.Protocol, action string, from, to chaperone.Party, whose ...string) ledger.Disclosure {
		n++
		d := ledger.Disclosure{Disclosure: chaperone.Disclosure{
			ID: [16]byte{n}, Time: begin.Add(time.Duration(hours)*time.Hour + 1500*time.Microsecond), Protocol: protocol, Action: action, From: from, To: to,
			Records: len(whose), Bytes: 52_000 * int64(len(whose)), Protection: chaperone.InClear, Outcome: chaperone.Delivered,
			Evidence: chaperone.Evidence{File: "a.pcap", Packet: int64(n), Offset: 100},
		}}
		for _, word := range whose {
			var c ledger.Covered
			for _, letter := range []byte(word) {
				if letter >= 'a' {
					c.Demographic = token(letter)
				} else {
					c.Numbers = append(c.Numbers, token(letter))
				}
			}
			d.Covered = append(d.Covered, c)
		}
		return d
	}
	b := ledger.Batch{Disclosures: []ledger.Disclosure{
		give(0, chaperone.DICOM, "C-STORE", archive, viewer, "Ax"), give(1, chaperone.DICOM, "C-STORE", archive, viewer, "Ax", "B"),
		give(2, chaperone.HL7, "ORU^R01", archive, lab, "CDx"), give(26, chaperone.HL7, "ORU^R01", archive, lab, "C", "y"),
		give(30, chaperone.DICOM, "C-FIND", archive, hostile, "A", "B", "C", "E", "z"), give(80, chaperone.DICOM, "C-STORE", archive, viewer, "A"),
		give(-7*365*24, chaperone.HL7, "ADT^A08", lab, viewer, "A"),
	}}
	b.Disclosures[4].RequestedBy, b.Disclosures[4].Unidentified, b.Disclosures[4].Records = &asker, 1234, 1239
	b.Disclosures[5].Unseen, b.Disclosures[5].Protection, b.Disclosures[5].Outcome = true, "", chaperone.Partial
	b.Merges = []ledger.Merge{{Survivor: []chaperone.PatientToken{token('A')}, Prior: []chaperone.PatientToken{token('B')}, At: begin}}
	seen := ledger.Seen{From: begin.Add(-time.Hour), Until: begin.Add(10 * time.Hour), Packets: 900, Flows: 20, Decoded: 12, Hidden: 5, LostBytes: 4096, Malformed: 1}
	later := ledger.Seen{From: begin.Add(24 * time.Hour), Until: begin.Add(90 * time.Hour), Packets: 5000, Flows: 1000, Decoded: 900}
	joined := ledger.Seen{From: later.Until.Add(time.Second), Until: later.Until.Add(time.Hour)}
	for _, r := range []ledger.Seen{seen, later, joined} {
		b.Notes = append(b.Notes, ledger.Note{Kind: ledger.Coverage, At: r.Until, Seen: r})
	}
	tell := func(rule string, severity chaperone.Severity, from, to chaperone.Party, hours float64, count int) {
		at := begin.Add(time.Duration(hours * float64(time.Hour)))
		b.Findings = append(b.Findings, chaperone.Finding{
			Rule: rule, Severity: severity, From: from, To: to, First: at, Last: at, Count: count,
			Title: "Something of the kind " + rule + " was seen.", Advice: "Ask whether it is right.",
		})
	}
	tell("refused-budget-24h", chaperone.Medium, archive, viewer, 3, 1)
	tell("refused-budget-24h", chaperone.Medium, archive, viewer, 4, 41)
	tell("would-refuse-no-grant", chaperone.Low, archive, hostile, 5, 2)
	tell("clock-moved", chaperone.High, chaperone.Party{}, chaperone.Party{}, 6, 1)
	if _, err := s.Record(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(ledger.DayOf(begin.Add(-48*time.Hour)), begin); err != nil {
		t.Fatal(err)
	}
	return s
}

// golden compares with a file. Ids of patients, which are random, are numbered by their first use in the text.
func golden(t *testing.T, s ledger.Store, name string, got []byte) {
	t.Helper()
	text := string(got)
	err := s.Disclosures(t.Context(), ledger.Query{}, func(r ledger.Row) error {
		for _, id := range r.People {
			text = strings.ReplaceAll(text, id.String(), "(an id)")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, "abcd") {
		t.Error("the text has a token")
	}
	for i, l := range strings.Split(text, "\n") {
		if strings.HasSuffix(name, ".txt") && len([]rune(l)) > 100 {
			t.Errorf("line %d is %d columns wide", i+1, len([]rune(l)))
		}
	}
	if strings.ContainsAny(text, "\x1b\u202e") {
		t.Error("the text can steer a terminal")
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s: got:\n%s\nwant:\n%s", name, text, want)
	}
}

// answers are all that can be written of a ledger.
func answers(s ledger.Store) map[string]func(out io.Writer) error {
	ctx := context.Background()
	scope := func(q ledger.Query, seal ledger.Seal, write func(io.Writer, ledger.Query, ledger.Scope, Style) error) func(io.Writer) error {
		return func(out io.Writer) error {
			answer, err := s.Scope(ctx, q)
			if err != nil {
				return err
			}
			answer.Seal = seal
			return write(out, q, answer, style)
		}
	}
	list := func(q ledger.Query, format Format) func(io.Writer) error {
		return func(out io.Writer) error {
			_, err := Disclosures(ctx, out, s, q, format, style)
			return err
		}
	}
	account := func(a Account, write func(*Accounted, io.Writer, Style) error) func(io.Writer) error {
		return func(out io.Writer) error {
			a, err := Accounting(ctx, s, a)
			if err != nil {
				return err
			}
			return write(&a, out, style)
		}
	}
	everything := ledger.Query{Detail: true}
	part := ledger.Query{
		From: begin.Add(-72 * time.Hour), Until: begin.Add(100 * time.Hour), Detail: true, Protocols: []chaperone.Protocol{chaperone.DICOM},
		Parties: []ledger.Match{{Name: viewer.Claimed}, {Prefix: netip.MustParsePrefix("192.0.2.0/24")}}, Sources: []ledger.Match{{Name: "archive"}},
	}
	nobody := ledger.Query{Parties: []ledger.Match{{Name: "\x1b[31mnobody"}}, From: begin.Add(1000 * time.Hour)}
	late := begin.AddDate(0, 1, 0)
	a := Account{Patient: ledger.Who{Tokens: []chaperone.PatientToken{token('A')}}, Asked: late}
	outside := a
	_ = s.Disclosures(ctx, ledger.Query{Until: begin}, func(r ledger.Row) error { // one patient's
		outside.Patient = ledger.Who{ID: r.People[0]}
		return nil
	})
	outside.From = begin.AddDate(-20, 0, 0)
	outside.Outside = func(r ledger.Row) bool { return r.To.Addr != viewer.Addr }
	outside.Purpose = func(r ledger.Row) string { return "a theft" }
	return map[string]func(io.Writer) error{
		"scope.txt":    scope(everything, ledger.Seal{Batches: 12, Sealed: 11, Witnessed: 9, Witnesses: 3, Needed: 2}, Scope),
		"scope.jsonl":  scope(everything, ledger.Seal{Batches: 12, Sealed: 11, Witnessed: 9, Witnesses: 3, Needed: 2}, ScopeJSON),
		"part.txt":     scope(part, ledger.Seal{Batches: 1, Sealed: 1}, Scope),
		"part.jsonl":   scope(part, ledger.Seal{Batches: 1, Sealed: 1}, ScopeJSON),
		"nobody.txt":   scope(nobody, ledger.Seal{}, Scope),
		"nobody.jsonl": scope(nobody, ledger.Seal{}, ScopeJSON),
		"table.txt":    list(ledger.Query{}, Table),
		"empty.txt":    list(nobody, Table),
		"foot.txt":     scope(part, ledger.Seal{Batches: 1, Sealed: 1}, Foot),
		"list.csv":     list(ledger.Query{}, CSV),
		"empty.csv":    list(nobody, CSV),
		"list.jsonl":   list(ledger.Query{}, JSON),
		"digest.txt":   func(out io.Writer) error { return Digest(ctx, out, s, begin, begin.Add(100*time.Hour), style) },
		"digest-empty.txt": func(out io.Writer) error {
			return Digest(ctx, out, s, begin.AddDate(-20, 0, 0), begin.AddDate(-19, 0, 0), style)
		},
		"account.txt":    account(a, (*Accounted).Write),
		"account.jsonl":  account(a, (*Accounted).WriteJSON),
		"outside.txt":    account(outside, (*Accounted).Write),
		"no-account.txt": account(Account{Patient: a.Patient, Asked: begin.Add(-24 * time.Hour)}, (*Accounted).Write),
	}
}

func TestGolden(t *testing.T) {
	s := invented(t)
	for name, write := range answers(s) {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := write(&out); err != nil {
				t.Fatal(err)
			}
			golden(t, s, name, out.Bytes())
			switch filepath.Ext(name) {
			case ".csv":
				rows, err := csv.NewReader(&out).ReadAll()
				if err != nil || len(rows) == 0 {
					t.Errorf("got %d rows, %v", len(rows), err)
				}
			case ".jsonl":
				for _, l := range strings.Split(strings.TrimSpace(out.String()), "\n") {
					var v struct{ Kind string }
					if err := json.Unmarshal([]byte(l), &v); err != nil || v.Kind == "" {
						t.Errorf("a line is no JSON of a kind: %v", err)
					}
				}
			}
		})
	}
}

// short is a writer on a full disk.
type short struct{ left int }

var errShort = errors.New("no room")

func (w *short) Write(b []byte) (int, error) {
	n := min(w.left, len(b))
	if w.left -= n; n < len(b) {
		return n, errShort
	}
	return n, nil
}

// TestWriteErrors: an answer that was not written to its end is an error, wherever it was cut.
func TestWriteErrors(t *testing.T) {
	s := invented(t)
	for name, write := range answers(s) {
		t.Run(name, func(t *testing.T) {
			var whole bytes.Buffer
			if err := write(&whole); err != nil {
				t.Fatal(err)
			}
			for n := 0; n < whole.Len(); n += 1 + whole.Len()/50 {
				if err := write(&short{n}); !errors.Is(err, errShort) {
					t.Fatalf("cut at %d of %d: got %v, want %v", n, whole.Len(), err, errShort)
				}
			}
		})
	}
}

func TestLedgerErrors(t *testing.T) {
	s := invented(t)
	nobody := ledger.Who{Tokens: []chaperone.PatientToken{token('?')}}
	if _, err := Accounting(t.Context(), s, Account{Patient: nobody, Asked: begin}); !errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("accounting: got %v, want %v", err, ledger.ErrUnknown)
	}
	for _, format := range []Format{Table, CSV, JSON} {
		if _, err := Disclosures(t.Context(), io.Discard, s, ledger.Query{Patient: &nobody}, format, style); !errors.Is(err, ledger.ErrUnknown) {
			t.Errorf("disclosures: got %v, want %v", err, ledger.ErrUnknown)
		}
	}
	if n, err := Disclosures(t.Context(), io.Discard, s, ledger.Query{}, JSON, style); n != 7 || err != nil {
		t.Errorf("got %d disclosures, %v; want 7", n, err)
	}
}

func TestCell(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""}, {"PACS", "PACS"}, {"A-1+2=3@x", "A-1+2=3@x"}, {"=1+1", "'=1+1"}, {"-1", "'-1"}, {"@SUM(A1)", "'@SUM(A1)"}, {"  +1", "  '+1"}, {"a;=1", "a;'=1"}, {"a, \"=1", "a, \"'=1"},
		{"\t=1", "?=1"}, {"\r\n=1", "??=1"}, {"＝1", "'＝1"}, {"\x1b[31m", "?[31m"}, {"Köln", "Köln"}, {"''=1", "'''=1"},
	} {
		if got := cell(test.in); got != test.want {
			t.Errorf("%+q: got %+q, want %+q", test.in, got, test.want)
		}
	}
}

// TestUnwatched: all of a period is watched that runs cover, and pauses between two of them, measured from one to the other whatever was
// asked for. Nothing else is.
func TestUnwatched(t *testing.T) {
	at := func(hour int) time.Time { return begin.Add(time.Duration(hour) * time.Hour) }
	run := func(from, until int) ledger.Seen { return ledger.Seen{From: at(from), Until: at(until)} }
	later := func(d time.Duration, from, until int) ledger.Seen {
		return ledger.Seen{From: at(from).Add(d), Until: at(until)}
	}
	for _, test := range []struct {
		name string
		q    ledger.Query
		runs []ledger.Seen
		want string
	}{
		{"nobody said anything", ledger.Query{From: at(0), Until: at(9)}, nil, "[0-9]"},
		{"nobody said anything, of any time", ledger.Query{From: at(0)}, nil, "[]"},
		{"all of it", ledger.Query{From: at(0), Until: at(9)}, []ledger.Seen{run(-1, 10)}, "[]"},
		{"open", ledger.Query{}, []ledger.Seen{run(0, 3)}, "[]"},
		{"before and after", ledger.Query{From: at(0), Until: at(9)}, []ledger.Seen{run(2, 7)}, "[0-2 7-9]"},
		{"between, in any order", ledger.Query{}, []ledger.Seen{run(5, 7), run(0, 3), run(1, 2)}, "[3-5]"},
		{"overlapping", ledger.Query{From: at(0), Until: at(9)}, []ledger.Seen{run(0, 5), run(4, 9)}, "[]"},
		{"one within another", ledger.Query{From: at(0), Until: at(9)}, []ledger.Seen{run(0, 8), run(2, 3)}, "[8-9]"},
		{"a pause between two captures", ledger.Query{}, []ledger.Seen{{From: at(0), Until: at(1)}, {From: at(1).Add(time.Minute), Until: at(3)}}, "[]"},
		{"longer than a pause", ledger.Query{}, []ledger.Seen{{From: at(0), Until: at(1)}, {From: at(1).Add(time.Minute + time.Microsecond), Until: at(3)}}, "[1-1]"},
		{"a minute at both ends", ledger.Query{From: at(0), Until: at(9)}, []ledger.Seen{{From: at(0).Add(time.Minute), Until: at(9).Add(-time.Minute)}}, "[0-0 9-9]"},
		{"a minute that nobody watched", ledger.Query{From: at(0), Until: at(0).Add(time.Minute)}, nil, "[0-0]"},
		{"the last minute of a gap of an hour", ledger.Query{From: at(3), Until: at(4)}, []ledger.Seen{run(1, 2), later(time.Minute, 3, 5)}, "[3-3]"},
		{"the first minute of a gap of an hour", ledger.Query{From: at(1), Until: at(2).Add(time.Minute)}, []ledger.Seen{run(1, 2), run(3, 5)}, "[2-2]"},
		{"a pause over the beginning", ledger.Query{From: at(2).Add(time.Second), Until: at(3)}, []ledger.Seen{run(1, 2), later(time.Minute, 2, 5)}, "[]"},
		{"a pause over the end", ledger.Query{From: at(1), Until: at(2).Add(time.Second)}, []ledger.Seen{run(1, 2), later(time.Minute, 2, 5)}, "[]"},
		{"within a pause", ledger.Query{From: at(2).Add(time.Second), Until: at(2).Add(2 * time.Second)}, []ledger.Seen{run(1, 2), later(time.Minute, 2, 5)}, "[2-2]"},
		{"touching", ledger.Query{From: at(0), Until: at(9)}, []ledger.Seen{run(0, 5), run(5, 9)}, "[]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := []string{}
			for _, gap := range SummaryOf(test.q, scopeOf(t, test.q, test.runs)).Coverage.Unwatched {
				got = append(got, fmt.Sprintf("%.0f-%.0f", gap.From.Sub(begin).Hours(), gap.Until.Sub(begin).Hours()))
			}
			if text := fmt.Sprint(got); text != test.want {
				t.Errorf("got %s, want %s", text, test.want)
			}
		})
	}
}

// TestGoesOn: of the minutes before now, in which a guard has not said yet that it watches, it is said so; longer ones, and those
// between two runs, nobody watched.
func TestGoesOn(t *testing.T) {
	run := func(from, until time.Duration) ledger.Seen {
		return ledger.Seen{From: begin.Add(from), Until: begin.Add(until)}
	}
	const open, nobody = "No run on record says that it watched from", "Nobody watched from"
	for _, test := range []struct {
		name  string
		runs  []ledger.Seen
		until time.Duration
		want  string
	}{
		{"a moment ago", []ledger.Seen{run(0, time.Hour)}, time.Hour + 9*time.Minute, open},
		{"it has only begun", []ledger.Seen{run(0, 0)}, 9 * time.Minute, open},
		{"longer than it would be silent", []ledger.Seen{run(0, time.Hour)}, time.Hour + 11*time.Minute, nobody},
		{"between two", []ledger.Seen{run(0, time.Hour), run(time.Hour+9*time.Minute, 2*time.Hour)}, 2 * time.Hour, nobody},
	} {
		q := ledger.Query{From: begin, Until: begin.Add(test.until)}
		got := strings.Join(style.watched(q, scopeOf(t, q, test.runs)), "\n")
		if !strings.Contains(got, test.want) || strings.Contains(got, open) && strings.Contains(got, nobody) {
			t.Errorf("%s: got %s, want %q", test.name, got, test.want)
		}
		if test.want == open && !strings.Contains(got, "a guard that runs says so every 10 minutes, and when it ends") {
			t.Errorf("%s: got %s", test.name, got)
		}
	}
}

// TestPauses: what was watched for a second of each minute is not told as watched for an hour without saying so.
func TestPauses(t *testing.T) {
	var runs []ledger.Seen
	for i := range 60 {
		from := begin.Add(time.Duration(i) * time.Minute)
		runs = append(runs, ledger.Seen{From: from, Until: from.Add(time.Second), Packets: 1})
	}
	for _, test := range []struct {
		name    string
		q       ledger.Query
		pauses  int
		seconds float64
		text    string
	}{
		{"all of it", ledger.Query{}, 59, 59 * 59, "59 pauses of up to a minute between runs count as watched: 58 minutes in all."},
		{"a part of one", ledger.Query{From: begin.Add(30 * time.Second), Until: begin.Add(61 * time.Second)}, 1, 30, "1 pause of up to a minute between runs counts as watched: 30.0 seconds in all."},
	} {
		s := scopeOf(t, test.q, runs)
		if c := SummaryOf(test.q, s).Coverage; c.Pauses != test.pauses || c.Paused != test.seconds || len(c.Unwatched) > 0 {
			t.Errorf("%s: got %d pauses of %v seconds and %v unwatched, want %d of %v", test.name, c.Pauses, c.Paused, c.Unwatched, test.pauses, test.seconds)
		}
		if notes := style.watched(test.q, s); !slices.Contains(notes, test.text) {
			t.Errorf("%s: got %q, want %q among it", test.name, notes, test.text)
		}
	}
}

// scopeOf asks a ledger that has runs on record.
func scopeOf(t *testing.T, q ledger.Query, runs []ledger.Seen) ledger.Scope {
	t.Helper()
	store := mem.New()
	var b ledger.Batch
	for i, r := range runs {
		b.Notes = append(b.Notes, ledger.Note{ID: [16]byte{byte(i + 1)}, Kind: ledger.Coverage, At: r.Until, Seen: r})
	}
	_, err := store.Record(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Scope(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSixYears(t *testing.T) {
	for _, test := range []struct{ asked, want string }{
		{"2026-03-01T10:00:00Z", "2020-03-01T00:00:00Z"}, {"2026-03-01T00:30:00+02:00", "2020-03-01T00:00:00+02:00"}, {"2024-02-29T10:00:00Z", "2018-02-28T00:00:00Z"},
		{"2026-02-28T10:00:00Z", "2020-02-28T00:00:00Z"},
	} {
		asked, err := time.Parse(time.RFC3339, test.asked)
		if err != nil {
			t.Fatal(err)
		}
		if got := sixYears(asked).Format(time.RFC3339); got != test.want {
			t.Errorf("%s: got %s, want %s", test.asked, got, test.want)
		}
	}
}

func TestProven(t *testing.T) {
	for _, test := range []struct {
		name string
		seal ledger.Seal
		want string // in the last sentence
	}{
		{"nothing", ledger.Seal{}, "Nothing is on record"},
		{"all of it later", ledger.Seal{Later: 2}, "2 batches on record are not under a signed checkpoint yet: this answer leaves out"},
		{"some of it later", ledger.Seal{Batches: 5, Sealed: 5, Later: 1}, "1 batch was recorded after that checkpoint"},
		{"not sealed", ledger.Seal{Batches: 5}, "no signed checkpoint"},
		{"no witness", ledger.Seal{Batches: 5, Sealed: 5}, "No witness outside is asked"},
		{"none has seen it", ledger.Seal{Batches: 5, Sealed: 5, Witnesses: 3, Needed: 2}, "So far fewer than the 2 witnesses that are needed have seen any of it (2 of 3 witnesses needed)"},
		{"a part", ledger.Seal{Batches: 5, Sealed: 5, Witnessed: 3, Witnesses: 3, Needed: 2}, "The latest 2: fewer than the 2 witnesses that are needed have seen them"},
		{"what is not sealed was seen by nobody", ledger.Seal{Batches: 6, Sealed: 5, Witnessed: 5, Witnesses: 3, Needed: 2}, "The latest 1: fewer than the 2 witnesses that are needed have seen them"},
		{"one is enough, none has seen it", ledger.Seal{Batches: 5, Sealed: 5, Witnesses: 1, Needed: 1}, "So far no witness has seen any of it"},
		{"one is enough, a part", ledger.Seal{Batches: 5, Sealed: 5, Witnessed: 3, Witnesses: 1, Needed: 1}, "The latest 2: no witness has seen them"},
		{"all", ledger.Seal{Batches: 5, Sealed: 5, Witnessed: 5, Witnesses: 1, Needed: 1}, "At least 1 of 1 witness has seen all of them"},
	} {
		t.Run(test.name, func(t *testing.T) {
			notes := proven(test.seal)
			if got := notes[len(notes)-1]; !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q in it", got, test.want)
			}
		})
	}
}

// TestDigestDiffer: findings of a kind that say something of themselves, as what a connection carried, are not told with the words of the
// first as if those were of all.
func TestDigestDiffer(t *testing.T) {
	for _, test := range []struct {
		name   string
		titles []string
		want   string
	}{
		{"one", []string{"It carried 10 kB."}, "once, last 2026-03-01 09:00:00. It carried 10 kB."},
		{"two that say the same", []string{"Told.", "Told."}, "2 times, last 2026-03-01 09:01:00. Told."},
		{"two connections", []string{"It carried 10 kB.", "It carried 7 MB."}, "2 times, last 2026-03-01 09:01:00. The last of them: It carried 7 MB."},
	} {
		s := mem.New()
		for i, title := range test.titles {
			at := begin.Add(time.Duration(i) * time.Minute)
			f := chaperone.Finding{Rule: "unread-connection-over", Severity: chaperone.Info, From: chaperone.Party{Claimed: "ct-service"}, First: at, Last: at, Count: 1, Title: title}
			if _, err := s.Record(t.Context(), ledger.Batch{Findings: []chaperone.Finding{f}}); err != nil {
				t.Fatal(err)
			}
		}
		var b bytes.Buffer
		if err := Digest(t.Context(), &b, s, begin, begin.Add(time.Hour), Style{}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(b.String()), " "); !strings.Contains(got, "ct-service, "+test.want) {
			t.Errorf("%s: got %s; want %s", test.name, got, test.want)
		}
	}
}

// TestProvenNamed: who proved who it is goes by that, and not by the name that it gives itself: that may be another's.
func TestProvenNamed(t *testing.T) {
	addr := netip.MustParseAddr("10.0.0.9")
	named := Style{Names: map[netip.Addr]string{addr: "Reading room 2"}}
	for _, test := range []struct {
		name              string
		style             Style
		of                chaperone.Party
		inTables, inFound string
	}{
		{"another's name", Style{}, chaperone.Party{Proven: "spiffe://north/party/ct1", Addr: addr, Claimed: "LAB@A5"}, "ct1 10.0.0.9", "ct1 10.0.0.9 (calls itself LAB@A5)"},
		{"its own", Style{}, chaperone.Party{Proven: "spiffe://north/party/ct1", Addr: addr, Claimed: "CT1"}, "ct1 10.0.0.9", "ct1 10.0.0.9"},
		{"an address that has a name", named, chaperone.Party{Proven: "spiffe://north/party/ct1", Addr: addr, Claimed: "LAB@A5"}, "Reading room 2", "ct1 10.0.0.9 (Reading room 2, calls itself LAB@A5)"},
		{"an outside authority's", Style{}, chaperone.Party{Proven: "CN=ct1.example", Claimed: "CT\x1b1"}, "CN=ct1.example", "CN=ct1.example (calls itself CT?1)"},
		{"nothing proven", Style{}, chaperone.Party{Addr: addr, Claimed: "LAB@A5"}, "LAB@A5 10.0.0.9", "LAB@A5 10.0.0.9"},
		{"nothing proven, and a name", named, chaperone.Party{Addr: addr, Claimed: "LAB@A5"}, "Reading room 2", "Reading room 2"},
	} {
		s := mem.New()
		f := chaperone.Finding{Rule: "refused-identity-application", Severity: chaperone.High, From: test.of, First: begin, Last: begin, Count: 1, Title: "Told."}
		if _, err := s.Record(t.Context(), ledger.Batch{Findings: []chaperone.Finding{f}}); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := Digest(t.Context(), &b, s, begin, begin.Add(time.Hour), test.style); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(b.String()), " "); !strings.Contains(got, "high: "+test.inFound+", once, ") {
			t.Errorf("%s: got %s; want %s", test.name, got, test.inFound)
		}
		if got := test.style.party(test.of, 40); got != test.inTables {
			t.Errorf("%s: got %s, want %s", test.name, got, test.inTables)
		}
	}
}
