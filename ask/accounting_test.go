package ask

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/mem"
)

// TestAccountUnplaced: a destination of a C-MOVE has no address on record, so that addresses do not say whether it is inside. It is
// listed, and whoever hands the list out is told to look.
func TestAccountUnplaced(t *testing.T) {
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	s := mem.New()
	number := chaperone.PatientToken{1}
	for i, to := range []chaperone.Party{{Claimed: "VIEWER1"}, {Claimed: "VIEWER1", Addr: netip.MustParseAddr("10.20.0.7")}, {Claimed: "FAR", Addr: netip.MustParseAddr("192.0.2.7")}} {
		d := ledger.Disclosure{Disclosure: chaperone.Disclosure{ID: [16]byte{byte(i + 1)}, Time: at.Add(time.Duration(i) * time.Minute), Protocol: chaperone.DICOM, Action: "C-MOVE", To: to,
			Records: 1, Protection: chaperone.InClear, Outcome: chaperone.Unknown}, Covered: []ledger.Covered{{Numbers: []chaperone.PatientToken{number}}}}
		if _, err := s.Record(t.Context(), ledger.Batch{Disclosures: []ledger.Disclosure{d}}); err != nil {
			t.Fatal(err)
		}
	}
	inside := netip.MustParsePrefix("10.20.0.0/16")
	got, err := Accounting(t.Context(), s, Account{Patient: ledger.Who{Tokens: []chaperone.PatientToken{number}}, Asked: at.Add(time.Hour),
		Outside: func(r ledger.Row) bool { return !inside.Contains(r.To.Addr) }})
	if err != nil || len(got.Items) != 2 || got.Inside != 1 || got.Unplaced != 1 {
		t.Fatalf("got %d items, %d inside, %d unplaced, %v; want 2, 1, 1", len(got.Items), got.Inside, got.Unplaced, err)
	}
	var b strings.Builder
	if err := got.Write(&b, style); err != nil || !strings.Contains(strings.Join(strings.Fields(b.String()), " "), "Whether the recipient is inside, of 1 disclosure above") {
		t.Errorf("got %s, %v", b.String(), err)
	}
}

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
