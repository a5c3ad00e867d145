package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// state is what is believed in one epoch. But for what was proven, it does not change.
type state struct {
	epoch          uint64
	site           string
	own            *x509.Certificate
	ownRoots       *x509.CertPool
	roots, between *x509.CertPool // of outside authorities
	subjects       map[string]string
	lists          map[string]inForce // by issuerID
	pair           *tls.Certificate
	over           chan struct{} // closed with the epoch

	clients, servers proven
}

// inForce is a revocation list, and what is said once it has run out.
type inForce struct {
	*revocations
	until time.Time // not later than the list's own
	why   string
}

// verdict is what a certificate proves between two times.
type verdict struct {
	peer        Peer
	own         bool
	from, until time.Time
}

// maxProven bounds what is remembered. It is more than a site has parties.
const maxProven = 4096

// proven remembers what certificates proved in this epoch, by all their bytes: comparing them costs less than hashing. What was
// refused is not remembered: it may be right with other certificates beside it. A table is replaced, never changed, so that
// reading waits for nobody.
type proven struct {
	table  atomic.Pointer[map[string]*verdict]
	adding sync.Mutex
}

func (p *proven) find(cert *x509.Certificate, now time.Time) *verdict {
	if table := p.table.Load(); table != nil {
		if v := (*table)[string(cert.Raw)]; v != nil && !now.Before(v.from) && !now.After(v.until) {
			return v
		}
	}
	return nil
}

func (p *proven) add(cert *x509.Certificate, v *verdict) {
	p.adding.Lock()
	defer p.adding.Unlock()
	table := map[string]*verdict{}
	if old := p.table.Load(); old != nil && len(*old) < maxProven {
		table = maps.Clone(*old)
	}
	table[string(cert.Raw)] = v
	p.table.Store(&table)
}

// Check says who the client of a connection is, by its certificate, at a time: an authority that is believed vouches for it, it is
// for clients, its time is now, and it was not revoked. It is for VerifyConnection, and for before each message on a connection
// that lives on; a certificate is looked through once an epoch.
//
// Errors: *Error. Beside one that says Believed, the Peer is who was proven.
func (t *Trust) Check(s *tls.ConnectionState, now time.Time) (Peer, error) {
	v, err := t.state.Load().prove(s, x509.ExtKeyUsageClientAuth, now)
	if err != nil {
		return Peer{}, err
	}
	if v.peer.Party == "" {
		return v.peer, unbound(v)
	}
	return v.peer, nil
}

// CheckAt is Check for a client that is at an address, where its certificate has to be good.
func (t *Trust) CheckAt(s *tls.ConnectionState, address netip.Addr, now time.Time) (Peer, error) {
	peer, err := t.Check(s, now)
	if err != nil {
		return peer, err
	}
	if !peer.At(address.WithZone("")) {
		return peer, &Error{Code: Address, Serial: peer.Serial, Party: peer.Party, Believed: true, Subject: peer.Subject, Why: "it is bound to another address than the one that it came from"}
	}
	return peer, nil
}

// CheckServer is Check for the server of a connection, which has to be that party. Of an outside authority, the certificate must
// bear the DNS name, when there is one, and else be bound to the party.
func (t *Trust) CheckServer(s *tls.ConnectionState, party, dns string, now time.Time) (Peer, error) {
	v, err := t.state.Load().prove(s, x509.ExtKeyUsageServerAuth, now)
	if err != nil {
		return Peer{}, err
	}
	peer := v.peer
	if !v.own && dns != "" {
		if s.PeerCertificates[0].VerifyHostname(dns) != nil {
			return Peer{}, &Error{Code: Other, Serial: peer.Serial, Why: "the server's certificate is for other hosts than " + dns}
		}
		if peer.Party == "" {
			peer.Party, peer.Subject = party, "DNS:"+dns
		}
	}
	switch peer.Party {
	case party:
		return peer, nil
	case "":
		return Peer{}, unbound(v)
	}
	return Peer{}, &Error{Code: Other, Serial: peer.Serial, Party: peer.Party, Why: "the server was to be " + party}
}

func unbound(v *verdict) error {
	return &Error{Code: Name, Serial: v.peer.Serial, Believed: true, Subject: v.peer.Subject, Why: "its authority is an outside one, and its subject is bound to no party"}
}

// prove gives what the other side of a connection proves, from memory or by looking.
func (st *state) prove(s *tls.ConnectionState, use x509.ExtKeyUsage, now time.Time) (*verdict, error) {
	if s == nil || len(s.PeerCertificates) == 0 {
		return nil, &Error{Code: None, Why: "no certificate was shown"}
	}
	leaf, memory := s.PeerCertificates[0], &st.clients
	if use == x509.ExtKeyUsageServerAuth {
		memory = &st.servers
	}
	if v := memory.find(leaf, now); v != nil {
		return v, nil
	}
	v, err := st.look(leaf, s.PeerCertificates[1:], use, now)
	if err != nil {
		return nil, err
	}
	memory.add(leaf, v)
	return v, nil
}

// look is path validation (RFC 5280, 6) with one rule more on each side: the own authority's certificates must be X.509-SVIDs, and
// a certificate without an extended key usage, which the RFC lets pass for any, is for nothing.
func (st *state) look(leaf *x509.Certificate, between []*x509.Certificate, use x509.ExtKeyUsage, now time.Time) (*verdict, error) {
	v := &verdict{from: leaf.NotBefore, until: leaf.NotAfter}
	v.peer = Peer{Serial: serialOf(leaf.SerialNumber), Key: keyOf(leaf), NotAfter: leaf.NotAfter}
	refuse := func(code Code, why string) (*verdict, error) {
		return nil, &Error{Code: code, Serial: v.peer.Serial, Party: v.peer.Party, Why: why}
	}
	v.own = st.own != nil && leaf.CheckSignatureFrom(st.own) == nil
	options := x509.VerifyOptions{Roots: st.roots, Intermediates: st.between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{use}}
	if v.own {
		options.Roots, options.Intermediates = st.ownRoots, nil
		party, err := PartyOf(leaf, st.site)
		if err != nil {
			return refuse(Name, err.Error())
		}
		v.peer.Party, v.peer.Subject, v.peer.Addresses = party, uriOf(st.site, party), addressesOf(leaf)
	} else if len(between) > 0 {
		options.Intermediates = st.between.Clone()
		for _, cert := range between {
			options.Intermediates.AddCert(cert)
		}
	}
	chains, err := leaf.Verify(options)
	var invalid x509.CertificateInvalidError
	usable := slices.Contains(leaf.ExtKeyUsage, use) && !leaf.IsCA && leaf.KeyUsage&x509.KeyUsageDigitalSignature != 0
	switch {
	case errors.As(err, &x509.UnknownAuthorityError{}):
		return refuse(Untrusted, "no authority that is believed vouches for it")
	case now.Before(leaf.NotBefore):
		return refuse(Early, "it is good from "+day(leaf.NotBefore)+" on; is the clock right?")
	case now.After(leaf.NotAfter):
		return refuse(Expired, "it ended on "+day(leaf.NotAfter))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return refuse(Expired, "the certificate of its authority has ended, or is not good yet")
	case !usable, errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return refuse(Use, "it is not for "+side(use))
	case err != nil: // its text may quote the certificate
		return refuse(Untrusted, "it breaks the rules of its authority (RFC 5280, 6)")
	case !strong(leaf.PublicKey):
		return refuse(Weak, "its key is too weak")
	}
	for _, chain := range chains {
		if err := st.narrow(v, chain, now); err != nil {
			return refuse(err.Code, err.Why)
		}
	}
	if !v.own {
		v.peer.Subject = subjectOf(leaf)
		for _, name := range bindable(leaf) {
			party := st.subjects[name]
			if party == "" {
				continue
			}
			if v.peer.Party != "" && v.peer.Party != party {
				v.peer.Party = ""
				return refuse(Name, "its names are bound to several parties")
			}
			v.peer.Party, v.peer.Subject = party, name
		}
	}
	return v, nil
}

// narrow takes revocation into account along a chain: every one of several must be sound. Whose authority has no list here is not
// revoked; but the own one has.
func (st *state) narrow(v *verdict, chain []*x509.Certificate, now time.Time) *Error {
	for i, cert := range chain {
		if cert.NotBefore.After(v.from) {
			v.from = cert.NotBefore
		}
		if cert.NotAfter.Before(v.until) {
			v.until = cert.NotAfter
		}
		if i+1 == len(chain) {
			break
		}
		list, ok := st.lists[issuerID(chain[i+1])]
		if !ok {
			if v.own {
				return &Error{Code: Unknown, Why: "the revocation list of its authority is not here"}
			}
			continue
		}
		if _, revoked := list.serials[serialOf(cert.SerialNumber)]; revoked {
			return &Error{Code: Revoked, Why: "it was revoked, or its authority was"}
		}
		if now.After(list.until) {
			return &Error{Code: Unknown, Why: list.why}
		}
		if list.until.Before(v.until) {
			v.until = list.until
		}
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func side(use x509.ExtKeyUsage) string {
	if use == x509.ExtKeyUsageServerAuth {
		return "servers"
	}
	return "clients"
}
