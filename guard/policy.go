package guard

import (
	"time"

	"chaperone/policy"
	"chaperone/policy/budget"
	"chaperone/site"
)

// policySet makes the policy that a site file says. Hours are compared where identities are.
func policySet(s *site.Site) (*policy.Set, error) {
	o := policy.Options{Site: s.Name, Version: s.Version, Zone: time.Local, Cedar: s.Policies}
	for i := range s.Parties {
		p := &s.Parties[i]
		o.Parties = append(o.Parties, policy.Party{Name: p.Name, Role: string(p.Role), Groups: p.Groups, Outside: p.Outside, Approval: p.Approval})
	}
	if s.Defaults {
		o.Grants = policy.Defaults()
	}
	for i := range s.Grants {
		g := &s.Grants[i]
		grant := policy.Grant{Name: g.Name, Parties: g.Parties, Roles: g.Roles, Groups: g.Groups, Details: g.Details, To: g.To, Outside: g.Outside,
			Whose: g.Whose, Budget: budget.Limits(g.Budget)}
		for _, a := range g.Actions {
			grant.Actions = append(grant.Actions, policy.Action(a))
		}
		o.Grants = append(o.Grants, grant)
	}
	for i := range s.Listeners {
		if l := &s.Listeners[i]; l.TLS == site.Clear {
			o.Unproven = append(o.Unproven, l.Name)
		}
	}
	return policy.New(o)
}
