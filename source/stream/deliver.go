package stream

import (
	"time"

	"chaperone"
)

// pump gives on what can be given on, until neither side has more. free: without waiting for acknowledgements and for
// what the other side said before.
func (a *Assembler) pump(f *Flow, free bool) {
	for {
		moved := a.advance(f, 0, false)
		moved = a.advance(f, 1, false) || moved
		if !moved && free {
			moved = a.advance(f, a.earlier(f), true)
			moved = moved || a.advance(f, 0, true) || a.advance(f, 1, true)
		}
		if !moved {
			break
		}
	}
	if f.buffered == 0 && !f.reset && f.wait.in {
		a.waiting.remove(f)
	}
}

// earlier gives the side whose next bytes were captured first.
func (a *Assembler) earlier(f *Flow) int {
	x, y := f.half[0].segs, f.half[1].segs
	if len(x) == 0 || len(y) > 0 && y[0].at.Time.Before(x[0].at.Time) {
		return 1
	}
	return 0
}

// advance gives on one segment of side i and reports whether it could.
func (a *Assembler) advance(f *Flow, i int, free bool) bool {
	h, other := &f.half[i], &f.half[1-i]
	if !h.based || len(h.segs) == 0 || h.segs[0].off != h.next {
		return false
	}
	s := &h.segs[0]
	n := len(s.data)
	if !free && !other.known && !f.alone {
		return false
	}
	if !free && other.known {
		if s.has && !other.received(s.ack) {
			return false
		}
		if acked := h.acked - s.off; acked < int64(n) {
			n = int(max(acked, 0))
		}
		if n == 0 && len(s.data) > 0 {
			return false
		}
	}
	f.settle()
	a.give(f, h, f.dir(i), s.off, s.data[:n], s.at)
	f.buffered -= n
	a.total -= n
	if n < len(s.data) {
		s.off, s.data = s.off+int64(n), s.data[n:]
		return true
	}
	cut, at := s.cut, s.at
	f.buffered -= overhead
	a.total -= overhead
	a.pool.put(s.data)
	copy(h.segs, h.segs[1:])
	h.segs[len(h.segs)-1] = segment{}
	h.segs = h.segs[:len(h.segs)-1]
	if cut > 0 {
		a.Stats.Cut += int64(cut)
		a.gap(f, i, int64(cut), at)
	}
	return true
}

// give hands bytes to the handler: once for each view.
func (a *Assembler) give(f *Flow, h *half, d chaperone.Dir, off int64, data []byte, at chaperone.Mark) {
	h.next = off + int64(len(data))
	f.Bytes[d] += int64(len(data))
	f.ISN[d] = h.isn
	second := data
	if len(h.alts) > 0 && len(data) > 0 {
		second = h.patched(off, data)
		if f.Views == 1 && &second[0] != &data[0] {
			f.Views = 2
			a.Stats.Ambiguous++
			a.handler.Fork(f, d, at)
		}
	}
	if len(data) == 0 {
		return
	}
	a.handler.Data(f, 0, d, data, at)
	if f.Views == 2 {
		a.handler.Data(f, 1, d, second, at)
	}
}

// patched gives data as the last copies have it; data itself where none differs.
func (h *half) patched(off int64, data []byte) []byte {
	end := off + int64(len(data))
	out := data
	kept := h.alts[:0]
	for _, alt := range h.alts {
		altEnd := alt.off + int64(len(alt.data))
		if from, to := max(off, alt.off), min(end, altEnd); from < to {
			if &out[0] == &data[0] {
				out = append([]byte(nil), data...)
			}
			copy(out[from-off:to-off], alt.data[from-alt.off:])
		}
		if altEnd > end {
			kept = append(kept, alt)
		}
	}
	h.alts = kept
	return out
}

// gap gives on n bytes that were not seen.
func (a *Assembler) gap(f *Flow, i int, n int64, at chaperone.Mark) {
	f.settle()
	d := f.dir(i)
	f.half[i].next += n
	f.Lost[d] += n
	a.Stats.Lost += n
	a.handler.Gap(f, d, n, at)
}

// expire helps the flows that have waited long enough.
func (a *Assembler) expire() {
	for f := a.waiting.first; f != nil && a.seen-f.waitFrom > a.limits.Segments && a.now.Time.Sub(f.waitSince) > a.limits.Patience; f = a.waiting.first {
		a.relax(f, false)
		if f.reset {
			a.close(f)
		}
	}
}

// relax gives on what waits: everything in order without further conditions, and holes as gaps when the receiver has
// acknowledged them, when they were waited for too long, or when there is no room (all).
func (a *Assembler) relax(f *Flow, all bool) {
	if f.holeSince.IsZero() {
		f.holeSince = f.waitSince
	}
	late := a.now.Time.Sub(f.holeSince) > a.limits.Hole
	f.alone = true
	f.half[0].baseOnWaiting()
	f.half[1].baseOnWaiting()
	a.pump(f, true)
	for f.buffered > 0 {
		side, acked := -1, false
		for i := range f.half {
			h := &f.half[i]
			if len(h.segs) == 0 {
				continue
			}
			if yes := h.acked >= h.segs[0].off; side < 0 || yes && !acked {
				side, acked = i, yes
			}
		}
		if !acked && !late && !all && !f.reset {
			break
		}
		h := &f.half[side]
		a.gap(f, side, h.segs[0].off-h.next, h.segs[0].at)
		a.pump(f, true)
	}
	if f.buffered == 0 {
		f.holeSince = time.Time{}
	}
	if f.wait.in {
		a.waiting.remove(f)
		if f.buffered > 0 {
			a.wait(f)
		}
	}
}

// close ends a flow. It stays known, so that late copies of its segments do not open it again.
func (a *Assembler) close(f *Flow) {
	if f.closed {
		return
	}
	a.relax(f, true)
	for i := range f.half {
		h := &f.half[i]
		if h.based && h.fin > h.next { // the end was seen, what was before it not
			a.gap(f, i, h.fin-h.next, a.now)
		}
	}
	f.closed = true
	if f.wait.in {
		a.waiting.remove(f)
	}
	f.settle()
	f.sides()
	a.handler.Close(f, a.now)
	f.Data = nil
	for i := range f.half {
		f.half[i].segs, f.half[i].alts = nil, nil
	}
}
