// Package stream puts TCP segments back into the two byte streams of their connections (RFC 9293 section 3.4).
//
// Bytes are given on when they are in order, the receiver has acknowledged them, and everything the sender had
// received before it sent them was given on too. So a capture whose packets are out of order gives the same events as
// one in order; and while bytes wait, a second copy of them that differs is noticed: both views are kept. What never
// comes is waited for within bounds of memory and capture time, and then given on as a gap.
package stream

import (
	"net/netip"
	"time"

	"chaperone"
	"chaperone/source"
)

// Flow is one TCP connection.
type Flow struct {
	Client, Server netip.AddrPort
	Midstream      bool      // its beginning was not seen
	ISN            [2]uint32 // sequence number of offset 0, by direction
	Bytes          [2]int64  // given on, by direction
	Lost           [2]int64  // given on as gaps
	Seen           [2]bool   // whether any packet of that direction was seen
	First, Last    time.Time
	Start          chaperone.Mark // of its first packet
	Opened         bool           // the client's SYN was seen
	Refused        bool           // the server answered that SYN with RST
	Views          int            // 2 once bytes could be read in two ways
	Data           any            // the handler's own

	ends      [2]netip.AddrPort // in the order of key
	half      [2]half           // likewise
	client    int               // index of the client in ends
	fixed     bool              // bytes were given on: the sides are settled
	synSeen   bool
	alone     bool            // a side that was not seen is no longer waited for
	opening   *source.Segment // a SYN that does not fit: perhaps of the next connection
	openedBy  int             // its side
	stray     int             // segments in a row that lie far from what was given on
	reset     bool
	closed    bool
	buffered  int
	waitSince time.Time // when bytes began to wait
	waitFrom  int64     // and at which segment of the capture
	holeSince time.Time // when a hole was first waited for in vain
	activity  link      // neighbours by last activity
	wait      link      // neighbours among the flows with waiting bytes
}

type link struct {
	prev, next *Flow
	in         bool
}

// half is what one side sent.
type half struct {
	known   bool   // a sequence number of it was seen
	based   bool   // offset 0 is settled
	syn     bool   // by its SYN
	isn     uint32 // sequence number of offset 0
	next    int64  // offset up to which bytes were given on
	acked   int64  // offset up to which the other side has acknowledged
	fin     int64  // offset of its end, -1 while not known
	no      bool   // it reset a connection of which it had sent nothing,
	refused uint32 // whose SYN this would acknowledge
	spoke   bool   // it sent more than a SYN: the connection stands
	segs    []segment
	alts    []alternative
}

// segment is a run of bytes that waits. Segments of a half lie in order and do not overlap.
type segment struct {
	off  int64
	data []byte
	cut  int    // bytes behind data that the capture's snap length cut off
	ack  uint32 // what the sender had received
	has  bool   // ack is valid
	at   chaperone.Mark
}

func (s *segment) end() int64 { return s.off + int64(len(s.data)+s.cut) }

// alternative is a later copy of waiting bytes that differs from the first.
type alternative struct {
	off  int64
	data []byte
}

// Handler takes what the assembler gives on.
type Handler interface {
	// Data gives the next bytes of a direction. view is 0, and after Fork also 1. p is valid until it returns.
	Data(f *Flow, view int, d chaperone.Dir, p []byte, at chaperone.Mark)
	// Gap says that the next n bytes of a direction were not seen, in every view.
	Gap(f *Flow, d chaperone.Dir, n int64, at chaperone.Mark)
	// Fork says that from here on the connection can be read in two ways: view 0 with the bytes seen first, view 1
	// with those seen last.
	Fork(f *Flow, d chaperone.Dir, at chaperone.Mark)
	// Close says that the connection is over, or given up.
	Close(f *Flow, at chaperone.Mark)
}

// Unanswered reports whether the client asked for a connection and nothing says that it got one.
func (f *Flow) Unanswered() bool {
	return f.Opened && !f.Seen[chaperone.FromServer] && !f.half[f.client].spoke
}

// dir gives the direction in which side i sends.
func (f *Flow) dir(i int) chaperone.Dir {
	if i == f.client {
		return chaperone.FromClient
	}
	return chaperone.FromServer
}

// settle fixes the sides when the first bytes are given on. Without a handshake the lower port is the server's.
func (f *Flow) settle() {
	if f.fixed {
		return
	}
	f.fixed = true
	if !f.synSeen {
		f.Midstream = true
		f.client = 0
		if f.ends[0].Port() < f.ends[1].Port() {
			f.client = 1
		}
	}
	f.sides()
}

func (f *Flow) sides() {
	f.Client, f.Server = f.ends[f.client], f.ends[1-f.client]
	for i := range f.half {
		f.ISN[f.dir(i)] = f.half[i].isn
		f.Seen[f.dir(i)] = f.half[i].known
	}
}

// offset gives the offset of a sequence number; it may be negative before the half is based.
func (h *half) offset(seq uint32) int64 {
	return h.next + int64(int32(seq-(h.isn+uint32(h.next))))
}

// see makes seq known; the first number seen stands in for offset 0 until the half is based.
func (h *half) see(seq uint32) {
	if !h.known {
		h.known, h.isn, h.fin = true, seq, -1
	}
}

// base settles offset 0 at the sequence number isn. It gives how much fewer bytes wait: those before isn never were
// part of the stream.
func (h *half) base(isn uint32) (dropped int) {
	shift := int64(int32(isn - h.isn))
	h.isn, h.based = isn, true
	h.next = 0
	h.acked -= shift
	if h.fin >= 0 {
		h.fin -= shift
	}
	kept := h.segs[:0]
	for _, s := range h.segs {
		s.off -= shift
		if front := -s.off; front > 0 {
			if front >= int64(len(s.data)) {
				dropped += len(s.data) + overhead
				continue
			}
			dropped += int(front)
			s.off, s.data = 0, s.data[front:]
		}
		kept = append(kept, s)
	}
	h.segs = kept
	for i := range h.alts {
		h.alts[i].off -= shift
	}
	return dropped
}

// baseOnWaiting settles offset 0 at the earliest byte that waits: the beginning was not seen.
func (h *half) baseOnWaiting() {
	if h.known && !h.based && len(h.segs) > 0 {
		h.base(h.isn + uint32(h.segs[0].off))
	}
}

// ended reports whether everything up to the FIN was given on.
func (h *half) ended() bool { return h.based && h.fin >= 0 && h.next >= h.fin }

// received reports whether all that ack says was received from this half was given on.
func (h *half) received(ack uint32) bool {
	if !h.known {
		return true
	}
	if !h.based {
		return false
	}
	ahead := int32(ack - (h.isn + uint32(h.next)))
	return ahead <= 0 || ahead == 1 && h.ended()
}

// key orders the two ends, so that both directions find one flow.
type key [2]netip.AddrPort

func keyOf(s *source.Segment) (k key, from int) {
	if s.Src.Compare(s.Dst) <= 0 {
		return key{s.Src, s.Dst}, 0
	}
	return key{s.Dst, s.Src}, 1
}
