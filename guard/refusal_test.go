package guard

import (
	"io"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/policy"
)

// TestStrangers: connections from very many addresses make few findings, all of them are counted, and a party that is refused
// meanwhile has a finding of its own.
func TestStrangers(t *testing.T) {
	var got []chaperone.Finding
	r := newRefusals(slog.New(slog.NewTextHandler(io.Discard, nil)), func(b ledger.Batch) error { got = append(got, b.Findings...); return nil })
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	addr := netip.MustParseAddr("2001:db8::")
	const strangers = 10_000
	for range strangers {
		addr = addr.Next()
		r.note(refusal{listener: "hl7", word: "connection", from: chaperone.Party{Addr: addr}, at: at, decision: policy.Decision{Reason: unknown}})
	}
	r.note(refusal{listener: "hl7", word: "ORU^R01", from: chaperone.Party{Proven: "lab"}, at: at, decision: policy.Decision{Reason: policy.Detail}})
	r.flush(at, true)
	count, own := 0, 0
	for _, f := range got {
		if f.From.Proven == "lab" {
			own += f.Count
			continue
		}
		count += f.Count
	}
	if len(got) > mostStrangers+3 || count != strangers || own != 1 {
		t.Errorf("got %d findings of %d strangers, and %d of the party; want %d at most, %d and 1", len(got), count, own, mostStrangers+3, strangers)
	}
}
