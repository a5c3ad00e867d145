package guard

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func changedAt(b []byte, at int, with byte) []byte {
	b = bytes.Clone(b)
	b[at] = with
	return b
}

func wrap(kind byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind, 0}, uint32(len(body))), body...)
}

func upTo(c *tls.Config, version uint16) *tls.Config {
	c = c.Clone()
	c.MaxVersion = version
	return c
}

// helloOf is what a TLS client says first.
func helloOf(t *testing.T) []byte {
	t.Helper()
	near, far := net.Pipe()
	go func() { _ = tls.Client(near, &tls.Config{ServerName: mark + ".example"}).Handshake() }() // it fails
	b := make([]byte, 4096)
	n, err := far.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	_ = far.Close()
	return b[:n]
}

// over is a certificate of ct1 that was good until yesterday.
func (p *papers) over(t *testing.T) tls.Certificate {
	t.Helper()
	uri, _ := url.Parse("spiffe://north/party/ct1")
	return p.signed(t, &x509.Certificate{Subject: pkix.Name{CommonName: "ct1"}, URIs: []*url.URL{uri}, NotBefore: time.Now().AddDate(0, 0, -20), NotAfter: time.Now().AddDate(0, 0, -1)})
}

// named is a certificate with a name that is no party's.
func (p *papers) named(t *testing.T, name string) tls.Certificate {
	t.Helper()
	return p.signed(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)})
}

// signed signs a client's certificate as the authority would not, or not so.
func (p *papers) signed(t *testing.T, c *x509.Certificate) tls.Certificate {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(b)
		return block.Bytes
	}
	key, err := x509.ParsePKCS8PrivateKey(read("authority.key"))
	if err != nil {
		t.Fatal(err)
	}
	authority, err := x509.ParseCertificate(read("authority.pem"))
	if err != nil {
		t.Fatal(err)
	}
	own, _ := p.issue(t, "ct1", false)
	c.SerialNumber, c.BasicConstraintsValid = big.NewInt(77), true
	c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageDigitalSignature, append(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	signed, err := x509.CreateCertificate(rand.Reader, c, authority, own.Leaf.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: own.PrivateKey}
}

// metric gives a number that an operator sees, 0 when there is none.
func (r *rig) metric(name string) float64 {
	w := httptest.NewRecorder()
	r.guard.Status().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(text), 64)
			return n
		}
	}
	return 0
}

// mustDialAt is mustDial for any listener.
func (r *rig) mustDialAt(listener string, config *tls.Config) *caller {
	r.t.Helper()
	c := r.call(listener)
	secured := tls.Client(c.Conn, config)
	if err := secured.Handshake(); err != nil {
		r.t.Fatal(err)
	}
	c.Conn = secured
	c.in.Reset(secured)
	return c
}
