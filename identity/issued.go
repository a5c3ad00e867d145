package identity

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Issued is a certificate that the authority has signed.
type Issued struct {
	Party     string
	Serial    string
	Made      time.Time
	NotAfter  time.Time
	Server    bool
	DNS       []string
	Addresses []netip.Addr
	Key       [32]byte  // SHA-256 of the SubjectPublicKeyInfo
	Revoked   time.Time // zero: it was not
	Reason    string    // one of Reasons

	cert *x509.Certificate
}

// Good reports whether a certificate proves its party at a time.
func (i *Issued) Good(at time.Time) bool { return i.Revoked.IsZero() && !at.After(i.NotAfter) }

// Newest gives the certificate of each party that ends last, of those that were not revoked.
func Newest(issued []Issued) map[string]*Issued {
	newest := map[string]*Issued{}
	for i := range issued {
		is := &issued[i]
		if have := newest[is.Party]; is.Revoked.IsZero() && (have == nil || !is.NotAfter.Before(have.NotAfter)) {
			newest[is.Party] = is
		}
	}
	return newest
}

// Issued lists what was signed, by party, the oldest first.
//
// Errors: a file in the list that cannot be read or is not what the authority signed. Nothing is left out instead: what is not
// listed could not be revoked.
func (a *Authority) Issued() ([]Issued, error) {
	dir := filepath.Join(a.Dir, issuedFolder)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", advise(err, a.Dir))
	}
	list, err := a.list()
	if err != nil {
		return nil, err
	}
	revoked := map[string]*x509.RevocationListEntry{}
	for i := range list.RevokedCertificateEntries {
		entry := &list.RevokedCertificateEntries[i]
		revoked[serialOf(entry.SerialNumber)] = entry
	}
	var issued []Issued
	for _, entry := range entries {
		serial, ok := strings.CutSuffix(entry.Name(), ".pem")
		if !ok { // it was being written when the power went
			continue
		}
		path := filepath.Join(dir, entry.Name())
		is, err := a.issuedIn(path)
		if err == nil && is.Serial != serial {
			err = fmt.Errorf("%s: the certificate of another name", path)
		}
		if err != nil {
			return nil, fmt.Errorf("identity: %w; restore it from a backup", advise(err, a.Dir))
		}
		if entry := revoked[serial]; entry != nil {
			is.Revoked, is.Reason = entry.RevocationTime, reasonWord(entry.ReasonCode)
		}
		issued = append(issued, is)
	}
	slices.SortFunc(issued, func(a, b Issued) int {
		return cmp.Or(strings.Compare(a.Party, b.Party), a.Made.Compare(b.Made), a.NotAfter.Compare(b.NotAfter), strings.Compare(a.Serial, b.Serial))
	})
	return issued, nil
}

func (a *Authority) issuedIn(path string) (Issued, error) {
	b, err := readFile(path)
	if err != nil {
		return Issued{}, err
	}
	list, err := blocks(b, certificateBlock)
	if err != nil {
		return Issued{}, fmt.Errorf("%s: %w", path, err)
	}
	cert, err := x509.ParseCertificate(list[0])
	if err != nil || len(list) > 1 || cert.CheckSignatureFrom(a.cert) != nil {
		return Issued{}, fmt.Errorf("%s: not a certificate of this authority", path)
	}
	is, err := describe(cert, a.Site)
	if err != nil {
		return Issued{}, fmt.Errorf("%s: %w", path, err)
	}
	return is, nil
}

// Describe reads a certificate that an authority gave, as PEM, without asking whether it is believed.
func (a *Authority) Describe(certificate []byte) (Issued, error) {
	list, err := blocks(certificate, certificateBlock)
	if err != nil {
		return Issued{}, fmt.Errorf("identity: %w", err)
	}
	cert, err := x509.ParseCertificate(list[0])
	if err != nil || cert.CheckSignatureFrom(a.cert) != nil {
		return Issued{}, fmt.Errorf("identity: not a certificate of the authority in %s", a.Dir)
	}
	return describe(cert, a.Site)
}

func describe(cert *x509.Certificate, site string) (Issued, error) {
	party, err := PartyOf(cert, site)
	return Issued{
		Party: party, Serial: serialOf(cert.SerialNumber), Made: cert.NotBefore.Add(early), NotAfter: cert.NotAfter,
		Server: slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageServerAuth),
		DNS:    cert.DNSNames, Addresses: addressesOf(cert), Key: keyOf(cert), cert: cert,
	}, err
}

// addressesOf gives the addresses that a certificate is bound to (RFC 5280, 4.2.1.6, iPAddress).
func addressesOf(cert *x509.Certificate) []netip.Addr {
	var list []netip.Addr
	for _, ip := range cert.IPAddresses {
		address, _ := netip.AddrFromSlice(ip) // the parser lets only lengths of addresses pass
		list = append(list, address.Unmap())
	}
	return list
}
