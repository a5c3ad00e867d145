package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/guard/spool"
	"chaperone/ledger/keys"
)

// spooling is a folder with keys, and runs commands of the spool on it.
type spooling struct {
	*testing.T
	dir string
	key func([16]byte) [32]byte
}

func newSpooling(t *testing.T) *spooling {
	t.Helper()
	dir := t.TempDir()
	if _, err := keys.Make(filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	data, err := keys.LoadData(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	return &spooling{t, dir, data.Spool}
}

// run gives what the program says, with its exit status.
func (s *spooling) run(args ...string) (out string, status int) {
	s.Helper()
	var b bytes.Buffer
	status = run(s.Context(), append(args, "--ledger", filepath.Join(s.dir, "ledger"), "--keys", filepath.Join(s.dir, "keys")), strings.NewReader(""), &b, &b)
	return b.String(), status
}

func (s *spooling) list(args ...string) string {
	s.Helper()
	out, status := s.run(append([]string{"spool"}, args...)...)
	if status != statusDone {
		s.Fatalf("got status %d: %s", status, out)
	}
	return out
}

// fill makes the spool of a listener with messages of these control IDs, the first of them rejected.
func (s *spooling) fill(listener string, rejected int, ids ...string) *spool.Spool {
	s.Helper()
	if err := os.MkdirAll(filepath.Join(s.dir, "spool"), 0o700); err != nil {
		s.Fatal(err)
	}
	k, err := spool.Open(spool.Options{Dir: filepath.Join(s.dir, "spool", listener), Key: s.key, Bytes: 1 << 20, Messages: 10})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = k.Close() })
	for _, id := range ids {
		if err := k.Append(spool.Entry{Came: time.Now(), From: "lab", To: "ehr", Word: "ORU^R01", IDs: []string{id}, Message: []byte("DOE^JANE")}); err != nil {
			s.Fatal(err)
		}
	}
	for n := range rejected {
		if _, err := k.Reject(uint64(n+1), "AR"); err != nil {
			s.Fatal(err)
		}
	}
	return k
}

// TestSpool: what waits and what was rejected is listed by its control ID, without a patient, while somebody uses the spool.
func TestSpool(t *testing.T) {
	s := newSpooling(t)
	if got := s.list(); got != "Nothing waits, and nothing was rejected.\n" {
		t.Errorf("got %q", got)
	}
	s.fill("hl7", 1, "a1", "a2\x1b[2J")
	got := s.list()
	for _, want := range []string{"hl7  waits  ", "ORU^R01 of lab for ehr, control ID a2", "hl7  rejected  ", "control ID a1, answered AR\n", "00000000000000000001.spool\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
	if strings.Contains(got, "DOE") || strings.Contains(got, "\x1b") {
		t.Errorf("got %q", got)
	}
	if got := s.list("--json"); !strings.Contains(got, `"state":"rejected"`) || !strings.HasSuffix(got, `{"kind":"summary","waiting":1,"again":0,"rejected":1}`+"\n") {
		t.Errorf("got %q", got)
	}
}

// TestSpoolObjects: an image is listed by its SOP instance UID, and sent again by it.
func TestSpoolObjects(t *testing.T) {
	s := newSpooling(t)
	k := s.fill("dicom", 0)
	o, err := k.Create()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Keep(spool.Entry{Came: time.Now(), From: "ct1", To: "pacs", Word: "C-STORE", IDs: []string{"1.2.3"}, Message: []byte("PACS            CT1")}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Reject(1, "status A900"); err != nil {
		t.Fatal(err)
	}
	if got, want := s.list(), "C-STORE of ct1 for pacs, SOP instance UID 1.2.3, answered status A900\n"; !strings.Contains(got, want) {
		t.Errorf("got %q, want %q in it", got, want)
	}
	if got := s.list("again", "1.2.3"); !strings.Contains(got, "queue: 1.") {
		t.Errorf("got %q", got)
	}
}

// TestSpoolAgain: rejected messages go back into the queue by their control IDs or all, while somebody uses the spool; who names one that is not
// there changes nothing.
func TestSpoolAgain(t *testing.T) {
	s := newSpooling(t)
	k := s.fill("hl7", 3, "a1", "a2", "DOE\x1b[2J", "a4")
	s.fill("other", 1, "a1")
	counts := func(want string) {
		t.Helper()
		if got := s.list("--json"); !strings.HasSuffix(got, want+"}\n") {
			t.Errorf("got %q, want %s", got, want)
		}
	}
	for _, test := range []struct{ name, args, want string }{
		{"nobody", "", "which messages?"},
		{"one and all", "a1 --all", "which messages?"},
		{"one that is not there", "a1 nosuch", "number 2 of those named"},
		{"one that waits", "a4", "number 1 of those named"},
		{"one of another listener", "a2 --listener other", "number 1 of those named"},
	} {
		out, status := s.run(append([]string{"spool", "again"}, strings.Fields(test.args)...)...)
		if status != statusNot || !strings.Contains(out, test.want) || strings.Contains(out, "nosuch") {
			t.Errorf("%s: got %d, %q", test.name, status, out)
		}
	}
	counts(`"waiting":1,"again":0,"rejected":4`)
	for _, which := range []string{"--all", "a1"} {
		out, status := s.run("spool", "again", which, "--listener", "typo")
		if want := "chaperone: spool again: nothing is kept for a listener with this name, so none is sent; there are: hl7, other\n"; status != statusNot || out != want {
			t.Errorf("%s of a listener that is not there: got %d, %q, want %q", which, status, out, want)
		}
	}
	if got := s.list("again", "a1", "--listener", "hl7"); !strings.Contains(got, "queue: 1.") {
		t.Errorf("got %q", got)
	}
	counts(`"waiting":1,"again":1,"rejected":3`)
	if got := s.list(); !strings.Contains(got, "hl7  again  ") {
		t.Errorf("got %q", got)
	}
	if got := s.list("again", "--all"); !strings.Contains(got, "queue: 3.") || strings.Contains(got, "DOE") {
		t.Errorf("got %q", got)
	}
	if got := s.list("again", "--all"); got != "Nothing was rejected.\n" {
		t.Errorf("got %q", got)
	}
	if got, err := k.TakeAgain(); got.Queued != 3 || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	counts(`"waiting":4,"again":1,"rejected":0`)
}

// TestSpoolAgainListener: a listener is known by its spool, also when nothing of it was rejected, or by the site file.
func TestSpoolAgainListener(t *testing.T) {
	s := newSpooling(t)
	file := filepath.Join(s.dir, "site.yaml")
	text := "site: north\ninside: [127.0.0.0/8]\nparties:\n  - {name: ehr, role: engine}\nlisteners:\n"
	for name, protocol := range map[string]string{"lab": "hl7", "images": "dicom", "vendor": "tcp"} {
		text += "  - {name: " + name + ", protocol: " + protocol + ", listen: \"127.0.0.1:0\", tls: none, because: a test, upstream: {address: \"127.0.0.1:1\", tls: none, party: ehr}}\n"
	}
	text = strings.Replace(text, "127.0.0.1:0", "127.0.0.1:2575", 1)
	text = strings.Replace(text, "127.0.0.1:0", "127.0.0.1:2576", 1)
	text = strings.Replace(text, "127.0.0.1:0", "127.0.0.1:2577", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, args, want string }{
		{"nowhere", "--listener hl7", "there are none yet: a guard makes one for each listener with spool: when it starts\n"},
		{"the site file's", "--listener lab --site " + file, "Nothing was rejected of this listener; chaperone spool lists them all.\n"},
		{"the site file's, of DICOM", "--listener images --site " + file, "Nothing was rejected of this listener; chaperone spool lists them all.\n"},
		{"unread", "--listener vendor --site " + file, "there are: images, lab\n"},
	} {
		out, status := s.run(append([]string{"spool", "again", "--all"}, strings.Fields(test.args)...)...)
		if want := strings.HasPrefix(test.want, "Nothing"); !strings.HasSuffix(out, test.want) || (status == statusDone) != want {
			t.Errorf("%s: got %d, %q, want %q", test.name, status, out, test.want)
		}
	}
	s.fill("hl7", 0, "a1")
	if got := s.list("again", "--all", "--listener", "hl7"); got != "Nothing was rejected of this listener; chaperone spool lists them all.\n" {
		t.Errorf("got %q", got)
	}
}

// TestSpoolAgainCompletes: the shell proposes what was rejected, and nothing that could steer a terminal.
func TestSpoolAgainCompletes(t *testing.T) {
	s := newSpooling(t)
	s.fill("hl7", 2, "a1", "\x1b[2J", "a3")
	ledger := []string{"--ledger", filepath.Join(s.dir, "ledger"), "--keys", filepath.Join(s.dir, "keys")}
	for _, test := range []struct{ args, want string }{
		{"", "a1\tORU^R01 of lab\n:4\n"},
		{"a1 ", ":4\n"},
		{"--listener ", "hl7\n:4\n"},
	} {
		var out bytes.Buffer
		args := append(append([]string{"__complete", "spool", "again"}, ledger...), strings.Fields(test.args)...)
		if status := run(t.Context(), append(args, ""), strings.NewReader(""), &out, io.Discard); status != statusDone || out.String() != test.want {
			t.Errorf("%q: got %d, %q, want %q", test.args, status, out.String(), test.want)
		}
	}
}
