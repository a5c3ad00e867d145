package guard

import (
	"errors"
	"reflect"

	"chaperone/site"
)

// NeedsTrust reports whether anybody proves anything at a site.
func NeedsTrust(s *site.Site) bool {
	for i := range s.Listeners {
		if s.Listeners[i].TLS == site.Mutual || s.Listeners[i].Upstream.TLS == site.Mutual {
			return true
		}
	}
	return false
}

// Subjects gives whose certificates of outside authorities are: identity.TrustOptions.
func Subjects(s *site.Site) map[string]string {
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

// keepsTrust says whether a site file can be taken with the files that are believed.
func (g *Guard) keepsTrust(s *site.Site) error {
	old := g.rules.Load().site
	if old.Name != s.Name || g.trust != nil && !reflect.DeepEqual(old.Identity, s.Identity) || g.trust == nil && NeedsTrust(s) {
		return errTrust
	}
	return nil
}
