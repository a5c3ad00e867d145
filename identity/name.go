package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
)

// scheme begins the name of everything in a site (SPIFFE ID, 2).
const scheme = "spiffe://"

// maxName bounds names: of a host, a label has as many characters (RFC 1035, 2.3.4).
const maxName = 63

// CheckName says whether a site or a party may be called so, in a certificate and in a site file: a to z, 0 to 9, dash, dot and underline,
// beginning with a letter or a digit, with a letter in it, at most 63 characters. Both are stricter than SPIFFE ID, 2.1 and 2.2, so that a
// name has one spelling, is a file's name everywhere, and is not mistaken for a serial number or a patient's.
func CheckName(name string) error {
	if name == "" || len(name) > maxName || strings.Contains("-._", name[:1]) || strings.HasSuffix(name, ".") || isSerial(name) || strings.Trim(name, "0123456789.-_") == "" {
		return errName
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return errName
		}
	}
	return nil
}

var errName = errors.New("identity: a name begins with a letter or a digit, has a letter in it, and is of 1 to 63 of a-z, 0-9, dash, dot and underline, such as ct1 or north-clinic")

// uriOf is the name of a party, siteURI that of the site itself.
func uriOf(site, party string) string { return siteURI(site) + "/party/" + party }
func siteURI(site string) string      { return scheme + site }

// PartyOf gives the party of a site that a certificate names. It does not say that this is true: Trust does.
//
// The name is compared as it stands in the certificate, byte by byte, since a parser of URIs would take several spellings for
// one. A certificate with two URIs is refused (X.509-SVID, 2).
func PartyOf(cert *x509.Certificate, site string) (string, error) {
	uris, err := urisOf(cert)
	if err != nil {
		return "", err
	}
	if len(uris) != 1 {
		return "", errors.New("it needs exactly one URI among its names")
	}
	party, ok := strings.CutPrefix(uris[0], siteURI(site)+"/party/")
	if !ok {
		return "", errors.New("it names no party of this site")
	}
	if CheckName(party) != nil {
		return "", errors.New("it names a party in a way that no party is named")
	}
	return party, nil
}

// named gives the site and the party of a certificate that names one of any site.
func named(cert *x509.Certificate) (site, party string, ok bool) {
	uris, err := urisOf(cert)
	if err != nil || len(uris) != 1 {
		return "", "", false
	}
	name, ok := strings.CutPrefix(uris[0], scheme)
	if !ok {
		return "", "", false
	}
	site, _, _ = strings.Cut(name, "/")
	party, err = PartyOf(cert, site)
	return site, party, err == nil && CheckName(site) == nil
}

// siteOf gives the site whose authority a certificate says it is.
func siteOf(cert *x509.Certificate) (string, error) {
	uris, err := urisOf(cert)
	if err != nil {
		return "", err
	}
	if len(uris) == 1 {
		if site, ok := strings.CutPrefix(uris[0], scheme); ok && CheckName(site) == nil {
			return site, nil
		}
	}
	return "", errors.New("it is not the certificate of a site's own authority")
}

// urisOf gives the URIs among the alternative names of a certificate as they stand there (RFC 5280, 4.2.1.6).
func urisOf(cert *x509.Certificate) ([]string, error) {
	const uri = 6 // uniformResourceIdentifier [6] IA5String
	var uris []string
	for _, e := range cert.Extensions {
		if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(e.Value, &names); err != nil || len(rest) > 0 {
			return nil, errors.New("its alternative names cannot be read")
		}
		for _, name := range names {
			if name.Class == asn1.ClassContextSpecific && name.Tag == uri {
				uris = append(uris, string(name.Bytes))
			}
		}
	}
	return uris, nil
}

// bindable are the names of a certificate of an outside authority that may be bound to a party: its subject as RFC 4514 writes
// it, and its alternative names, with their kind before them.
func bindable(cert *x509.Certificate) []string {
	var names []string
	if subject := subjectOf(cert); subject != "" {
		names = append(names, subject)
	}
	uris, _ := urisOf(cert) // one whose names cannot be read has none
	for _, uri := range uris {
		names = append(names, "URI:"+uri)
	}
	for _, name := range cert.DNSNames {
		names = append(names, "DNS:"+name)
	}
	return names
}

func subjectOf(cert *x509.Certificate) string {
	var subject pkix.RDNSequence
	if rest, err := asn1.Unmarshal(cert.RawSubject, &subject); err != nil || len(rest) > 0 {
		return ""
	}
	return subject.String()
}

// serialOf writes a serial number. Own ones have 32 digits.
func serialOf(n *big.Int) string { return hex.EncodeToString(n.Bytes()) }

// isSerial reports whether a text is the serial number of an own certificate.
func isSerial(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) == 2*serialSize
}

// keyOf recognises the key of a certificate.
func keyOf(cert *x509.Certificate) [32]byte { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }
