package clinicsim

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// flow is one TCP connection. It is a Sender that turns what is written into the packets of a tap between the two.
// An acknowledgement never covers bytes that the tap has not shown yet.
type flow struct {
	net    *network
	rand   *rand.Rand
	addr   [2]netip.Addr
	port   [2]uint16
	now    time.Duration // when the last packet passed
	next   [2]uint32     // next sequence number of each side
	owed   [2]int        // segments of each side that wait for an acknowledgement
	sent   [2]int64      // bytes that each side has written
	last   Dir
	mss    int
	stamps bool // both sides use the timestamps option (RFC 7323)
	calm   bool // no segment is late or sent twice
}

const (
	halfTrip   = 150 * time.Microsecond // from the tap to the receiver and back
	delayedAck = 40 * time.Millisecond
	resendTime = 210 * time.Millisecond
)

// open makes a connection at a time, handshake included.
func (n *network) open(r *rand.Rand, at time.Duration, client, server netip.Addr, port uint16) *flow {
	f := &flow{net: n, rand: r, addr: [2]netip.Addr{client, server}, port: [2]uint16{n.port(client), port}, now: at, last: FromServer}
	f.next = [2]uint32{r.Uint32(), r.Uint32()}
	f.stamps = r.IntN(2) == 0
	f.mss = 1460
	if f.stamps {
		f.mss = 1448
	}
	n.tally.truth.Flows++
	f.emit(f.now, FromClient, f.next[0], 0, flagSYN, nil)
	f.next[FromClient]++
	f.now += 2 * halfTrip
	f.emit(f.now, FromServer, f.next[1], f.next[0], flagSYN|flagACK, nil)
	f.next[FromServer]++
	f.now += halfTrip
	f.emit(f.now, FromClient, f.next[0], f.next[1], flagACK, nil)
	f.now += 50 * time.Microsecond
	return f
}

// at lets time pass on the connection.
func (f *flow) at(t time.Duration) {
	if t <= f.now {
		return
	}
	for d := range Dir(2) {
		if f.owed[d] > 0 && t > f.now+delayedAck+halfTrip {
			f.acknowledge(max(f.now+delayedAck, f.net.clock()), d, f.next[d])
		}
	}
	f.now = t
}

// passing is one segment on its way past the tap.
type passing struct {
	at  time.Duration
	seq uint32
	b   []byte
}

// Send splits what one side writes into segments, with the acknowledgements of the other side.
func (f *flow) Send(d Dir, b []byte) {
	if d != f.last { // the other side has worked on what it was sent
		f.at(f.now + 2*halfTrip + time.Duration(f.rand.IntN(3000))*time.Microsecond)
	}
	f.last = d
	f.sent[d] += int64(len(b))
	f.owed[d.Other()] = 0 // acknowledged along with these
	seq := f.next[d]
	var list []passing
	for len(b) > 0 {
		n := min(len(b), f.mss)
		list = append(list, passing{f.now, f.next[d], b[:n]})
		f.next[d] += uint32(n)
		f.now += time.Duration(12+f.rand.IntN(4)) * time.Microsecond
		b = b[n:]
	}
	if !f.calm {
		list = f.disturb(list)
	}
	var early []passing // segments beyond a hole
	for _, p := range list {
		flags := byte(flagACK)
		if p.seq+uint32(len(p.b)) == f.next[d] {
			flags |= flagPSH
		}
		f.emit(p.at, d, p.seq, f.next[d.Other()], flags, p.b)
		f.now = max(f.now, p.at)
		before := seq
		early = append(early, p)
		seq, early = advance(seq, early)
		f.owed[d]++
		if len(early) > 0 || seq == before || f.owed[d] >= 2 { // a hole or a repetition is answered at once
			f.acknowledge(p.at+halfTrip, d, seq)
			f.now = max(f.now, p.at+halfTrip)
		}
	}
}

// advance takes out the segments that continue the stream.
func advance(seq uint32, list []passing) (uint32, []passing) {
	for again := true; again; {
		again = false
		list = slices.DeleteFunc(list, func(p passing) bool {
			if int32(p.seq-seq) > 0 {
				return false
			}
			if end := p.seq + uint32(len(p.b)); int32(end-seq) > 0 {
				seq, again = end, true
			}
			return true
		})
	}
	return seq, list
}

// disturb makes one segment in about 150 late, out of order or repeated.
func (f *flow) disturb(list []passing) []passing {
	for i := range list {
		if f.rand.IntN(150) != 0 {
			continue
		}
		p := list[i]
		switch f.rand.IntN(4) {
		case 0: // overtaken by the next
			if i+1 < len(list) {
				list[i].at, list[i+1].at = list[i+1].at, list[i].at
			}
		case 1: // lost before the tap and sent again
			list[i].at += resendTime
		case 2: // sent twice
			list = append(list, passing{p.at + resendTime, p.seq, p.b})
		case 3: // its second half sent twice, in a segment of its own
			half := len(p.b) / 2
			list = append(list, passing{p.at + resendTime, p.seq + uint32(half), p.b[half:]})
		}
	}
	slices.SortStableFunc(list, func(a, b passing) int { return int(a.at - b.at) })
	return list
}

// acknowledge sends an empty segment of d's peer.
func (f *flow) acknowledge(at time.Duration, d Dir, seq uint32) {
	f.owed[d] = 0
	f.emit(at, d.Other(), f.next[d.Other()], seq, flagACK, nil)
}

// keepAlive asks whether the other side is still there (RFC 9293 section 3.8.4).
func (f *flow) keepAlive(d Dir) {
	f.emit(f.now, d, f.next[d]-1, f.next[d.Other()], flagACK, nil)
	f.now += 2 * halfTrip
	f.emit(f.now, d.Other(), f.next[d.Other()], f.next[d], flagACK, nil)
}

// close ends both directions; d is the side that begins.
func (f *flow) close(d Dir) {
	f.at(f.now + time.Duration(200+f.rand.IntN(2000))*time.Microsecond)
	f.emit(f.now, d, f.next[d], f.next[d.Other()], flagFIN|flagACK, nil)
	f.next[d]++
	f.now += 2 * halfTrip
	f.emit(f.now, d.Other(), f.next[d.Other()], f.next[d], flagFIN|flagACK, nil)
	f.next[d.Other()]++
	f.now += 2 * halfTrip
	f.emit(f.now, d, f.next[d], f.next[d.Other()], flagACK, nil)
}

// reset ends the connection at once.
func (f *flow) reset(d Dir) {
	f.at(f.now + time.Millisecond)
	f.emit(f.now, d, f.next[d], f.next[d.Other()], flagRST|flagACK, nil)
}

func (f *flow) emit(at time.Duration, d Dir, seq, ack uint32, flags byte, payload []byte) {
	var options []byte
	if flags&flagSYN != 0 {
		options = synOptions
	}
	if f.stamps {
		options = append(options[:len(options):len(options)], f.timestamps(at, d)...)
	}
	segment := tcpSegment(f.port[d], f.port[d.Other()], seq, ack, flags, options, payload)
	f.net.emit(at, f.addr[d], f.addr[d.Other()], protocolTCP, 16, segment)
}

// timestamps is the option of RFC 7323 section 3.2.
func (f *flow) timestamps(at time.Duration, d Dir) []byte {
	b := []byte{1, 1, 8, 10}
	b = binary.BigEndian.AppendUint32(b, uint32(at/time.Millisecond)+uint32(d)*7919)
	return binary.BigEndian.AppendUint32(b, uint32(at/time.Millisecond)+uint32(d.Other())*7919)
}
