package main

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/patient"
)

// recorded makes a ledger as a guard does, with a disclosure for each message, and opens it to be read.
func recorded(t *testing.T, ids []string) (*disk.Ledger, *patient.Tokenizer) {
	t.Helper()
	var rows []entry
	for _, id := range ids {
		number, releases := message(id)
		rows = append(rows, entry{id, number, chaperone.HL7, releases[0]})
	}
	return recordedAs(t, rows)
}

// entry is a disclosure of one patient, "" for nobody.
type entry struct {
	id       string
	number   chaperone.Identifier
	protocol chaperone.Protocol
	release
}

func recordedAs(t *testing.T, rows []entry) (*disk.Ledger, *patient.Tokenizer) {
	t.Helper()
	dir := t.TempDir()
	o := disk.Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys"), Reserve: -1}
	d, err := disk.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := patient.LoadKey(o.Keys)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i, row := range rows {
		disclosure := ledger.Disclosure{
			Disclosure: chaperone.Disclosure{
				ID: [16]byte{byte(i), 1}, Time: now, Protocol: row.protocol, Action: row.action, Records: 1, Protection: chaperone.InClear, Outcome: chaperone.Unknown,
				From: chaperone.Party{Addr: netip.MustParseAddr(feeder)}, To: chaperone.Party{Addr: netip.MustParseAddr(behind), Claimed: row.to},
			},
			Covered: []ledger.Covered{{Numbers: []chaperone.PatientToken{tokens.Token(row.number)}}},
		}
		if row.by != "" {
			disclosure.RequestedBy = &chaperone.Party{Claimed: row.by}
		}
		if row.id == "" {
			disclosure.Covered, disclosure.Unidentified = nil, 1
		}
		if _, err := d.Record(t.Context(), ledger.Batch{Disclosures: []ledger.Disclosure{disclosure}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	o.ReadOnly = true
	if d, err = disk.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() }) // it was only read
	return d, tokens
}

// TestGuardCheck: what the torture of the guard believes, fails when a message that the engine got is not on record, and at anything
// else that a guard promises not to do. A check that nothing fails proves nothing.
func TestGuardCheck(t *testing.T) {
	numbered := func(letter string, n int) (ids []string) {
		for i := range n {
			ids = append(ids, fmt.Sprint(letter, i))
		}
		return ids
	}
	few := numbered("n", 5)
	for _, test := range []struct {
		name           string
		record         []string
		got            []string
		acked, unknown int
		broken         bool
		links          [][]string
		repeat         int
		late           string
	}{
		{"all of it is on record", few, few, 5, 0, false, nil, 0, ""},
		{"what was in flight is on record and did not arrive", few, few[:3], 3, 2, false, nil, 0, ""},
		{"what was in flight arrived", few, few, 3, 2, false, nil, 0, ""},
		{"the engine got one more", few, append([]string{"n9"}, few...), 5, 0, true, nil, 0, ""},
		{"a row is gone", few[1:], few, 5, 0, true, nil, 0, ""},
		{"a row is gone, and something was in flight", few[1:], few, 4, 1, true, nil, 0, ""},
		{"nothing is on record", nil, few, 5, 0, true, nil, 0, ""},
		{"a row is there twice", append([]string{"n0"}, few...), few, 5, 1, true, nil, 0, ""},
		{"a row of nobody in place of one", append([]string{""}, few[1:]...), few, 5, 0, true, nil, 0, ""},
		{"a row of another in place of one", append([]string{"n9"}, few[1:]...), few, 5, 0, true, nil, 0, ""},
		{"more is on record than was in flight", few, few[:3], 3, 1, true, nil, 0, ""},
		{"an answer to what did not arrive", few, few[:3], 4, 2, true, nil, 0, ""},
		{"it arrived twice", few, append([]string{"n0"}, few...), 5, 0, true, nil, 0, ""},
		{"nothing arrived", nil, nil, 0, 0, true, nil, 0, ""},
		{"as many as the budget lets pass", numbered("b", budgetOf), numbered("b", budgetOf), budgetOf, 0, false, nil, 0, ""},
		{"one more than the budget lets pass", numbered("b", budgetOf+1), numbered("b", budgetOf+1), budgetOf + 1, 0, true, nil, 0, ""},
		{"it arrived twice, as it may", few, append([]string{"n4"}, few...), 5, 0, false, nil, 1, ""},
		{"in the order of each client", few, few, 5, 0, false, [][]string{{"n0", "n2"}, {"n1", "n3", "n4"}}, 0, ""},
		{"another in place of one that was acknowledged", few, few, 5, 0, true, [][]string{{"n0", "n9"}}, 0, ""},
		{"overtaken", few, few, 5, 0, true, [][]string{{"n0", "n1"}, {"n3", "n2"}}, 0, ""},
		{"overtaken, and not taken at first", few, few, 5, 0, false, [][]string{{"n0", "n1"}, {"n3", "n2"}}, 0, "n3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, tokens := recorded(t, test.record)
			c := &captured{delivery: message, got: map[string]int{}, acked: test.acked, unknown: test.unknown}
			for _, id := range test.got {
				c.got[id]++
				if c.got[id] == 1 {
					c.taken = append(c.taken, id)
				}
			}
			c.links, c.mayRepeat = test.links, test.repeat
			if test.late != "" {
				c.late = map[string]int{test.late: 1}
			}
			if err := c.compare(t.Context(), d, tokens); errors.Is(err, errPromise) != test.broken || err != nil && !test.broken {
				t.Errorf("got %v, want a broken promise: %t", err, test.broken)
			}
		})
	}
}

// TestDICOMCheck: the same of what is moved: the C-MOVE is on record once, to whom it goes, and where the guard sees the image arrive that is, too.
func TestDICOMCheck(t *testing.T) {
	const past, through = "M0000001", "T0000001"
	moved, guarded := release{"C-MOVE", pastTitle, "CT"}, release{"C-MOVE", throughTitle, "CT"}
	image := release{"C-STORE", throughTitle, ""}
	for _, test := range []struct {
		name    string
		id      string
		record  []release
		arrived bool
		unknown int
		broken  bool
	}{
		{"past the guard", past, []release{moved}, true, 0, false},
		{"past it, and not on record", past, nil, true, 0, true},
		{"past it, on record as for somebody else", past, []release{guarded}, true, 0, true},
		{"past it, on record as if nobody had asked", past, []release{{"C-MOVE", pastTitle, ""}}, true, 0, true},
		{"past it, on record twice", past, []release{moved, moved}, true, 0, true},
		{"past it, and an image that the guard cannot know of", past, []release{image}, true, 0, true},
		{"through it", through, []release{guarded, image}, true, 0, false},
		{"through it, and the image is not on record", through, []release{guarded}, true, 0, true},
		{"through it, and the C-MOVE is not on record", through, []release{image}, true, 0, true},
		{"through it, and the image went to somebody else", through, []release{guarded, {"C-STORE", pastTitle, ""}}, true, 0, true},
		{"in flight at a kill", past, []release{moved}, false, 1, false},
		{"not in flight, and on record", past, []release{moved}, false, 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			const other = "S0000002" // nothing arrived shows nothing
			number, releases := object(other)
			rows := []entry{{other, number, chaperone.DICOM, releases[0]}}
			for _, r := range test.record {
				number, _ := object(test.id)
				rows = append(rows, entry{test.id, number, chaperone.DICOM, r})
			}
			d, tokens := recordedAs(t, rows)
			c := &captured{delivery: object, got: map[string]int{other: 1}, unknown: test.unknown}
			if test.arrived {
				c.got[test.id] = 1
			}
			if err := c.compare(t.Context(), d, tokens); errors.Is(err, errPromise) != test.broken || err != nil && !test.broken {
				t.Errorf("got %v, want a broken promise: %t", err, test.broken)
			}
		})
	}
}
