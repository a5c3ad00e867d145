package detect

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"chaperone"
	"chaperone/inventory"
)

// LogonNewSource is the rule of logons from where nobody logged on before.
const LogonNewSource = "logon-new-source"

// logons finds logons from addresses that never logged on to this computer before. From outside it is a finding; if
// somebody else had guessed at the same account shortly before, it is a guessed password that is used from elsewhere.
func (s *Set) logons(site *inventory.Site) {
	for _, h := range s.logs.sorted() {
		seen := map[netip.Addr]bool{}
		for _, l := range h.logons {
			outside := !site.Inside(l.from)
			if seen[l.from] || l.kind != "3" && l.kind != "10" || !outside && l.kind != "10" { // inside, shares are opened from everywhere
				continue
			}
			seen[l.from] = true
			if l.at.Sub(h.begin) < learning {
				continue
			}
			f := chaperone.Finding{
				Rule: LogonNewSource, Severity: chaperone.Low, Technique: "T1078", From: host(l.from), To: h.party(), Account: l.account,
				First: l.at, Last: l.at, Count: 1, Evidence: l.evidence,
				Title:  "Somebody logged on from a system that never did so before.",
				Advice: "Ask the owner of the account whether it was them.",
			}
			if outside {
				f.Severity = chaperone.Medium
				f.Title = "Somebody logged on from an outside address that never did so before."
				if h.guessedElsewhere(l, site) {
					f.Rule, f.Severity = GuessedIn, chaperone.Critical
					f.Title = "A guessed password worked: the account that one outside address had guessed at logged on from another."
					f.Advice = "Disconnect this system, keep its memory and disk, change every password that was used on it, and look at what it did from then on."
				}
			}
			if _, known := s.found[subject{GuessedIn, f.From.Addr, f.To.Addr, ""}]; !known {
				s.put("", f)
			}
		}
	}
	s.sessions(site)
	s.logs.suspects = s.suspicions()
}

// sessions finds remote desktop sessions from outside addresses that never had one before: what the wire shows of a
// logon where there is no log.
func (s *Set) sessions(site *inventory.Site) {
	for k := range s.remote {
		if site.Inside(k[0]) || !site.Inside(k[1]) {
			continue
		}
		if _, known := s.found[subject{GuessedIn, k[0], k[1], ""}]; known {
			continue
		}
		if _, known := s.found[subject{LogonNewSource, k[0], k[1], ""}]; known {
			continue
		}
		visits := s.remote.ordered(k)
		i := slices.IndexFunc(visits, visit.session)
		if i < 0 || !isNew(site, visits[0].first) {
			continue
		}
		v := visits[i]
		s.put("", chaperone.Finding{
			Rule: LogonNewSource, Severity: chaperone.Medium, Technique: "T1021.001", From: host(k[0]), To: host(k[1]), First: v.first, Last: v.last,
			Count: 1, Evidence: v.evidence,
			Title:  "A remote desktop session lasted long that came from an outside address which never had one before.",
			Advice: "Look into the log of the server who that was, and ask them.",
		})
	}
}

// guessedElsewhere reports whether another outside source tried the account of a logon often, shortly before it.
func (h *logHost) guessedElsewhere(l logon, site *inventory.Site) bool {
	for from, f := range h.failures {
		if from == l.from || !from.IsValid() || site.Inside(from) || !slices.Contains(f.accounts, strings.ToLower(l.account)) {
			continue
		}
		before := 0
		for _, t := range f.times {
			if t.Before(l.at) && l.at.Sub(t) < guessMemory {
				before++
			}
		}
		if before >= guessedAfter {
			return true
		}
	}
	return false
}

// suspicion is a finding about logons from a source on a computer.
type suspicion struct {
	rule     string
	from, to netip.Addr
	since    time.Time
}

// suspicions lists what the findings so far say about logons.
func (s *Set) suspicions() []suspicion {
	var list []suspicion
	for k, f := range s.found {
		if (k.rule == GuessedIn || k.rule == LogonNewSource) && f.Severity >= chaperone.Medium {
			list = append(list, suspicion{k.rule, f.From.Addr, f.To.Addr, f.First.Add(-time.Minute)})
		}
	}
	return list
}

// suspect reports whether a finding speaks of a session: from this source on this computer, from that time on.
func (s *Set) suspect(h *logHost, l *logon, rules ...string) bool {
	return l != nil && slices.ContainsFunc(s.logs.suspects, func(x suspicion) bool {
		return x.from == l.from && x.to == h.addr && !l.at.Before(x.since) && slices.Contains(rules, x.rule)
	})
}

// by gives the suspicious session behind a change: the one it names, else one with a guessed password that was open at
// the time. That somebody was there who is merely new says nothing about what the machine did meanwhile.
func (s *Set) by(h *logHost, c change) *logon {
	if c.id != "" {
		if l := h.session(c.id, c.at); s.suspect(h, l, GuessedIn, LogonNewSource) {
			return l
		}
		return nil
	}
	var l *logon
	for i := range h.logons {
		x := &h.logons[i]
		if !x.at.After(c.at) && s.suspect(h, x, GuessedIn) && !s.ended(h, x).Before(c.at) {
			l = x
		}
	}
	return l
}

// ended gives when a session was over: by the log, else by the remote desktop connection that it came with, else after as
// long as sessions usually last.
func (s *Set) ended(h *logHost, l *logon) time.Time {
	const longest = 4 * time.Hour
	if end, ok := h.ends[l.id]; ok && !end.Before(l.at) {
		return end
	}
	for _, v := range s.remote.ordered([2]netip.Addr{l.from, h.addr}) {
		if l.at.After(v.first.Add(-clocks)) && l.at.Before(v.last.Add(clocks)) {
			return v.last.Add(clocks)
		}
	}
	return l.at.Add(longest)
}
