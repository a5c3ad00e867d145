package source

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"time"

	"github.com/gopacket/gopacket/layers"
)

// Block types (draft-ietf-opsawg-pcapng 11.1).
const (
	blockSection        = 0x0A0D0D0A // the same in both byte orders
	blockInterface      = 1
	blockPacket         = 2 // obsolete
	blockSimplePacket   = 3
	blockEnhancedPacket = 6

	byteOrderMagic = 0x1A2B3C4D

	blockFrame = 12 // type, total length; total length again at the end

	maxInterfaces = 1 << 16 // of one section
)

// pcapng reads draft-ietf-opsawg-pcapng files, the format of Wireshark. A block is framed by its length on both
// ends; both are checked before anything inside is believed.
type pcapng struct {
	order      binary.ByteOrder
	interfaces []iface
	unread     bool  // the section is of a version that cannot be read
	skipping   int64 // bytes left of a block that is passed over
	skipped    *flaw // set once a section was passed over
}

type iface struct {
	link   layers.LinkType
	snap   uint32 // 0: unlimited
	units  uint64 // ticks of a second
	offset int64  // seconds to add
}

// packetLayouts say where the blocks that hold a packet keep what (draft-ietf-opsawg-pcapng 4.3, 4.4 and appendix A).
var packetLayouts = map[uint32]struct {
	head                        int  // bytes before the packet
	timeHigh, captured, length  int  // offsets in the body; timeHigh < 0: no time
	shortInterface, noInterface bool // of 16 bits; always interface 0
}{
	blockEnhancedPacket: {head: 20, timeHigh: 4, captured: 12, length: 16},
	blockPacket:         {head: 20, timeHigh: 4, captured: 12, length: 16, shortInterface: true},
	blockSimplePacket:   {head: 4, timeHigh: -1, captured: -1, length: 0, noInterface: true},
}

func (p *pcapng) next(w *window) (record, error) {
	for {
		if err := p.skip(w); err != nil {
			return record{}, err
		}
		w.record = w.at
		kind, body, err := p.block(w)
		if err != nil {
			return record{}, err
		}
		switch {
		case kind == blockSection:
			err = p.section(body)
		case p.unread:
		case kind == blockInterface:
			err = p.describe(body)
		case body != nil:
			return p.packet(kind, body)
		}
		if err != nil {
			return record{}, err
		}
	}
}

// block gives the body of the next block; nil for one that holds nothing of interest.
func (p *pcapng) block(w *window) (kind uint32, body []byte, err error) {
	h, err := w.need(8)
	if err != nil {
		if err == io.EOF && len(h) == 0 {
			return 0, nil, io.EOF
		}
		return 0, nil, orCut(err, "block")
	}
	kind = binary.LittleEndian.Uint32(h)
	if kind == blockSection {
		if h, err = w.need(12); err != nil {
			return 0, nil, orCut(err, "block")
		}
		if err := p.byteOrder(h[8:]); err != nil {
			return 0, nil, err
		}
	}
	kind = p.order.Uint32(h)
	total := p.order.Uint32(h[4:])
	what := "block"
	layout, isPacket := packetLayouts[kind]
	if isPacket && !p.unread {
		what = "packet"
	}
	if total%4 != 0 || total < blockFrame+uint32(layout.head) {
		return 0, nil, damagedIn(what, "a block of %d bytes cannot be", total)
	}
	if kind != blockSection && (p.unread || !isPacket && kind != blockInterface) {
		p.skipping = int64(total)
		return kind, nil, nil
	}
	if total > maxRecord {
		return 0, nil, damagedIn(what, "a block of %d bytes is more than a capture can hold", total)
	}
	b, err := w.need(int(total))
	if err != nil {
		return 0, nil, orCut(err, what)
	}
	if again := p.order.Uint32(b[total-4:]); again != total {
		return 0, nil, damagedIn(what, "a block says at its beginning that it has %d bytes and at its end that it has %d", total, again)
	}
	w.consume(int(total))
	return kind, b[8 : total-4], nil
}

// skip passes over the rest of a block that nobody needs, however long it is.
func (p *pcapng) skip(w *window) error {
	n, err := w.skip(p.skipping)
	p.skipping -= n
	if err != nil {
		return orCut(err, "block")
	}
	return nil
}

func (p *pcapng) byteOrder(magic []byte) error {
	switch {
	case binary.LittleEndian.Uint32(magic) == byteOrderMagic:
		p.order = binary.LittleEndian
	case binary.BigEndian.Uint32(magic) == byteOrderMagic:
		p.order = binary.BigEndian
	default:
		return damagedIn("block", "a section without byte order")
	}
	return nil
}

// section begins a section: byte order magic, version, section length (which is not needed), options.
func (p *pcapng) section(body []byte) error {
	if len(body) < 16 {
		return damagedIn("block", "a section header of %d bytes is too short", len(body))
	}
	p.interfaces = p.interfaces[:0]
	major, minor := p.order.Uint16(body[4:]), p.order.Uint16(body[6:])
	// 1.2 is 1.0: some writers wrote it (draft-ietf-opsawg-pcapng 4.1).
	p.unread = major != 1 || minor != 0 && minor != 2
	if p.unread && p.skipped == nil {
		p.skipped = &flaw{text: fmt.Sprintf("a section in pcapng version %d.%d was passed over", major, minor), inside: "block"}
	}
	return nil
}

// describe adds an interface (draft-ietf-opsawg-pcapng 4.2).
func (p *pcapng) describe(body []byte) error {
	if len(body) < 8 {
		return damagedIn("block", "an interface description of %d bytes is too short", len(body))
	}
	if len(p.interfaces) == maxInterfaces {
		return damagedIn("block", "more than %d interfaces", maxInterfaces)
	}
	i := iface{link: layers.LinkType(p.order.Uint16(body)), snap: p.order.Uint32(body[4:]), units: 1e6}
	for o := body[8:]; len(o) >= 4; {
		code, n := p.order.Uint16(o), int(p.order.Uint16(o[2:]))
		padded := 4 + (n+3)&^3
		if code == 0 || padded > len(o) {
			break
		}
		switch value := o[4 : 4+n]; {
		case code == 9 && n == 1: // if_tsresol
			i.units = resolution(value[0])
		case code == 14 && n == 8: // if_tsoffset
			i.offset = int64(p.order.Uint64(value))
		}
		o = o[padded:]
	}
	p.interfaces = append(p.interfaces, i)
	return nil
}

// resolution gives the ticks of a second, 0 when they are too many to count.
func resolution(r byte) uint64 {
	if r&0x80 != 0 {
		return 1 << (r & 0x7F) // 0 from 64 on
	}
	if r > 19 {
		return 0
	}
	units := uint64(1)
	for range r {
		units *= 10
	}
	return units
}

func (p *pcapng) packet(kind uint32, body []byte) (record, error) {
	layout := packetLayouts[kind]
	var n uint32
	switch {
	case layout.noInterface:
	case layout.shortInterface:
		n = uint32(p.order.Uint16(body))
	default:
		n = p.order.Uint32(body)
	}
	if int64(n) >= int64(len(p.interfaces)) {
		return record{}, damagedIn("packet", "a packet of interface %d, where %d are described", n, len(p.interfaces))
	}
	i := p.interfaces[n]
	r := record{link: i.link, data: body[layout.head:], length: int(p.order.Uint32(body[layout.length:]))}
	if layout.timeHigh >= 0 {
		r.time = i.time(uint64(p.order.Uint32(body[layout.timeHigh:]))<<32 | uint64(p.order.Uint32(body[layout.timeHigh+4:])))
	}
	captured := r.length
	if layout.captured >= 0 {
		captured = int(p.order.Uint32(body[layout.captured:]))
	} else {
		if i.snap != 0 {
			captured = min(captured, int(i.snap))
		}
		captured = min(captured, len(r.data))
	}
	if captured > len(r.data) {
		return record{}, damagedIn("packet", "a packet of %d bytes in a block of %d", captured, len(body)+blockFrame)
	}
	r.data = r.data[:captured]
	r.length = max(r.length, captured)
	return r, nil
}

// time converts ticks. It gives the zero time for what no calendar has.
func (i iface) time(ticks uint64) time.Time {
	const lastSecond = 253402300799 // of the year 9999: later times cannot be written in JSON
	if i.units == 0 {
		return time.Time{}
	}
	seconds, rest := ticks/i.units, ticks%i.units
	if seconds > lastSecond || i.offset < -lastSecond || i.offset > lastSecond {
		return time.Time{}
	}
	at := int64(seconds) + i.offset
	if at < 0 || at > lastSecond {
		return time.Time{}
	}
	high, low := bits.Mul64(rest, 1e9)
	nanos, _ := bits.Div64(high, low, i.units) // rest < units, so this is below 1e9
	return time.Unix(at, int64(nanos)).UTC()
}
