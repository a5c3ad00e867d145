package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/identity"
)

// signGuard writes guard.pem and guard.key, good between two times, which the authority itself would not sign so.
func signGuard(t *testing.T, dir string, a *identity.Authority, begin, end time.Time) {
	t.Helper()
	der := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(b)
		return block.Bytes
	}
	above, err := x509.ParseCertificate(der(filepath.Join(a.Dir, identity.CertificateFile)))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := x509.ParsePKCS8PrivateKey(der(filepath.Join(a.Dir, "authority.key")))
	if err != nil {
		t.Fatal(err)
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: begin, NotAfter: end, URIs: []*url.URL{{Scheme: "spiffe", Host: a.Site, Path: "/party/guard"}},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}, above, own.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"guard.pem": {Type: "CERTIFICATE", Bytes: certificate}, "guard.key": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const mutualSite = `site: north
inside: [127.0.0.0/8]
ledger: ledger
keys: keys
identity: {authority: authority, certificate: guard.pem, key: guard.key}
parties:
  - {name: lab, role: lab, applications: [LAB@NORTH]}
  - {name: ehr, role: engine}
listeners:
  - name: hl7
    protocol: hl7
    listen: 127.0.0.1:2575
    upstream: {address: 127.0.0.1:2576, tls: none, party: ehr}
`

// TestOwnCertificate: --check, a start, and a companion say of a certificate of their own when its time is over, not yet or soon.
func TestOwnCertificate(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		name       string
		begin, end time.Duration // from now
		status     int           // of --check
		want       string
	}{
		{"good", -day, 20 * day, 0, ""},
		{"ends soon", -25 * day, 5 * day, 0, "site.yaml: warning: the certificate in "},
		{"over", -31 * day, -day, 1, "nobody believes it any more: chaperone enroll renew guard"},
		{"not good yet", day, 30 * day, 1, "is the clock right?"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			a, err := identity.Create(filepath.Join(dir, "authority"), "north")
			if err != nil {
				t.Fatal(err)
			}
			signGuard(t, dir, a, time.Now().Add(test.begin), time.Now().Add(test.end))
			path := filepath.Join(dir, "site.yaml")
			if err := os.WriteFile(path, []byte(mutualSite), 0o600); err != nil {
				t.Fatal(err)
			}
			say := func(args ...string) (int, string) {
				var stderr bytes.Buffer
				status := run(t.Context(), args, strings.NewReader(""), new(bytes.Buffer), &stderr)
				return status, stderr.String()
			}
			if status, text := say("guard", "--site", path, "--check"); status != test.status || (text == "") != (test.want == "") || !strings.Contains(text, test.want) {
				t.Errorf("--check: got %d %q, want %d %q", status, text, test.status, test.want)
			}
			if test.status == 0 {
				return // it would listen
			}
			if status, text := say("guard", "--site", path); status != 2 || !strings.Contains(text, test.want) {
				t.Errorf("a start: got %d %q, want 2 %q", status, text, test.want)
			}
			if status, text := say("companion", "--site", "north", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:9", "--authority", a.Dir,
				"--certificate", filepath.Join(dir, "guard.pem"), "--key", filepath.Join(dir, "guard.key")); status != 2 || !strings.Contains(text, test.want) {
				t.Errorf("a companion: got %d %q, want 2 %q", status, text, test.want)
			}
		})
	}
}
