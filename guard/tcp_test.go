package guard

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/approval"
	"chaperone/identity"
)

const tcpSite = `site: north
inside: [127.0.0.0/8]
%sparties:
  - {name: ct-service, role: vendor, approval: true, addresses: [127.0.0.1/32]}
  - {name: ct1, role: modality, addresses: [127.0.0.2/32]}
grants:
  - {name: service, parties: [ct-service], actions: [tcp.connect], to: [ct1]}
listeners:
  - name: desktop
    protocol: tcp
    listen: 127.0.0.1:3389
    %s
    upstream: {address: "%s", tls: none, because: this is a test, party: ct1}
    limits: {bytes: 4KiB}
`

// newDesktop is a system that says everything back.
func newDesktop(t *testing.T) net.Listener {
	t.Helper()
	return serving(t, "127.0.0.1", func(c net.Conn) {
		defer c.Close()
		_, _ = io.Copy(c, c)
	})
}

// serving is a system that does something of a test's own with each connection.
func serving(t *testing.T, host string, serve func(c net.Conn)) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l
}

// says sends bytes and reports whether they came back.
func says(c net.Conn, b []byte) bool {
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	got := make([]byte, len(b))
	if _, err := c.Write(b); err != nil {
		return false
	}
	_, err := io.ReadFull(c, got)
	return err == nil && bytes.Equal(got, b)
}

// gone waits for the other side to hang up.
func gone(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err := io.Copy(io.Discard, c)
	timeout, ok := err.(net.Error)
	return !ok || !timeout.Timeout()
}

func tcpRig(t *testing.T) *approvalRig {
	return beginApproved(t, fmt.Sprintf(tcpSite, "", "tls: none\n    because: this is a test", newDesktop(t).Addr()))
}

// TestTCPReceipt: with an approval it is passed on, on record before its first byte, and with its bytes when it ends. When the
// approval ends, so does the connection.
func TestTCPReceipt(t *testing.T) {
	a := tcpRig(t)
	if c := a.call("desktop"); says(c, []byte("hello")) || a.findings()["refused-approval-missing"] != 1 {
		t.Fatalf("without approval: got %v", a.findings())
	}
	one, path := a.approve(approval.Approve, "ct-service", 20, time.Hour)
	c := a.call("desktop")
	if !says(c, []byte("hello")) || a.findings()[TunnelRule] != 1 {
		t.Fatalf("it did not pass, or is not on record: %v", a.findings())
	}
	if _, ended, err := approval.End(filepath.Dir(path), one.ID, a.now()); err != nil || !ended {
		t.Fatal(err)
	}
	a.guard.lookApprovals(t.Context())
	if !gone(c) {
		t.Error("the connection goes on")
	}
	a.quiesce()
	f := a.receipt(TunnelOverRule)
	if f.Bytes != 10 || f.From.Addr != netip.MustParseAddr("127.0.0.1") || !strings.Contains(f.Title, "5 B went there, 5 B came back") ||
		!strings.Contains(f.Title, "its approval is over") || f.Account != "anna" {
		t.Errorf("got %+v", f)
	}
	a.settle()
	if f := a.receipt(ApprovalOverRule); f.Bytes != 10 || !strings.Contains(f.Title, "0 disclosures of 0 patients, 10 B; 1 connection, whose content was not read") {
		t.Errorf("got %+v", f)
	}
	if len(a.rows()) != 0 {
		t.Error("what was not read is a disclosure")
	}
}

// quiesce waits until no connection is left.
func (r *rig) quiesce() {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		r.guard.mu.Lock()
		n := len(r.guard.conns)
		r.guard.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal("a connection stays open")
		}
	}
}

// TestTCPBytes: not one byte more than it may carry.
func TestTCPBytes(t *testing.T) {
	a := tcpRig(t)
	a.approve(approval.Approve, "ct-service", 20, time.Hour)
	c := a.call("desktop")
	if !says(c, make([]byte, 2<<10)) {
		t.Fatal("its bytes did not pass")
	}
	if says(c, []byte{1}) {
		t.Error("a byte more passed")
	}
	a.quiesce()
	if f := a.receipt(TunnelOverRule); f.Bytes != 4<<10 || !strings.Contains(f.Title, "as many bytes") {
		t.Errorf("got %d bytes: %s", f.Bytes, f.Title)
	}
}

// TestTCPEnds: what ends a connection when it is looked at again.
func TestTCPEnds(t *testing.T) {
	for name, test := range map[string]struct {
		act func(a *approvalRig)
		why string
	}{
		"its time":     {func(a *approvalRig) { a.move(8 * time.Hour) }, errSession.Error()},
		"its approval": {func(a *approvalRig) { a.move(7 * time.Hour) }, errUnapproved.Error()},
		"its grant": {func(a *approvalRig) {
			if err := a.guard.Reload(a.t.Context(), a.site(strings.Replace(a.file, "to: [ct1]", "to: [ct-service]", 1))); err != nil {
				a.t.Error(err)
			}
		}, string("destination")},
	} {
		t.Run(name, func(t *testing.T) {
			a := tcpRig(t)
			a.approve(approval.Approve, "ct-service", 20, 7*time.Hour)
			c := a.call("desktop")
			if !says(c, []byte("hello")) {
				t.Fatal("it did not pass")
			}
			test.act(a)
			a.guard.mu.Lock()
			var why error
			for c := range a.guard.conns {
				why = c.check()
			}
			a.guard.mu.Unlock()
			if why == nil || !strings.Contains(why.Error(), test.why) {
				t.Errorf("got %v, want %s", why, test.why)
			}
		})
	}
}

// TestTCPObserve: a listener that observes refuses nothing, and says what it would have refused.
func TestTCPObserve(t *testing.T) {
	a := beginApproved(t, fmt.Sprintf(tcpSite, "", "tls: none\n    because: this is a test\n    mode: observe", newDesktop(t).Addr()))
	c := a.call("desktop")
	if !says(c, make([]byte, 8<<10)) {
		t.Error("its bytes did not pass")
	}
	if found := a.findings(); found["would-refuse-approval-missing"] != 1 || found[TunnelRule] != 1 {
		t.Errorf("got %v", found)
	}
	_ = c.Close()
	a.quiesce()
	if f := a.receipt(TunnelOverRule); f.Bytes != 16<<10 || !strings.HasSuffix(f.Evidence.File, "grant none, observed") {
		t.Errorf("got %+v", f)
	}
}

// TestTCPMutual: by certificate, and by nobody else's.
func TestTCPMutual(t *testing.T) {
	dir := t.TempDir()
	authority, err := identity.Create(filepath.Join(dir, "authority"), "north")
	if err != nil {
		t.Fatal(err)
	}
	pair := func(o identity.Issue) (tls.Certificate, []byte, []byte) {
		certificate, key, err := authority.Issue(o)
		if err != nil {
			t.Fatal(err)
		}
		p, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			t.Fatal(err)
		}
		return p, certificate, key
	}
	_, certificate, key := pair(identity.Issue{Party: "guard", Server: true, DNS: []string{"localhost"}})
	a := &approvalRig{&rig{t: t, dir: t.TempDir(), log: &syncBuffer{}}, newClock(), ""}
	a.base = time.Now()
	put(t, filepath.Join(dir, "guard.pem"), certificate)
	put(t, filepath.Join(dir, "guard.key"), key)
	trust, err := identity.NewTrust(identity.TrustOptions{Site: "north", Authority: authority.Dir, Certificate: filepath.Join(dir, "guard.pem"), Key: filepath.Join(dir, "guard.key")})
	if err != nil {
		t.Fatal(err)
	}
	names := fmt.Sprintf("identity: {authority: %s, certificate: %s/guard.pem, key: %s/guard.key}\n", authority.Dir, dir, dir)
	a.start(fmt.Sprintf(tcpSite, names, "tls: mutual", newDesktop(t).Addr()), func(o *Options) { o.Now, o.Trust = a.now, trust })
	t.Cleanup(a.end)
	dial := func(party string) net.Conn {
		own, _, _ := pair(identity.Issue{Party: party})
		c, err := tls.Dial("tcp", a.guard.Address("desktop").String(), &tls.Config{Certificates: []tls.Certificate{own}, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	if says(dial("ct-service"), []byte("hello")) {
		t.Error("it passed without approval")
	}
	a.approve(approval.Approve, "ct-service", 20, time.Hour)
	if c := dial("ct-service"); !says(c, []byte("hello")) {
		t.Error("it did not pass with approval")
	}
	if says(dial("ct1"), []byte("hello")) {
		t.Error("another party passed")
	}
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// slow is a socket that takes its time to close, as TLS does when its peer does not read.
type slow struct {
	net.Conn
	closing, free chan bool
}

func (s *slow) Close() error {
	s.closing <- true
	<-s.free
	return nil
}

// TestTCPCut: while a tunnel is being cut whose peer does not read, others may connect.
func TestTCPCut(t *testing.T) {
	s, u := &slow{closing: make(chan bool), free: make(chan bool)}, &use{}
	g := &Guard{conns: map[*conn]bool{}}
	c := &conn{guard: g, client: s, ended: make(chan struct{})}
	c.tunnel.Store(&tunnel{conn: c, use: u})
	g.conns[c] = true
	done := make(chan bool)
	go func() { g.cut(u); close(done) }()
	<-s.closing
	locked := make(chan bool)
	go func() { // cut may still be looking for others to close: it lets go of the lock without waiting for this one
		g.mu.Lock()
		defer g.mu.Unlock()
		close(locked)
	}()
	select {
	case <-locked:
	case <-time.After(10 * time.Second):
		t.Error("the guard is locked while a connection closes")
	}
	s.free <- true
	<-done
}
