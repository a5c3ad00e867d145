package guard

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
)

// watched gives what notes say that guards watched, in the order of recording.
func (r *rig) watched() (all []ledger.Seen) {
	r.t.Helper()
	err := r.ledger.Notes(r.t.Context(), func(n ledger.Note) error {
		if n.Kind == ledger.Coverage && n.Text == watched {
			all = append(all, n.Seen)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// releasedAt is a disclosure on record.
func releasedAt(id byte, at time.Time, file string) ledger.Disclosure {
	return ledger.Disclosure{Disclosure: chaperone.Disclosure{ID: [16]byte{id}, Time: at, Protocol: chaperone.HL7, Action: "ORU^R01", Records: 1, Unidentified: 1,
		Protection: chaperone.InClear, Outcome: chaperone.Unknown, Evidence: chaperone.Evidence{File: file}}}
}

// TestCoverageBegins: that a guard watches is on record when it starts.
func TestCoverageBegins(t *testing.T) {
	r := begin(t, fmt.Sprintf(hl7Site, newEngine(t).Addr()))
	if all := r.watched(); len(all) != 1 || !all[0].From.Equal(all[0].Until) {
		t.Errorf("got %+v, want the begin of a run", all)
	}
}

// TestCoverageCutOff: of a run that was cut off the time up to its last release counts as watched, and not more; nothing does of one
// that did not say that it began, nor what lies too far behind its last note.
func TestCoverageCutOff(t *testing.T) {
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	after := func(minutes int) time.Time { return at.Add(time.Duration(minutes) * time.Minute) }
	note := func(from, until int) ledger.Note {
		return ledger.Note{Kind: ledger.Coverage, At: after(from), Text: watched, Seen: ledger.Seen{From: after(from), Until: after(until)}}
	}
	begins, said, ended := note(0, 0), note(0, 10), note(0, 12)
	for _, test := range []struct {
		name     string
		notes    []ledger.Note
		releases []int // minutes
		file     string
		until    int // of what is added, from the last note; 0: nothing is
	}{
		{"it began and released", []ledger.Note{begins}, []int{3, 7}, "guard a, policy 1, grant g", 7},
		{"it said so and released", []ledger.Note{begins, said}, []int{3, 14}, "guard a, policy 1, grant g", 14},
		{"it released nothing", []ledger.Note{begins, said}, []int{3}, "guard a, policy 1, grant g", 0},
		{"it ended, and nobody watched since", []ledger.Note{begins, ended}, []int{3}, "guard a, policy 1, grant g", 0},
		{"a capture was read meanwhile", []ledger.Note{begins, said}, []int{14}, "ward.pcapng", 0},
		{"it did not say that it began", []ledger.Note{said}, []int{14}, "guard a, policy 1, grant g", 0},
		{"a note of it is missing", []ledger.Note{begins, said}, []int{14, 40}, "guard a, policy 1, grant g", 14},
		{"its clock was ahead", []ledger.Note{begins, note(50, 60)}, []int{64}, "guard a, policy 1, grant g", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			l, err := disk.Open(t.Context(), disk.Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys"), Reserve: -1})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for _, n := range test.notes {
				if _, err := l.Record(t.Context(), ledger.Batch{Notes: []ledger.Note{n}}); err != nil {
					t.Fatal(err)
				}
			}
			for i, m := range test.releases {
				d := releasedAt(byte(i+1), after(m), test.file)
				if _, err := l.Record(t.Context(), ledger.Batch{Disclosures: []ledger.Disclosure{d}}); err != nil {
					t.Fatal(err)
				}
			}
			g := &Guard{ledger: l}
			r := &rig{t: t, ledger: l}
			before := len(r.watched())
			if err := g.beginCoverage(t.Context(), after(61)); err != nil {
				t.Fatal(err)
			}
			all := r.watched()[before:]
			if begun := all[len(all)-1]; begun != (ledger.Seen{From: after(61), Until: after(61)}) {
				t.Errorf("got %+v, want that a run begins", begun)
			}
			last := test.notes[len(test.notes)-1].Seen.Until
			switch added := all[:len(all)-1]; {
			case test.until == 0 && len(added) > 0:
				t.Errorf("got %+v, which nobody watched", added)
			case test.until > 0 && (len(added) != 1 || added[0] != (ledger.Seen{From: last, Until: after(test.until)})):
				t.Errorf("got %+v, want from %v until %v", added, last, after(test.until))
			}
		})
	}
}
