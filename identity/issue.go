package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// Lives of certificates.
const (
	UsualLife = 30 * 24 * time.Hour      // when nothing else is asked for
	ShortLife = 90 * 24 * time.Hour      // up to here, running out is protection enough
	MaxLife   = 5 * 366 * 24 * time.Hour // and no longer, wherever it is bound to
	Soon      = 7 * 24 * time.Hour       // what ends so soon is to be renewed
)

// Issue is what a certificate is to say.
type Issue struct {
	Party     string
	Server    bool          // it also answers connections; every party may open them
	DNS       []string      // names of a server, for clients that look at them
	Addresses []netip.Addr  // where alone it is good; a certificate that lives longer than ShortLife needs one
	Life      time.Duration // 0: UsualLife
	CSR       []byte        // a PKCS #10 request (RFC 2986) as PEM: its key is certified, and nothing else of it is believed
}

// Issue signs a certificate, whose record is on disk before it is handed out, and gives it with its new key as PEM. Of a
// request that was given, the key stays where it is, and key is nil.
//
// Errors: a name that is none; a long life without an address; a request that does not prove its key; a key that is another
// party's, or was revoked.
func (a *Authority) Issue(o Issue) (certificate, key []byte, err error) {
	now := a.now().UTC().Truncate(time.Second)
	if o.Life == 0 {
		o.Life = UsualLife
	}
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	if _, err := a.list(); err != nil { // who cannot take back does not give
		return nil, nil, err
	}
	var public any
	if o.CSR != nil {
		if public, err = requested(o.CSR); err != nil {
			return nil, nil, fmt.Errorf("identity: certificate request: %w", err)
		}
		if err = a.checkKey(o.Party, public); err != nil {
			return nil, nil, err
		}
	} else {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		if key, err = encodeKey(own); err != nil {
			return nil, nil, err
		}
		public = own.Public()
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: o.Party},
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: a.Site, Path: "/party/" + o.Party}},
		DNSNames:              o.DNS,
		NotBefore:             now.Add(-early),
		NotAfter:              now.Add(o.Life),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if o.Server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, address := range o.Addresses {
		template.IPAddresses = append(template.IPAddresses, net.IP(address.Unmap().AsSlice()))
	}
	certificate, err = a.sign(template, public)
	return certificate, key, err
}

func (o *Issue) check() error {
	if err := CheckName(o.Party); err != nil {
		return err
	}
	if o.Life < 0 || o.Life > MaxLife {
		return fmt.Errorf("identity: a certificate lives for at most %d days", MaxLife/(24*time.Hour))
	}
	if o.Life > ShortLife && len(o.Addresses) == 0 {
		return fmt.Errorf("identity: a certificate that lives longer than %d days must be bound to the address of its device", ShortLife/(24*time.Hour))
	}
	if len(o.DNS) > 0 && !o.Server {
		return errors.New("identity: only a server has names that others look at")
	}
	for _, name := range o.DNS {
		if !isHost(name) {
			return errors.New("identity: the name of a host has labels of a-z, 0-9 and dash, such as pacs.north-clinic.example; wildcards are not signed")
		}
	}
	for _, address := range o.Addresses {
		if !address.IsValid() || address.IsUnspecified() || address.IsMulticast() || address.Zone() != "" {
			return errors.New("identity: an address is that of one device, such as 10.1.0.5")
		}
	}
	return nil
}

// isHost reports whether a text is the name of a host (RFC 1123, 2.1), in lower case.
func isHost(name string) bool {
	if len(name) > 253 {
		return false
	}
	for _, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// requested gives the key of a request that proves that whoever made it has the key.
func requested(csr []byte) (public any, err error) {
	csr = []byte(strings.ReplaceAll(string(csr), " NEW "+requestBlock, " "+requestBlock)) // an older label (RFC 7468, 7)
	list, err := blocks(csr, requestBlock)
	if err != nil {
		return nil, err
	}
	request, err := x509.ParseCertificateRequest(list[0])
	if err != nil || len(list) > 1 {
		return nil, errors.New("it is not one request in PKCS #10")
	}
	if request.CheckSignature() != nil {
		return nil, errors.New("its signature is not that of its key")
	}
	if !strong(request.PublicKey) {
		return nil, errors.New("its key is too weak: RSA of 2048 bits or more, P-256, P-384, P-521 and Ed25519 will do")
	}
	return request.PublicKey, nil
}

// strong reports whether a key is long enough (RFC 9325, 4.5).
func strong(public any) bool {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		return key.Curve.Params().BitSize >= 256
	case ed25519.PublicKey:
		return true
	}
	return false
}

// Renew gives a new certificate, as PEM, for one that was issued: the same party, key, names and addresses, for as long again. The key
// stays where it is, so that only the certificate has to be exchanged. That somebody holds the authority's folder is all the
// proof it needs.
//
// Errors: one that was revoked.
func (a *Authority) Renew(is *Issued) (certificate []byte, err error) {
	list, err := a.list()
	if err != nil {
		return nil, err
	}
	old := is.cert
	for _, entry := range list.RevokedCertificateEntries {
		if entry.SerialNumber.Cmp(old.SerialNumber) == 0 {
			return nil, fmt.Errorf("identity: the certificate %s of %s was revoked; enroll it again", is.Serial, is.Party)
		}
	}
	now := a.now().UTC().Truncate(time.Second)
	end := now.Add(old.NotAfter.Sub(old.NotBefore) - early)
	return a.sign(&x509.Certificate{
		Subject: old.Subject, URIs: old.URIs, DNSNames: old.DNSNames, IPAddresses: old.IPAddresses,
		NotBefore: now.Add(-early), NotAfter: end,
		KeyUsage: old.KeyUsage, ExtKeyUsage: old.ExtKeyUsage, BasicConstraintsValid: true,
	}, old.PublicKey)
}

// sign signs a certificate and keeps it in the list of what was issued.
func (a *Authority) sign(template *x509.Certificate, public any) ([]byte, error) {
	held, err := a.hold()
	if err != nil {
		return nil, err
	}
	defer held.Close() // it was only held
	if template.NotAfter.After(a.NotAfter) {
		return nil, fmt.Errorf("identity: the authority itself ends on %s, before the certificate would; make a new one in another folder", a.NotAfter.Format(time.DateOnly))
	}
	key, err := a.key()
	if err != nil {
		return nil, fmt.Errorf("identity: %w", advise(err, a.Dir))
	}
	template.SerialNumber = newSerial()
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, key)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: der})
	path := filepath.Join(a.Dir, issuedFolder, serialOf(template.SerialNumber)+".pem")
	if err := writeNew(path, certificate, publicMode); err != nil {
		return nil, fmt.Errorf("identity: %w", advise(err, a.Dir))
	}
	return certificate, nil
}

// checkKey refuses the key of another party, with which one could be mistaken for the other, and a key that was revoked, which
// somebody else may have.
func (a *Authority) checkKey(party string, public any) error {
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	id := sha256.Sum256(spki)
	issued, err := a.Issued()
	if err != nil {
		return err
	}
	for _, is := range issued {
		switch {
		case is.Key != id:
		case is.Party != party:
			return fmt.Errorf("identity: this is the key of %s: each party has a key of its own", is.Party)
		case is.Reason == keyCompromise:
			return errors.New("identity: this key was revoked as compromised: make a new one")
		}
	}
	return nil
}
