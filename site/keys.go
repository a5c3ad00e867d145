package site

import (
	"net/netip"
	"time"

	"chaperone/ledger"
)

// The keys of the file, in the order of docs/site-file.md. Every key is here once: reading, writing, defaults and what is
// suggested for a mistyped one follow from these tables.

func (s *Site) block() block {
	return block{what: "a site file", at: s, fields: []field{
		{"site", one(&s.Name, word, ""), "site: north-clinic", "The name of the site; it is in every certificate."},
		{"zone", one(&s.Zone, zone(), ""), "", "Where the clocks of hours: are."},
		{"ledger", one(&s.Ledger, path, ""), "", "The folder of the record."},
		{"keys", one(&s.Keys, path, ""), "", "The folder of its keys."},
		{"retain", one(&s.Retain, retention(), ledger.UsualRetention), "", "How long the days of the record are kept."},
		{"identity", s.Identity.block(), "", "How the guard proves itself, and whom it believes."},
		{"inside", many(&s.Inside, network()), "inside: [10.0.0.0/8]", "The networks that are the site's own."},
		{"ignore_case", one(&s.IgnoreCase, yes(), false), "", "Whether ct1 is CT1, in AE titles and applications."},
		{"parties", each(&s.Parties, (*Party).block), "", "Who exchanges patient data."},
		{"defaults", one(&s.Defaults, yes(), false), "", "Whether the grants that come with the program, for each role, hold too."},
		{"grants", each(&s.Grants, (*Grant).block), "", "Who may do what. What is not granted is not permitted."},
		{"budgets", s.Budgets.block(), "", "How many different patients at most, beside the budgets of parties and grants."},
		{"cedar", many(&s.Cedar, path), "", "Own Cedar policies. A forbid in them always wins."},
		{"listeners", each(&s.Listeners, (*Listener).block), "", "Where the guard takes connections, and where it passes them on to."},
		{"metrics", one(&s.Metrics, listen(), netip.AddrPort{}), "", "Where numbers for monitoring are served."},
		{"log", one(&s.Log, choice(LogText, LogJSON), LogText), "", "How the log is written."},
	}}
}

func (i *Identity) block() block {
	return block{what: "identity", at: i, fields: []field{
		{"authority", one(&i.Authority, path, ""), "", ""},
		{"roots", many(&i.Roots, path), "", ""},
		{"crls", many(&i.CRLs, path), "", ""},
		{"certificate", one(&i.Certificate, path, ""), "", ""},
		{"key", one(&i.Key, path, ""), "", ""},
	}}
}

func (p *Party) block() block {
	return block{what: "a party", at: p, fields: []field{
		{"name", one(&p.Name, word, ""), "name: ct1", ""},
		{"role", one(&p.Role, choice(roles()...), ""), "", ""},
		{"groups", many(&p.Groups, group), "", ""},
		{"titles", many(&p.Titles, title), "", ""},
		{"applications", many(&p.Applications, application), "", ""},
		{"addresses", many(&p.Addresses, network()), "", ""},
		{"hours", few(&p.Hours, span()), "", ""},
		{"subject", one(&p.Subject, sentence, ""), "", ""},
		{"outside", one(&p.Outside, yes(), false), "", ""},
		{"approval", one(&p.Approval, yes(), false), "", ""},
		{"refuse", p.Refuse.block(), "", ""},
		{"budget", p.Budget.block(), "", ""},
	}}
}

func (r *Refusals) block() block {
	status := func(to *Status, other Status) value {
		return one(to, choice(NotAuthorized, other, UnableToProcess), "")
	}
	return block{what: "refuse of a party", at: r, flow: true, fields: []field{
		{"store", status(&r.Store, OutOfResources), "", ""},
		{"find", status(&r.Find, OutOfResources), "", ""},
		{"get", status(&r.Get, NoSubOperations), "", ""},
		{"move", status(&r.Move, NoSubOperations), "", ""},
	}}
}

func (g *Grant) block() block {
	return block{what: "a grant", at: g, fields: []field{
		{"name", one(&g.Name, words, ""), "name: viewers look", ""},
		{"parties", many(&g.Parties, word), "", ""},
		{"roles", many(&g.Roles, roleName()), "", ""},
		{"groups", many(&g.Groups, group), "", ""},
		{"actions", granted{&g.Actions}, "actions: [dicom.find]", ""},
		{"details", many(&g.Details, detail), "", ""},
		{"to", many(&g.To, target), "", ""},
		{"outside", one(&g.Outside, yes(), false), "", ""},
		{"whose", one(&g.Whose, choice(All, Named, Ward), Named), "", ""},
		{"budget", g.Budget.block(), "", ""},
	}}
}

func (l *Limits) block() block {
	b := block{what: "a budget", at: l, flow: true}
	for w, key := range windowKeys() {
		b.fields = append(b.fields, field{key, one(&l[w], whole(1, 1_000_000_000), 0), "", ""})
	}
	return b
}

func (b *Budgets) block() block {
	limits := func(l *Limits) value { return l.block() }
	return block{what: "budgets", at: b, fields: []field{
		{"groups", byName(&b.Groups, group, limits), "", ""},
		{"roles", byName(&b.Roles, choice(roles()...), limits), "", ""},
		{"site", b.Site.block(), "", ""},
	}}
}

func (l *Listener) block() block {
	return block{what: "a listener", at: l, fields: []field{
		{"name", one(&l.Name, word, ""), "name: hl7", ""},
		{"protocol", one(&l.Protocol, choice(HL7, DICOM, TCP), ""), "protocol: hl7", ""},
		{"listen", one(&l.Listen, listen(), netip.AddrPort{}), "listen: 0.0.0.0:2575", ""},
		{"tls", one(&l.TLS, choice(Mutual, Clear), Mutual), "", ""},
		{"because", one(&l.Because, sentence, ""), "", ""},
		{"mode", one(&l.Mode, choice(Observe, Enforce), Enforce), "", ""},
		{"upstream", l.Upstream.block(), "upstream: {address: 127.0.0.1:2576, tls: none, party: engine}", ""},
		{"refuse", one(&l.Refuse, choice(Reject, Fail, Hold), ""), "", ""},
		{"spool", spoolBlock{l.Spool.block(), &l.Spool}, "", ""},
		{"limits", l.Limits.block(), "", ""},
		{"destinations", byName(&l.Destinations, title, func(to *string) value { return one(to, word, "") }), "", ""},
	}}
}

func (u *Upstream) block() block {
	return block{what: "upstream", at: u, flow: true, fields: []field{
		{"address", one(&u.Address, remote(), ""), "address: 127.0.0.1:2576", ""},
		{"tls", one(&u.TLS, choice(Mutual, Clear), Mutual), "", ""},
		{"because", one(&u.Because, sentence, ""), "", ""},
		{"party", one(&u.Party, word, ""), "party: engine", ""},
	}}
}

func (s *Spool) block() block {
	d := DefaultSpool
	return block{what: "spool", at: s, flow: true, fields: []field{
		{"bytes", one(&s.Bytes, size(1<<20, 1<<40), d.Bytes), "bytes: 1GiB", ""},
		{"messages", one(&s.Messages, whole(1, 100_000_000), d.Messages), "", ""},
		{"age", one(&s.Age, duration(time.Second, 30*24*time.Hour), d.Age), "", ""},
	}}
}

func (b *Bounds) block() block {
	d := DefaultBounds
	short := duration(time.Second, time.Hour)
	return block{what: "limits", at: b, flow: true, fields: []field{
		{"connections", one(&b.Connections, whole(1, 100_000), d.Connections), "", ""},
		{"per_address", one(&b.PerAddress, whole(1, 100_000), d.PerAddress), "", ""},
		{"message", one(&b.Message, size(1<<10, 1<<30), d.Message), "", ""},
		{"idle", one(&b.Idle, duration(time.Second, 30*24*time.Hour), d.Idle), "", ""},
		{"first_byte", one(&b.FirstByte, short, d.FirstByte), "", ""},
		{"in_message", one(&b.InMessage, short, d.InMessage), "", ""},
		{"handshake", one(&b.Handshake, short, d.Handshake), "", ""},
		{"pending", one(&b.Pending, whole(1, 10_000), d.Pending), "", ""},
		{"bytes", one(&b.Bytes, size(1<<10, 1<<40), d.Bytes), "", ""},
		{"session", one(&b.Session, duration(time.Minute, 7*24*time.Hour), d.Session), "", ""},
	}}
}
