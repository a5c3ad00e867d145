package identity

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"slices"
	"time"
)

// parseList reads a revocation list, as PEM or DER. Its signature is not looked at.
//
// Errors: no list; one without an end or a number, which RFC 5280 demands (5.1.2.5, 5.2.3); one with critical extensions, which
// say that it is about some certificates only, or about changes since another list: taken for the whole, it would let revoked
// ones in (5.2).
func parseList(b []byte) (*x509.RevocationList, error) {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("-----BEGIN")) {
		list, err := blocks(b, listBlock)
		if err != nil {
			return nil, err
		}
		if len(list) > 1 {
			return nil, errors.New("it holds several lists: give each its own file")
		}
		b = list[0]
	}
	list, err := x509.ParseRevocationList(b)
	switch {
	case err != nil:
		return nil, errors.New("it is not a revocation list")
	case list.NextUpdate.IsZero() || list.Number == nil:
		return nil, errors.New("it does not say when the next one comes, or which number it has")
	}
	partial := hasCritical(list.Extensions)
	for i := range list.RevokedCertificateEntries {
		partial = partial || hasCritical(list.RevokedCertificateEntries[i].Extensions)
	}
	if partial {
		return nil, errors.New("it is not a whole list (it has a critical extension), and so does not say who is not revoked")
	}
	return list, nil
}

func hasCritical(list []pkix.Extension) bool {
	return slices.ContainsFunc(list, func(e pkix.Extension) bool { return e.Critical })
}

// revocations is a list in force.
type revocations struct {
	issuer  *x509.Certificate
	serials map[string]struct{} // RFC 5280, 4.1.2.2: unique within the issuer
	number  *big.Int
	next    time.Time // then there must be a newer one
}

// listFrom reads the list of one of some authorities. It replaces an older one of the same, and no newer one.
func listFrom(b []byte, authorities []*x509.Certificate, old *revocations, now time.Time) (*revocations, error) {
	list, err := parseList(b)
	if err != nil {
		return nil, err
	}
	for _, issuer := range authorities {
		if !bytes.Equal(list.RawIssuer, issuer.RawSubject) || list.CheckSignatureFrom(issuer) != nil {
			continue
		}
		if list.ThisUpdate.After(now.Add(early)) {
			return nil, errors.New("it is of the future")
		}
		if old != nil && issuerID(old.issuer) == issuerID(issuer) && old.number.Cmp(list.Number) > 0 {
			return nil, errors.New("it is older than the one in force")
		}
		r := &revocations{issuer: issuer, serials: map[string]struct{}{}, number: list.Number, next: list.NextUpdate}
		for _, entry := range list.RevokedCertificateEntries {
			r.serials[serialOf(entry.SerialNumber)] = struct{}{}
		}
		return r, nil
	}
	return nil, errors.New("no authority that is believed has signed it")
}

// issuerID recognises an authority by name and key, whichever of its certificates is at hand.
func issuerID(cert *x509.Certificate) string {
	return string(cert.RawSubject) + string(cert.RawSubjectPublicKeyInfo)
}
