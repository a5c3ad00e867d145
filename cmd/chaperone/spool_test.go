package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/guard/spool"
	"chaperone/ledger/keys"
)

// TestSpool: what waits and what was rejected is listed by its control ID, without a patient, while somebody uses the spool.
func TestSpool(t *testing.T) {
	dir := t.TempDir()
	if _, err := keys.Make(filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	data, err := keys.LoadData(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	list := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		c := newSpool()
		c.SetOut(&out)
		c.SetErr(os.Stderr)
		c.SetArgs(append(args, "--ledger", filepath.Join(dir, "ledger"), "--keys", filepath.Join(dir, "keys")))
		if err := c.Execute(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := list(); got != "Nothing waits, and nothing was rejected.\n" {
		t.Errorf("got %q", got)
	}
	if err := os.Mkdir(filepath.Join(dir, "spool"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(spool.Options{Dir: filepath.Join(dir, "spool", "hl7"), Key: data.Spool, Bytes: 1 << 20, Messages: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, id := range []string{"a1", "a2\x1b[2J"} {
		if err := s.Append(spool.Entry{Came: time.Now(), From: "lab", To: "ehr", Word: "ORU^R01", IDs: []string{id}, Message: []byte("DOE^JANE")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Reject(1, "AR"); err != nil {
		t.Fatal(err)
	}
	got := list()
	for _, want := range []string{"hl7  waits  ", "ORU^R01 of lab for ehr, control ID a2", "hl7  rejected  ", "control ID a1, answered AR\n", "00000000000000000001.spool\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
	if strings.Contains(got, "DOE") || strings.Contains(got, "\x1b") {
		t.Errorf("got %q", got)
	}
	if got := list("--json"); !strings.Contains(got, `"state":"rejected"`) || !strings.HasSuffix(got, `{"kind":"summary","waiting":1,"rejected":1}`+"\n") {
		t.Errorf("got %q", got)
	}
}
