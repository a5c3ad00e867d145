package guard

import (
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/policy"
)

// TestStrangers: connections from very many addresses make few findings, all of them are counted, and a party that is refused
// meanwhile has a finding of its own. So it is when all of them show one certificate; then the log has from where each was told its reference.
func TestStrangers(t *testing.T) {
	for _, proven := range []string{"", "spiffe://north/party/ct1"} {
		strangersFrom(t, proven)
	}
}

func strangersFrom(t *testing.T, proven string) {
	var log strings.Builder
	var got []chaperone.Finding
	r := newRefusals(slog.New(slog.NewTextHandler(&log, nil)), func(b ledger.Batch) error { got = append(got, b.Findings...); return nil })
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	addr := netip.MustParseAddr("2001:db8::")
	const strangers = 10_000
	for range strangers {
		addr = addr.Next()
		r.note(refusal{listener: "hl7", word: "connection", from: chaperone.Party{Addr: addr, Proven: proven}, said: proven != "", quiet: proven != "", at: at, decision: policy.Decision{Reason: unknown}})
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
	for _, nth := range []int{1, mostStrangers, mostStrangers + 2, strangers} {
		from := netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 14: byte(nth >> 8), 15: byte(nth)}).String()
		if proven != "" && !strings.Contains(log.String(), "client="+from+"\n") && !strings.Contains(log.String(), ", "+proven+" at "+from+")") {
			t.Errorf("the log has no %s", from)
		}
	}
}

// TestReferences: the log has the reference of every refusal, in few lines, with who and why.
func TestReferences(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name  string
		kinds int // that there are before
		count int // refusals of one kind
		lines int
	}{
		{"one", 0, 1, 1}, {"two", 0, 2, 2}, {"a line full", 0, 65, 2}, {"and one more", 0, 66, 3}, {"very many", 0, 1 + 64*100, 101},
		{"kinds that fell together", mostRefusals, 66, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log strings.Builder
			r := newRefusals(slog.New(slog.NewTextHandler(&log, nil)), func(ledger.Batch) error { return nil })
			for i := range test.kinds {
				r.kinds[kindOfRefusal{word: fmt.Sprint("k", i)}] = &repeated{since: at}
			}
			given := map[string]bool{}
			for range test.count {
				given[r.note(refusal{listener: "hl7", word: "ORU^R01", said: true, from: chaperone.Party{Proven: "lab"}, at: at, decision: policy.Decision{Reason: policy.Detail}})] = true
			}
			r.flush(at.Add(refusalWindow), false)
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			if len(lines) != test.lines {
				t.Errorf("got %d lines, want %d", len(lines), test.lines)
			}
			found := map[string]bool{}
			for _, line := range lines {
				if !strings.Contains(line, "reason=detail") || !strings.Contains(line, "lab") {
					t.Errorf("a line does not say who and why: %s", line)
				}
				for _, word := range regexp.MustCompile(`[0-9a-f]{12}`).FindAllString(line, -1) {
					found[word] = true
				}
			}
			if len(given) != test.count || !maps.Equal(found, given) {
				t.Errorf("got %d references of the %d that were given to %d", len(found), len(given), test.count)
			}
		})
	}
}

// TestReferencesUnsaid: of what was held back and is named in no answer, the log has no list.
func TestReferencesUnsaid(t *testing.T) {
	for _, unsaid := range []bool{false, true} {
		var log strings.Builder
		r := newRefusals(slog.New(slog.NewTextHandler(&log, nil)), func(ledger.Batch) error { return nil })
		j := &judge{guard: &Guard{refused: r, clock: time.Now}, unsaid: unsaid}
		for range 1000 {
			j.refuse(nil, &wish{word: "C-FIND", from: &side{}, to: &side{}}, policy.Decision{Reason: policy.NoGrant, Version: "1"})
		}
		r.flush(time.Now(), true)
		if got := strings.Count(log.String(), "references="); (got == 0) != unsaid {
			t.Errorf("unsaid %t: got %d lines", unsaid, got)
		}
	}
}
