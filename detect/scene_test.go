package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/format/evtx"
	"chaperone/inventory"
	"chaperone/patient"
	"chaperone/wire"
	"chaperone/wire/dimse"
)

// The clinic of these tests. Its own network is 192.0.2.0/24; all else is outside.
var (
	ct       = netip.MustParseAddr("192.0.2.11") // a modality
	engine   = netip.MustParseAddr("192.0.2.12")
	register = netip.MustParseAddr("192.0.2.13") // it sends admissions to the engine
	gate     = netip.MustParseAddr("192.0.2.20") // a server with remote desktop: GATE01 in its logs
	desk     = netip.MustParseAddr("192.0.2.31") // a workstation
	shares   = netip.MustParseAddr("192.0.2.50") // FILES01
	archive  = netip.MustParseAddr("192.0.2.60")
	planner  = netip.MustParseAddr("192.0.2.61") // it answers worklist queries
	viewer   = netip.MustParseAddr("192.0.2.71")
	viewer2  = netip.MustParseAddr("192.0.2.72")
	vendor   = netip.MustParseAddr("198.51.100.20")
	thief    = netip.MustParseAddr("203.0.113.66")
	botnet   = netip.MustParseAddr("203.0.113.99")
)

var called = map[netip.Addr]string{ct: "ct", engine: "engine", register: "register", gate: "gate", desk: "desk", shares: "shares", archive: "archive",
	planner: "planner", viewer: "viewer", viewer2: "viewer2", vendor: "vendor", thief: "thief", botnet: "botnet"}

// at gives a time of the evidence, whose days are counted from 1.
func at(day, hour, minute int) time.Time {
	return time.Date(2025, 3, 2+day, hour, minute, 0, 0, time.UTC)
}

// scene is evidence in the making.
type scene struct {
	*Set
	begin, end time.Time
	names      map[netip.Addr]string
	roles      *inventory.Inventory
	packets    int64
}

// week is a scene of seven days, evening one of four hours.
func week() *scene { return newScene(at(1, 0, 0), at(8, 0, 0)) }

func evening() *scene { return newScene(at(1, 18, 0), at(1, 22, 0)) }

func newScene(begin, end time.Time) *scene {
	s := &scene{Set: NewSet(), begin: begin, end: end, roles: inventory.New(), names: map[netip.Addr]string{gate: "GATE01", shares: "FILES01"}}
	say := func(p chaperone.Protocol, client, server netip.Addr, m wire.Message) {
		m.At.Time = begin
		c := &exchange.Connection{Protocol: p, Client: netip.AddrPortFrom(client, 50000), Server: netip.AddrPortFrom(server, 104)}
		s.roles.Event(c, wire.Event{Stage: wire.Head, Message: &m})
	}
	say(chaperone.DICOM, ct, archive, wire.Message{Action: "C-STORE"})
	say(chaperone.DICOM, ct, planner, wire.Message{Action: "C-FIND", Role: wire.Query, Class: dimse.Worklist, Data: wire.FromServer})
	for _, v := range []netip.Addr{viewer, viewer2} {
		say(chaperone.DICOM, v, archive, wire.Message{Action: "C-FIND", Role: wire.Query, Data: wire.FromServer})
		say(chaperone.DICOM, v, archive, wire.Message{Action: "C-STORE", Role: wire.Reply, Data: wire.FromServer})
	}
	say(chaperone.HL7, register, engine, wire.Message{Action: "ADT^A01", From: "REG"})
	say(chaperone.HL7, engine, planner, wire.Message{Action: "ADT^A01", From: "REG"}) // it passes on what the register said
	for _, p := range []chaperone.Protocol{chaperone.SMB, chaperone.RDP} {
		s.roles.Contact(&exchange.Contact{Protocol: p, Client: netip.AddrPortFrom(desk, 50000), Server: netip.AddrPortFrom(shares, 445), Bytes: [2]int64{20000, 20000}, First: begin}, false)
	}
	return s
}

// TestScene: the systems of the clinic are what these tests say they are.
func TestScene(t *testing.T) {
	for _, s := range []*scene{week(), evening()} {
		site := s.site()
		for a, want := range map[netip.Addr]inventory.Role{ct: inventory.Modality, engine: inventory.Engine, desk: inventory.Workstation,
			archive: inventory.PACS, viewer: inventory.Viewer, viewer2: inventory.Viewer} {
			if got := site.Role(a); got != want {
				t.Errorf("%s: got role %q, want %q", called[a], got, want)
			}
		}
	}
}

func (s *scene) site() *inventory.Site {
	own := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	return inventory.NewSite(s.roles, inventory.Given{Own: own, Names: s.names}, s.begin, s.end)
}

func (s *scene) evidence() chaperone.Evidence {
	s.packets++
	return chaperone.Evidence{File: "a.pcap", Packet: s.packets}
}

// connect adds a connection that lasts a second and carries little, changed as the edits say.
func (s *scene) connect(t time.Time, from, to netip.Addr, port uint16, edits ...func(*exchange.Contact)) {
	c := &exchange.Contact{Client: netip.AddrPortFrom(from, 50000), Server: netip.AddrPortFrom(to, port), Opened: true, Bytes: [2]int64{1000, 1000},
		First: t, Last: t.Add(time.Second), Evidence: s.evidence()}
	for _, edit := range edits {
		edit(c)
	}
	s.Contact(c)
}

// Edits of a connection.
func failed(c *exchange.Contact)    { c.Failed, c.Bytes = true, [2]int64{} }
func midstream(c *exchange.Contact) { c.Opened = false }

func speaks(p chaperone.Protocol) func(*exchange.Contact) {
	return func(c *exchange.Contact) { c.Protocol = p }
}

func carries(out, in int64) func(*exchange.Contact) {
	return func(c *exchange.Contact) { c.Bytes = [2]int64{out, in} }
}

// desktop makes it one of remote desktop.
func desktop(length time.Duration, bytes int64, edits ...func(*wire.Desktop)) func(*exchange.Contact) {
	return func(c *exchange.Contact) {
		c.Protocol, c.Last, c.Bytes = chaperone.RDP, c.First.Add(length), [2]int64{bytes / 2, bytes - bytes/2}
		c.Desktop = &wire.Desktop{Answered: true, NLA: wire.NLAOffered}
		for _, edit := range edits {
			edit(c.Desktop)
		}
	}
}

func cookie(name string) func(*wire.Desktop) { return func(d *wire.Desktop) { d.Cookie = name } }

// Lengths and amounts of remote desktop: what an attempt and a session usually have.
const (
	brief, small = 2 * time.Second, 5 << 10
	long, large  = 20 * time.Minute, 4 << 20
)

// log adds a record of a computer's log; fields are name, value, name, value.
func (s *scene) log(t time.Time, computer string, event uint16, fields ...string) {
	s.packets++
	r := &evtx.Record{ID: uint64(s.packets), EventID: event, Computer: computer, Time: t}
	for i := 0; i < len(fields); i += 2 {
		r.Data = append(r.Data, evtx.Field{Name: fields[i], Value: fields[i+1]})
	}
	s.Log(r, chaperone.Evidence{File: computer + ".evtx", Record: uint64(s.packets)})
}

func (s *scene) fails(t time.Time, computer string, from netip.Addr, account string) {
	s.log(t, computer, failedLogon, "IpAddress", from.String(), "TargetUserName", account)
}

func (s *scene) logon(t time.Time, computer string, from netip.Addr, account, kind, id string) {
	s.log(t, computer, loggedOn, "IpAddress", from.String(), "TargetUserName", account, "LogonType", kind, "TargetLogonId", id)
}

// people are n patients, from a number on.
func people(from, n int) []patient.Node {
	var list []patient.Node
	for i := range n {
		list = append(list, patient.Node(from+i))
	}
	return list
}

// disclose adds a disclosure. asker is invalid when the sender pushed.
func (s *scene) disclose(t time.Time, from, to, asker netip.Addr, nodes []patient.Node, edits ...func(*exchange.Disclosed)) {
	d := &exchange.Disclosed{Nodes: nodes, Disclosure: chaperone.Disclosure{Time: t, Protocol: chaperone.DICOM, Action: "C-FIND", Records: len(nodes),
		From: chaperone.Party{Addr: from}, To: chaperone.Party{Addr: to}, Evidence: s.evidence()}}
	if asker.IsValid() {
		d.RequestedBy = &chaperone.Party{Addr: asker}
	}
	for _, edit := range edits {
		edit(d)
	}
	s.Disclosure(d)
}

func hl7(d *exchange.Disclosed) { d.Protocol, d.Action = chaperone.HL7, "ADT^A01" }

func appointments(d *exchange.Disclosed) { d.Class = dimse.Worklist }

// judged gives the findings of some rules.
func (s *scene) judged(rules ...string) []chaperone.Finding {
	return slices.DeleteFunc(s.Findings(s.site()), func(f chaperone.Finding) bool { return !slices.Contains(rules, f.Rule) })
}

// says gives them as text: rule severity from>to.
func (s *scene) says(rules ...string) string {
	var lines []string
	for _, f := range s.judged(rules...) {
		lines = append(lines, fmt.Sprintf("%s %s %s>%s", f.Rule, f.Severity, end(f.From), end(f.To)))
	}
	return strings.Join(lines, "; ")
}

func end(p chaperone.Party) string {
	switch {
	case called[p.Addr] != "":
		return called[p.Addr]
	case p.Addr.IsValid():
		return inventory.Show(p.Addr)
	}
	return "-"
}

// trial is a line of the tables: what happens, and what is then said of it.
type trial struct {
	name string
	play func(*scene)
	want string
}

// try runs a table in scenes of its own.
func try(t *testing.T, fresh func() *scene, trials []trial, rules ...string) {
	t.Helper()
	for _, test := range trials {
		t.Run(test.name, func(t *testing.T) {
			s := fresh()
			test.play(s)
			if got := s.says(rules...); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}
