package guard

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"chaperone/identity"
	"chaperone/page"
	"chaperone/policy"
	"chaperone/site"
)

// proof is what the system behind the guard showed, and whom it had to prove to be.
type proof struct {
	state       tls.ConnectionState
	party, host string
}

// identify finds out whose connection it is. Where a listener only observes, whoever has a certificate that is believed passes, as who
// that proves: it is told that the connection would be refused.
func (c *conn) identify(spec *site.Listener) error {
	r := c.guard.rules.Load()
	c.to.party = r.site.Party(spec.Upstream.Party)
	c.observes = spec.Mode == site.Observe
	err := c.prove(r)
	if err == nil {
		err = c.bound(r)
	}
	if u := (*unwelcome)(nil); errors.As(err, &u) && u.observed {
		err = nil
	}
	if err != nil {
		return err
	}
	c.identified.Store(true)
	return nil
}

// prove takes from the client's certificate who it is, also of one that is believed and refused; in the clear its address says so.
func (c *conn) prove(r *rules) error {
	if !c.secured {
		c.from.party = byAddress(r.site, c.from.addr.Addr())
		return nil
	}
	peer, err := c.guard.trust.Load().CheckAt(&c.state, c.from.addr.Addr(), c.guard.now())
	c.from.proven, c.from.party = peer.Subject, r.site.PartyOf(peer.Subject)
	if c.from.party == nil { // it may be any text, of any length
		c.from.proven = page.Clean(peer.Subject, mostSubject)
	}
	var why *identity.Error
	if errors.As(err, &why) {
		return c.disbelieved(why)
	}
	return err
}

// disbelieved notes a certificate that is not believed, or not here. It gives why the connection ends.
func (c *conn) disbelieved(why *identity.Error) error {
	from := c.from.record()
	hint := "See chaperone enroll list."
	switch {
	case why.Believed:
		if from.Proven = cmp.Or(from.Proven, page.Clean(why.Subject, mostSubject)); why.Code == identity.Address {
			hint = "The certificate is believed, and bound to another address: enroll the party with the one that it has now (chaperone enroll, --address), or find out who that is."
		} else {
			hint = "Its authority is believed: bind the certificate's subject to a party in the site file (subject), or find out who that is."
		}
	case from.Proven == "":
		from.Claimed = why.Party
	}
	return c.unwelcome(policy.Reason(why.Code), hint, from, why.Believed)
}

// mostSubject bounds the name of an outside authority's certificate, on record and in the log.
const mostSubject = 120

// bound checks what a certificate alone does not prove: that the party is known, and where it stands.
func (c *conn) bound(r *rules) error {
	var reason policy.Reason
	hint := "If it is right, add it to the site file."
	switch p := c.from.partyIn(r); {
	case p == nil:
		reason, hint = unknown, strangerHint(r.site, &c.from)
	case !p.From(c.from.addr.Addr()):
		reason = policy.IdentityAddress
	}
	if reason == "" {
		return nil
	}
	return c.unwelcome(reason, hint, c.from.record(), c.secured)
}

// checked is by what a check found nothing wrong, and when.
type checked struct {
	spec  *site.Listener
	rules *rules
	proof *proof
	epoch uint64
	at    time.Time
}

// freshly is how long a check is good for while nothing but time changes what it would find: certificates end and lists run out.
const freshly = time.Second

// check looks again at who both sides are: certificates are revoked and parties taken out while connections live.
//
// A connection that began in another mode ends, or in the clear where TLS is asked for now: what only observes would go on to pass
// everything for as long as it lives.
func (c *conn) check() error {
	now := checked{spec: c.spec(), rules: c.guard.rules.Load(), proof: c.proved.Load(), at: c.guard.now()}
	if t := c.guard.trust.Load(); t != nil {
		now.epoch = t.Epoch()
	}
	last := c.checked.Load()
	if last == nil || last.spec != now.spec || last.rules != now.rules || last.proof != now.proof || last.epoch != now.epoch ||
		now.at.Sub(last.at).Abs() >= freshly {
		if err := c.checkNow(); err != nil {
			return err
		}
		good := now
		c.checked.Store(&good)
	}
	if t := c.tunnel.Load(); t != nil {
		return t.check()
	}
	return nil
}

func (c *conn) checkNow() error {
	if (c.spec().Mode == site.Observe) != c.observes {
		return errMode
	}
	if c.spec().TLS == site.Mutual && !c.secured {
		return errClear
	}
	if c.observes && c.spec().Protocol == site.HL7 && c.elsewhere(c.spec()) { // one that enforces is drained behind its message
		return errMoved
	}
	if p := c.proved.Load(); p != nil {
		if _, err := c.guard.trust.Load().CheckServer(&p.state, p.party, p.host, c.guard.now()); err != nil {
			return c.unproven(p.party, err)
		}
	}
	if c.secured {
		_, err := c.guard.trust.Load().Check(&c.state, c.guard.now())
		var why *identity.Error
		switch {
		case errors.As(err, &why) && why.Believed && c.observes: // it goes on as it came: what it lacked then was told, what it lost since is not
		case why != nil:
			return c.disbelieved(why)
		case err != nil:
			return err
		}
	}
	if c.from.party == nil || c.spec().Mode == site.Observe {
		return nil
	}
	r := c.guard.rules.Load()
	switch p := c.from.partyIn(r); {
	case p == nil, c.secured && r.site.PartyOf(c.from.proven) != p:
		return errors.New("the site file does not name its party any more")
	case !p.From(c.from.addr.Addr()):
		return c.bound(r)
	}
	return nil
}

// unproven notes that the system behind the guard is not believed to be the party that it has to be.
func (c *conn) unproven(party string, err error) error {
	if hint, ok := c.guard.ownFault(err); ok {
		c.refused(ownCertificate, hint)
	} else {
		c.refused(reasonOf(err), "The system behind the listener has to prove to be "+party+": see chaperone enroll list.")
	}
	return fmt.Errorf("the system behind it does not prove to be %s: %w", party, err)
}
