package source

import (
	"bytes"
	"container/list"
	"net/netip"
	"slices"
	"time"
)

// Bounds of the fragment store.
const (
	maxFragmentBytes = 4 << 20 // with pieceOverhead
	maxDatagrams     = 1024
	maxFragmentAge   = 30 * time.Second // of capture time
	maxDatagram      = 65535

	pieceOverhead = 128 // what a piece costs beside its bytes: many tiny ones must not be cheap
)

// fragments joins IP fragments (RFC 791 3.2, RFC 8200 4.5). Where fragments overlap, the first is believed.
type fragments struct {
	parts map[fragmentKey]*list.Element // of *partial
	byAge *list.List                    // oldest first
	bytes int
	whole []byte // the last datagram that was joined

	held      int64 // fragments
	dropped   int64
	ambiguous int64
}

type fragmentKey struct {
	src, dst netip.Addr
	id       uint32
	proto    byte // IPv4 only: in IPv6 it may differ between fragments
}

// partial is a datagram of which fragments are missing.
type partial struct {
	key    fragmentKey
	since  time.Time
	pieces []piece // in order, without overlap
	proto  byte    // of the piece at offset 0
	end    int     // length of the whole, -1 while it is unknown
	bytes  int
	count  int64 // fragments
}

type piece struct {
	at   int
	data []byte
}

func (p piece) end() int { return p.at + len(p.data) }

// join adds a fragment. When it completes its datagram, g becomes the whole, valid until the next join. ok is false for
// a fragment that cannot be one.
func (f *fragments) join(g *datagram, now time.Time) (whole, ok bool) {
	end := g.offset + len(g.load.data)
	if len(g.load.data) == 0 || end > maxDatagram || g.more && g.load.cut == 0 && len(g.load.data)%8 != 0 {
		return false, false
	}
	f.expire(now)
	if g.load.cut > 0 { // its datagram has a hole that nothing will fill
		f.dropped++
		return false, true
	}
	p := f.find(*g, now)
	p.count++
	f.held++
	if !g.more {
		if p.end >= 0 && p.end != end {
			f.ambiguous++
		} else {
			p.end = end
		}
	}
	if g.offset == 0 && (len(p.pieces) == 0 || p.pieces[0].at != 0) {
		p.proto = g.proto
	}
	f.insert(p, piece{g.offset, g.load.data})
	if !p.complete() {
		f.shrink()
		return false, true
	}
	f.whole = f.whole[:0]
	for _, x := range p.pieces {
		f.whole = append(f.whole, x.data...)
	}
	f.whole = f.whole[:p.end]
	f.remove(p)
	g.proto, g.load, g.fragment = p.proto, span{data: f.whole}, false
	return true, true
}

func (f *fragments) find(g datagram, now time.Time) *partial {
	key := fragmentKey{src: g.src, dst: g.dst, id: g.id}
	if g.src.Is4() {
		key.proto = g.proto
	}
	if e, ok := f.parts[key]; ok {
		return e.Value.(*partial)
	}
	if f.parts == nil {
		f.parts, f.byAge = map[fragmentKey]*list.Element{}, list.New()
	}
	p := &partial{key: key, since: now, end: -1}
	f.parts[key] = f.byAge.PushBack(p)
	return p
}

// insert adds those bytes of a fragment that are not there yet, and compares the others.
func (f *fragments) insert(p *partial, x piece) {
	differs := false
	i := 0
	for ; i < len(p.pieces) && len(x.data) > 0; i++ {
		old := p.pieces[i]
		if old.end() <= x.at {
			continue
		}
		if gap := min(old.at-x.at, len(x.data)); gap > 0 {
			p.pieces = slices.Insert(p.pieces, i, f.keep(p, piece{x.at, x.data[:gap]}))
			x = piece{x.at + gap, x.data[gap:]}
			continue // old is the next again
		}
		n := min(old.end()-x.at, len(x.data))
		differs = differs || !bytes.Equal(old.data[x.at-old.at:][:n], x.data[:n])
		x = piece{x.at + n, x.data[n:]}
	}
	if len(x.data) > 0 {
		p.pieces = slices.Insert(p.pieces, i, f.keep(p, x))
	}
	if differs {
		f.ambiguous++
	}
}

func (f *fragments) keep(p *partial, x piece) piece {
	cost := len(x.data) + pieceOverhead
	p.bytes += cost
	f.bytes += cost
	x.data = bytes.Clone(x.data)
	return x
}

// complete reports whether every byte up to the end is there.
func (p *partial) complete() bool {
	at := 0
	for _, x := range p.pieces {
		if x.at != at {
			break
		}
		at = x.end()
	}
	return p.end >= 0 && at >= p.end
}

func (f *fragments) remove(p *partial) {
	f.byAge.Remove(f.parts[p.key])
	delete(f.parts, p.key)
	f.bytes -= p.bytes
	f.held -= p.count
}

// expire gives up what waited too long. Time that runs backwards gives nothing up.
func (f *fragments) expire(now time.Time) {
	for f.byAge != nil && f.byAge.Len() > 0 {
		oldest := f.byAge.Front().Value.(*partial)
		if now.Sub(oldest.since) <= maxFragmentAge {
			return
		}
		f.giveUp(oldest)
	}
}

// shrink gives up the oldest while there is too much.
func (f *fragments) shrink() {
	for f.bytes > maxFragmentBytes || f.byAge.Len() > maxDatagrams {
		f.giveUp(f.byAge.Front().Value.(*partial))
	}
}

func (f *fragments) giveUp(p *partial) {
	f.dropped += p.count
	f.remove(p)
}
