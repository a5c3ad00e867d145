package record_test

import (
	"encoding/hex"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/record"
)

var outcomes = []chaperone.Outcome{"", chaperone.Delivered, chaperone.Refused, chaperone.Unknown, chaperone.Partial}

func word(t *rapid.T) uint32 { return rapid.Uint32().Draw(t, "word") }

func port(t *rapid.T) uint16 { return rapid.Uint16().Draw(t, "port") }

func token(t *rapid.T) chaperone.PatientToken {
	return chaperone.PatientToken(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "token"))
}

func side(t *rapid.T) record.Side {
	addr := rapid.SampledFrom([]netip.Addr{
		{}, netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("2001:db8::1"),
		netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("::ffff:10.1.2.3"),
	}).Draw(t, "address")
	return record.Side{Proven: word(t), Claimed: word(t), Addr: addr}
}

func evidence(t *rapid.T) record.Evidence {
	return record.Evidence{
		File: word(t), Packet: rapid.Int64().Draw(t, "packet"),
		Record: rapid.Uint64().Draw(t, "record"), Offset: rapid.Int64().Draw(t, "offset"),
	}
}

func numbers(t *rapid.T) []ledger.Number {
	list := rapid.SliceOf(rapid.Uint32Min(1)).Draw(t, "numbers")
	slices.Sort(list)
	out := []ledger.Number{}
	for _, n := range slices.Compact(list) {
		out = append(out, ledger.Number(n))
	}
	return out
}

// entries draws an entry of every kind with its encoding.
var entries = map[string]func(t *rapid.T, e *record.Entry) []byte{
	"word": func(t *rapid.T, e *record.Entry) []byte {
		e.Kind, e.Word = record.KindWord, rapid.String().Draw(t, "word")
		return record.AppendWord(nil, e.Word)
	},
	"way": func(t *rapid.T, e *record.Entry) []byte {
		e.Kind = record.KindWay
		e.Way = record.Way{
			From: side(t), To: side(t), Protocol: word(t), Action: word(t),
			Protection: rapid.Uint8Max(3).Draw(t, "protection"), Requested: rapid.Bool().Draw(t, "requested"),
		}
		if e.Way.Requested {
			e.Way.Requester = side(t)
		}
		return record.AppendWay(nil, &e.Way)
	},
	"person": func(t *rapid.T, e *record.Entry) []byte {
		e.Kind, e.Token, e.Weak = record.KindPerson, token(t), rapid.Bool().Draw(t, "weak")
		return record.AppendPerson(nil, e.Token, e.Weak)
	},
	"join": func(t *rapid.T, e *record.Entry) []byte {
		e.Kind = record.KindJoin
		e.A = ledger.Number(rapid.Uint32Min(1).Draw(t, "a"))
		e.B = ledger.Number(rapid.Uint32Min(1).Draw(t, "b"))
		return record.AppendJoin(nil, e.A, e.B)
	},
	"alike": func(t *rapid.T, e *record.Entry) []byte {
		e.Kind, e.Token, e.A = record.KindAlike, token(t), ledger.Number(rapid.Uint32Min(1).Draw(t, "a"))
		return record.AppendAlike(nil, e.Token, e.A)
	},
	"merge": func(t *rapid.T, e *record.Entry) []byte {
		e.Kind, e.Survivors, e.Priors = record.KindMerge, numbers(t), numbers(t)
		slices.Reverse(e.Priors)
		e.Undo, e.At = rapid.Bool().Draw(t, "undo"), moment(t)
		return record.AppendMerge(nil, e.Survivors, e.Priors, e.Undo, e.At)
	},
	"disclosure": func(t *rapid.T, e *record.Entry) []byte {
		e.Kind = record.KindDisclosure
		e.Disclosure = record.Disclosure{
			ID: token(t), Time: day.Time().Add(time.Duration(rapid.Int64Range(0, 86400*1e6-1).Draw(t, "µs")) * time.Microsecond),
			Way: word(t), FromPort: port(t), ToPort: port(t), RequesterPort: port(t),
			Outcome: rapid.SampledFrom(outcomes).Draw(t, "outcome"), Unseen: rapid.Bool().Draw(t, "unseen"),
			Unidentified: rapid.Int().Draw(t, "unidentified"), Records: rapid.Int().Draw(t, "records"),
			Bytes: rapid.Int64().Draw(t, "bytes"), Evidence: evidence(t), Numbers: numbers(t),
		}
		return record.AppendDisclosure(nil, day, &e.Disclosure)
	},
	"finding": func(t *rapid.T, e *record.Entry) []byte {
		e.Kind = record.KindFinding
		e.Finding = record.Finding{
			Rule: word(t), Technique: word(t), Title: word(t), Advice: word(t), Account: word(t),
			Severity: chaperone.Severity(rapid.IntRange(0, 4).Draw(t, "severity")),
			From:     side(t), To: side(t), FromPort: port(t), ToPort: port(t), First: moment(t), Last: moment(t),
			Count: rapid.Int().Draw(t, "count"), Bytes: rapid.Int64().Draw(t, "bytes"), Evidence: evidence(t),
		}
		return record.AppendFinding(nil, &e.Finding)
	},
	"note": func(t *rapid.T, e *record.Entry) []byte {
		count := func(name string) int64 { return rapid.Int64().Draw(t, name) }
		e.Kind = record.KindNote
		e.Note = record.Note{
			ID: token(t), Kind: ledger.NoteKind(rapid.Uint8().Draw(t, "kind")), At: moment(t), Text: word(t),
			Seen: ledger.Seen{
				From: moment(t), Until: moment(t), Packets: count("packets"), Flows: count("flows"), Decoded: count("decoded"),
				Hidden: count("hidden"), LostBytes: count("lost"), Malformed: count("malformed"),
			},
			Day: ledger.Day(rapid.Uint32().Draw(t, "day")),
		}
		return record.AppendNote(nil, &e.Note)
	},
}

func TestEntryRoundTrip(t *testing.T) {
	for name, draw := range entries {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				none := []ledger.Number{} // not nil, as in a list that was drawn
				want := record.Entry{Survivors: none, Priors: none, Disclosure: record.Disclosure{Numbers: none}}
				got := want
				b := draw(t, &want)
				if err := record.Decode(b, day, &got); err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("got %+v and %v, want %+v", got, err, want)
				}
				if name == "word" {
					return // every prefix of a word is a word
				}
				if err := record.Decode(append(slices.Clone(b), 0), day, &got); !errors.Is(err, record.ErrMalformed) {
					t.Fatalf("one byte more: got %v, want ErrMalformed", err)
				}
				short := rapid.IntRange(0, len(b)-1).Draw(t, "short")
				if err := record.Decode(b[:short], day, &got); !errors.Is(err, record.ErrMalformed) {
					t.Fatalf("%d of %d bytes: got %v, want ErrMalformed", short, len(b), err)
				}
			})
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := disclosure(0)
	with := func(change func(d *record.Disclosure)) []byte {
		d := good
		change(&d)
		return record.AppendDisclosure(nil, day, &d)
	}
	way := record.AppendWay(nil, &record.Way{Protection: 4})
	finding := record.AppendFinding(nil, &record.Finding{})
	finding[1] = 5
	outcome := make([]byte, 18, 40)
	outcome[0] = byte(record.KindDisclosure)
	outcome = append(outcome, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0) // after id and time: way, ports, outcome, …
	for _, test := range []struct {
		name  string
		entry []byte
	}{
		{"nothing", nil},
		{"unknown kind", []byte{10}},
		{"kind 0", []byte{0}},
		{"word of more bytes than a word has", record.AppendWord(nil, string(make([]byte, record.MaxWord+1)))},
		{"flag of 2", []byte{byte(record.KindWay), 2}},
		{"unknown protection", way},
		{"unknown severity", finding},
		{"unknown outcome", outcome},
		{"time of the next day", with(func(d *record.Disclosure) { d.Time = (day + 1).Time() })},
		{"time of the day before", with(func(d *record.Disclosure) { d.Time = day.Time().Add(-1) })},
		{"numbers that do not ascend", with(func(d *record.Disclosure) { d.Numbers = []ledger.Number{5, 5} })},
		{"numbers that descend", with(func(d *record.Disclosure) { d.Numbers = []ledger.Number{5, 4} })},
		{"number 0", with(func(d *record.Disclosure) { d.Numbers = []ledger.Number{0} })},
		{"join with nobody", record.AppendJoin(nil, 1, 0)},
		{"more numbers than bytes", append(record.AppendMerge(nil, nil, nil, false, written)[:9], 200, 1)},
		{"address of 5 bytes", []byte{byte(record.KindWay), 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0}},
		{"number above 32 bits", append([]byte{byte(record.KindJoin), 1}, 0x80, 0x80, 0x80, 0x80, 0x10)},
		{"number without end", append([]byte{byte(record.KindJoin), 1}, slices.Repeat([]byte{0x80}, 20)...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var e record.Entry
			if err := record.Decode(test.entry, day, &e); !errors.Is(err, record.ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			}
		})
	}
	outcome[22] = 4
	var e record.Entry
	if err := record.Decode(outcome, day, &e); err != nil || e.Disclosure.Outcome != chaperone.Partial {
		t.Errorf("a known outcome: got %q and %v", e.Disclosure.Outcome, err)
	}
}

// TestSeverity keeps a finding readable whatever its severity: it cannot be taken out of a record.
func TestSeverity(t *testing.T) {
	for severity, want := range map[chaperone.Severity]chaperone.Severity{
		-1: chaperone.Info, chaperone.High: chaperone.High, 5: chaperone.Critical, math.MaxInt32: chaperone.Critical,
	} {
		var e record.Entry
		err := record.Decode(record.AppendFinding(nil, &record.Finding{Severity: severity}), day, &e)
		if err != nil || e.Finding.Severity != want {
			t.Errorf("severity %d: got %d and %v, want %d", int(severity), int(e.Finding.Severity), err, int(want))
		}
	}
}

func TestEntryAllocations(t *testing.T) {
	d, b := disclosure(3), make([]byte, 0, 200)
	var e record.Entry
	if got := testing.AllocsPerRun(100, func() {
		b = record.AppendDisclosure(b[:0], day, &d)
		if err := record.Decode(b, day, &e); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

// TestGoldenEntries pins how each kind is written.
func TestGoldenEntries(t *testing.T) {
	d := disclosure(300)
	d.Unseen = true
	side := record.Side{Proven: 1, Claimed: 300, Addr: netip.MustParseAddr("10.1.2.3")}
	for _, test := range []struct {
		name  string
		entry []byte
		want  string
	}{
		{"word", record.AppendWord(nil, "CT1"), "01435431"},
		{"way", record.AppendWay(nil, &record.Way{From: side, Protocol: 5, Action: 6, Protection: 3}), "020003050601ac02040a010203000000"},
		{"way on request", record.AppendWay(nil, &record.Way{Requested: true, Requester: side}), "020100000000000000000001ac02040a010203"},
		{"person", record.AppendPerson(nil, chaperone.PatientToken{7, 8}, true), "030107080000000000000000000000000000"},
		{"join", record.AppendJoin(nil, 1, 300), "0401ac02"},
		{"alike", record.AppendAlike(nil, chaperone.PatientToken{7, 8}, 300), "0507080000000000000000000000000000ac02"},
		{"merge", record.AppendMerge(nil, []ledger.Number{300, 1}, []ledger.Number{2}, true, written), "060180a8adfde3f4880302ac02010102"},
		{"disclosure", record.AppendDisclosure(nil, day, &d), "07000000000000012d000000000000000080c6868f01018f14ecba0200810001bc0503b81700b41009ad02a08d06a08d06a08d06a08d06a08d06a08d06a08d06a08d06"},
		{"finding", record.AppendFinding(nil, &record.Finding{
			Rule: 1, Technique: 2, Title: 3, Advice: 4, Account: 5, Severity: chaperone.High, From: side, FromPort: 300,
			ToPort: 6, First: written, Last: written.Add(time.Second), Count: 8, Bytes: 9, Evidence: d.Evidence,
		}), "0803010203040501ac02040a010203ac020000000680a8adfde3f48803c0aceafde3f48803080903b81700b410"},
		{"note", record.AppendNote(nil, &record.Note{
			ID: [16]byte{7}, Kind: ledger.Purge, At: written, Text: 1, Day: day, Seen: ledger.Seen{
				From: written, Until: written, Packets: 2, Flows: 3, Decoded: 4, Hidden: 5, LostBytes: 6, Malformed: -1,
			},
		}), "09070000000000000000000000000000000480a8adfde3f4880301a09c0180a8adfde3f4880380a8adfde3f488030203040506ffffffffffffffffff01"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := hex.EncodeToString(test.entry); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
