package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

// heard is what a command says. When it has said several things, then is called, at each word from there on.
type heard struct {
	mu    sync.Mutex
	text  []byte
	until []string
	then  func()
}

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, b...)
	if h.then != nil && !slices.ContainsFunc(h.until, func(one string) bool { return !strings.Contains(string(h.text), one) }) {
		h.then()
	}
	return len(b), nil
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.text)
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

// TestOwnCertificate: --check, a start, and a companion say of a certificate of their own when its time is over, not yet or soon. With one that is
// over they start, after a power cut as well as any day: others need none, and the next one needs no start.
func TestOwnCertificate(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		name       string
		begin, end time.Duration // from now
		status     int           // of --check
		want       string
		starts     bool
	}{
		{"good", -day, 20 * day, 0, "", true},
		{"ends soon", -25 * day, 5 * day, 0, "site.yaml: warning: the certificate in ", true},
		{"over", -31 * day, -day, 1, "nobody believes it any more: chaperone enroll renew guard", true},
		{"not good yet", day, 30 * day, 1, "is the clock right?", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			a, err := identity.Create(filepath.Join(dir, "authority"), "north")
			if err != nil {
				t.Fatal(err)
			}
			signGuard(t, dir, a, time.Now().Add(test.begin), time.Now().Add(test.end))
			path := filepath.Join(dir, "site.yaml")
			if err := os.WriteFile(path, []byte(strings.Replace(mutualSite, "127.0.0.1:2575", freePort(t), 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			said := new(heard)
			if status := run(t.Context(), []string{"guard", "--site", path, "--check"}, strings.NewReader(""), new(bytes.Buffer), said); status != test.status || (said.String() == "") != (test.want == "") || !strings.Contains(said.String(), test.want) {
				t.Errorf("--check: got %d %q, want %d %q", status, said, test.status, test.want)
			}
			want := strings.TrimPrefix(test.want, "site.yaml: warning: ")
			status := statusNot
			if test.starts {
				status = statusDone
			}
			for _, args := range [][]string{{"guard", "--site", path}, {"companion", "--site", "north", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:9", "--authority", a.Dir,
				"--certificate", filepath.Join(dir, "guard.pem"), "--key", filepath.Join(dir, "guard.key")}} {
				ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
				said := &heard{until: []string{"listening", want}, then: stop}
				if got := run(ctx, args, strings.NewReader(""), said, said); got != status || !strings.Contains(said.String(), want) || strings.Contains(said.String(), "listening") != test.starts {
					t.Errorf("%s: got %d %q, want %d %q", args[0], got, said, status, want)
				}
				stop()
			}
		})
	}
}
