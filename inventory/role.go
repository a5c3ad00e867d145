package inventory

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"time"
)

// Role is what a system is.
type Role string

// Roles.
const (
	Unknown     Role = ""
	Modality    Role = "modality"
	PACS        Role = "PACS"
	Viewer      Role = "viewer"
	Engine      Role = "HL7 engine"
	FileServer  Role = "file server"
	Workstation Role = "workstation"
	Server      Role = "server"
	Outside     Role = "outside" // not one of the operator's own; Inside decides it
)

// Sign is one thing that speaks for a role.
type Sign struct {
	Text  string
	Hours int // in how many hours it was seen
}

// act is what a sign is about.
type act uint8

const (
	storesOwn      act = iota // C-STORE that nobody asked for
	asksWorklist              // C-FIND on the modality worklist
	answersWork               // the other side of it
	answersQuery              // C-FIND, C-MOVE, C-GET on the archive's models
	asksQuery                 // the other side of it
	takesImages               // C-STORE that nobody asked for
	takesRetrieved            // C-STORE that serves a retrieval
	givesRetrieved
	sendsHL7
	takesHL7
	servesFiles
	opensFiles
	servesDesktop
	opensDesktop
	passesOn // HL7 messages that somebody else made
	browses  // TLS or an unknown protocol to many
	accepts  // connections from several hosts
	acts
)

// weights give the log odds (nats) that an act adds to each role, each from what such systems do by their standard: a
// modality is SCU of Storage and of Modality Worklist, an archive SCP of Storage and of Query/Retrieve (PS3.4 annexes B, C, K).
var weights = [acts]struct {
	text string
	odds map[Role]float64
}{
	storesOwn:      {"sends images it made", map[Role]float64{Modality: 2.5}},
	asksWorklist:   {"asks for the worklist", map[Role]float64{Modality: 3}},
	answersWork:    {"answers worklist queries", map[Role]float64{Server: 2}},
	answersQuery:   {"answers image queries", map[Role]float64{PACS: 3}},
	asksQuery:      {"asks the archive", map[Role]float64{Viewer: 2.5}},
	takesImages:    {"receives images from modalities", map[Role]float64{PACS: 2.5}},
	takesRetrieved: {"receives images that were asked for", map[Role]float64{Viewer: 2}},
	givesRetrieved: {"delivers images that were asked for", map[Role]float64{PACS: 2}},
	sendsHL7:       {"sends HL7 messages", map[Role]float64{Engine: 0.25, Server: 1}},
	takesHL7:       {"receives HL7 messages", map[Role]float64{Engine: 0.25, Server: 1}},
	passesOn:       {"passes on HL7 messages of others", map[Role]float64{Engine: 6.5}},
	servesFiles:    {"serves shared files", map[Role]float64{FileServer: 6}},
	opensFiles:     {"opens shared files", map[Role]float64{Workstation: 2}},
	servesDesktop:  {"lets users in by remote desktop", map[Role]float64{Server: 2}},
	opensDesktop:   {"opens remote desktops", map[Role]float64{Workstation: 1.5}},
	browses:        {"opens encrypted or unknown connections to many", map[Role]float64{Workstation: 1.5}},
	accepts:        {"several systems connect to it", map[Role]float64{Server: 1.5, FileServer: 0.5}},
}

// Thresholds of a judgement: how far the best role must be ahead of the next, and on how many independent signs.
const (
	margin   = 3.0 // nats
	minSigns = 2
	seldom   = 0.1 // share of its hours below which an act says what happened to a system rather than what it is
)

// mark counts the hours in which an act was seen.
type mark struct {
	hours
	peers map[netip.Addr]struct{}
}

// hours counts distinct hours of times that come roughly in order.
type hours struct {
	last int64
	n    int
}

func (h *hours) add(t time.Time) {
	if hour := t.Unix() / 3600; hour > h.last || h.n == 0 {
		h.last = hour
		h.n++
	}
}

// saw notes an act. peer is the other side, where how many of them matters.
func (s *System) saw(a act, t time.Time, peer netip.Addr) {
	m := s.marks[a]
	if m == nil {
		m = &mark{peers: map[netip.Addr]struct{}{}}
		s.marks[a] = m
	}
	m.add(t)
	s.hours.add(t)
	if len(m.peers) < maxPartners {
		m.peers[peer] = struct{}{}
	}
}

// judge decides what a system is.
func (s *System) judge() {
	s.relays()
	score := map[Role]float64{}
	s.Signs = nil
	type weighed struct {
		Sign
		act
	}
	var list []weighed
	for a, m := range s.marks {
		if !s.counts(a, m) {
			continue
		}
		list = append(list, weighed{Sign{weights[a].text, m.n}, a})
		for role, w := range weights[a].odds {
			score[role] += w
		}
	}
	slices.SortFunc(list, func(a, b weighed) int { return cmp.Or(cmp.Compare(b.Hours, a.Hours), cmp.Compare(a.Text, b.Text)) })
	best, second := Unknown, 0.0
	for _, role := range []Role{Modality, PACS, Viewer, Engine, FileServer, Workstation, Server} {
		switch {
		case score[role] > score[best]:
			best, second = role, score[best]
		case score[role] > second:
			second = score[role]
		}
	}
	signs := 0
	for _, w := range list {
		if weights[w.act].odds[best] > 0 {
			signs++
			s.Signs = append(s.Signs, w.Sign)
		}
	}
	s.Role, s.Sure = Unknown, 0
	if best != Unknown && score[best]-second >= margin && signs >= minSigns {
		s.Role = best
		s.Sure = 1 / (1 + math.Exp(second-score[best]))
	}
}

// relay notes how soon a system sends HL7 messages after it received one.
type relay struct {
	from   netip.Addr // whom the last one came from
	last   time.Time
	sent   int
	prompt int // of them, those sent at once to somebody else
}

// Bounds of passing on: most of what is sent follows within seconds on what was received.
const (
	promptly   = 5 * time.Second
	leastSent  = 5
	mostPrompt = 0.8
)

func (r *relay) received(from netip.Addr, t time.Time) { r.from, r.last = from, t }

func (r *relay) sends(to netip.Addr, t time.Time) {
	r.sent++
	if d := t.Sub(r.last); to != r.from && !r.last.IsZero() && d >= 0 && d <= promptly {
		r.prompt++
	}
}

// relays notes that a system passes on what others made.
func (s *System) relays() {
	sends := s.marks[sendsHL7]
	if sends == nil || s.relay.sent < leastSent || float64(s.relay.prompt) < mostPrompt*float64(s.relay.sent) {
		return
	}
	s.marks[passesOn] = sends
}

// counts reports whether an act is what the system usually does.
func (s *System) counts(a act, m *mark) bool {
	switch a {
	case servesFiles, accepts:
		if len(m.peers) < 2 {
			return false
		}
	case browses:
		if len(m.peers) < 3 {
			return false
		}
	}
	return float64(m.n) >= seldom*float64(s.hours.n)
}
