package detect

import (
	"net/netip"
	"slices"
	"time"
)

// Bounds of setting a computer's clock right: how many logons must be found on the wire, by how much its clock may be
// wrong, and below which difference it is left alone.
const (
	leastPairs = 3
	mostAhead  = 26 * time.Hour // a wrong day, or a wrong zone
	leastAhead = time.Minute
)

// Clock is the difference between a computer's clock and that of the captures.
type Clock struct {
	Computer string
	Ahead    time.Duration
}

// Clocks gives the computers whose clocks were not those of the captures. Findings sets them right.
func (s *Set) Clocks() []Clock {
	var all []Clock
	for _, h := range s.logs.sorted() {
		if h.ahead != 0 {
			all = append(all, Clock{h.computer, h.ahead})
		}
	}
	return all
}

// align compares when logons were logged with when their connections began on the wire: address and port of the client
// name one connection, or one of a few. When most of them agree on a difference, the times of this computer are set right.
func (h *logHost) align(r remote) {
	type end struct {
		from netip.Addr
		port uint16
	}
	began := map[end][]time.Time{}
	for k, visits := range r {
		if h.addr.IsValid() && k[1] != h.addr {
			continue
		}
		for _, v := range visits {
			began[end{k[0], v.port}] = append(began[end{k[0], v.port}], v.first)
		}
	}
	var ahead []time.Duration
	pair := func(from netip.Addr, port uint16, at time.Time) {
		if starts := began[end{from, port}]; port != 0 && len(starts) == 1 {
			if d := at.Sub(starts[0]); d.Abs() <= mostAhead {
				ahead = append(ahead, d)
			}
		}
	}
	for _, l := range h.logons {
		pair(l.from, l.port, l.at)
	}
	for from, f := range h.failures {
		for i, at := range f.times {
			pair(from, f.ports[i], at)
		}
	}
	if len(ahead) < leastPairs {
		return
	}
	slices.Sort(ahead)
	median := ahead[len(ahead)/2]
	agree := 0
	for _, d := range ahead {
		if (d - median).Abs() <= clocks {
			agree++
		}
	}
	if median.Abs() < leastAhead || 2*agree <= len(ahead) {
		return
	}
	h.shift(median.Round(time.Second))
}

// shift sets all times of a computer back.
func (h *logHost) shift(by time.Duration) {
	h.ahead = by
	h.begin, h.end = h.begin.Add(-by), h.end.Add(-by)
	for i := range h.logons {
		h.logons[i].at = h.logons[i].at.Add(-by)
	}
	for i := range h.changes {
		h.changes[i].at = h.changes[i].at.Add(-by)
	}
	for _, f := range h.failures {
		for i := range f.times {
			f.times[i] = f.times[i].Add(-by)
		}
	}
	for id, t := range h.ends {
		h.ends[id] = t.Add(-by)
	}
}
