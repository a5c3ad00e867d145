package verify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWitnessesGiven: a mistake in a list that was given from outside says nothing of the ledger: it was not verified.
func TestWitnessesGiven(t *testing.T) {
	h := newHouse(t, true)
	h.week(1)
	good := string(h.read("witnesses"))
	for name, text := range map[string]string{
		"more needed than named": strings.Replace(good, "need 1", "need 3", 1),
		"no number":              "east http://192.0.2.7 x\n",
		"not a key":              "need 1\neast http://192.0.2.7 x\n",
	} {
		t.Run(name, func(t *testing.T) {
			outside := t.TempDir()
			h.must(os.WriteFile(filepath.Join(outside, "witnesses"), []byte(text), 0o600))
			r, err := Run(t.Context(), Options{Dir: h.dir, Keys: h.keys, Witnesses: outside})
			if err == nil || r != nil || !strings.Contains(err.Error(), "the list of witnesses that was given") || !strings.Contains(err.Error(), outside) {
				t.Errorf("got %+v and %v", r, err)
			}
		})
	}
}

// TestWitnessesBroken: a ledger's own list that is broken is named as what it is, whether or not another is given, and nothing is
// said that follows from it alone.
func TestWitnessesBroken(t *testing.T) {
	h := newHouse(t, true)
	h.week(1)
	outside := t.TempDir()
	h.must(os.WriteFile(filepath.Join(outside, "witnesses"), h.read("witnesses"), 0o600))
	h.write("witnesses", []byte("need 3\n"))
	for _, given := range []string{"", outside} {
		r := h.verify(func(o *Options) { o.Witnesses = given })
		h.noticed(r, "witnesses", "3 witnesses are needed and 0 named")
		if len(r.Problems) != 1 {
			t.Errorf("given %t: got %v, want one problem", given != "", r.Problems)
		}
	}
}
