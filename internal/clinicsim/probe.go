package clinicsim

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"
)

// synOptions are MSS 1460, window scale and SACK permitted.
var synOptions = []byte{2, 4, 0x05, 0xB4, 1, 3, 3, 7, 1, 1, 4, 2}

// knock asks for a connection that does not come about: the host refuses it, or nobody answers and the client asks once
// more.
func (n *network) knock(r *rand.Rand, at time.Duration, client, server netip.Addr, port uint16, refused bool) {
	source, seq := n.port(client), r.Uint32()
	ask := func(at time.Duration) {
		n.emit(at, client, server, protocolTCP, 16, tcpSegment(source, port, seq, 0, flagSYN, synOptions, nil))
	}
	ask(at)
	if refused {
		n.emit(at+2*halfTrip, server, client, protocolTCP, 16, tcpSegment(port, source, 0, seq+1, flagRST|flagACK, nil, nil))
		return
	}
	ask(at + time.Second)
}

// cutAt is what a tap keeps of a segment that is larger than a frame: such segments are a network card's, and bulk.
const cutAt = 68

// bulkSegment is the payload of such a segment.
const bulkSegment = 45 * 1448

// pour sends n bytes until a time in bulk segments, of which only the heads are captured. Now and then it rests.
func (f *flow) pour(d Dir, n int64, until time.Duration, wait func(time.Duration)) {
	f.at(f.now + time.Millisecond)
	step := (until - f.now) / time.Duration(n/bulkSegment+1)
	for i := 0; n > 0; i++ {
		size := int(min(n, bulkSegment))
		n -= int64(size)
		f.cut(d, size)
		if i%16 == 15 || n == 0 {
			f.acknowledge(f.now+halfTrip, d, f.next[d])
		}
		f.now += time.Duration(float64(step) * (0.5 + f.rand.Float64()))
		if i%64 == 63 {
			wait(f.now)
		}
	}
	f.last = d
	f.now += 2 * halfTrip
}

// cut sends one segment of so many bytes. The network card fills in its checksum, after the tap has seen it.
func (f *flow) cut(d Dir, size int) {
	var options []byte
	if f.stamps {
		options = f.timestamps(f.now, d)
	}
	header := tcpSegment(f.port[d], f.port[d.Other()], f.next[d], f.next[d.Other()], flagACK, options, nil)
	from := f.addr[d]
	f.net.ids[from]++
	frame := ipv4(from, f.addr[d.Other()], f.net.ids[from], protocolTCP, 16, header)[:34+len(header)]
	binary.BigEndian.PutUint16(frame[16:], uint16(20+len(header)+size))
	binary.BigEndian.PutUint16(frame[24:], 0)
	binary.BigEndian.PutUint16(frame[24:], ^fold(sum(0, frame[14:34])))
	length := len(frame) + size
	frame = append(frame, random(f.rand, cutAt-len(frame))...)
	f.net.capture(f.now, Packet{Frame: frame, Length: length})
	f.next[d] += uint32(size)
	f.sent[d] += int64(size)
}
