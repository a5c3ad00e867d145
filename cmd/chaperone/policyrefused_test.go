package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/guard"
	"chaperone/ledger/disk"
	"chaperone/patient"
	"chaperone/policy"
	"chaperone/site"
)

const refusingSite = `site: north
inside: [127.0.0.0/8]
parties:
  - {name: lab, role: lab, applications: [LAB@NORTH], addresses: [127.0.0.1/32]}
  - {name: ehr, role: engine, addresses: [127.0.0.2/32]}
grants:
  - {name: results, roles: [lab], actions: [hl7.send], details: [ORU^R01], to: [ehr]}
listeners:
  - {name: hl7, protocol: hl7, listen: "%s", tls: none, because: this is a test, upstream: {address: "%s", tls: none, because: this is a test, party: ehr}}
`

// TestExplainRefusal: whoever has the reference in the answer of a running guard is told by whom, when and why it was refused, and what
// would have permitted it: beside the guard, and behind it.
func TestExplainRefusal(t *testing.T) {
	dir := t.TempDir()
	behind, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().String()
	_ = free.Close()
	file := filepath.Join(dir, "site.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, refusingSite, at, behind.Addr()), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := site.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	books, keys := filepath.Join(dir, "ledger"), filepath.Join(dir, "keys")
	l, err := disk.Open(t.Context(), disk.Options{Dir: books, Keys: keys, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := patient.LoadKey(keys)
	if err != nil {
		t.Fatal(err)
	}
	g, err := guard.Start(t.Context(), guard.Options{Site: s, Ledger: l, Tokens: tokens, Log: slog.New(slog.DiscardHandler), Approvals: filepath.Join(dir, "approvals")})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	var given []string
	for i := range 3 {
		if _, err := fmt.Fprintf(c, "\x0bMSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||ADT^A01|m%d|P|2.5\rPID|1||PAT-QX^^^H||DOE^JANE\r\x1c\r", i); err != nil {
			t.Fatal(err)
		}
		answer, err := in.ReadString(0x1c)
		if err != nil {
			t.Fatal(err)
		}
		given = append(given, regexp.MustCompile(`CHAP[0-9a-f]{12}`).FindString(answer))
	}
	explain := func(want int, text string, more ...string) string {
		t.Helper()
		var b bytes.Buffer
		if got := run(t.Context(), append([]string{"policy", "explain", text, "--keys", keys}, more...), strings.NewReader(""), &b, &b); got != want {
			t.Errorf("%s: got exit status %d, want %d: %s", text, got, want, &b)
		}
		for line := range strings.Lines(b.String()) {
			if len([]rune(line)) > 101 && want == statusDone && !strings.HasPrefix(line, "chaperone: ") {
				t.Errorf("a line of %d characters: %s", len(line), line)
			}
		}
		for _, never := range []string{"PAT-QX", "DOE"} {
			if strings.Contains(b.String(), never) {
				t.Errorf("%s is told", never)
			}
		}
		return strings.Join(strings.Fields(b.String()), " ")
	}
	live := ""
	for end := time.Now().Add(30 * time.Second); !strings.Contains(live, "REFERENCE") && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		var b bytes.Buffer
		_ = run(t.Context(), []string{"policy", "explain", given[0], "--keys", keys, "--ledger", books, "--live"}, strings.NewReader(""), &b, io.Discard)
		live = b.String()
	}
	if !strings.Contains(live, "action       hl7.send") || !strings.Contains(live, "refused, detail.") {
		t.Errorf("beside the guard: got %s", live)
	}
	if got := explain(statusDone, given[2], "--ledger", books, "--live"); !strings.Contains(got, "is not on record itself") || !strings.Contains(got, "grep "+given[2][4:]) || !strings.Contains(got, "refused, detail.") {
		t.Errorf("before it is counted: got %s", got)
	}
	_ = c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := g.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := explain(statusDone, given[2], "--site", file, "--ledger", books)
	for _, want := range []string{"REFERENCE " + given[2][4:], "number 2 of 2", "who 127.0.0.1", "calls itself LAB@NORTH", "listener hl7", "grant results, which came nearest", "would do ", "as in the site file"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %q", got, want)
		}
	}
	if err := os.WriteFile(file, bytes.Replace(fmt.Appendf(nil, refusingSite, at, behind.Addr()), []byte("name: results"), []byte("name: other"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := explain(statusDone, given[2], "--site", file, "--ledger", books); !strings.Contains(got, ": chaperone policy test says what it would do Of whom") {
		t.Errorf("with another site file: got %s", got)
	}
	for _, typed := range [][]string{{"ref " + given[2][4:]}, {"ref", given[2][4:]}, {"CHAP", "ref=" + given[2][4:]}} { // as the answers have it, quoted and not
		if got := explain(statusDone, typed[0], append(typed[1:], "--ledger", books)...); !strings.Contains(got, "number 2 of 2") {
			t.Errorf("%q: got %s", typed, got)
		}
	}
	if got := explain(statusNot, "471147114711", "--ledger", books); !strings.Contains(got, "no refusal of this reference") || !strings.Contains(got, "journalctl") {
		t.Errorf("got %s", got)
	}
}

// TestRefusedThenCounted: whether patients are counted is said as it is: of what was held back, of what passed and is on record, and of
// what passed and is not.
func TestRefusedThenCounted(t *testing.T) {
	for _, test := range []struct{ name, rule, reason, want, never string }{
		{"refused", guard.RefusedRule, "grant-none", "what was held back is in no count", "Nothing was held back"},
		{"observed", guard.ObservedRule, "budget-1h", "Nothing was held back. What it bore of patients' records is on record", "what was held back is in no count"},
		{"observed, not on record", guard.ObservedRule, "not-recorded", "they are in no count of patients", "held back"},
		{"observed, not for a record", guard.ObservedRule, "not-recordable", "they are in no count of patients", "held back"},
	} {
		var b bytes.Buffer
		r := guard.Refused{Finding: chaperone.Finding{Rule: test.rule + test.reason, Count: 1}, Reason: policy.Reason(test.reason), Listener: "hl7", Version: "1", Number: 1}
		if err := refusedThen(&b, "0123456789ab", &r, nil); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(b.String()), " "); !strings.Contains(got, test.want) || strings.Contains(got, test.never) {
			t.Errorf("%s: got %s", test.name, got)
		}
	}
}

// TestRefusedThenBelieved: a certificate that is believed and stands elsewhere, or names nobody here, is not said not to be believed, also in
// what older guards recorded, which did not say whose it is.
func TestRefusedThenBelieved(t *testing.T) {
	const no = "without a certificate that is believed"
	there := netip.MustParseAddr("10.1.0.5")
	for _, test := range []struct {
		name   string
		reason policy.Reason
		from   chaperone.Party
		want   string
		no     bool
	}{
		{"at another address", policy.IdentityAddress, chaperone.Party{Proven: "spiffe://north/party/far", Addr: there}, "who spiffe://north/party/far, 10.1.0.5 action", false},
		{"by an older guard", policy.IdentityAddress, chaperone.Party{Addr: there, Claimed: "far"}, "who 10.1.0.5, calls itself far action", false},
		{"bound to nobody", "identity-name", chaperone.Party{Proven: "CN=far", Addr: there}, "who CN=far, 10.1.0.5 action", false},
		{"revoked", "identity-revoked", chaperone.Party{Addr: there, Claimed: "far"}, "calls itself far action", true},
	} {
		var b bytes.Buffer
		r := guard.Refused{Finding: chaperone.Finding{Rule: guard.RefusedRule + string(test.reason), From: test.from, Count: 1}, Reason: test.reason, Listener: "hl7", Version: "1", Number: 1}
		if err := refusedThen(&b, "0123456789ab", &r, nil); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(strings.Fields(b.String()), " ")
		if !strings.Contains(got, test.want) || strings.Contains(got, no) != test.no || strings.Contains(got, "The certificate was revoked.") != test.no {
			t.Errorf("%s: got %s", test.name, got)
		}
	}
}
