package main

import (
	"bytes"
	"strings"
	"testing"

	"chaperone/ledger/verify"
)

// TestVerdict: a folder is called evidence where something is not what was recorded, signed or seen, and not for a key that came back, or
// for witnesses that are late, or for both.
func TestVerdict(t *testing.T) {
	for _, test := range []struct {
		name  string
		kinds []verify.Kind
		text  string
		short string
	}{
		{"kept", []verify.Kind{verify.Kept}, "NOT ALL PURGED.", "not all that was purged is gone"},
		{"unseen", []verify.Kind{verify.Unseen}, "NOT VOUCHED FOR.", "witnesses do not vouch"},
		{"kept and unseen", []verify.Kind{verify.Kept, verify.Unseen}, "NOT ALL PURGED, NOT VOUCHED FOR.", "not all that was purged is gone, and witnesses do not vouch"},
		{"changed", []verify.Kind{verify.Changed}, "NOT WHOLE.", "the ledger is not whole"},
		{"kept and changed", []verify.Kind{verify.Kept, verify.Changed}, "NOT WHOLE.", "the ledger is not whole"},
		{"unseen and ahead", []verify.Kind{verify.Unseen, verify.Ahead}, "NOT WHOLE.", "the ledger is not whole"},
		{"kept, unseen and forked", []verify.Kind{verify.Kept, verify.Unseen, verify.Forked}, "NOT WHOLE.", "the ledger is not whole"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &verify.Report{}
			for _, kind := range test.kinds {
				r.Problems = append(r.Problems, verify.Problem{Kind: kind, File: "keys/20200101.key", Offset: -1, Batch: -1})
			}
			var b bytes.Buffer
			if err := verifyText(&b, r); err != nil {
				t.Fatal(err)
			}
			_, short := verdict(r)
			if got := b.String(); !strings.HasPrefix(got, test.text) || strings.Contains(got, "evidence") != (test.text == "NOT WHOLE.") {
				t.Errorf("got %q, want %q", got, test.text)
			}
			if !strings.HasPrefix(short, test.short) {
				t.Errorf("got in short %q, want %q", short, test.short)
			}
		})
	}
}
