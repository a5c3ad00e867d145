package stream

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"chaperone"
	"chaperone/source"
)

// Limits bound an assembler.
type Limits struct {
	Flows    int           // connections that are remembered; the longest idle one is given up first
	Flow     int           // bytes that wait in one connection
	Total    int           // bytes that wait in all
	Patience time.Duration // capture time after which bytes are given on without acknowledgement, and acknowledged holes as gaps
	Segments int64         // and so many segments: packets that are out of order may be far apart in time
	Hole     time.Duration // capture time after which any hole is given on as a gap
}

// DefaultLimits suit a capture of a clinic's network.
var DefaultLimits = Limits{Flows: 1 << 16, Flow: 1 << 20, Total: 64 << 20, Patience: time.Second, Segments: 256, Hole: 30 * time.Second}

// overhead is what a waiting segment costs besides its bytes.
const overhead = 96

// Stats count what an assembler has seen.
type Stats struct {
	Flows     int64 // connections
	Ambiguous int64 // connections with overlaps that differ
	Lost      int64 // bytes given on as gaps
	Cut       int64 // of them, those that the snap length cut off
	GivenUp   int64 // connections forgotten for lack of room
}

// Assembler is not safe for concurrent use.
type Assembler struct {
	Stats   Stats
	limits  Limits
	handler Handler
	flows   map[key]*Flow
	recent  list // all flows by last activity
	waiting list // flows with waiting bytes, by since when
	total   int
	now     chaperone.Mark
	seen    int64 // segments
	pool    pool
}

// New makes an assembler that gives everything to handler.
func New(l Limits, handler Handler) *Assembler {
	return &Assembler{limits: l, handler: handler, flows: map[key]*Flow{},
		recent: list{of: byActivity}, waiting: list{of: byWaiting}}
}

// Segment takes the next segment of the capture.
func (a *Assembler) Segment(s *source.Segment) {
	if s.Mark.Time.After(a.now.Time) || a.now.Time.IsZero() {
		a.now = s.Mark
	}
	a.seen++
	a.expire()
	k, from := keyOf(s)
	f := a.flows[k]
	if f != nil && a.startsOver(f, from, s) {
		a.close(f)
		a.recent.remove(f)
		opening, by := f.opening, f.openedBy
		f = a.open(k, s)
		if opening != nil {
			a.take(f, by, opening)
		}
	}
	if f == nil {
		f = a.open(k, s)
	}
	a.recent.toBack(f)
	f.Last = s.Mark.Time
	if f.closed {
		return
	}
	a.take(f, from, s)
	a.pump(f, false)
	if f.buffered > a.limits.Flow {
		a.relax(f, true)
	}
	for a.total > a.limits.Total && a.waiting.first != nil {
		a.relax(a.waiting.first, true)
	}
	if f.half[0].ended() && f.half[1].ended() {
		a.close(f)
	}
}

// Flush gives on everything that waits and closes all connections, oldest first.
func (a *Assembler) Flush() {
	for a.waiting.first != nil {
		a.relax(a.waiting.first, true)
	}
	for f := a.recent.first; f != nil; f = f.activity.next {
		a.close(f)
	}
	a.flows = map[key]*Flow{}
	a.recent, a.waiting = list{of: byActivity}, list{of: byWaiting}
}

func (a *Assembler) open(k key, s *source.Segment) *Flow {
	if len(a.flows) >= a.limits.Flows {
		oldest := a.recent.first
		if !oldest.closed {
			a.Stats.GivenUp++
			a.close(oldest)
		}
		a.recent.remove(oldest)
		delete(a.flows, key(oldest.ends))
	}
	f := &Flow{ends: k, First: s.Mark.Time, Start: s.Mark, Views: 1}
	f.half[0].fin, f.half[1].fin = -1, -1
	f.sides()
	a.flows[k] = f
	a.Stats.Flows++
	return f
}

// Bounds of what can belong to a connection: bytes before and behind what was given on. Windows are seldom above 16 MiB.
const (
	farBehind = 16 << 20
	farAhead  = 64 << 20
	maxStray  = 3 // segments outside these bounds, after which they are a connection of their own
)

// startsOver reports whether a segment belongs to a new connection between ends that had one before. A SYN alone does not
// say so: anybody can send one. It takes the other side's answer, or the next segment behind it.
func (a *Assembler) startsOver(f *Flow, from int, s *source.Segment) bool {
	h := &f.half[from]
	switch {
	case s.Flags&source.SYN != 0 && s.Flags&source.ACK == 0:
		if h.syn && h.isn == s.Seq+1 || !f.fixed && !f.closed && !h.syn {
			return false // a copy of its own SYN, or the SYN itself
		}
		if f.closed {
			return true
		}
		syn := *s
		syn.Payload = nil
		f.opening, f.openedBy = &syn, from
		return false
	case f.opening != nil && from != f.openedBy && s.Flags&source.SYN != 0 && s.Ack == f.opening.Seq+1,
		f.opening != nil && from == f.openedBy && s.Flags&source.ACK != 0 && s.Seq == f.opening.Seq+1:
		return true
	}
	if len(s.Payload) == 0 || !h.based || s.Flags&source.RST != 0 {
		return false
	}
	off := h.offset(s.Seq)
	if f.closed {
		late := off+int64(len(s.Payload)) <= h.next && off >= h.next-farBehind
		return !late
	}
	if off >= h.next-farBehind && off <= h.next+farAhead {
		f.stray = 0
		return false
	}
	f.stray++
	return f.stray >= maxStray
}

// take reads one segment into its flow.
func (a *Assembler) take(f *Flow, from int, s *source.Segment) {
	h, other := &f.half[from], &f.half[1-from]
	seq := s.Seq
	if s.Flags&source.SYN != 0 {
		seq++
		h.see(seq)
		if !h.based {
			dropped := h.base(seq)
			f.buffered -= dropped
			a.total -= dropped
			h.syn = true
		}
		f.synSeen = true
		if !f.fixed {
			f.client = from
			if s.Flags&source.ACK != 0 {
				f.client = 1 - from
			}
		}
		f.Opened = f.Opened || s.Flags&source.ACK == 0
		f.Refused = f.Refused || f.Opened && from == f.client && other.no && other.refused == h.isn // captured in the wrong order
	}
	if s.Flags&(source.SYN|source.RST) == 0 {
		h.spoke = true
	}
	if s.Flags&source.RST != 0 && !h.known {
		h.no, h.refused = true, s.Ack
		f.Refused = f.Refused || f.Opened && from != f.client && s.Ack == other.isn
	}
	if s.Flags&source.RST == 0 {
		h.see(seq)
	} else if off := h.offset(seq); h.known && off >= h.next-1 && off <= h.next+farAhead { // others are forged
		f.reset = true
		a.wait(f)
	}
	f.Seen[f.dir(from)] = h.known
	if s.Flags&source.ACK != 0 && other.known {
		other.acked = max(other.acked, other.offset(s.Ack))
	}
	if h.based && f.stray > 0 {
		return // not of this connection, as far as can be told
	}
	if len(s.Payload)+s.Missing > 0 && s.Flags&source.RST == 0 {
		a.insert(f, h, segment{off: h.offset(seq), data: s.Payload, cut: s.Missing, ack: s.Ack, has: s.Flags&source.ACK != 0, at: s.Mark})
	}
	if s.Flags&source.FIN != 0 && h.fin < 0 {
		if end := h.offset(seq) + int64(len(s.Payload)+s.Missing); !h.based || end >= h.next && end <= h.next+farAhead { // others are forged
			h.fin = end
		}
	}
}

// insert keeps a copy of the bytes that are new, and of those that contradict what is there.
func (a *Assembler) insert(f *Flow, h *half, s segment) {
	if h.based && s.off < h.next { // the front was given on: the receiver has it
		old := h.next - s.off
		if old >= int64(len(s.data)) {
			return
		}
		s.data, s.off = s.data[old:], h.next
	}
	if n := len(h.segs); n == 0 || s.off >= h.segs[n-1].end() {
		a.add(f, h, s)
		return
	}
	at := s.off
	end := s.off + int64(len(s.data))
	sorted := len(h.segs)
	for i := range sorted {
		e := h.segs[i]
		have := e.off + int64(len(e.data)) // what the snap length cut off is not there, and may come in another copy
		if have <= at || e.off >= end {
			continue
		}
		if e.off > at {
			a.add(f, h, s.part(at, e.off))
			at = e.off
		}
		until := min(end, have)
		if until > at && !bytes.Equal(e.data[at-e.off:until-e.off], s.data[at-s.off:until-s.off]) {
			a.contradict(f, h, at, s.data[at-s.off:until-s.off])
		}
		at = have
	}
	if at < end {
		a.add(f, h, s.part(at, end))
	}
	slices.SortFunc(h.segs, func(x, y segment) int { // one that lost all its bytes may stand where another has them: it goes first
		return cmp.Or(cmp.Compare(x.off, y.off), cmp.Compare(len(x.data), len(y.data)))
	})
	for i := range len(h.segs) - 1 { // bytes that one packet lost may be in another
		s := &h.segs[i]
		s.cut = min(s.cut, int(h.segs[i+1].off-s.off)-len(s.data))
	}
}

// part gives the bytes of s in [from, to).
func (s segment) part(from, to int64) segment {
	p := s
	p.data = s.data[from-s.off : to-s.off]
	p.off = from
	if to < s.off+int64(len(s.data)) {
		p.cut = 0
	}
	return p
}

func (a *Assembler) add(f *Flow, h *half, s segment) {
	s.data = a.pool.copy(s.data)
	h.segs = append(h.segs, s)
	f.buffered += len(s.data) + overhead
	a.total += len(s.data) + overhead
	a.wait(f)
}

// contradict keeps a copy of waiting bytes that differs; later ones overwrite it where they are read.
func (a *Assembler) contradict(f *Flow, h *half, off int64, data []byte) {
	kept := 0
	for _, alt := range h.alts {
		if alt.off == off && bytes.Equal(alt.data, data) {
			return
		}
		kept += len(alt.data)
	}
	if kept+len(data) > a.limits.Flow {
		return
	}
	h.alts = append(h.alts, alternative{off, bytes.Clone(data)})
}

// wait puts a flow on the list of those that time must help.
func (a *Assembler) wait(f *Flow) {
	if !f.wait.in {
		f.waitSince, f.waitFrom = a.now.Time, a.seen
		a.waiting.toBack(f)
	}
}
