package guard

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/identity"
)

// ending gives the guard a certificate that ends at a time.
func (p *papers) ending(t *testing.T, end time.Time) {
	t.Helper()
	pair := p.signed(t, &x509.Certificate{
		URIs: []*url.URL{{Scheme: "spiffe", Host: "north", Path: "/party/guard"}}, DNSNames: []string{"localhost"},
		NotBefore: end.Add(-30 * 24 * time.Hour), NotAfter: end, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	o := identity.TrustOptions{Site: "north", Authority: p.Dir, Certificate: filepath.Join(p.dir, "guard.pem"), Key: filepath.Join(p.dir, "guard.key")}
	for path, b := range map[string]*pem.Block{o.Certificate: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, o.Key: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if p.trust, err = identity.NewTrust(o); err != nil {
		t.Fatal(err)
	}
}

// TestOwnCertificateEnds: the end of the guard's own certificate is told of ahead, and when it has come: nobody gets in, and none of them
// is to blame.
func TestOwnCertificateEnds(t *testing.T) {
	p := newPapers(t)
	server, _ := p.issue(t, "ehr", true)
	lab, _ := p.issue(t, "lab", false)
	end := time.Now().Add(30 * time.Minute).Truncate(time.Second)
	p.ending(t, end)
	var ahead atomic.Int64
	r := begin(t, fmt.Sprintf(tlsSite, p.dir, secure(t, server).Addr(), ""), func(o *Options) {
		o.Trust, o.pace = p.trust, quick
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	health := func() (int, string) {
		w := httptest.NewRecorder()
		r.guard.Status().ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
		return w.Code, w.Body.String()
	}
	// careful is a client that looks at the guard's certificate, as devices do.
	careful := client(lab)
	careful.InsecureSkipVerify, careful.RootCAs, careful.ServerName = false, x509.NewCertPool(), "localhost"
	careful.RootCAs.AppendCertsFromPEM(p.Certificate())
	careful.Time = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }

	eventually(t, "a finding ahead", func() bool { return r.findings()[CertificateEndsRule] == 1 })
	if code, text := health(); code != 200 || !strings.Contains(text, "well; ") || !strings.Contains(text, "chaperone enroll renew guard") {
		t.Errorf("ahead: healthz says %d %q", code, text)
	}
	if got := r.metric("chaperone_guard_certificate_end_seconds"); got != float64(end.Unix()) {
		t.Errorf("the metric is %v, want %d", got, end.Unix())
	}
	if _, err := r.dial(careful); err != nil {
		t.Errorf("ahead: %v", err)
	}

	ahead.Store(int64(time.Hour))
	eventually(t, "a finding that it is over", func() bool { return r.findings()[CertificateOverRule] == 1 })
	if code, text := health(); code != 503 || !strings.Contains(text, "certificate is over") {
		t.Errorf("over: healthz says %d %q", code, text)
	}
	if _, err := r.dial(careful); err == nil {
		t.Error("a client believes a certificate that is over")
	}
	eventually(t, "a finding about the client", func() bool { return r.counted("refused-own-certificate") == 1 })
	if got := r.findings()["refused-identity-handshake"]; got != 0 {
		t.Errorf("got %d findings that blame the client", got)
	}
	for _, want := range []string{"the guard's own certificate ends soon", "the guard's own certificate is over", "it does not believe the guard's own certificate"} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("the log has no %q", want)
		}
	}

	// Another one in its place mends it.
	p.own(t)
	eventually(t, "healthz is well again", func() bool { code, _ := health(); return code == 200 })
}

// TestStartCertificateOver: a guard whose own certificate is over starts, since others need none: they get through, who comes by TLS does not,
// and it is told of as where it ended while the guard ran.
func TestStartCertificateOver(t *testing.T) {
	p := newPapers(t)
	server, _ := p.issue(t, "ehr", true)
	p.ending(t, time.Now().Add(-time.Hour))
	e := newEngine(t)
	file := fmt.Sprintf(tlsSite, p.dir, secure(t, server).Addr(), "") + fmt.Sprintf(`  - name: clear
    protocol: hl7
    listen: 127.0.0.1:2576
    tls: none
    because: this is a test
    upstream: {address: "%s", tls: none, because: this is a test, party: ehr}
`, e.Addr())
	file = strings.Replace(file, "name: ehr\n", "name: ehr\n    addresses: [127.0.0.2/32]\n", 1)
	r := begin(t, file, func(o *Options) {
		trust, err := TrustOf(o.Site)
		if err != nil {
			t.Fatal(err)
		}
		o.Trust, o.pace = trust, quick
	})
	m := result("LAB|NORTH", "m1", "1")
	if got := r.call("clear").send(m); got != ack(m) {
		t.Errorf("in the clear: got %q", got)
	}
	careful := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
	careful.RootCAs.AppendCertsFromPEM(p.Certificate())
	if _, err := r.dial(careful); err == nil {
		t.Error("a client believes a certificate that is over")
	}
	eventually(t, "a finding that it is over", func() bool { return r.findings()[CertificateOverRule] == 1 })
	w := httptest.NewRecorder()
	r.guard.Status().ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
	if text := w.Body.String(); w.Code != 503 || !strings.Contains(text, "certificate is over") || !strings.Contains(text, "chaperone enroll renew guard") {
		t.Errorf("healthz says %d %q", w.Code, text)
	}
	if want := `level=ERROR msg="the guard's own certificate is over: no connection by TLS comes about" next=`; !strings.Contains(r.log.String(), want) {
		t.Errorf("the log has no %q", want)
	}
}

// TestClientDoubtsGuard: of a client that does not believe the guard's authority the guard says that, and not that it has no certificate.
func TestClientDoubtsGuard(t *testing.T) {
	p := newPapers(t)
	server, _ := p.issue(t, "ehr", true)
	lab, _ := p.issue(t, "lab", false)
	r := tlsRig(t, p, secure(t, server), "")
	if _, err := r.dial(&tls.Config{Certificates: []tls.Certificate{lab}, RootCAs: x509.NewCertPool(), ServerName: "localhost", MinVersion: tls.VersionTLS12}); err == nil {
		t.Fatal("it believes the guard")
	}
	eventually(t, "a finding", func() bool { return r.counted("refused-own-certificate") == 1 })
}
