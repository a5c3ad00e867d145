package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"chaperone/identity"
	"chaperone/site"
)

// trusted is whom the guard believes, and how it answers those who come by TLS.
type trusted struct {
	*identity.Trust
	server *tls.Config
}

func newTrusted(t *identity.Trust) *trusted {
	return &trusted{t, t.Receiver()} // identify asks again
}

// needsTrust reports whether anybody proves anything at a site.
func needsTrust(s *site.Site) bool {
	return slices.ContainsFunc(s.Listeners, func(l site.Listener) bool { return l.TLS == site.Mutual || l.Upstream.TLS == site.Mutual })
}

// TrustOf reads whom a site believes and what the guard proves itself by, nil when nobody there proves anything.
//
// Errors: those of identity.NewTrust; a certificate that no client would believe.
func TrustOf(s *site.Site) (*identity.Trust, error) {
	if !needsTrust(s) {
		return nil, nil
	}
	t, err := identity.NewTrust(identity.TrustOptions{
		Site: s.Name, Authority: s.Identity.Authority, Roots: s.Identity.Roots, CRLs: s.Identity.CRLs, Subjects: subjects(s),
		Certificate: s.Identity.Certificate, Key: s.Identity.Key,
	})
	if err != nil {
		return nil, err
	}
	answers := slices.ContainsFunc(s.Listeners, func(l site.Listener) bool { return l.TLS == site.Mutual })
	if answers && !t.Serves() {
		return nil, fmt.Errorf("identity: %s is a client's certificate, which no client would take for a server's: chaperone enroll guard --server --dns NAME makes one", s.Identity.Certificate)
	}
	return t, nil
}

// subjects gives whose certificates of outside authorities are.
func subjects(s *site.Site) map[string]string {
	subjects := map[string]string{}
	for i := range s.Parties {
		if p := &s.Parties[i]; p.Subject != "" {
			subjects[p.Subject] = p.Name
		}
	}
	return subjects
}

// errTrust is why a site file is not taken while the guard runs.
var errTrust = errors.New("guard: the site's name, or its identity files, are others: that holds from the next start on, which refuses nobody when systemd holds the sockets")

// keepsTrust says whether a site file can be taken with the files that are believed. Where nobody had to prove anything until now, it
// gives who is believed from here on.
func (g *Guard) keepsTrust(s *site.Site) (first *trusted, err error) {
	old, have := g.rules.Load().site, g.trust.Load()
	switch {
	case old.Name != s.Name, have != nil && !reflect.DeepEqual(old.Identity, s.Identity):
		return nil, errTrust
	case have != nil:
		return nil, nil
	}
	t, err := TrustOf(s)
	if t == nil {
		return nil, err
	}
	if term, text := t.OwnTerm(g.now()); term == identity.Over { // feeds that go on in the clear would end
		return nil, errors.New("identity: " + text)
	}
	return newTrusted(t), nil
}

// watchTrust looks after the files that are believed, and the guard's own certificate.
func (g *Guard) watchTrust(ctx context.Context, t *trusted) {
	g.metrics.gauge("certificate_end_seconds", "When the guard's own certificate ends, in seconds since 1970.", func() float64 {
		return float64(t.OwnNotAfter().Unix())
	})
	g.work.Go(func() { t.Watch(ctx, g.pace.files, g.trouble) })
	g.work.Go(func() { t.WatchOwn(ctx, g.pace.clock, g.now, g.tellCertificate) })
}

// trouble tells the log of files of identities that are not good; nil: all are good again.
func (g *Guard) trouble(err error) {
	if err != nil {
		g.log.Error("a file of identities is not good", "error", err)
		return
	}
	g.log.Info("the files of identities are good again")
}
