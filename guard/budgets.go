package guard

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/ledger/disk"
	"chaperone/policy/budget"
	"chaperone/site"
)

// Keys of budgets. Each is loaded from the record at a start: what a key counts must be seen there.
func partyKey(p *site.Party) budget.Key  { return budget.Key("party " + p.Name) }
func senderKey(p *site.Party) budget.Key { return budget.Key("sender " + p.Name) }
func groupKey(group string) budget.Key   { return budget.Key("group " + group) }
func roleKey(p *site.Party) budget.Key   { return budget.Key("role " + string(p.Role)) }
func siteKey(s *site.Site) budget.Key    { return budget.Key("site " + s.Name) }

// longest is the longest window of a budget, and the hour that runs.
const longest = (365*24 + 1) * time.Hour

// loadBudgets brings what was delivered within the longest window back into the book: the record is the budgets' only memory.
func (g *Guard) loadBudgets(ctx context.Context, r *rules) error {
	keep := func(chaperone.Party) bool { return true }
	behind, lost := upstreams(ctx, r.site)
	var patients []uint32
	err := g.ledger.Delivered(ctx, g.now().Add(-longest), keep, func(d disk.Delivered) error {
		patients = patients[:0]
		for _, n := range d.Numbers {
			patients = append(patients, uint32(n))
		}
		load := func(key budget.Key) { g.book.Load(key, d.Hour, patients, d.Unidentified) }
		var receivers []*site.Party
		if p := r.party(d.To); p != nil {
			receivers = []*site.Party{p}
		}
		if all := behind[d.To.Addr]; d.To.Proven == "" && !d.Requested && len(all) > 0 {
			receivers = all
		}
		if len(receivers) == 0 && d.To.Proven == "" && !d.Requested {
			receivers = lost
		}
		known := false
		for _, p := range receivers {
			known = true
			load(partyKey(p))
			for _, group := range p.Groups {
				load(groupKey(group))
			}
			if p.Role != "" {
				load(roleKey(p))
			}
		}
		if from := r.party(d.From); from != nil && !d.Requested {
			known = true
			load(senderKey(from))
		}
		if known {
			load(siteKey(r.site))
		}
		return nil
	})
	g.book.Advance(g.now())
	return err
}

// upstreams gives who is behind listeners in the clear, by the address that is on record: there nobody proves who it is. Where
// several are behind one address, what it got counts for each. Those whose name cannot be looked up now are lost: for them counts
// whatever went to an address that nobody has.
func upstreams(ctx context.Context, s *site.Site) (all map[netip.Addr][]*site.Party, lost []*site.Party) {
	all = map[netip.Addr][]*site.Party{}
	for i := range s.Listeners {
		up := &s.Listeners[i].Upstream
		p := s.Party(up.Party)
		host, _, err := net.SplitHostPort(up.Address)
		if p == nil || err != nil || up.TLS == site.Mutual {
			continue
		}
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			lost = append(lost, p)
			continue
		}
		for _, a := range addrs {
			if a = a.Unmap(); !slices.Contains(all[a], p) {
				all[a] = append(all[a], p)
			}
		}
	}
	return all, lost
}

// party finds whose a side on record is: by its certificate, else by its address. The destination of a C-MOVE has neither: it is
// known by its AE title.
func (r *rules) party(side chaperone.Party) *site.Party {
	if side.Proven != "" {
		return r.site.PartyOf(side.Proven)
	}
	if !side.Addr.IsValid() {
		return r.destination(side.Claimed)
	}
	return byAddress(r.site, side.Addr)
}
