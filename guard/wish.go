package guard

import (
	"net/netip"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/policy"
	"chaperone/site"
)

// side is one end of an exchange, as far as it is known.
type side struct {
	party   *site.Party // nil: nobody whom the site knows
	proven  string      // by a certificate, "" without one
	addr    netip.AddrPort
	claimed string
}

// in gives a side as rules know it now: a connection outlives the rules that it began with.
func (s side) in(r *rules) side {
	if s.party != nil {
		s.party = r.site.Party(s.party.Name)
	}
	return s
}

// isIn reports whether a side is as rules know it.
func (s *side) isIn(r *rules) bool { return s.party == s.partyIn(r) }

// partyIn is in for the party alone: what else a side has may be changing, in a connection that somebody else looks at.
func (s *side) partyIn(r *rules) *site.Party {
	if s.party == nil {
		return nil
	}
	return r.site.Party(s.party.Name)
}

func (s *side) record() chaperone.Party {
	return chaperone.Party{Proven: s.proven, Addr: s.addr.Addr(), Port: s.addr.Port(), Claimed: s.claimed}
}

// wish is what one message of a connection asks for: the release of records from one side to the other.
type wish struct {
	action   policy.Action
	word     string // the protocol's own word: ORU^R01, C-FIND
	detail   string // what of it: ORU^R01, an SOP class
	client   *side  // who acts: whose connection it is, or of what nobody asked for the system behind the guard
	from, to *side  // of the records
	claims   []string
	asked    bool // the client asked for them: they flow to it, or to whom it names

	everybody  bool                            // it names nobody
	most       int                             // people that may be in it; 0: as many as there are
	echo       map[chaperone.PatientToken]bool // of an answer to what was no query: whom the client itself has named
	again      bool                            // and it has nothing but what answers say again: where the message brought nobody, that is somebody's
	unresolved bool                            // not everybody whom it is about could be found out
	later      bool                            // whose it is about comes later, and is decided: a query, by its answer
	wards      []string                        // of everybody; nil when one is not known
	records    []chaperone.Record
	known      []ledger.Covered // records that do not say whose they are, and somebody else did
	merges     []chaperone.Merge
	unseen     int // objects that passed nobody knows where, of those who are known and of others
	bytes      int64
	offset     int64 // of its first byte, in its direction
}

// acts gives who acted, and on whom, as a finding has them: of a query who asks and who is asked, against the way of the data, and of a
// C-MOVE its destination, as the listener says which archive it is. A destination that the site file does not have is made up by who
// asks, and it can make up any number: aim is its title, for the log alone, "?" for what is no title.
func (w *wish) acts() (from, to chaperone.Party, aim string) {
	switch {
	case w.action == policy.Move && w.to.party == nil:
		if aim = w.to.claimed; !goodTitle(aim) || len(aim) > mostTitle {
			aim = "?"
		}
		return w.client.record(), chaperone.Party{}, aim
	case w.action == policy.Move:
		return w.client.record(), w.to.record(), ""
	case asks(w.action):
		return w.to.record(), w.from.record(), ""
	}
	return w.from.record(), w.to.record(), ""
}

// in gives a wish with its sides as rules know them now.
func (w *wish) in(r *rules) *wish {
	if w.client.isIn(r) && w.from.isIn(r) && w.to.isIn(r) {
		return w
	}
	client, from, to, now := w.client.in(r), w.from.in(r), w.to.in(r), *w
	now.client, now.from, now.to = &client, &from, &to
	return &now
}

// identity compares what a side says with what it is. It says what is wrong, "" for nothing.
// Behind broken glass its hours do not matter.
func (w *wish) identity(s *site.Site, glass bool, now time.Time) (reason policy.Reason, hint string) {
	p := w.client.party
	switch {
	case p == nil:
		return unknown, strangerHint(s, w.client)
	case !glass && !s.Open(p, now):
		return policy.OutsideHours, "The party's hours in the site file do not include now."
	}
	for _, claim := range w.claims {
		if !mayClaim(s, p, w.action, claim) {
			return claimReason(w.action), "The site file does not give this name to the party: add it to its titles or applications, if it is right."
		}
	}
	return "", ""
}

func (w *wish) request(r *rules, j *judge, now time.Time) policy.Request {
	q := policy.Request{
		Party: w.client.party.Name, Role: string(w.client.party.Role), Groups: w.client.party.Groups, Site: r.site.Name,
		Action: w.action, Detail: w.detail, Everybody: w.everybody, Unresolved: w.unresolved, Later: w.later, Wards: w.wards, At: now, Listener: j.listener, MutualTLS: j.mutual,
	}
	if to := w.to.party; to != nil {
		q.To, q.ToRole, q.ToGroups, q.ToOutside = to.Name, string(to.Role), to.Groups, to.Outside
	}
	return q
}
