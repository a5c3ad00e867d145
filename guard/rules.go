package guard

import (
	"net/netip"

	"chaperone/policy"
	"chaperone/site"
)

// byAddress gives whose an address is, where that says it: nil when several share it.
func byAddress(s *site.Site, a netip.Addr) *site.Party {
	if all := s.Address(a); len(all) == 1 {
		return all[0]
	}
	return nil
}

// merges reports whether what a party says of two numbers being one person's, or not, goes on record: whoever registers patients, or
// passes on what such a system says. Anybody else could make many patients look like one.
func merges(p *site.Party) bool { return p != nil && (p.Role == site.Engine || p.Role == site.Server) }

// claimReason is why a party that calls itself what it is not is refused.
func claimReason(action policy.Action) policy.Reason {
	if action == policy.Send || action == policy.Ask {
		return policy.IdentityApplication
	}
	return policy.IdentityTitle
}

// mayClaim reports whether a party may call itself so: the name is bound to it, or to nobody and it has no names of its own.
func mayClaim(s *site.Site, p *site.Party, action policy.Action, claim string) bool {
	bound, names := s.Title(claim), p.Titles
	if action == policy.Send || action == policy.Ask {
		bound, names = s.Application(claim), p.Applications
	}
	if bound == nil {
		return len(names) == 0
	}
	return bound.Name == p.Name
}
