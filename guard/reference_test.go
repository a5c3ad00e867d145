package guard

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"chaperone"
	"chaperone/ledger"
	"chaperone/policy"
)

// toldOf looks for a reference on record.
func (r *rig) toldOf(reference string) (Refused, bool) {
	r.t.Helper()
	n, err := ReadReference(reference)
	if err != nil {
		r.t.Fatal(err)
	}
	told, ok, err := FindRefusal(r.t.Context(), n, func(ctx context.Context, each func(chaperone.Finding) error) error {
		return r.ledger.Findings(ctx, ledger.Query{}, each)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return told, ok
}

// TestFindRefusal: each refusal of a guard is found on record by the reference that its answer had, also those that were counted
// together; until they are, they are told from the one before.
func TestFindRefusal(t *testing.T) {
	e := newEngine(t)
	r := begin(t, strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    to: [ehr]\n", "    to: [ehr]\n    budget: {24h: 1}\n", 1))
	c := r.call("hl7")
	if m := result("LAB|NORTH", "m0", "1"); c.send(m) != ack(m) {
		t.Fatal("the first did not pass")
	}
	given := regexp.MustCompile(`CHAP[0-9a-f]{12}`)
	ask := func(m string) string {
		t.Helper()
		answer := c.send(m)
		reference := given.FindString(answer)
		if reference == "" {
			t.Fatalf("got %q, want a refusal", answer)
		}
		return reference
	}
	var spent []string
	for i := range 5 {
		spent = append(spent, ask(result("LAB|NORTH", fmt.Sprint("m", i), "2")))
	}
	foreign := ask(result("XX|NORTH", "f", "1"))
	r.findings() // of each kind the first
	if told, ok := r.toldOf(spent[3]); !ok || !told.Uncounted || told.Reason != policy.Budget24h {
		t.Errorf("before it is counted: got %+v, %t", told, ok)
	}
	r.guard.refused.flush(r.guard.now(), true)
	for i, reference := range spent {
		told, ok := r.toldOf(reference)
		number, count := i, 4
		if i == 0 {
			number, count = 1, 1
		}
		if !ok || told.Uncounted || told.Number != number || told.Count != count || told.Reason != policy.Budget24h || told.Budget != "grant results 24h 1" || told.Grant != "results" ||
			told.Action != policy.Send || told.Listener != "hl7" || told.Version != r.guard.rules.Load().site.Version || told.Who().Addr.String() != "127.0.0.1" || told.Observed() {
			t.Errorf("%d: got %+v, %t", i, told, ok)
		}
	}
	if told, ok := r.toldOf(foreign); !ok || told.Reason != policy.IdentityApplication || told.Advice == "" || told.Grant != "" || told.Who().Claimed != "XX@NORTH" {
		t.Errorf("got %+v, %t", told, ok)
	}
	for _, other := range []string{"000000000000", "ffffffffffff", fmt.Sprintf("%012x", mustRead(t, spent[0])-1), fmt.Sprintf("%012x", mustRead(t, spent[4])+repeatsWithin)} {
		if told, ok := r.toldOf(other); ok {
			t.Errorf("%s: got %+v", other, told)
		}
	}
}

func mustRead(t *testing.T, text string) uint64 {
	t.Helper()
	n, err := ReadReference(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestReferenceMixed: where kinds fell together, no refusal is taken for another's.
func TestReferenceMixed(t *testing.T) {
	var found []chaperone.Finding
	r := newRefusals(slog.New(slog.DiscardHandler), func(b ledger.Batch) error { found = append(found, b.Findings...); return nil })
	for i := range mostRefusals {
		r.kinds[kindOfRefusal{word: fmt.Sprint("k", i)}] = &repeated{}
	}
	var given []string
	for i := range 3 {
		given = append(given, r.note(refusal{listener: "hl7", word: "ORU^R01", from: chaperone.Party{Proven: fmt.Sprint("p", i)}, decision: policy.Decision{Reason: policy.Detail, Version: "1"}}))
	}
	r.flush(r.kinds[kindOfRefusal{listener: "hl7", reason: "detail"}].since, true)
	for i, reference := range given {
		told, ok, err := FindRefusal(t.Context(), mustRead(t, reference), func(_ context.Context, each func(chaperone.Finding) error) error {
			for _, f := range found {
				if err := each(f); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || ok != (i == 0) || ok && told.Who().Proven != "p0" {
			t.Errorf("%d: got %+v, %t, %v", i, told, ok, err)
		}
	}
}

// TestReadReference: as it stands in an answer, in a log and on a screen.
func TestReadReference(t *testing.T) {
	for text, want := range map[string]uint64{
		"4f3c9a0b5d2e": 0x4f3c9a0b5d2e, "CHAP4f3c9a0b5d2e": 0x4f3c9a0b5d2e, "CHAP ref=4f3c9a0b5d2e": 0x4f3c9a0b5d2e, "ref=4F3C9A0B5D2E": 0x4f3c9a0b5d2e, "ref 4f3c9a0b5d2e": 0x4f3c9a0b5d2e, "CHAP ref 4f3c9a0b5d2e": 0x4f3c9a0b5d2e,
		"ref": 0, "ref4f3c9a0b5d2e": 0, "ref ref 4f3c9a0b5d2e": 0, " chap4f3c9a0b5d2e ": 0x4f3c9a0b5d2e,
		"": 0, "4711": 0, "4f3c9a0b5d2": 0, "4f3c9a0b5d2e0": 0, "4f3c9a0b5dxx": 0, "+f3c9a0b5d2e": 0, "0x3c9a0b5d2e": 0, "4f3c9a0b5d2e48719e6d0c8b7a615243": 0, "4f3c_9a0b5d2e": 0,
	} {
		n, err := ReadReference(text)
		if n != want || (err != nil) != (want == 0) {
			t.Errorf("%q: got %x, %v; want %x", text, n, err, want)
		}
	}
}
