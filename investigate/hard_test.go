package investigate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chaperone/incident"
	"chaperone/internal/clinicsim"
)

// TestFewDays: a transfer over midnight is most of what a short week has, and still not usual.
func TestFewDays(t *testing.T) {
	for _, days := range []int{3, 4} {
		for _, seed := range []uint64{3, 5, 6, 7, 9} {
			dir, truth := played(t, clinicsim.TheftOptions{Seed: seed, Days: days, Intruder: true})
			r := run(t, dir)
			if got := found(r); !slices.Equal(got, truth.Stages) {
				t.Errorf("%d days, seed %d: got stages %v", days, seed, got)
			}
			if got := r.Story.Taken.Outside; got < truth.OutsideBytes*9/10 {
				t.Errorf("%d days, seed %d: got %d bytes outside, want %d", days, seed, got, truth.OutsideBytes)
			}
		}
	}
}

// TestLogsOnly: the most usual folder on the first day. Computers have names and no addresses; what others of them did is
// not the intruder's.
func TestLogsOnly(t *testing.T) {
	for _, seed := range []uint64{1, 5, 7} {
		dir, truth := played(t, clinicsim.TheftOptions{Seed: seed, Intruder: true})
		remove(t, dir, "inside.pcapng", "border.pcapng", "hosts.csv", "post.txt", "dump.csv")
		r := run(t, dir)
		s := r.Summary()
		if want := []incident.Stage{incident.Guessed, incident.Entered, incident.Escalated, incident.Persisted}; !slices.Equal(s.Stages, want) {
			t.Errorf("seed %d: got stages %v, want %v", seed, s.Stages, want)
		}
		if !strings.HasPrefix(s.Entry, truth.EntryName) || len(s.Reached) != 1 || s.Reached[0] != s.Entry {
			t.Errorf("seed %d: got entry %q, reached %q, want %s", seed, s.Entry, s.Reached, truth.EntryName)
		}
		for _, step := range r.Story.Steps {
			for _, f := range step.Findings {
				if f.To.Claimed != "" && !strings.HasPrefix(f.To.Claimed, truth.EntryName) {
					t.Errorf("seed %d: %s on %s is told as the intruder's", seed, f.Rule, f.To.Claimed)
				}
			}
		}
	}
}

// TestCopies: an export of a log beside the log, and a copy of the sample, count once.
func TestCopies(t *testing.T) {
	dir, _ := played(t, clinicsim.TheftOptions{Seed: 2, Intruder: true})
	once := run(t, dir)
	logs, err := filepath.Glob(filepath.Join(dir, "logs", "*.evtx"))
	if err != nil || len(logs) == 0 {
		t.Fatal(err)
	}
	for _, path := range append(logs, filepath.Join(dir, "dump.csv")) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "copy of "+filepath.Base(path)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	twice := run(t, dir)
	a, b := once.Summary(), twice.Summary()
	if a.Findings != b.Findings || a.Alerts != b.Alerts || a.Proven != b.Proven || a.Unmatched != b.Unmatched || once.Story.Claims[0].Rows != twice.Story.Claims[0].Rows {
		t.Errorf("got %d findings, %d alerts, %d proven, %d unmatched; want %d, %d, %d, %d",
			b.Findings, b.Alerts, b.Proven, b.Unmatched, a.Findings, a.Alerts, a.Proven, a.Unmatched)
	}
}

// TestEarlierReport: what this program said before is no evidence.
func TestEarlierReport(t *testing.T) {
	dir, _ := played(t, clinicsim.TheftOptions{Seed: 2, Intruder: true})
	first := run(t, dir)
	folder, err := OpenFolder(filepath.Join(dir, "report"))
	if err != nil {
		t.Fatal(err)
	}
	if err := folder.Close(first, first.Read.Location(), nil); err != nil {
		t.Fatal(err)
	}
	second := run(t, dir)
	if a, b := first.Summary(), second.Summary(); a.Claimed != b.Claimed || a.Proven != b.Proven || len(second.Story.Claims) != len(first.Story.Claims) {
		t.Errorf("got %d claimed, %d proven, want %d, %d", b.Claimed, b.Proven, a.Claimed, a.Proven)
	}
	if !slices.ContainsFunc(second.Files, func(f File) bool { return strings.Contains(f.Problem, "earlier report") }) {
		t.Error("the earlier report is not named")
	}
}

// TestNamedOutsider: a partner in the list of names does not make its neighbours one's own.
func TestNamedOutsider(t *testing.T) {
	dir, truth := played(t, clinicsim.TheftOptions{Seed: 2, Intruder: true})
	path := filepath.Join(dir, "hosts.csv")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, "203.0.113.21,VENDOR-SUPPORT\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, run(t, dir), truth, t.Errorf)
}

func remove(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}
