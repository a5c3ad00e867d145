package investigate

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chaperone"
	"chaperone/incident"
	"chaperone/internal/clinicsim"
	"chaperone/inventory"
	"chaperone/patient"
)

// seeds says how many weeks are played: go test ./investigate -run 'TestThefts|TestHonest' -seeds 100 -v
var seeds = flag.Int("seeds", 6, "weeks to play")

// played writes a week into a folder, without the truth.
func played(t *testing.T, o clinicsim.TheftOptions) (string, clinicsim.TheftTruth) {
	t.Helper()
	f, err := clinicsim.Theft(o)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range f.Files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, f.Truth
}

func run(t *testing.T, dir string) *Report {
	t.Helper()
	r, err := Run(t.Context(), Options{Paths: []string{dir}, Tokens: patient.NewTokenizer([32]byte{1})})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func found(r *Report) []string {
	list := []string{}
	for _, s := range r.Summary().Stages {
		list = append(list, string(s))
	}
	return list
}

// accused gives the systems that the story says the intruder acted from, the outside ones too.
func accused(r *Report) []string {
	list := append(addresses(r.Story.Intruder), addresses(r.Story.Reached)...)
	for _, s := range r.Story.Steps {
		list = append(list, addresses(s.By)...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// TestClinic2016: on the committed week everything is found.
func TestClinic2016(t *testing.T) {
	dir := filepath.Join("..", "testdata", "clinic-2016")
	r := run(t, dir)
	check(t, r, readTruth(t, filepath.Join(dir, "truth.json")), func(format string, args ...any) { t.Errorf(format, args...) })
}

// tally counts what went wrong over many seeds.
type tally struct{ stages, numbers, accusations, claims, reached int }

// check compares a report with the truth.
func check(t *testing.T, r *Report, truth clinicsim.TheftTruth, fail func(string, ...any)) tally {
	t.Helper()
	var bad tally
	if got := found(r); !slices.Equal(got, truth.Stages) {
		bad.stages++
		fail("seed %d: got stages %v, want %v", truth.Seed, got, truth.Stages)
	}
	if n := r.Story.Taken.Patients.Patients; n != truth.PatientsTaken {
		bad.numbers++
		fail("seed %d: got %d patients taken, want %d", truth.Seed, n, truth.PatientsTaken)
	}
	for _, a := range accused(r) {
		if slices.Contains(truth.HonestHosts, a) {
			bad.accusations++
			fail("seed %d: %s is accused and honest", truth.Seed, a)
			break
		}
	}
	s := r.Summary()
	if s.Claimed != truth.Claimed || s.Proven != truth.Proven || s.Unmatched != truth.Unmatched {
		bad.claims++
		fail("seed %d: got %d claimed, %d proven, %d unmatched, want %d, %d, %d", truth.Seed, s.Claimed, s.Proven, s.Unmatched, truth.Claimed, truth.Proven, truth.Unmatched)
	}
	if !slices.Equal(sorted(s.Reached), sorted(truth.Compromised)) || s.Entry != truth.Entry || !slices.Equal(sorted(s.Intruder), sorted(truth.Intruder)) {
		bad.reached++
		fail("seed %d: got intruder %v, entry %s, reached %v, want %v, %s, %v", truth.Seed, s.Intruder, s.Entry, s.Reached, truth.Intruder, truth.Entry, truth.Compromised)
	}
	return bad
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// TestThefts plays other seeds: all stages in at least 95 of 100, the number exact in 95, an honest system accused in 2.
func TestThefts(t *testing.T) {
	var sum tally
	for seed := range *seeds {
		dir, truth := played(t, clinicsim.TheftOptions{Seed: uint64(seed), Intruder: true})
		bad := check(t, run(t, dir), truth, t.Logf)
		sum.stages, sum.numbers, sum.accusations = sum.stages+bad.stages, sum.numbers+bad.numbers, sum.accusations+bad.accusations
		sum.claims, sum.reached = sum.claims+bad.claims, sum.reached+bad.reached
		os.RemoveAll(dir)
	}
	t.Logf("%d seeds: %d without all stages, %d with another number of patients, %d accuse an honest system, %d other claims, %d other systems reached",
		*seeds, sum.stages, sum.numbers, sum.accusations, sum.claims, sum.reached)
	if 20*sum.stages > *seeds || 20*sum.numbers > *seeds || 50*sum.accusations > *seeds || 20*sum.claims > *seeds {
		t.Error("too many")
	}
}

// TestHonest plays weeks without an intruder: no story, and at most one alert for 100 systems and day.
func TestHonest(t *testing.T) {
	alerts, hostDays := 0, 0.0
	roles := map[string]int{}
	for seed := range *seeds {
		dir, truth := played(t, clinicsim.TheftOptions{Seed: uint64(seed)})
		r := run(t, dir)
		if len(r.Story.Steps) > 0 {
			t.Errorf("seed %d: there is a story: %v", seed, found(r))
		}
		for _, f := range r.Watch.Findings {
			if f.Severity >= chaperone.High {
				alerts++
				t.Logf("seed %d: %s %s %s > %s %s", seed, f.Severity, f.Rule, f.From.Addr, f.To.Addr, f.Title)
			}
		}
		inside := 0
		for _, s := range r.Watch.Systems {
			if s.Role != inventory.Outside {
				inside++
				role(t, s, truth, roles)
			}
		}
		hostDays += float64(inside) * r.Site().End.Sub(r.Site().Begin).Hours() / 24
		os.RemoveAll(dir)
	}
	t.Logf("%d seeds: %d alerts in %.0f days of one system; roles %v", *seeds, alerts, hostDays, roles)
	if 100*float64(alerts) > hostDays {
		t.Error("too many")
	}
	if roles["wrong"]*20 > roles["right"] {
		t.Error("more than one role in twenty is wrong")
	}
}

// role compares a role with the truth: unknown is not wrong.
func role(t *testing.T, s inventory.System, truth clinicsim.TheftTruth, count map[string]int) {
	want := truth.Hosts[s.Addr.String()]
	switch got := strings.ToLower(string(s.Role)); got {
	case "":
		count["unknown"]++
	case want:
		count["right"]++
	default:
		count["wrong"]++
		t.Logf("%s: got %s, want %s", s.Addr, got, want)
	}
}

// TestNoStory: offers alone make no theft.
func TestNoStory(t *testing.T) {
	dir, truth := played(t, clinicsim.TheftOptions{Seed: 3, Intruder: true})
	for _, e := range []string{"inside.pcapng", "border.pcapng", "logs"} {
		if err := os.RemoveAll(filepath.Join(dir, e)); err != nil {
			t.Fatal(err)
		}
	}
	r := run(t, dir)
	s := r.Summary()
	if len(s.Stages) > 0 || s.PatientsTaken > 0 || s.Claimed != truth.Claimed || s.Proven != 0 {
		t.Errorf("got stages %v, %d patients, %d claimed, %d proven", s.Stages, s.PatientsTaken, s.Claimed, s.Proven)
	}
	if len(r.Site().Own) == 0 || r.Site().Inside(netip.MustParseAddr("203.0.113.9")) {
		t.Errorf("own networks: %v", r.Site().Own)
	}
}

// TestParts: what is left of the story when a part of the evidence is missing, and that the gaps are named.
func TestParts(t *testing.T) {
	for _, test := range []struct {
		name    string
		missing []string
		gaps    []incident.Stage
	}{
		{"without logs", []string{"logs"}, []incident.Stage{incident.Escalated, incident.Persisted}},
		{"without the border", []string{"border.pcapng"}, []incident.Stage{incident.Left}},
		{"without the offer", []string{"post.txt", "dump.csv"}, []incident.Stage{incident.Offered}},
		{"without captures", []string{"inside.pcapng", "border.pcapng"}, []incident.Stage{incident.Scanned, incident.Moved, incident.Collected, incident.Left}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, _ := played(t, clinicsim.TheftOptions{Seed: 4, Intruder: true})
			for _, e := range test.missing {
				if err := os.RemoveAll(filepath.Join(dir, e)); err != nil {
					t.Fatal(err)
				}
			}
			r := run(t, dir)
			if len(r.Story.Steps) != len(incident.Stages) {
				t.Fatal("there is no story")
			}
			for _, s := range r.Story.Steps {
				if want := !slices.Contains(test.gaps, s.Stage); s.Found != want {
					t.Errorf("%s: got found %t, want %t", s.Stage, s.Found, want)
				}
				if s.Because == "" || s.Found && (s.Says == "" || s.Belief == "") {
					t.Errorf("%s: %+v", s.Stage, s)
				}
			}
		})
	}
}
