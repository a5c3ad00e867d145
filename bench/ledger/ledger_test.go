package main

import (
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"chaperone/ledger/record"
)

// TestSmoke takes a small load through every phase of the ledger. The phases run in this process.
func TestSmoke(t *testing.T) {
	o := options{Pairs: 20_000, Patients: 2000, Names: true, Small: 1, Dir: t.TempDir(), Seed: 1}
	all := results{}
	for _, name := range []string{"load", "open to ask", "open to write", "ask", "count", "small"} {
		r, err := phases[name](t.Context(), o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for key, value := range r {
			all[key] = value
		}
	}
	if err := agree(all, results{"sum history": all["sum history"]}); err != nil {
		t.Error(err)
	}
	if agree(all, results{"sum history": all["sum history"] + 1}) == nil {
		t.Error("got no difference from another answer")
	}
	var out strings.Builder
	print(&out, o, all, results{"load": 1})
	if got := strings.Count(out.String(), "\n"); got < 15 {
		t.Errorf("got a table of %d lines, want at least 15", got)
	}
}

func TestEvents(t *testing.T) {
	o := options{Pairs: 1_000_000, Patients: 5000, Seed: 1}
	history := map[int32]int{}
	lastTraced := -100
	last := begin
	for i := range o.events() {
		e := o.event(i)
		if e.time.Before(last) || e.time.After(begin.AddDate(0, 0, days)) {
			t.Fatalf("event %d: out of time", i)
		}
		last = e.time
		sorted := slices.Sorted(slices.Values(e.patients[:]))
		if len(slices.Compact(sorted)) != perEvent {
			t.Fatalf("event %d: a patient twice", i)
		}
		for _, p := range e.patients {
			if int(p) >= o.Patients {
				history[p]++
				if i-lastTraced < record.EntriesBlock {
					t.Fatalf("events %d and %d are in one block", lastTraced, i)
				}
				lastTraced = i
			}
		}
	}
	for _, p := range o.traced() {
		if history[p] != historyLen {
			t.Errorf("got a history of %d, want %d", history[p], historyLen)
		}
	}
	if n := len(o.traced()); n != mostTraced || len(history) != n {
		t.Errorf("got histories of %d patients and %d who are asked for, want %d", len(history), n, mostTraced)
	}
}

func TestParse(t *testing.T) {
	o, err := parse([]string{"-smoke", "-postgres=false"}, io.Discard)
	if err != nil || o.Pairs != 20_000 || o.postgres {
		t.Errorf("got %+v, %v", o, err)
	}
	for _, args := range [][]string{{"-pairs", "1"}, {"-patients", "1e12"}, {"more"}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%v: got no error", args)
		}
	}
}

func TestFigure(t *testing.T) {
	for value, want := range map[float64]string{0: "0", 1.234: "1.23", 20: "20", 20.25: "20.2", 1234567: "1,234,567", math.Round(999.6): "1,000"} {
		if got := figure(value); got != want {
			t.Errorf("%v: got %s, want %s", value, got, want)
		}
	}
}
