// Package identity says who is at the other end of a connection: by its certificate, and by nothing else.
//
// A site is its own issuer: an Authority is a folder with a key that signs certificates for parties. A party's certificate
// bears one name, spiffe://SITE/party/NAME (SPIFFE X.509-SVID), and lives for 30 days. Trust is what is believed now: the own
// authority, outside ones, and their revocation lists (RFC 5280). It gives the TLS configurations of both sides (RFC 9325) and
// answers again and again, for connections that live on, whether what was proven still holds.
//
// Everything fails closed: who cannot be told with certainty is nobody.
package identity

import (
	"net/netip"
	"slices"
	"time"
)

// Peer is who a certificate proves somebody to be.
type Peer struct {
	Party     string       // NAME in spiffe://SITE/party/NAME; with an outside authority what TrustOptions.Subjects binds it to
	Subject   string       // the name that was proven: the URI; with an outside authority the name that was bound, else the subject
	Serial    string       // hexadecimal
	Key       [32]byte     // SHA-256 of the SubjectPublicKeyInfo (RFC 5280, 4.1.2.7)
	NotAfter  time.Time    // when the certificate ends
	Addresses []netip.Addr // where the certificate is good; none: anywhere. Only the own authority binds addresses
}

// At reports whether the certificate is good at an address. Server asks it of every client.
func (p Peer) At(address netip.Addr) bool {
	return len(p.Addresses) == 0 || slices.Contains(p.Addresses, address.Unmap())
}

// Code says in one stable word why somebody was not believed.
type Code string

// Why somebody is not believed.
const (
	None      Code = "identity-none"       // no certificate was shown
	Untrusted Code = "identity-untrusted"  // no authority that is believed vouches for it
	Expired   Code = "identity-expired"    // its time is over
	Early     Code = "identity-early"      // its time has not come
	Use       Code = "identity-use"        // it is not for this side of a connection, or not for connections at all
	Weak      Code = "identity-weak"       // its key is too short
	Revoked   Code = "identity-revoked"    // its authority took it back
	Unknown   Code = "identity-revocation" // whether it was revoked cannot be known now
	Name      Code = "identity-name"       // it names no party, or not one alone
	Other     Code = "identity-other"      // it proves another party than the one that was wanted
	Address   Code = "identity-address"    // it is bound to other addresses
	Protocol  Code = "identity-protocol"   // the client came for another protocol
)

// Error is why somebody is not believed. Of the certificate it holds the serial number, and the party once that is proven.
type Error struct {
	Code   Code
	Serial string
	Party  string
	Why    string // for people
	// Believed says that nothing is wrong with the certificate: no party here is meant by it, or it is shown at another address.
	Believed bool
	Subject  string // of who is believed: the name that was proven
}

func (e *Error) Error() string {
	text := "identity: "
	if e.Serial != "" {
		text += "certificate " + e.Serial
		if e.Party != "" {
			text += " of " + e.Party
		}
		text += ": "
	}
	return text + e.Why
}
