package clinicsim

import (
	"bufio"
	"encoding/binary"
	"io"
)

// pcapng block types and options (draft-ietf-opsawg-pcapng sections 4.1 to 4.3).
const (
	blockSection   = 0x0A0D0D0A
	blockInterface = 1
	blockPacket    = 6

	optionName       = 2
	optionResolution = 9
	linkEthernet     = 1
)

// fileWriter writes a pcapng file with one Ethernet interface and nanosecond times.
type fileWriter struct {
	w   *bufio.Writer
	buf []byte
}

// wholePackets is the snap length of a capture that cuts nothing.
const wholePackets = 262144

func newFileWriter(w io.Writer, tap string, snap uint32) (*fileWriter, error) {
	f := &fileWriter{w: bufio.NewWriterSize(w, 1<<16)}
	le := binary.LittleEndian
	section := le.AppendUint32(nil, 0x1A2B3C4D)
	section = append(section, 1, 0, 0, 0)
	section = le.AppendUint64(section, 1<<64-1) // length not given
	if err := f.block(blockSection, section); err != nil {
		return nil, err
	}
	iface := le.AppendUint32([]byte{linkEthernet, 0, 0, 0}, snap)
	iface = append(iface, optionName, 0, byte(len(tap)), 0)
	iface = append(iface, tap...)
	iface = append(iface, make([]byte, -len(tap)&3)...)
	iface = append(iface, optionResolution, 0, 1, 0, 9, 0, 0, 0)
	iface = append(iface, 0, 0, 0, 0)
	return f, f.block(blockInterface, iface)
}

func (f *fileWriter) packet(p Packet) error {
	le := binary.LittleEndian
	at := uint64(p.Time.UnixNano())
	b := le.AppendUint32(f.buf[:0], 0)
	b = le.AppendUint32(b, uint32(at>>32))
	b = le.AppendUint32(b, uint32(at))
	b = le.AppendUint32(b, uint32(len(p.Frame)))
	b = le.AppendUint32(b, uint32(max(p.Length, len(p.Frame))))
	b = append(b, p.Frame...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	f.buf = b
	return f.block(blockPacket, b)
}

func (f *fileWriter) block(kind uint32, body []byte) error {
	var head [8]byte
	binary.LittleEndian.PutUint32(head[:], kind)
	binary.LittleEndian.PutUint32(head[4:], uint32(len(body)+12))
	// bufio keeps the first error and gives it from the last write
	_, _ = f.w.Write(head[:])
	_, _ = f.w.Write(body)
	_, err := f.w.Write(head[4:])
	return err
}

// Write plays a day and writes its capture while it goes on; memory does not grow with the size of the capture.
func Write(w io.Writer, o Options) (Truth, error) {
	f, err := newFileWriter(w, "tap0", wholePackets)
	if err != nil {
		return Truth{}, err
	}
	truth, err := play(o, false, f.packet)
	if err != nil {
		return Truth{}, err
	}
	return truth, f.w.Flush()
}

// WritePackets writes packets, in the order given, as a pcapng file.
func WritePackets(w io.Writer, packets []Packet) error {
	f, err := newFileWriter(w, "tap0", wholePackets)
	if err != nil {
		return err
	}
	for _, p := range packets {
		if err := f.packet(p); err != nil {
			return err
		}
	}
	return f.w.Flush()
}
