package guard

import (
	"context"
	"fmt"
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

// counts is a budget and a party for which it counts.
type counts struct {
	key   budget.Key
	party string
}

// charged gives which budgets count for whom.
func (r *rules) charged() map[counts]bool {
	all := map[counts]bool{}
	for i := range r.site.Parties {
		p := &r.site.Parties[i]
		keys := []budget.Key{siteKey(r.site), partyKey(p), senderKey(p), roleKey(p)}
		for _, group := range p.Groups {
			keys = append(keys, groupKey(group))
		}
		for _, key := range keys {
			all[counts{key, p.Name}] = true
		}
	}
	return all
}

// loadBudgets brings what was delivered within the longest window, and since a time, back into the book: the record is the budgets'
// only memory. What is counted already is left out.
func (g *Guard) loadBudgets(ctx context.Context, r *rules, since time.Time, counted map[counts]bool) error {
	keep := func(chaperone.Party) bool { return true }
	behind, lost := upstreams(ctx, r.site)
	var patients []uint32
	now := g.now()
	err := g.ledger.Delivered(ctx, g.timeline.since(since), keep, func(d disk.Delivered) error {
		patients = patients[:0]
		for _, n := range d.Numbers {
			patients = append(patients, uint32(n))
		}
		load := func(key budget.Key, p *site.Party) {
			if !counted[counts{key, p.Name}] {
				g.book.Load(key, g.timeline.hour(d.Hour, now), patients, unknownIn(d.Unidentified, d.Action, d.To))
			}
		}
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
		var known *site.Party
		for _, p := range receivers {
			known = p
			load(partyKey(p), p)
			for _, group := range p.Groups {
				load(groupKey(group), p)
			}
			if p.Role != "" {
				load(roleKey(p), p)
			}
		}
		var senders []*site.Party
		if p := r.party(d.From); p != nil {
			senders = []*site.Party{p}
		} else if d.From.Proven == "" {
			senders = behind[d.From.Addr] // it reported something
		}
		for _, p := range senders {
			if !d.Requested {
				known = p
				load(senderKey(p), p)
			}
		}
		if known != nil {
			load(siteKey(r.site), known)
		}
		return nil
	})
	g.book.Advance(g.now())
	return err
}

// unknownIn gives how many unidentified records of a disclosure count in budgets: none of a C-MOVE to a destination that is known by
// its title alone. One that a guard decides has none; of one that it observed, how many patients they are is a guess from the
// answer's counts, and may be none who is new.
func unknownIn(unidentified int, action string, to chaperone.Party) int {
	if action == "C-MOVE" && to.Proven == "" && !to.Addr.IsValid() {
		return 0
	}
	return unidentified
}

// countAnew makes rules hold, with the budgets that count for others than before, or that are new, loaded from the record: first what
// was delivered until now, and then what was while that was loaded. Records without a patient's number may be counted twice in the
// last hour then, never less than once.
func (g *Guard) countAnew(ctx context.Context, r *rules, adopt func() error) error {
	counted := g.rules.Load().charged()
	isNew := false
	for c := range r.charged() {
		isNew = isNew || !counted[c]
	}
	if !isNew {
		return adopt()
	}
	began := g.now()
	if err := g.loadBudgets(ctx, r, began.Add(-longest), counted); err != nil {
		return fmt.Errorf("guard: budgets: %w", err)
	}
	if err := adopt(); err != nil {
		return err
	}
	if err := g.loadBudgets(ctx, r, began, counted); err != nil { // the rules hold: what is missing is of seconds
		g.log.Error("what was released while a site file was taken may not be in its new budgets", "error", err)
	}
	return nil
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
