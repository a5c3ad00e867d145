package identity

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"time"
)

// keyCompromise is the reason that also ends the key.
const keyCompromise = "keyCompromise"

// reasons are the reasons for revoking that a site can have (RFC 5280, 5.3.1), with their codes.
func reasons() map[string]int {
	return map[string]int{"unspecified": 0, keyCompromise: 1, "affiliationChanged": 3, "superseded": 4, "cessationOfOperation": 5}
}

// Reasons lists the words for reasons, the most frequent first.
func Reasons() []string {
	return []string{keyCompromise, "superseded", "cessationOfOperation", "affiliationChanged", "unspecified"}
}

func reasonWord(code int) string {
	for word, n := range reasons() {
		if n == code {
			return word
		}
	}
	return "unspecified"
}

// Revoke takes back the certificates of a party that have not run out, or the one with a serial number, and says how many.
// A compromised key takes every certificate with it that it has. Those that were revoked already are not counted, and keep their
// time and reason. The list is on disk when it returns.
//
// Errors: a party or a serial number to which nothing was issued; a reason that is not one of Reasons.
func (a *Authority) Revoke(partyOrSerial, reason string) (n int, err error) {
	code, ok := reasons()[reason]
	if !ok {
		return 0, fmt.Errorf("identity: a reason is one of %s (RFC 5280, 5.3.1)", strings.Join(Reasons(), ", "))
	}
	held, err := a.hold()
	if err != nil {
		return 0, err
	}
	defer held.Close() // it was only held
	issued, err := a.Issued()
	if err != nil {
		return 0, err
	}
	list, err := a.list()
	if err != nil {
		return 0, err
	}
	serial := strings.ToLower(strings.ReplaceAll(partyOrSerial, ":", "")) // as other programs write it
	now, entries := a.now().UTC().Truncate(time.Second), list.RevokedCertificateEntries
	meant := func(is *Issued) bool { return is.Party == partyOrSerial || is.Serial == serial }
	known, lost := false, map[[32]byte]bool{} // keys
	for i := range issued {
		if is := &issued[i]; meant(is) {
			known = true
			lost[is.Key] = reason == keyCompromise
		}
	}
	if !known {
		return 0, errors.New("identity: nothing was issued to a party of that name, or with that serial number")
	}
	for i := range issued {
		is := &issued[i]
		if is.Serial == serial && is.Revoked.IsZero() || (meant(is) || lost[is.Key]) && is.Good(now) {
			entries = append(entries, x509.RevocationListEntry{SerialNumber: is.cert.SerialNumber, RevocationTime: now, ReasonCode: code})
			n++
		}
	}
	if n == 0 {
		return 0, nil
	}
	key, err := a.key()
	if err == nil {
		err = a.writeList(key, entries, list.Number.Int64()+1)
	}
	if err != nil {
		return 0, fmt.Errorf("identity: %w", advise(err, a.Dir))
	}
	return n, nil
}

// list reads the authority's own revocation list.
func (a *Authority) list() (*x509.RevocationList, error) {
	path := filepath.Join(a.Dir, RevokedFile)
	b, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", advise(err, a.Dir))
	}
	list, err := parseList(b)
	if err == nil && list.CheckSignatureFrom(a.cert) != nil {
		err = errors.New("not signed by the authority beside it")
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %s: %w; restore it from a backup, or else what was revoked is good again", path, err)
	}
	return list, nil
}

// writeList signs the list anew. Its number always grows, so that nobody goes back to an older one unnoticed, and it holds as long
// as the authority: it is in force until there is another.
func (a *Authority) writeList(key crypto.Signer, entries []x509.RevocationListEntry, number int64) error {
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		RevokedCertificateEntries: entries, Number: big.NewInt(number),
		ThisUpdate: a.now().UTC(), NextUpdate: a.NotAfter,
	}, a.cert, key)
	if err != nil {
		return err
	}
	return replace(filepath.Join(a.Dir, RevokedFile), pem.EncodeToMemory(&pem.Block{Type: listBlock, Bytes: der}), publicMode)
}
