package guard

import (
	"net/netip"
	"slices"

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

// strangerHint says why nobody is known by an address, or by a certificate: in the clear, several parties may have it.
func strangerHint(s *site.Site, who *side) string {
	if who.proven == "" && len(s.Address(who.addr.Addr())) > 1 {
		return "Several parties of the site file share this address, and in the clear nothing tells them apart: give each an address of its own, or its listener tls: mutual."
	}
	return "The site file has no party for this connection. If it is right, add it to the site file."
}

// onlyShared reports whether a party comes from addresses alone that others have too: in the clear nobody is known by those.
func onlyShared(s *site.Site, p *site.Party) bool {
	others := func(n netip.Prefix) bool {
		return slices.ContainsFunc(s.Parties, func(other site.Party) bool {
			return other.Name != p.Name && slices.ContainsFunc(other.Addresses, func(m netip.Prefix) bool { return m.Masked() == n.Masked() })
		})
	}
	return len(p.Addresses) > 0 && !slices.ContainsFunc(p.Addresses, func(n netip.Prefix) bool { return !others(n) })
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
