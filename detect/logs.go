package detect

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"chaperone"
	"chaperone/format/evtx"
	"chaperone/inventory"
)

// logs keep what the event logs of each computer say about logons and about what was changed.
type logs struct {
	hosts    map[string]*logHost
	kept     int                 // events of all
	seen     map[uint64]struct{} // events, so that a copy of a log counts once
	seed     maphash.Seed
	suspects []suspicion // once logons were judged
}

func newLogs() logs {
	return logs{hosts: map[string]*logHost{}, seen: map[uint64]struct{}{}, seed: maphash.MakeSeed()}
}

// logHost is one computer.
type logHost struct {
	computer   string
	addr       netip.Addr // invalid while nobody knows which system it is
	begin, end time.Time  // of its logs
	failures   map[netip.Addr]*failures
	logons     []logon
	changes    []change
	ends       map[string]time.Time // of sessions, by logon ID
	sessions   map[string][]int     // places in logons, by logon ID; once they are in order
	ahead      time.Duration        // of its clock before that of the captures; its times were set right by it
}

// failures are the logons that one source failed at.
type failures struct {
	times    []time.Time // the first maxVisits
	ports    []uint16    // that they came from, in the order in which they were logged
	accounts []string
	evidence chaperone.Evidence // of the first
}

// logon is one that succeeded.
type logon struct {
	at       time.Time
	account  string
	kind     string // logon type: 3 network, 10 remote desktop
	id       string // of the session
	from     netip.Addr
	port     uint16 // that it came from, 0 when the log does not say
	evidence chaperone.Evidence
}

// change is an event about privileges, services, accounts or the log itself.
type change struct {
	event    uint16
	at       time.Time
	account  string // that did it
	id       string // its session, "" where the event does not say
	what     string // the service, the account that was made
	path     string // of a service
	evidence chaperone.Evidence
}

// Event IDs (Microsoft, Windows security audit events; System log for 7045 and 104).
const (
	loggedOn       = 4624
	failedLogon    = 4625
	loggedOff      = 4634
	userLoggedOff  = 4647
	privileged     = 4672
	serviceAudited = 4697
	serviceAdded   = 7045
	accountMade    = 4720
	logCleared     = 1102
	sysLogCleared  = 104
)

// Bounds of what is kept: of one computer, and of all.
const (
	maxLogged    = 1 << 16
	maxAllLogged = 1 << 19
	maxComputers = 1 << 12
)

// again reports whether an event was logged before: archives and exports of one log overlap.
func (l *logs) again(r *evtx.Record) bool {
	var h maphash.Hash
	h.SetSeed(l.seed)
	fmt.Fprintf(&h, "%s\x00%s\x00%d\x00%d\x00%d", strings.ToLower(r.Computer), r.Channel, r.ID, r.EventID, r.Time.UnixNano())
	if _, known := l.seen[h.Sum64()]; known {
		return true
	}
	if l.kept++; l.kept <= maxAllLogged {
		l.seen[h.Sum64()] = struct{}{}
	}
	return false
}

// Log takes one record of an event log.
func (s *Set) Log(r *evtx.Record, evidence chaperone.Evidence) {
	h := s.logs.host(r)
	t := r.Time
	if h == nil {
		return
	}
	switch r.EventID {
	case failedLogon, loggedOn, loggedOff, userLoggedOff, privileged, serviceAudited, serviceAdded, accountMade, logCleared, sysLogCleared:
		if s.logs.again(r) || s.logs.kept > maxAllLogged {
			return
		}
	}
	switch r.EventID {
	case failedLogon:
		h.fail(source(r), port(r), t, r.Get("TargetUserName"), evidence)
	case loggedOn:
		account, from := r.Get("TargetUserName"), source(r)
		if strings.HasSuffix(account, "$") || len(h.logons) >= maxLogged || !from.IsValid() {
			return // machines log on to each other all day
		}
		h.logons = append(h.logons, logon{t, account, r.Get("LogonType"), logonID(r.Get("TargetLogonId")), from, port(r), evidence})
	case loggedOff, userLoggedOff:
		if id := logonID(r.Get("TargetLogonId")); len(h.ends) < maxLogged {
			h.ends[id] = t
		}
	case privileged, serviceAudited, serviceAdded, accountMade, logCleared, sysLogCleared:
		if len(h.changes) >= maxLogged {
			return
		}
		c := change{event: r.EventID, at: t, account: r.Get("SubjectUserName"), id: logonID(r.Get("SubjectLogonId")), evidence: evidence}
		switch r.EventID {
		case serviceAdded:
			c.what, c.path = r.Get("ServiceName"), r.Get("ImagePath")
		case serviceAudited:
			c.what, c.path = r.Get("ServiceName"), r.Get("ServiceFileName")
		case accountMade:
			c.what = r.Get("TargetUserName")
		}
		h.changes = append(h.changes, c)
	}
}

func (l *logs) host(r *evtx.Record) *logHost {
	key := strings.ToLower(r.Computer)
	h := l.hosts[key]
	if h == nil {
		if len(l.hosts) >= maxComputers {
			return nil
		}
		h = &logHost{computer: r.Computer, begin: r.Time, end: r.Time, failures: map[netip.Addr]*failures{}, ends: map[string]time.Time{}}
		l.hosts[key] = h
	}
	if r.Time.Before(h.begin) {
		h.begin = r.Time
	}
	if r.Time.After(h.end) {
		h.end = r.Time
	}
	return h
}

func (h *logHost) fail(from netip.Addr, port uint16, t time.Time, account string, evidence chaperone.Evidence) {
	f := h.failures[from]
	if f == nil {
		if len(h.failures) >= maxLogged {
			return
		}
		f = &failures{evidence: evidence}
		h.failures[from] = f
	}
	if len(f.times) < maxVisits {
		f.times = append(f.times, t)
		f.ports = append(f.ports, port)
	}
	if account = strings.ToLower(account); len(f.accounts) < 256 && account != "" && !slices.Contains(f.accounts, account) {
		f.accounts = append(f.accounts, account)
	}
}

// source gives where a logon came from: invalid for the machine itself.
func source(r *evtx.Record) netip.Addr {
	a, err := chaperone.ParseAddress(strings.TrimSpace(r.Get("IpAddress")))
	if err != nil || a.IsLoopback() || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// port gives the port that a logon came from, 0 when the log does not say.
func port(r *evtx.Record) uint16 {
	n, err := strconv.ParseUint(strings.TrimSpace(r.Get("IpPort")), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// logonID gives a session's number in one spelling: logs write it in hexadecimal or in decimal.
func logonID(text string) string {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 0, 64)
	if err != nil || n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 16)
}

// place finds out which system each computer is: by its name, else by the remote desktop connections that its logons
// answer to.
func (l *logs) place(site *inventory.Site, r remote) {
	for _, h := range l.hosts {
		h.addr, _ = site.Find(h.computer)
		h.align(r)
		slices.SortFunc(h.logons, func(a, b logon) int { return a.at.Compare(b.at) })
		slices.SortFunc(h.changes, func(a, b change) int { return a.at.Compare(b.at) })
		h.sessions = map[string][]int{}
		for i, x := range h.logons {
			h.sessions[x.id] = append(h.sessions[x.id], i)
		}
		for _, f := range h.failures {
			slices.SortFunc(f.times, time.Time.Compare)
		}
		if h.addr.IsValid() {
			continue
		}
		if h.addr = h.vote(r); !h.addr.IsValid() {
			h.addr = inventory.Unplaced(h.computer)
		}
	}
}

// clocks is by how much the clocks of a log and of a capture may differ.
const clocks = 90 * time.Second

// vote compares when sources connected by remote desktop with when they logged on.
func (h *logHost) vote(r remote) netip.Addr {
	votes := map[netip.Addr]int{}
	for k := range r {
		for _, v := range r.ordered(k) {
			for _, l := range h.logons {
				if l.from == k[0] && l.at.After(v.first.Add(-clocks)) && l.at.Before(v.last.Add(clocks)) {
					votes[k[1]]++
					break
				}
			}
		}
	}
	var best netip.Addr
	for a, n := range votes {
		if n > votes[best] || n == votes[best] && a.Less(best) {
			best = a
		}
	}
	return best
}

// party names the computer.
func (h *logHost) party() chaperone.Party { return chaperone.Party{Addr: h.addr, Claimed: h.computer} }

// session gives the logon with an ID at a time: IDs begin anew when a computer starts.
func (h *logHost) session(id string, at time.Time) *logon {
	if id == "" {
		return nil
	}
	var best *logon
	for _, i := range h.sessions[id] {
		if x := &h.logons[i]; !x.at.After(at.Add(time.Minute)) {
			best = x
		}
	}
	return best
}

// sorted gives the computers in a fixed order.
func (l *logs) sorted() []*logHost {
	var all []*logHost
	for _, h := range l.hosts {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b *logHost) int { return strings.Compare(a.computer, b.computer) })
	return all
}

// Logged gives the systems whose logs were read.
func (s *Set) Logged() []netip.Addr {
	var all []netip.Addr
	for _, h := range s.logs.sorted() {
		all = append(all, h.addr)
	}
	return all
}

// of gives the logs of a system, nil when there are none.
func (l *logs) of(a netip.Addr) *logHost {
	for _, h := range l.hosts {
		if h.addr.IsValid() && h.addr == a {
			return h
		}
	}
	return nil
}
