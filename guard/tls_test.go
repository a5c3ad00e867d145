package guard

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/identity"
)

// papers are an authority and the certificates that it gave out.
type papers struct {
	*identity.Authority
	dir   string
	trust *identity.Trust
}

func newPapers(t *testing.T) *papers {
	t.Helper()
	dir := t.TempDir()
	a, err := identity.Create(filepath.Join(dir, "authority"), "north")
	if err != nil {
		t.Fatal(err)
	}
	p := &papers{Authority: a, dir: dir}
	p.own(t)
	return p
}

// own gives the guard a certificate that is good.
func (p *papers) own(t *testing.T) {
	t.Helper()
	certificate, key, err := p.Issue(identity.Issue{Party: "guard", Server: true})
	if err != nil {
		t.Fatal(err)
	}
	o := identity.TrustOptions{Site: "north", Authority: p.Dir, Certificate: filepath.Join(p.dir, "guard.pem"), Key: filepath.Join(p.dir, "guard.key")}
	for path, b := range map[string][]byte{o.Certificate: certificate, o.Key: key} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if p.trust, err = identity.NewTrust(o); err != nil {
		t.Fatal(err)
	}
}

// issue gives a certificate for a party, and its serial number.
func (p *papers) issue(t *testing.T, party string, server bool) (tls.Certificate, string) {
	t.Helper()
	certificate, key, err := p.Issue(identity.Issue{Party: party, Server: server})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return pair, hex.EncodeToString(leaf.SerialNumber.Bytes())
}

// client is the configuration of a party's client, which believes anybody: what is tested is the guard.
func client(c ...tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: c, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}
}

// secure makes an engine speak TLS, and demand a certificate of the guard.
func secure(t *testing.T, c tls.Certificate) *engine {
	t.Helper()
	e := &engine{answer: ack}
	e.listen(t, func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{c}, ClientAuth: tls.RequireAnyClientCert})
	})
	return e
}

const tlsSite = `site: north
inside: [127.0.0.0/8]
identity: {authority: %[1]s/authority, certificate: %[1]s/guard.pem, key: %[1]s/guard.key}
parties:
  - name: lab
    role: lab
    applications: [LAB@NORTH]
    addresses: [127.0.0.1/32]%[3]s
  - name: other
    role: viewer
    addresses: [127.0.0.7/32]
  - name: ehr
    role: engine
grants:
  - name: results
    roles: [lab]
    actions: [hl7.send]
    details: [ORU^R01]
    to: [ehr]
listeners:
  - name: hl7
    protocol: hl7
    listen: 127.0.0.1:2575
    upstream: {address: "%[2]s", party: ehr}
`

// quick is a pace for tests.
var quick = pace{files: 20 * time.Millisecond, recheck: 20 * time.Millisecond, hold: 20 * time.Millisecond, clock: 20 * time.Millisecond, patience: 500 * time.Millisecond}

func tlsRig(t *testing.T, p *papers, e *engine, more string) *rig {
	t.Helper()
	return begin(t, fmt.Sprintf(tlsSite, p.dir, e.Addr(), more), func(o *Options) { o.Trust, o.pace = p.trust, quick })
}

// dial connects by TLS; the handshake may be refused.
func (r *rig) dial(config *tls.Config) (*caller, error) {
	r.t.Helper()
	raw, err := net.Dial("tcp", r.guard.Address("hl7").String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(20 * time.Second))
	c := tls.Client(raw, config)
	err = c.Handshake()
	return &caller{c, r.t, bufio.NewReader(c)}, err
}

// mustDial is dial for those that are let in.
func (r *rig) mustDial(config *tls.Config) *caller {
	r.t.Helper()
	c, err := r.dial(config)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// TestTLS: both sides prove who they are, what passes is on record under what they proved, and who does not is let in neither
// by its certificate nor without one, while the others go on.
func TestTLS(t *testing.T) {
	p := newPapers(t)
	ehr, _ := p.issue(t, "ehr", true)
	lab, _ := p.issue(t, "lab", false)
	e := secure(t, ehr)
	r := tlsRig(t, p, e, "")
	good := r.mustDial(client(lab))
	m := result("LAB|NORTH", "m1", "1")
	if got := good.send(m); got != ack(m) {
		t.Fatalf("got %q", got)
	}
	rows := r.rows()
	if len(rows) != 1 || rows[0].From.Proven != "spiffe://north/party/lab" || rows[0].To.Proven != "spiffe://north/party/ehr" || rows[0].Protection != chaperone.MutualTLS {
		t.Fatalf("got %+v", rows)
	}
	other, _ := p.issue(t, "other", false)
	nobody, _ := p.issue(t, "nobody", false)
	foreign, _ := newPapers(t).issue(t, "lab", false)
	old := client(lab)
	old.MaxVersion = tls.VersionTLS11
	for _, test := range []struct {
		name   string
		config *tls.Config // nil: no TLS at all
		rule   string
	}{
		{"no certificate", client(), "refused-identity-handshake"},
		{"another authority's", client(foreign), "refused-identity-untrusted"},
		{"a party that the site does not name", client(nobody), "refused-identity-unknown"},
		{"a wrong address", client(other), "refused-identity-address"},
		{"a server's certificate of another party", client(ehr), "refused-no-grant"},
		{"TLS 1.1", old, "refused-identity-handshake"},
		{"in the clear", nil, "refused-identity-handshake"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := r.findings()[test.rule]
			payload := result("LAB|NORTH", "bad", "2")
			if test.name == "a server's certificate of another party" {
				payload = result("EHR|NORTH", "bad", "2")
			}
			if test.config == nil {
				if got := r.call("hl7").send(payload); got != "" {
					t.Errorf("got %q", got)
				}
			} else if c, err := r.dial(test.config); err == nil {
				_, _ = c.Write([]byte("\x0b" + payload + "\x1c\r")) // in TLS 1.3 the client learns of the refusal by reading
				if got := c.answer(); got != "" && !strings.Contains(got, "MSA|AR") {
					t.Errorf("got %q", got)
				}
			}
			eventually(t, "a finding", func() bool { return r.findings()[test.rule] > before || r.counted(test.rule) > before })
			if n := len(e.frames()); n != 1 {
				t.Errorf("the engine got %d messages, want the first alone", n)
			}
		})
	}
	if got := good.send(m); got != ack(m) {
		t.Errorf("the good connection: got %q", got)
	}
}

// counted gives how many refusals of a rule were noted, on record or not.
func (r *rig) counted(rule string) (n int) {
	r.guard.refused.mu.Lock()
	defer r.guard.refused.mu.Unlock()
	for _, have := range r.guard.refused.kinds {
		if RefusedRule+string(have.first.decision.Reason) == rule {
			n += 1 + have.count
		}
	}
	return n
}

// TestTLSOutsideHours: outside the hours of its party a client is refused, and in its words.
func TestTLSOutsideHours(t *testing.T) {
	p := newPapers(t)
	ehr, _ := p.issue(t, "ehr", true)
	lab, _ := p.issue(t, "lab", false)
	e := secure(t, ehr)
	yesterday := strings.ToLower(time.Now().AddDate(0, 0, -1).Weekday().String()[:3])
	r := tlsRig(t, p, e, "\n    hours: "+yesterday+" 00:01-00:02")
	if got := r.mustDial(client(lab)).send(result("LAB|NORTH", "m1", "1")); !strings.Contains(got, "MSA|AR|m1") {
		t.Errorf("got %q, want AR", got)
	}
	if n := len(e.frames()); n != 0 || r.findings()["refused-outside-hours"] == 0 {
		t.Errorf("the engine got %d messages; findings %v", n, r.findings())
	}
}

// TestTLSUpstream: to a system that does not prove to be the party it has to be, nothing is sent.
func TestTLSUpstream(t *testing.T) {
	for _, test := range []struct{ name, rule string }{
		{"another party", "refused-identity-other"},
		{"another authority", "refused-identity-untrusted"},
		{"a client's certificate", "refused-identity-use"},
		{"revoked", "refused-identity-revoked"},
		{"in the clear", "refused-identity-handshake"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPapers(t)
			lab, _ := p.issue(t, "lab", false)
			var e *engine
			switch test.name {
			case "in the clear":
				e = newEngine(t)
			case "another authority":
				c, _ := newPapers(t).issue(t, "ehr", true)
				e = secure(t, c)
			case "another party":
				c, _ := p.issue(t, "other", true)
				e = secure(t, c)
			case "a client's certificate":
				c, _ := p.issue(t, "ehr", false)
				e = secure(t, c)
			case "revoked":
				c, serial := p.issue(t, "ehr", true)
				p.revoke(t, serial)
				e = secure(t, c)
			}
			r := tlsRig(t, p, e, "")
			c := r.mustDial(client(lab))
			_, _ = c.Write([]byte("\x0b" + result("LAB|NORTH", "m1", "1") + "\x1c\r"))
			if test.name == "in the clear" {
				e.closeAll(t) // a handshake is all that it gets
			}
			if got := c.answer(); got != "" {
				t.Errorf("got %q", got)
			}
			eventually(t, "a finding", func() bool { return r.findings()[test.rule] > 0 })
			if e.has("DOE") || len(r.rows()) != 0 {
				t.Errorf("the engine got something, or it is on record: %d rows", len(r.rows()))
			}
		})
	}
}

// revoke revokes a certificate, and has the guard's side see it.
func (p *papers) revoke(t *testing.T, serial string) {
	t.Helper()
	if _, err := p.Revoke(serial, "keyCompromise"); err != nil {
		t.Fatal(err)
	}
	if err := p.trust.Reload(); err != nil {
		t.Fatal(err)
	}
}

// TestTLSRevoke: a revoked certificate ends what lives by it, of the client and of the system behind the guard, in every
// version of TLS, and resuming a session does not help it.
func TestTLSRevoke(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, who := range []string{"lab", "ehr"} {
			t.Run(tls.VersionName(version)+" "+who, func(t *testing.T) {
				p := newPapers(t)
				ehr, ehrSerial := p.issue(t, "ehr", true)
				lab, labSerial := p.issue(t, "lab", false)
				e := secure(t, ehr)
				r := tlsRig(t, p, e, "")
				config := client(lab)
				config.MinVersion, config.MaxVersion, config.ClientSessionCache = version, version, tls.NewLRUClientSessionCache(4)
				m := result("LAB|NORTH", "m1", "1")
				first := r.mustDial(config)
				if got := first.send(m); got != ack(m) {
					t.Fatalf("got %q", got)
				}
				_ = first.Close()
				idle, busy := r.mustDial(config), r.mustDial(config)
				if who == "lab" && !busy.Conn.(*tls.Conn).ConnectionState().DidResume {
					t.Error("no session was resumed: the test shows less than it should")
				}
				for _, c := range []*caller{idle, busy} {
					if got := c.send(m); got != ack(m) {
						t.Fatalf("got %q", got)
					}
				}
				// An answer is on its way while the certificate is taken back.
				gate := make(chan struct{})
				e.mu.Lock()
				e.answer = func(payload string) string { <-gate; return ack(payload) }
				e.mu.Unlock()
				before := len(e.frames())
				if _, err := busy.Write([]byte("\x0b" + m + "\x1c\r")); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the message arrives", func() bool { return len(e.frames()) > before })
				p.revoke(t, map[string]string{"lab": labSerial, "ehr": ehrSerial}[who])
				close(gate)
				for name, c := range map[string]*caller{"idle": idle, "busy": busy} {
					if got := c.answer(); got != "" {
						t.Errorf("%s: got an answer after the certificate was revoked", name)
					}
				}
				if c, err := r.dial(config); err == nil { // resumed, if it can be
					_, _ = c.Write([]byte("\x0b" + m + "\x1c\r"))
					if b, _ := io.ReadAll(c); len(b) > 0 {
						t.Errorf("a new connection got %d bytes", len(b))
					}
				}
				if got := len(e.frames()); got != before+1 {
					t.Errorf("the engine got %d messages after the certificate was revoked", got-before-1)
				}
				eventually(t, "a finding", func() bool { return r.findings()["refused-identity-revoked"] > 0 })
			})
		}
	}
}

// TestTLSRevokeBlocked: who does not read what it was sent is cut off all the same.
func TestTLSRevokeBlocked(t *testing.T) {
	p := newPapers(t)
	ehr, _ := p.issue(t, "ehr", true)
	lab, serial := p.issue(t, "lab", false)
	e := secure(t, ehr)
	e.answer = func(payload string) string { return ack(payload) + strings.Repeat("ERR||||E\r", 1<<17) }
	r := tlsRig(t, p, e, "")
	c := r.mustDial(client(lab))
	for i := range 20 { // it never reads
		if _, err := c.Write([]byte("\x0b" + result("LAB|NORTH", fmt.Sprint("m", i), "1") + "\x1c\r")); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the messages arrive", func() bool { return len(e.frames()) > 3 })
	p.revoke(t, serial)
	eventually(t, "it is closed", func() bool {
		r.guard.mu.Lock()
		defer r.guard.mu.Unlock()
		return len(r.guard.conns) == 0
	})
}

// TestTLSDrainBegun: a guard that ends does not wait for somebody who is in the middle of a handshake.
func TestTLSDrainBegun(t *testing.T) {
	p := newPapers(t)
	ehr, _ := p.issue(t, "ehr", true)
	r := tlsRig(t, p, secure(t, ehr), "")
	r.call("hl7")
	eventually(t, "it is there", func() bool {
		r.guard.mu.Lock()
		defer r.guard.mu.Unlock()
		return len(r.guard.conns) == 1
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := r.guard.Drain(ctx); err != nil {
		t.Error(err)
	}
}
