package watch

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/mem"
	"chaperone/patient"
)

// TestRecorded: what a capture holds is on record once, and the report says what became of it.
func TestRecorded(t *testing.T) {
	store := mem.New()
	capture := read(t, "../testdata/clinic.pcapng")
	for _, want := range []string{"LEDGER: 669 disclosures recorded; 0 already on record.", "LEDGER: 0 disclosures recorded; 669 already on record."} {
		o := stdin(capture)
		o.Tokens, o.Ledger = patient.NewTokenizer(testKey), NewRecording(t.Context(), store, false)
		result, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		report := Report{Zone: time.UTC}
		if err := report.Write(&out, result); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want+"\n") {
			t.Errorf("the report does not say %q", want)
		}
	}
	for _, test := range []struct {
		receipt *ledger.Receipt
		want    string
	}{
		{nil, ""}, {&ledger.Receipt{Recorded: 1}, "1 disclosure recorded; 0 already on record."},
		{&ledger.Receipt{Already: 2, Purged: 1200}, "0 disclosures recorded; 2 already on record; 1,200 of days that were purged, which stay forgotten."},
	} {
		if got := (&Result{Receipt: test.receipt}).Recorded(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// failing is a store whose disk is full after some batches.
type failing struct {
	ledger.Store
	left int
}

func (f *failing) Record(ctx context.Context, b ledger.Batch) (ledger.Receipt, error) {
	if f.left--; f.left < 0 {
		return ledger.Receipt{}, ledger.ErrFull
	}
	return f.Store.Record(ctx, b)
}

// TestRecordingFails: a run that records as it goes ends when it no longer can, and says so; another reads on, and says so too.
func TestRecordingFails(t *testing.T) {
	for _, now := range []bool{true, false} {
		o := stdin(read(t, "../testdata/clinic.pcapng"))
		o.Tokens, o.Ledger = patient.NewTokenizer(testKey), NewRecording(t.Context(), &failing{mem.New(), 0}, now)
		result, err := Run(t.Context(), o)
		if !errors.Is(err, ledger.ErrFull) || result == nil || result.Receipt != nil {
			t.Fatalf("now %t: got %v, want ErrFull and a result without a receipt", now, err)
		}
		if all := result.Packets == 5000; all == now {
			t.Errorf("now %t: %d packets were read", now, result.Packets)
		}
	}
}
