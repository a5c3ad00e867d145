package disk

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/proof"
)

// checked verifies a document as somebody outside does.
func checked(t *testing.T, l *Ledger, d *proof.Document) *proof.Verified {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	v, err := proof.Verify(text, proof.Keys{Log: l.verify})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestProve: what can be asked can be proven, whether the ledger is open for asking or for recording, and says the same.
func TestProve(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys"), Now: func() time.Time { return noon.AddDate(0, 0, 9) }}
	l := open(t, o)
	viewer, cloud := chaperone.Party{Claimed: "VIEWER"}, chaperone.Party{Addr: netip.MustParseAddr("203.0.113.7"), Claimed: "CLOUD"}
	for day := range 4 {
		b := someBatch(100*day, 12)
		for i := range b.Disclosures {
			d := &b.Disclosures[i]
			if d.Time, d.To = noon.AddDate(0, 0, day).Add(time.Duration(i)*time.Hour/2), viewer; i%3 == 0 {
				d.To, d.Protocol, d.Action = cloud, chaperone.DICOM, "C-STORE"
			}
		}
		mustRecord(t, l, b)
	}
	today := ledger.DayOf(noon)
	if err := l.Purge(t.Context(), today+1); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	toCloud := ledger.Query{Parties: []ledger.Match{{Prefix: netip.MustParsePrefix("203.0.113.0/24")}}}
	for _, readOnly := range []bool{true, false} {
		o.ReadOnly = readOnly
		l := open(t, o)
		proven := 0
		err := l.Disclosures(t.Context(), ledger.Query{}, func(r ledger.Row) error {
			doc, err := l.Prove(t.Context(), r.ID)
			if err != nil {
				return err
			}
			if d := checked(t, l, doc).Disclosure; d.ID != hex.EncodeToString(r.ID[:]) || d.Number != r.Seq || d.Records != r.Records {
				t.Errorf("got %+v, want disclosure %d", d, r.Seq)
			}
			if way := doc.Claimed.Ways[0]; way.To.Claimed != r.To.Claimed || way.Protocol != string(r.Protocol) {
				t.Errorf("got the way %+v of disclosure %d", way, r.Seq)
			}
			proven++
			return nil
		})
		if err != nil || proven != 36 {
			t.Errorf("got %d proofs, %v; want 36", proven, err)
		}
		for _, test := range []struct {
			name    string
			q       ledger.Query
			batches int // opened and not
			closed  uint64
			ways    int // that are named as what is counted
		}{
			{"everything", ledger.Query{}, 4, 12, 0},
			{"of one recipient", toCloud, 4, 12, 1},
			{"of a part of a day", ledger.Query{From: noon.AddDate(0, 0, 2), Until: noon.AddDate(0, 0, 2).Add(time.Hour)}, 1, 0, 0},
			{"until a moment", ledger.Query{Until: (today + 2).Time(), Protocols: []chaperone.Protocol{chaperone.DICOM}}, 2, 12, 1},
			{"with a purged day between", ledger.Query{From: noon.Add(time.Minute), Until: noon.AddDate(0, 0, 3)}, 4, 12, 0},
		} {
			doc, err := l.ProveCount(t.Context(), test.q)
			if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			got := checked(t, l, doc).Count
			want, err := l.Scope(t.Context(), test.q)
			if err != nil {
				t.Fatal(err)
			}
			if got.Disclosures != want.Disclosures || got.Records != want.Records || got.Bytes != want.Bytes || got.Identifiers != want.Max || *doc.Claimed.Objects != want.Objects {
				t.Errorf("%s: got %+v, want the numbers of %+v", test.name, got, want.Counts)
			}
			if got.Batches != test.batches || got.ClosedDisclosures != test.closed || len(got.Ways) != test.ways {
				t.Errorf("%s: got %d batches, %d disclosures that are closed, ways %v; want %d, %d, %d of them", test.name, got.Batches, got.ClosedDisclosures, got.Ways, test.batches, test.closed, test.ways)
			}
		}
		for name, q := range map[string]ledger.Query{"nobody": {Parties: []ledger.Match{{Name: "NOBODY"}}}, "another time": {From: noon.AddDate(1, 0, 0)}} {
			if _, err := l.ProveCount(t.Context(), q); !errors.Is(err, ledger.ErrUnknown) {
				t.Errorf("%s: got %v, want %v", name, err, ledger.ErrUnknown)
			}
		}
		if _, err := l.ProveCount(t.Context(), ledger.Query{Patient: &ledger.Who{}}); err == nil {
			t.Error("a count of one patient's disclosures: want an error")
		}
		for name, id := range map[string][16]byte{"unknown": {1, 2, 3}, "purged": {100, 0, 1}} {
			if _, err := l.Prove(t.Context(), id); !errors.Is(err, ledger.ErrUnknown) {
				t.Errorf("%s: got %v, want %v", name, err, ledger.ErrUnknown)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.ProveCount(t.Context(), ledger.Query{}); !errors.Is(err, ledger.ErrClosed) {
			t.Errorf("closed: got %v, want %v", err, ledger.ErrClosed)
		}
	}
}
