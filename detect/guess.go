package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"chaperone"
	"chaperone/inventory"
)

// The rules of guessed passwords.
const (
	RDPGuessed = "rdp-guessed"    // many attempts
	GuessedIn  = "rdp-guessed-in" // and then one that got in
)

// Thresholds: attempts that are too many for a person, in a short and in a long time; names that are too many; and how
// many failures before a success make it a guess.
const (
	fastGuesses  = 20
	fastWindow   = 10 * time.Minute
	slowGuesses  = 30
	slowWindow   = 24 * time.Hour
	manyNames    = 8
	guessedAfter = 10
	guessMemory  = 48 * time.Hour // between the last failure and the logon
)

// campaign is all that one source tried on one server.
type campaign struct {
	client, server netip.Addr
	attempts       []visit
	names          []string
	log            *logHost
	failed         *failures
	visits         []visit
}

// guessed finds sources that try passwords on remote desktops, and those that got in.
func (s *Set) guessed(site *inventory.Site) {
	for _, c := range s.campaigns() {
		var times []time.Time
		for _, v := range c.attempts {
			times = append(times, v.first)
		}
		var logged []time.Time
		if c.failed != nil {
			logged = c.failed.times
		}
		if !tooMany(times) && !tooMany(logged) && len(c.names) < manyNames {
			continue
		}
		s.putGuess(site, c, times, logged)
		s.gotIn(c, times, logged)
	}
	s.guessedTogether(site)
}

// Thresholds of many sources that guess together: attempts in an hour, and sources.
const (
	togetherGuesses = 50
	togetherSources = 5
)

// guessedTogether finds servers that many outside sources try, each too seldom to be noticed.
func (s *Set) guessedTogether(site *inventory.Site) {
	type target struct {
		to       chaperone.Party
		times    []time.Time
		sources  int
		evidence map[time.Time]chaperone.Evidence
	}
	of := map[netip.Addr]*target{}
	for _, c := range s.campaigns() {
		if _, alone := s.found[subject{RDPGuessed, c.client, c.target().Addr, ""}]; alone || site.Inside(c.client) {
			continue
		}
		if c.failed == nil && len(c.attempts) == 0 {
			continue
		}
		t := of[c.target().Addr]
		if t == nil {
			t = &target{to: c.target(), evidence: map[time.Time]chaperone.Evidence{}}
			of[c.target().Addr] = t
		}
		t.sources++
		if c.failed != nil {
			t.times = append(t.times, c.failed.times...)
			t.evidence[c.failed.times[0]] = c.failed.evidence
			continue // the wire would count the same attempts again
		}
		for _, v := range c.attempts {
			t.times = append(t.times, v.first)
			t.evidence[v.first] = v.evidence
		}
	}
	for _, t := range of {
		slices.SortFunc(t.times, time.Time.Compare)
		if t.sources < togetherSources || !within(t.times, togetherGuesses, time.Hour) {
			continue
		}
		s.put("together", chaperone.Finding{
			Rule: RDPGuessed, Severity: chaperone.Medium, Technique: "T1110.003", To: t.to, First: t.times[0], Last: t.times[len(t.times)-1], Count: len(t.times),
			Evidence: t.evidence[t.times[0]],
			Title:    fmt.Sprintf("%d outside addresses tried passwords together: %d failures.", t.sources, len(t.times)),
			Advice:   "Take remote desktop off the reach of the outside, lock accounts after ten failures, and demand network level authentication with a second factor.",
		})
	}
}

// campaigns joins what captures and logs say about each source and server.
func (s *Set) campaigns() []*campaign {
	of := map[[2]netip.Addr]*campaign{}
	for k := range s.remote {
		c := &campaign{client: k[0], server: k[1], visits: s.remote.ordered(k)}
		for _, v := range c.visits {
			if !v.attempt() {
				continue
			}
			c.attempts = append(c.attempts, v)
			if v.cookie != "" && !slices.Contains(c.names, v.cookie) {
				c.names = append(c.names, v.cookie)
			}
		}
		of[k] = c
	}
	for _, h := range s.logs.sorted() {
		for from, f := range h.failures {
			if !from.IsValid() {
				continue
			}
			k := [2]netip.Addr{from, h.addr}
			c := of[k]
			if c == nil {
				c = &campaign{client: from, server: h.addr}
				of[k] = c
			}
			c.log, c.failed = h, f
		}
	}
	var all []*campaign
	for _, c := range of {
		if c.log == nil {
			c.log = s.logs.of(c.server)
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *campaign) int {
		if d := a.client.Compare(b.client); d != 0 {
			return d
		}
		return a.server.Compare(b.server)
	})
	return all
}

// tooMany reports whether times, in order, are more than a person's mistakes.
func tooMany(times []time.Time) bool {
	return within(times, fastGuesses, fastWindow) || within(times, slowGuesses, slowWindow)
}

// within reports whether n of the times lie in a window.
func within(times []time.Time, n int, window time.Duration) bool {
	for i := n - 1; i < len(times); i++ {
		if times[i].Sub(times[i-n+1]) <= window {
			return true
		}
	}
	return false
}

func (c *campaign) target() chaperone.Party {
	if c.log != nil && !c.server.IsValid() {
		return c.log.party()
	}
	return host(c.server)
}

func (s *Set) putGuess(site *inventory.Site, c *campaign, times, logged []time.Time) {
	f := chaperone.Finding{
		Rule: RDPGuessed, Severity: chaperone.Medium, Technique: "T1110.001", From: host(c.client), To: c.target(),
		Advice: "Take remote desktop off the reach of this source, lock accounts after ten failures, and demand network level authentication with a second factor.",
	}
	if site.Inside(c.client) {
		f.Severity = chaperone.High
	}
	switch {
	case len(times) > 0 && len(logged) > 0:
		f.Title = fmt.Sprintf("One source tried passwords on a remote desktop: %d short connections, %d failed logons in the log.", len(times), len(logged))
	case len(times) > 0:
		f.Title = fmt.Sprintf("One source tried passwords on a remote desktop: %d short connections.", len(times))
	default:
		f.Title = fmt.Sprintf("One source tried passwords: %d failed logons in the log.", len(logged))
	}
	f.Count = max(len(times), len(logged))
	for i, list := range [][]time.Time{times, logged} {
		if len(list) == 0 {
			continue
		}
		if f.First.IsZero() || list[0].Before(f.First) {
			f.First = list[0]
		}
		if last := list[len(list)-1]; last.After(f.Last) {
			f.Last = last
		}
		if i == 0 {
			f.Evidence = c.attempts[0].evidence
		} else if len(times) == 0 {
			f.Evidence = c.failed.evidence
		}
	}
	s.put("", f)
}

// gotIn finds the logon or the session that ended the guessing. The wire alone shows that somebody stayed long; only the
// log says that he was let in.
func (s *Set) gotIn(c *campaign, times, logged []time.Time) {
	f := chaperone.Finding{
		Rule: GuessedIn, Technique: "T1078", From: host(c.client), To: c.target(),
		Advice: "Disconnect this system, keep its memory and disk, change every password that was used on it, and look at what it did from then on.",
	}
	var session *visit
	for i := range c.visits {
		if v := &c.visits[i]; v.session() && len(times) >= guessedAfter && v.first.After(times[guessedAfter-1]) {
			session = v
			break
		}
	}
	if l := c.logon(logged); l != nil {
		f.Severity, f.First, f.Last, f.Account, f.Evidence, f.Count = chaperone.Critical, l.at, l.at, l.account, l.evidence, 1
		f.Title = "A guessed password worked: after the failures the log shows a logon from the same source."
		if session != nil {
			f.Last = session.last
			f.Count = 2
		}
	} else if session != nil {
		f.Severity, f.First, f.Last, f.Evidence, f.Count = chaperone.High, session.first, session.last, session.evidence, 1
		f.Title = "After the attempts one session lasted long: a guessed password probably worked. The log of the server would prove it."
	} else {
		return
	}
	s.put("", f)
}

// logon gives the first success after enough failures. A session of remote desktop is preferred to the network logon
// that network level authentication makes a moment before.
func (c *campaign) logon(logged []time.Time) *logon {
	if c.log == nil || len(logged) < guessedAfter {
		return nil
	}
	var first *logon
	for i := range c.log.logons {
		l := &c.log.logons[i]
		if l.from != c.client || l.at.Before(logged[guessedAfter-1]) {
			continue
		}
		if first == nil {
			first = l
		}
		if l.kind == "10" && l.at.Sub(first.at) < time.Minute && strings.EqualFold(l.account, first.account) {
			return l
		}
	}
	return first
}
