package source

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/gopacket/gopacket/layers"
)

// record is one packet as its file has it.
type record struct {
	time   time.Time // zero when the file does not say
	length int       // on the wire
	data   []byte    // valid until the next call
	link   layers.LinkType
}

// records reads the packets of one format. next gives io.EOF at an orderly end and a *flaw where the file is cut off
// or damaged; after a flaw that is only a cut, and after io.EOF, it may be called again when the file has grown.
//
// pcapgo's readers are not used here: they cannot go on after the end of a file that grows, they take more memory than
// a damaged length deserves, and they pass over pcapng sections of version 1.2 without a word. They are the peer in tests.
type records interface {
	next(w *window) (record, error)
}

// flaw says what is wrong with a file, in words for its user.
type flaw struct {
	text   string
	inside string // what it is in: "packet", "block", "header"
	cut    bool   // the file ends here
}

func (f *flaw) Error() string { return f.text }

func cutIn(what string) error {
	return &flaw{text: "the file ends in the middle of a " + what, inside: what, cut: true}
}

func damagedIn(what, format string, a ...any) error {
	return &flaw{text: fmt.Sprintf(format, a...) + "; the file is damaged here", inside: what}
}

// pcapMagics are the magic numbers as a little-endian machine reads them (draft-ietf-opsawg-pcap 4).
var pcapMagics = map[uint32]struct {
	order binary.ByteOrder
	unit  time.Duration // of the fraction of a second
}{
	0xA1B2C3D4: {binary.LittleEndian, time.Microsecond},
	0xD4C3B2A1: {binary.BigEndian, time.Microsecond},
	0xA1B23C4D: {binary.LittleEndian, time.Nanosecond},
	0x4D3CB2A1: {binary.BigEndian, time.Nanosecond},
}

const (
	pcapHeader = 24
	pcapRecord = 16

	snapLimit = 262144 // what tcpdump and Wireshark read whatever the header says: some writers ignore their own snap length
)

// pcap reads draft-ietf-opsawg-pcap files, the format of tcpdump.
type pcap struct {
	order binary.ByteOrder
	unit  int64 // nanoseconds of one tick of the fraction
	limit uint32
	link  layers.LinkType
}

// newPcap reads the file header, which begins with one of the magic numbers.
func newPcap(w *window) (*pcap, error) {
	h, err := w.need(pcapHeader)
	if err != nil {
		return nil, orCut(err, "header")
	}
	magic := pcapMagics[binary.LittleEndian.Uint32(h)]
	p := &pcap{order: magic.order, unit: int64(magic.unit)}
	if major, minor := p.order.Uint16(h[4:]), p.order.Uint16(h[6:]); major != 2 || minor != 4 {
		return nil, &flaw{text: fmt.Sprintf("pcap version %d.%d, where only 2.4 can be read; convert it with editcap", major, minor), inside: "header"}
	}
	p.limit = max(snapLimit, min(p.order.Uint32(h[16:]), maxRecord-pcapRecord))
	p.link = layers.LinkType(p.order.Uint32(h[20:])) // the upper half is about frame check sequences
	w.consume(pcapHeader)
	return p, nil
}

func (p *pcap) next(w *window) (record, error) {
	w.record = w.at
	h, err := w.need(pcapRecord)
	if err != nil {
		if err == io.EOF && len(h) == 0 {
			return record{}, io.EOF
		}
		return record{}, orCut(err, "packet")
	}
	captured, length := p.order.Uint32(h[8:]), p.order.Uint32(h[12:])
	if captured > p.limit {
		return record{}, damagedIn("packet", "a packet of %d bytes is more than a capture can hold", captured)
	}
	at := time.Unix(int64(p.order.Uint32(h)), int64(p.order.Uint32(h[4:]))*p.unit).UTC()
	n := pcapRecord + int(captured)
	b, err := w.need(n)
	if err != nil {
		return record{}, orCut(err, "packet")
	}
	w.consume(n)
	return record{time: at, length: max(int(length), int(captured)), data: b[pcapRecord:], link: p.link}, nil
}

// orCut turns the end of the file into a flaw and leaves other errors alone.
func orCut(err error, what string) error {
	if err == io.EOF {
		return cutIn(what)
	}
	return err
}
