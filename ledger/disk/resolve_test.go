package disk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/storetest"
)

// resolving asks who is who before every other batch, as somebody does who has to decide first.
type resolving struct {
	*Ledger
	asked *atomic.Int64
}

func (r resolving) Record(ctx context.Context, b ledger.Batch) (ledger.Receipt, error) {
	if r.asked.Add(1)%2 == 0 && b.Check() == nil {
		for i := range b.Disclosures {
			if d := &b.Disclosures[i]; r.idle(d.ID, ledger.DayOf(d.Time)) {
				continue
			}
			if _, err := r.Resolve(b.Disclosures[i].Covered); err != nil {
				return ledger.Receipt{}, err
			}
		}
	}
	return r.Ledger.Record(ctx, b)
}

// TestResolvedStore: a store that was asked before owes the same.
func TestResolvedStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opened {
		o, asked := opened(t, t.TempDir()), new(atomic.Int64)
		reopen, crash := o.Reopen, o.Crash
		o.Store = resolving{o.Store.(*Ledger), asked}
		o.Reopen = func() ledger.Store { return resolving{reopen().(*Ledger), asked} }
		o.Crash = func() ledger.Store { return resolving{crash().(*Ledger), asked} }
		return o
	})
}

// idle reports whether a disclosure would add nothing: then nobody should be asked about.
func (r resolving) idle(id [16]byte, day ledger.Day) bool {
	r.commit.Lock()
	defer r.commit.Unlock()
	if r.closed {
		return true
	}
	on, err := r.known(id, day)
	return on || err != nil || r.purged(day)
}

func person(n byte) ledger.Covered {
	return ledger.Covered{Numbers: []chaperone.PatientToken{{9, n}}, Demographic: chaperone.PatientToken{8, n}}
}

func both(a, b byte) ledger.Covered {
	return ledger.Covered{Numbers: []chaperone.PatientToken{{9, a}, {9, b}}}
}

func mustResolve(t *testing.T, l *Ledger, covered ...ledger.Covered) []ledger.Number {
	t.Helper()
	numbers, err := l.Resolve(covered)
	if err != nil {
		t.Fatal(err)
	}
	return numbers
}

// TestResolve: numbers are those of the record, whether or not anything is ever recorded of them.
func TestResolve(t *testing.T) {
	o := folders(t)
	l := open(t, o)
	first := mustResolve(t, l, person(1), person(2), person(1))
	if first[0] != first[2] || first[0] == first[1] {
		t.Fatalf("got %v, want the first as the third and the second another", first)
	}
	b := someBatch(100, 1)
	b.Disclosures[0].Covered = []ledger.Covered{person(3), person(2)}
	mustRecord(t, l, b)
	third := mustResolve(t, l, person(3))[0]
	weak := mustResolve(t, l, ledger.Covered{Demographic: chaperone.PatientToken{7}})[0]
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(){
		"closed": func() {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		},
		"crashed": func() { l.crash() },
	} {
		l = open(t, o)
		if got := mustResolve(t, l, person(1), person(2), person(3), ledger.Covered{Demographic: chaperone.PatientToken{7}}); !slices.Equal(got, []ledger.Number{first[0], first[1], third, weak}) {
			t.Errorf("%s: got %v, want %v", name, got, []ledger.Number{first[0], first[1], third, weak})
		}
		mustResolve(t, l, person(50)) // not on record when it crashes
		end()
	}
	l = open(t, o)
	defer l.Close()
	joined := mustResolve(t, l, person(2), both(1, 2), person(2))
	if want := []ledger.Number{first[1], first[0], first[1]}; !slices.Equal(joined, want) {
		t.Errorf("named together: got %v, want each its first, %v", joined, want)
	}
	if s, err := l.Scope(t.Context(), ledger.Query{Patient: &ledger.Who{Tokens: person(2).Numbers}}); err != nil || s.Max != 2 {
		t.Errorf("asking joined two: got %+v, %v; want those of the one disclosure", s.Counts, err)
	}
	l.readOnly = true
	if _, err := l.Resolve([]ledger.Covered{person(1)}); err != ledger.ErrReadOnly {
		t.Errorf("got %v, want %v", err, ledger.ErrReadOnly)
	}
	l.readOnly = false
}

// TestResolveBeside: asking and recording at once give each person one number.
func TestResolveBeside(t *testing.T) {
	o := folders(t)
	l := open(t, o)
	var all sync.WaitGroup
	numbers := make([][]ledger.Number, 8)
	for w := range numbers {
		all.Go(func() {
			for i := range 200 {
				c := []ledger.Covered{person(byte(i)), person(byte(i + w))}
				n, err := l.Resolve(c)
				if err != nil {
					t.Error(err)
					return
				}
				numbers[w] = append(numbers[w], n[0])
				b := someBatch(0, 1)
				b.Disclosures[0].ID, b.Disclosures[0].Covered = [16]byte{byte(w), byte(i), 1}, c
				if _, err := l.Record(t.Context(), b); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	for w := range numbers {
		if !slices.Equal(numbers[w], numbers[0]) {
			t.Fatalf("writer %d got other numbers than the first", w)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, o)
	defer l.Close()
	for i, n := range numbers[0] {
		if got := mustResolve(t, l, person(byte(i)))[0]; got != n {
			t.Fatalf("person %d: got %d, want %d as before", i, got, n)
		}
	}
}

// TestDelivered: what recipients were given, by the hour, from memory and from the tables.
func TestDelivered(t *testing.T) {
	o := folders(t)
	l := open(t, o)
	b := someBatch(100, 4)
	for i := range b.Disclosures {
		d := &b.Disclosures[i]
		d.Time, d.Unidentified = noon.Add(time.Duration(i)*50*time.Minute), i%2
		d.To = chaperone.Party{Proven: "spiffe://x/party/viewer", Port: uint16(i), Claimed: "V"}
		d.Covered = []ledger.Covered{person(byte(i)), person(9)}
	}
	b.Disclosures[3].To.Proven = ""
	mustRecord(t, l, b)
	numbers := mustResolve(t, l, person(0), person(1), person(9), person(2)) // in the order of first use
	hour := noon.Unix() / 3600
	proven := func(to chaperone.Party) bool { return to.Proven != "" }
	want := fmt.Sprintln(map[int64][]ledger.Number{hour: {numbers[0], numbers[2], numbers[1]}, hour + 1: {numbers[2], numbers[3]}})
	for _, state := range []string{"in memory", "in tables", "anew"} {
		got, unidentified := map[int64][]ledger.Number{}, 0
		err := l.Delivered(t.Context(), noon.Add(10*time.Minute), proven, func(d Delivered) error {
			if d.To.Proven != "spiffe://x/party/viewer" || d.To.Port != 0 || d.Protocol != b.Disclosures[0].Protocol || d.Action != b.Disclosures[0].Action {
				t.Errorf("%s: got %+v", state, d)
			}
			unidentified += d.Unidentified
			got[d.Hour] = append(got[d.Hour], d.Numbers...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for hour := range got {
			slices.Sort(got[hour])
			got[hour] = slices.Compact(got[hour])
		}
		if fmt.Sprintln(got) != want || unidentified != 1 {
			t.Errorf("%s: got %v and %d unidentified, want %s and 1", state, got, unidentified, want)
		}
		if err := l.Delivered(t.Context(), noon.Add(2*time.Hour), proven, func(Delivered) error { t.Error("too early"); return nil }); err != nil {
			t.Error(err)
		}
		if state == "in tables" {
			l.crash()
		} else if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, o)
	}
	defer l.Close()
}

// TestResolveClosing: what is asked while a ledger is being closed defines nothing: a clean close would save it, and the record not.
func TestResolveClosing(t *testing.T) {
	o := opened(t, t.TempDir())
	l := o.Store.(*Ledger)
	if _, err := l.Resolve([]ledger.Covered{person(1)}); err != nil {
		t.Fatal(err)
	}
	if err := l.recordAhead(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Resolve([]ledger.Covered{person(2)}); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("got %v, want that it is closed", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
