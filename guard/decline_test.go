package guard

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chaperone/identity"
	clinic "chaperone/internal/clinicsim"
)

// declineSite has a listener of each protocol behind TLS, and a party that may only come from elsewhere.
const declineSite = `site: north
inside: [127.0.0.0/8]
identity: {authority: %[1]s/authority, certificate: %[1]s/guard.pem, key: %[1]s/guard.key}
parties:
  - {name: ct1, role: viewer, titles: [CT1], applications: [LAB@NORTH]}
  - {name: far, role: viewer, addresses: [127.0.0.7/32]}
  - {name: pacs, role: pacs, titles: [PACS]}
grants:
  - {name: all, roles: [viewer], actions: [hl7.send, "dicom.*"], to: [pacs, self]}
listeners:
  - {name: hl7, protocol: hl7, listen: 127.0.0.1:2575, %[3]s, upstream: {address: "%[2]s", party: pacs}}
  - {name: dicom, protocol: dicom, listen: 127.0.0.1:2762, %[4]s, upstream: {address: "%[2]s", party: pacs}}
`

// soon is how long a stranger may take.
const soon = "limits: {first_byte: 2s}"

// declineRig has a system behind the guard that keeps all that arrives, of either protocol.
func declineRig(t *testing.T, p *papers, hl7, dicom string) (*rig, *engine) {
	t.Helper()
	own, _ := p.issue(t, "pacs", true)
	e := secure(t, own)
	return begin(t, fmt.Sprintf(declineSite, p.dir, e.Addr(), hl7, dicom), func(o *Options) { o.Trust, o.pace = p.trust, quick }), e
}

// believing lets a site believe another's authority too, which binds nobody but these subjects.
func (p *papers) believing(t *testing.T, other *papers, subjects map[string]string) {
	t.Helper()
	trust, err := identity.NewTrust(identity.TrustOptions{
		Site: "north", Authority: p.Dir, Certificate: filepath.Join(p.dir, "guard.pem"), Key: filepath.Join(p.dir, "guard.key"),
		Roots: []string{filepath.Join(other.Dir, identity.CertificateFile)}, Subjects: subjects,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.trust = trust
}

// boundTo gives a certificate that is good at one address.
func (p *papers) boundTo(t *testing.T, party, address string) tls.Certificate {
	t.Helper()
	certificate, key, err := p.Issue(identity.Issue{Party: party, Addresses: []netip.Addr{netip.MustParseAddr(address)}})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// TestDecline: whose certificate is believed and who is nobody here, or elsewhere, is told so in the protocol's words, on a resumed
// session too; whose is not believed is told nothing. Nobody is connected to for any of them, and nothing is on record.
func TestDecline(t *testing.T) {
	p, outside := newPapers(t), newPapers(t)
	p.believing(t, outside, nil)
	nobody, _ := p.issue(t, "nobody", false)
	far, _ := p.issue(t, "far", false)
	foreign, _ := outside.issue(t, "ct1", false)
	untrusted, _ := newPapers(t).issue(t, "ct1", false)
	revoked, serial := p.issue(t, "ct1", false)
	r, e := declineRig(t, p, soon, soon)
	p.revoke(t, serial)
	message := result("LAB|NORTH", "m1", "PAT4711")
	q := request("CT1", "PACS", offer(9, clinic.Verification, implicitVR)).body(pduAssociateRQ)
	for _, test := range []struct {
		name   string
		cert   tls.Certificate
		reason string
		told   bool
	}{
		{"a party that the site file does not name", nobody, "identity-unknown", true},
		{"a party from elsewhere", far, "identity-address", true},
		{"a certificate for another address", p.boundTo(t, "ct1", "10.1.0.5"), "identity-address", true},
		{"an outside authority's that is bound to nobody", foreign, "identity-name", true},
		{"another authority's", untrusted, "identity-untrusted", false},
		{"over", p.over(t), "identity-expired", false},
		{"revoked", revoked, "identity-revoked", false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := client(test.cert)
			config.MinVersion, config.MaxVersion, config.ClientSessionCache = version, version, tls.NewLRUClientSessionCache(4)
			for _, again := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, again %t", test.name, tls.VersionName(version), again), func(t *testing.T) {
					dial := func(listener string) *tls.Conn {
						c := tls.Client(r.call(listener).Conn, config)
						err := c.Handshake() // in TLS 1.3 the client learns of a refusal by reading
						if test.told && (err != nil || c.ConnectionState().DidResume != again) {
							t.Errorf("%s: %v, resumed %t", listener, err, c.ConnectionState().DidResume)
						}
						return c
					}
					refused := func() int {
						r.guard.refused.flush(r.guard.now(), true) // those that are counted, too
						return r.findings()["refused-"+test.reason]
					}
					before := refused()
					for listener, sent := range map[string]string{"hl7": "\x0b" + message + "\x1c\r", "dicom": string(wrap(pduAssociateRQ, q))} {
						config.ServerName = listener // each listener's session is resumed there
						c := dial(listener)
						_, _ = io.WriteString(c, sent)
						b, _ := io.ReadAll(c)
						_ = c.Close()
						switch got := string(b); {
						case !test.told:
							if got != "" {
								t.Errorf("%s: got %q", listener, got)
							}
						case listener == "dicom":
							if got != "\x03\x00\x00\x00\x00\x04\x00\x01\x01\x03" {
								t.Errorf("got % x, want A-ASSOCIATE-RJ 1/1/3", got)
							}
							eventually(t, "the log has its reference", func() bool {
								return regexp.MustCompile(`listener=dicom what=connection reason=` + test.reason + ` .*reference=[0-9a-f]{12} `).MatchString(r.log.String())
							})
						default:
							reference := regexp.MustCompile(`CHAP([0-9a-f]{12})`).FindStringSubmatch(got)
							if !strings.Contains(got, "MSA|AR|m1") || !strings.Contains(got, "ERR||MSH^1^3|") || !strings.Contains(got, test.reason) || reference == nil || strings.Contains(got, "DOE") {
								t.Fatalf("got %q, want AR", got)
							}
							refused()
							eventually(t, "the log has the reference", func() bool {
								return slices.ContainsFunc(strings.Split(r.log.String(), "\n"), func(line string) bool {
									return strings.Contains(line, reference[1]) && strings.Contains(line, test.reason)
								})
							})
						}
					}
					eventually(t, "two findings", func() bool { return refused() == before+2 })
				})
			}
		}
	}
	eventually(t, "all are gone", func() bool { return r.open() == 0 })
	if e.mu.Lock(); len(e.conns) != 0 {
		t.Errorf("the system behind got %d connections", len(e.conns))
	}
	e.mu.Unlock()
	if n := len(r.rows()); n != 0 || strings.Contains(r.log.String(), "DOE") || strings.Contains(r.log.String(), "PAT4711") {
		t.Errorf("%d are on record, or the log says whose:\n%s", n, r.log)
	}
	for why, want := range map[string]float64{"stranger": 4 * 4, "handshake": 3 * 4} { // two versions, twice each
		if got := r.metric(`chaperone_guard_turned_away_total{listener="hl7",why="` + why + `"}`); got != want {
			t.Errorf("%s: %v are counted, want %v", why, got, want)
		}
	}
}

// TestDeclineRules: a stranger is answered as the listener's rule says, and nothing where it asks for no answer, says nothing, or what
// is none of the protocol.
func TestDeclineRules(t *testing.T) {
	message := result("LAB|NORTH", "m1", "4711")
	q := string(wrap(pduAssociateRQ, request("CT1", "PACS", offer(9, clinic.Verification, implicitVR)).body(pduAssociateRQ)))
	for _, test := range []struct{ name, rules, listener, sent, want string }{
		{"AE", "refuse: error", "hl7", "\x0b" + message + "\x1c\r", "MSA|AE|m1"},
		{"held back", "refuse: hold", "hl7", "\x0b" + message + "\x1c\r", ""},
		{"an acknowledgement", "", "hl7", "\x0b" + ack(message) + "\x1c\r", ""},
		{"what is no HL7", "", "hl7", "\x0bhello\x1c\r", ""},
		{"no frame", "", "hl7", "GET / HTTP/1.1\r\n\r\n", ""},
		{"half a message", "", "hl7", "\x0b" + message, ""},
		{"a message longer than its room", "", "hl7", "\x0b" + message + strings.Repeat("NTE|1||x\r", 4<<10) + "\x1c\r", "MSA|AR|m1"},
		{"one that does not end", "", "hl7", "\x0b" + message + strings.Repeat("NTE|1||x\r", 2<<20), "MSA|AR|m1"},
		{"an acknowledgement longer than its room", "", "hl7", "\x0b" + ack(message) + strings.Repeat("NTE|1||x\r", 4<<10), ""},
		{"a segment longer than its room", "", "hl7", "\x0b" + strings.Repeat("MSH|", 8<<10), ""},
		{"no more than line ends", "", "hl7", strings.Repeat("\r", 32<<10), ""},
		{"nothing", "", "hl7", "", ""},
		{"nothing of DICOM", "", "dicom", "", ""},
		{"half a request", "", "dicom", q[:40], ""},
		{"data", "", "dicom", string(wrap(pduData, []byte("\x00\x00\x00\x02\x09\x03"))), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPapers(t)
			rules := soon
			if test.rules != "" {
				rules = test.rules + ", " + soon
			}
			hl7, dicom := rules, soon
			if test.listener == "dicom" {
				hl7, dicom = soon, rules
			}
			r, e := declineRig(t, p, hl7, dicom)
			elsewhere := p.boundTo(t, "ct1", "10.1.0.5")
			c := r.mustDialAt(test.listener, client(elsewhere))
			_, _ = io.WriteString(c, test.sent)
			began := time.Now()
			b, _ := io.ReadAll(c)
			if got := string(b); test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			_ = c.Close()
			eventually(t, "it is gone", func() bool { return r.open() == 0 })
			if took := time.Since(began); took > 6*time.Second {
				t.Errorf("it stayed for %v", took)
			}
			if e.mu.Lock(); len(e.conns) != 0 || r.findings()["refused-identity-address"] != 1 {
				t.Errorf("the system behind got %d connections; findings %v", len(e.conns), r.findings())
			}
			e.mu.Unlock()
			if held := r.guard.large.held.Load(); held != 0 {
				t.Errorf("%d bytes are still held", held)
			}
		})
	}
}

// TestObserveStrangers: a listener that only observes passes whatever comes with a certificate that is believed, tells that it would not
// be let in, and has it on record as who the certificate proves. What is not believed does not pass.
func TestObserveStrangers(t *testing.T) {
	p, outside := newPapers(t), newPapers(t)
	p.believing(t, outside, nil)
	nobody, _ := p.issue(t, "nobody", false)
	far, _ := p.issue(t, "far", false)
	foreign, _ := outside.issue(t, "ct1", false)
	untrusted, _ := newPapers(t).issue(t, "ct1", false)
	message := result("LAB|NORTH", "m1", "4711")
	for _, test := range []struct {
		name           string
		cert           tls.Certificate
		reason, proven string
	}{
		{"a party that the site file does not name", nobody, "identity-unknown", "spiffe://north/party/nobody"},
		{"a party from elsewhere", far, "identity-address", "spiffe://north/party/far"},
		{"a certificate for another address", p.boundTo(t, "ct1", "10.1.0.5"), "identity-address", "spiffe://north/party/ct1"},
		{"an outside authority's that is bound to nobody", foreign, "identity-name", foreign.Leaf.Subject.String()},
		{"another authority's", untrusted, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, _ := declineRig(t, p, "mode: observe, "+soon, soon)
			c := r.call("hl7")
			c.Conn = tls.Client(c.Conn, client(test.cert))
			c.in.Reset(c.Conn)
			if test.reason == "" {
				_, _ = io.WriteString(c, "\x0b"+message+"\x1c\r")
				if b, _ := io.ReadAll(c); len(b) > 0 || len(r.rows()) > 0 {
					t.Errorf("got %q, on record %v", b, r.rows())
				}
				return
			}
			if got := c.send(message); got != ack(message) {
				t.Fatalf("got %q", got)
			}
			r.guard.mu.Lock()
			for c := range r.guard.conns {
				if err := c.checkNow(); err != nil {
					t.Errorf("it does not stay: %v", err)
				}
			}
			r.guard.mu.Unlock()
			eventually(t, "it is on record", func() bool { return len(r.rows()) == 1 })
			if got := r.rows()[0].From.Proven; got != test.proven {
				t.Errorf("from %q, want %q", got, test.proven)
			}
			if found := r.findings(); found["would-refuse-"+test.reason] == 0 || found["refused-"+test.reason] != 0 {
				t.Errorf("findings %v", found)
			}
			if got := r.metric(`chaperone_guard_turned_away_total{listener="hl7",why="stranger"}`); got != 0 {
				t.Errorf("%v are counted as turned away", got)
			}
		})
	}
}

// TestDeclineRoom: a stranger that says nothing makes room for who comes, and a guard that ends does not wait for it.
func TestDeclineRoom(t *testing.T) {
	const one = "limits: {first_byte: 60s, connections: 1, per_address: 1}"
	p := newPapers(t)
	nobody, _ := p.issue(t, "nobody", false)
	ct1, _ := p.issue(t, "ct1", false)
	r, _ := declineRig(t, p, one, one)
	waiting := r.mustDialAt("hl7", client(nobody))
	message := result("LAB|NORTH", "m1", "4711")
	if got := r.mustDialAt("hl7", client(ct1)).send(message); got != ack(message) {
		t.Errorf("got %q", got)
	}
	if b, err := io.ReadAll(waiting); len(b) > 0 {
		t.Errorf("got %q, %v", b, err)
	}
	waiting = r.mustDialAt("dicom", client(nobody))
	eventually(t, "it is refused", func() bool { return r.findings()["refused-identity-unknown"]+r.counted("refused-identity-unknown") > 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := r.guard.Drain(ctx); err != nil {
		t.Error(err)
	}
	if b, _ := io.ReadAll(waiting); len(b) > 0 {
		t.Errorf("got % x", b)
	}
}

// TestDeclineMany: strangers, however many come at once and however much they send, take none of the memory of large messages from
// others, few of them are listened to, and they are a line of the log by the minute and not by the connection.
func TestDeclineMany(t *testing.T) {
	const strangers, large = 40, 1 << 20
	p := newPapers(t)
	nobody, _ := p.issue(t, "nobody", false)
	ct1, _ := p.issue(t, "ct1", false)
	r, _ := declineRig(t, p, "limits: {first_byte: 60s}", soon)
	r.guard.large.most = 2 * large
	lines := func() int { return strings.Count(r.log.String(), "identity-unknown") }
	message := result("LAB|NORTH", "m1", "4711")
	var sending sync.WaitGroup
	for range strangers {
		c := r.mustDialAt("hl7", client(nobody))
		sending.Go(func() { _, _ = io.WriteString(c, "\x0b"+message+strings.Repeat("NTE|1||x\r", large/16)) }) // and no end of it
	}
	eventually(t, "all are refused", func() bool { return r.counted("refused-identity-unknown") == strangers })
	long := message + "NTE|1||" + strings.Repeat("x", large) + "\r"
	if got := r.mustDialAt("hl7", client(ct1)).send(long); got != ack(long) {
		t.Errorf("the honest one got %q", got)
	}
	sending.Wait()
	eventually(t, "the strangers are gone", func() bool { return r.open() <= 1 })
	if held, busy := r.guard.large.held.Load(), r.counted("refused-busy"); held != 0 || busy != 0 {
		t.Errorf("%d bytes are held, %d found the guard busy", held, busy)
	}
	if n := lines(); n != 1 {
		t.Errorf("%d lines of the log, want the first of them:\n%s", n, r.log)
	}
	r.guard.refused.flush(r.guard.now(), true)
	if n := lines(); n != 2 {
		t.Errorf("%d lines of the log, want one more with the references of the others:\n%s", n, r.log)
	}
	for range 3 * mostGoodbyes {
		_ = r.mustDialAt("hl7", client(nobody)) // and nothing
	}
	eventually(t, "few of them are listened to", func() bool { return r.open() <= 1+mostGoodbyes })
}

// TestTryOut: the message with which docs/guard-identity.md has a certificate tried says of it whether it is right, and is passed on to
// nobody.
func TestTryOut(t *testing.T) {
	const try = `\013MSH|^~\\&|TRY||||||TRY^TRY|1|P|2.5\r\nTRY\r\034\r`
	page, err := os.ReadFile("../docs/guard-identity.md")
	if err != nil || !strings.Contains(string(page), "printf '"+try+"'") {
		t.Fatalf("%v, or the page has another message", err)
	}
	sent, err := strconv.Unquote(`"` + try + `"`)
	if err != nil {
		t.Fatal(err)
	}
	p := newPapers(t)
	nobody, _ := p.issue(t, "nobody", false)
	ct1, _ := p.issue(t, "ct1", false)
	for _, test := range []struct {
		name, rules string
		cert        tls.Certificate
		want        string
	}{
		{"right", soon, ct1, "CHAP-DENY^ambiguous^"},
		{"right, where messages are held", "refuse: hold, " + soon, ct1, "CHAP-DENY^ambiguous^"},
		{"a party that the site file does not name", soon, nobody, "CHAP-DENY^identity-unknown^"},
		{"a certificate for another address", soon, p.boundTo(t, "ct1", "10.1.0.5"), "CHAP-DENY^identity-address^"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, e := declineRig(t, p, test.rules, soon)
			c := r.mustDialAt("hl7", client(test.cert))
			_, _ = io.WriteString(c, sent)
			if got, err := c.in.ReadString(endBlock); !strings.Contains(got, test.want) {
				t.Errorf("got %q, %v; want %s", got, err, test.want)
			}
			if n := len(e.frames()); n != 0 {
				t.Errorf("%d were passed on", n)
			}
		})
	}
}
