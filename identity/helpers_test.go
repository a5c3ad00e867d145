package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// site is an authority, a guard with a certificate of it, and what the guard believes.
type site struct {
	*Authority
	trust *Trust
	dir   string
}

func newSite(t *testing.T, o TrustOptions) *site {
	t.Helper()
	dir := t.TempDir()
	a, err := Create(filepath.Join(dir, "authority"), "north-clinic")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{Authority: a, dir: dir}
	certificate, key, err := a.Issue(Issue{Party: "guard", Server: true, DNS: []string{"localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	o.Site, o.Authority = "north-clinic", a.Dir
	o.Certificate, o.Key = s.put(t, "guard.pem", certificate), s.put(t, "guard.key", key)
	if s.trust, err = NewTrust(o); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) put(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// issue gives a certificate of the own authority.
func (s *site) issue(t *testing.T, o Issue) tls.Certificate {
	t.Helper()
	certificate, key, err := s.Issue(o)
	if err != nil {
		t.Fatal(err)
	}
	return pair(t, certificate, key)
}

func pair(t *testing.T, certificate, key []byte) tls.Certificate {
	t.Helper()
	p, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// forge signs what Issue never would, with the own authority's key.
func (s *site) forge(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := s.key()
	if err != nil {
		t.Fatal(err)
	}
	return sign(t, template, s.cert, key)
}

// usual is a template that is right; tests change one thing.
func usual(now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: newSerial(), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
}

// sign signs a template; without a key it is self-signed.
func sign(t *testing.T, template, parent *x509.Certificate, by crypto.Signer) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func asPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// outsideCA is an authority that is not ours.
type outsideCA struct{ tls.Certificate }

func newOutside(t *testing.T, name string, above *outsideCA) *outsideCA {
	t.Helper()
	template := usual(time.Now())
	template.Subject.CommonName = name
	template.IsCA, template.ExtKeyUsage = true, nil
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	if above == nil {
		return &outsideCA{sign(t, template, nil, nil)}
	}
	return &outsideCA{sign(t, template, above.Leaf, above.PrivateKey.(crypto.Signer))}
}

func (o *outsideCA) issue(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	c := sign(t, template, o.Leaf, o.PrivateKey.(crypto.Signer))
	c.Certificate = append(c.Certificate, o.Certificate.Certificate[0])
	return c
}

func (o *outsideCA) pem() []byte { return asPEM(certificateBlock, o.Leaf.Raw) }

func (o *outsideCA) list(t *testing.T, number int64, until time.Time, revoked ...*big.Int) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: until.Add(-24 * time.Hour), NextUpdate: until}
	for _, serial := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: template.ThisUpdate})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, o.Leaf, o.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	return asPEM(listBlock, der)
}

// asClient is a client that believes anybody: what is tested is the other side.
func asClient(c tls.Certificate) *tls.Config {
	return &tls.Config{ServerName: "guard", InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }}
}

// result is how a connection went.
type result struct {
	server, client error
	resumed        bool
	got            string // what the client was sent
}

// connect has a client connect to a server that sends "data" once it is content.
func connect(t *testing.T, server, client *tls.Config) (r result) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		raw, err := listener.Accept()
		if err != nil {
			r.server = err
			return
		}
		defer raw.Close()
		_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
		c := tls.Server(raw, server)
		if r.server = c.Handshake(); r.server != nil {
			return
		}
		r.resumed = c.ConnectionState().DidResume
		_, r.server = io.WriteString(c, "data")
		_ = c.Close()
	}()
	raw, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
	c := tls.Client(raw, client)
	if r.client = c.Handshake(); r.client == nil {
		b, err := io.ReadAll(c)
		r.got, r.client = string(b), err
	}
	_ = raw.Close()
	<-done
	return r
}

// code gives why somebody was not believed, "" for another error or none.
func code(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func seenAs(certificates ...*x509.Certificate) *tls.ConnectionState {
	return &tls.ConnectionState{PeerCertificates: certificates}
}

func leafOf(t *testing.T, c tls.Certificate) *x509.Certificate {
	t.Helper()
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

var here = netip.MustParseAddr("127.0.0.1")

// criticalPoint is an issuing distribution point (RFC 5280, 5.2.5): the list is about users' certificates only.
func criticalPoint() pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0x03, 0x81, 0x01, 0xff}}
}

func createList(t *testing.T, list *x509.RevocationList, by *outsideCA) []byte {
	t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, list, by.Leaf, by.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	return der
}
