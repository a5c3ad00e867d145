package incident

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/detect"
	"chaperone/exchange"
	"chaperone/inventory"
	"chaperone/patient"
	"chaperone/wire"
)

// The clinic of these tests. Its own network is 192.0.2.0/24; all else is outside.
var (
	ct      = netip.MustParseAddr("192.0.2.11")
	gate    = netip.MustParseAddr("192.0.2.20")
	desk    = netip.MustParseAddr("192.0.2.31")
	files   = netip.MustParseAddr("192.0.2.50")
	archive = netip.MustParseAddr("192.0.2.60")
	viewer  = netip.MustParseAddr("192.0.2.71") // the only one whose role is known
	thief   = netip.MustParseAddr("203.0.113.66")
	botnet  = netip.MustParseAddr("203.0.113.99")
	drop    = netip.MustParseAddr("198.51.100.77")
	none    netip.Addr
)

var called = map[netip.Addr]string{ct: "ct", gate: "gate", desk: "desk", files: "files", archive: "archive", viewer: "viewer", thief: "thief", botnet: "botnet", drop: "drop", none: "-"}

// night gives a time after midnight of the fourth day, at whose two o'clock the entry is; days and hours before are negative.
func night(hour, minute int) time.Time { return time.Date(2025, 3, 6, hour, minute, 0, 0, time.UTC) }

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

var entered = night(2, 0)

// scene is evidence in the making.
type scene struct {
	Evidence
	trails *exchange.Trails
}

func newScene() *scene {
	v := inventory.New()
	for _, action := range []wire.Message{{Action: "C-FIND", Role: wire.Query, Data: wire.FromServer}, {Action: "C-STORE", Role: wire.Reply, Data: wire.FromServer}} {
		action.At.Time = night(0, 0)
		v.Event(&exchange.Connection{Protocol: chaperone.DICOM, Client: netip.AddrPortFrom(viewer, 50000), Server: netip.AddrPortFrom(archive, 104)}, wire.Event{Stage: wire.Head, Message: &action})
	}
	names := map[netip.Addr]string{gate: "GATE01", ct: "CT1", files: "FILES01"}
	site := inventory.NewSite(v, inventory.Given{Own: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Names: names}, night(0, 0).Add(-days(3)), night(0, 0).Add(days(3)))
	return &scene{Evidence: Evidence{Site: site, Census: patient.NewCensus()}, trails: exchange.NewTrails()}
}

// found adds a finding.
func (s *scene) found(rule string, severity chaperone.Severity, from, to netip.Addr, when time.Time, edits ...func(*chaperone.Finding)) {
	s.Findings = append(s.Findings, finding(rule, severity, from, to, when, edits...))
}

// opened adds a way: who first opened whose desktop or files.
func (s *scene) opened(from, to netip.Addr, when time.Time) {
	s.Ways = append(s.Ways, finding(detect.NewRemote, chaperone.Info, from, to, when))
}

func finding(rule string, severity chaperone.Severity, from, to netip.Addr, when time.Time, edits ...func(*chaperone.Finding)) chaperone.Finding {
	f := chaperone.Finding{Rule: rule, Severity: severity, From: chaperone.Party{Addr: from}, To: chaperone.Party{Addr: to}, First: when, Last: when.Add(time.Minute),
		Title: "This is " + rule + ".", Evidence: chaperone.Evidence{File: "a.pcap", Packet: 3}}
	for _, edit := range edits {
		edit(&f)
	}
	return f
}

// Edits of a finding.
func logged(f *chaperone.Finding) { f.Evidence = chaperone.Evidence{File: "GATE01.evtx", Record: 7} }

func until(t time.Time) func(*chaperone.Finding) { return func(f *chaperone.Finding) { f.Last = t } }

func titled(text string) func(*chaperone.Finding) {
	return func(f *chaperone.Finding) { f.Title = text }
}

func account(name string) func(*chaperone.Finding) {
	return func(f *chaperone.Finding) { f.Account = name }
}

func amount(n int64) func(*chaperone.Finding) { return func(f *chaperone.Finding) { f.Bytes = n } }

// Acts, as detectors find them.
func (s *scene) guessedIn() {
	s.found(detect.GuessedIn, chaperone.Critical, thief, gate, entered, logged)
}

func (s *scene) leaves(from netip.Addr, when time.Time) {
	s.found(detect.Volume, chaperone.High, from, drop, when, amount(5<<30))
}

func (s *scene) sweeps(who netip.Addr, when time.Time, edits ...func(*chaperone.Finding)) {
	s.found(detect.StoreSweep, chaperone.High, who, archive, when, edits...)
}

// passed adds a disclosure of people by their numbers: letters of one record join, records are apart by blanks.
func (s *scene) passed(when time.Time, from, to, asker netip.Addr, letters string, edits ...func(*exchange.Disclosed)) {
	d := &exchange.Disclosed{Disclosure: chaperone.Disclosure{Time: when, Protocol: chaperone.DICOM, Action: "C-FIND", Bytes: 100,
		From: chaperone.Party{Addr: from}, To: chaperone.Party{Addr: to}, Evidence: chaperone.Evidence{File: "a.pcap", Packet: 9}}}
	d.Nodes = s.nodes(letters)
	d.Records = len(d.Nodes)
	if asker.IsValid() {
		d.RequestedBy = &chaperone.Party{Addr: asker}
	}
	for _, edit := range edits {
		edit(d)
	}
	s.trails.Add(d)
}

// nodes gives the nodes of people.
func (s *scene) nodes(letters string) []patient.Node {
	var nodes []patient.Node
	for _, word := range strings.Fields(letters) {
		var i patient.Identity
		for _, letter := range []byte(word) {
			i.Numbers = append(i.Numbers, chaperone.PatientToken{letter})
		}
		n, _ := s.Census.Add(i)
		nodes = append(nodes, n)
	}
	return nodes
}

// build tells the story.
func (s *scene) build() Story {
	s.Trails = s.trails.All()
	return Build(s.Evidence)
}

// tell gives a story as text: each stage that was found with its belief, who and where; then what was reached, and by whom.
func tell(story Story) string {
	if len(story.Steps) == 0 {
		return "no story"
	}
	var out []string
	for _, step := range story.Steps {
		if step.Found {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s>%s", step.Stage, step.Belief, list(step.By), list(step.At))))
		}
	}
	return fmt.Sprintf("%s | %s | %s", strings.Join(out, ", "), list(story.Reached), list(story.Intruder))
}

func list(addresses []netip.Addr) string {
	var names []string
	for _, a := range addresses {
		name := called[a]
		if name == "" {
			name = inventory.Show(a)
		}
		names = append(names, name)
	}
	return strings.Join(names, "+")
}

// trial is a line of the tables.
type trial struct {
	name string
	play func(*scene)
	want string
}

func try(t *testing.T, trials []trial) {
	t.Helper()
	for _, test := range trials {
		t.Run(test.name, func(t *testing.T) {
			s := newScene()
			test.play(s)
			if got := tell(s.build()); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
