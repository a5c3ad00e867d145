package ask

import (
	"strings"
	"testing"
	"time"

	"chaperone/ledger"
)

// TestAccountOfOne: an accounting is handed to one patient, and says of no other people how many were in the same disclosures.
func TestAccountOfOne(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 3, 1, hour, 0, 0, 0, time.UTC) }
	a := Accounted{
		Account: Account{From: at(0), Asked: at(23)},
		Items:   []Item{{First: at(3), Last: at(9), Number: 3}, {First: at(4), Last: at(11), Number: 2}},
		Inside:  7,
		Scope:   ledger.Scope{Counts: ledger.Counts{Patients: 188, Max: 190, Unidentified: 4, Records: 5000, Disclosures: 12}, First: at(1), Last: at(20)},
	}
	var b strings.Builder
	if err := a.WriteJSON(&b, style); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	got := lines[len(lines)-1]
	for _, never := range []string{"patients", "188", "190", "records", "unidentified", "bytes\":5"} {
		if strings.Contains(got, never) {
			t.Errorf("the summary says %q: %s", never, got)
		}
	}
	want := `{"kind":"summary","disclosures":5,"disclosures_inside":7,"from":"2026-03-01T00:00:00Z","until":"2026-03-01T23:00:00Z","first":"2026-03-01T03:00:00Z","last":"2026-03-01T11:00:00Z"`
	if !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want it to begin with %s", got, want)
	}
}
