package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/ledger"
)

// unread runs chaperone with a real pipe as its standard output, whose reader has gone, and gives its exit status and what it said, apart
// from where a new ledger is.
func unread(t *testing.T, args ...string) (status int, said string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), "chaperone", args...)
	c.Stdout, c.Stderr, c.WaitDelay = w, &stderr, time.Second
	err = c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for line := range strings.Lines(stderr.String()) {
		if !strings.HasPrefix(line, "chaperone: made a ledger in ") {
			said += line
		}
	}
	return c.ProcessState.ExitCode(), said
}

// TestNobodyReads: when the reader of the output goes (| head), a command says nothing more, does not claim to have done its work, and
// closes its ledger, which can be asked at once.
func TestNobodyReads(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	capture, err := filepath.Abs("../../testdata/clinic.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	for name, recorded := range map[string][]string{
		"text": {"watch", capture}, "json": {"watch", "--json", capture}, "follow": {"watch", "--json", "--follow", capture}, "investigate": {"investigate", filepath.Dir(capture) + "/clinic-2016"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			with := []string{"--ledger", filepath.Join(dir, "ledger"), "--keys", filepath.Join(dir, "keys")}
			if status, said := unread(t, append(recorded, with...)...); status != statusNot || said != "" {
				t.Errorf("%s: got status %d and %q, want %d and nothing", name, status, said, statusNot)
			}
			if out, err := exec.Command("chaperone", append([]string{"scope"}, with...)...).CombinedOutput(); err != nil {
				t.Errorf("the ledger cannot be asked: %v\n%s", err, out)
			}
			for _, asked := range [][]string{{"scope"}, {"scope", "--json"}, {"disclosures"}, {"disclosures", "--json"}, {"digest"}, {"ledger", "verify"}, {"ledger", "status"}} {
				if status, said := unread(t, append(asked, with...)...); status != statusNot || said != "" {
					t.Errorf("%v: got status %d and %q, want %d and nothing", asked, status, said, statusNot)
				}
			}
		})
	}
	for _, alone := range [][]string{{"version"}, {"--help"}, {"inspect", capture}, {"guard", "--example"}} {
		if status, said := unread(t, alone...); status != statusNot || said != "" {
			t.Errorf("%v: got status %d and %q, want %d and nothing", alone, status, said, statusNot)
		}
	}
}

// TestBesides: what else went wrong is said, although nobody reads the output.
func TestBesides(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want bool
	}{
		{"nothing", nil, false},
		{"only that", errUnread, false},
		{"only that, wrapped", fmt.Errorf("watch: %w", errUnread), false},
		{"only that, twice", errors.Join(errUnread, fmt.Errorf("page: %w", errUnread)), false},
		{"a full disk", errors.Join(fmt.Errorf("page: %w", errUnread), ledger.ErrFull), true},
		{"deep in it", fmt.Errorf("watch: %w", errors.Join(errUnread, errors.New("not closed"))), true},
		{"something else", errors.New("something else"), true},
	} {
		if got := besides(test.err, errUnread); got != test.want {
			t.Errorf("%s: got %t, want %t", test.name, got, test.want)
		}
	}
}
