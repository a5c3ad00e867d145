package guard

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"chaperone/wire"
)

// PDU types (PS3.8 section 9.3.1).
const (
	pduAssociateRQ byte = 1
	pduAssociateAC byte = 2
	pduAssociateRJ byte = 3
	pduData        byte = 4
	pduReleaseRQ   byte = 5
	pduReleaseRP   byte = 6
	pduAbort       byte = 7
)

// Bounds of what is read. Others' PDUs may be longer than they were asked to make them.
const (
	mostData      = 1 << 20
	mostAssociate = 256 << 10 // 128 contexts have some 30 KB, a user's SAML assertion 64 KB
)

// Bounds of what the guard asks for and writes (PS3.8 annex D.1: without the PDU's header).
const (
	usualPDU = 64 << 10
	mostPDU  = 128 << 10
	leastPDU = 64 // less does not hold a command in reasonable time
)

// Reasons of an A-ABORT by the service provider (PS3.8 table 9-26).
const (
	abortUnrecognised byte = 1
	abortUnexpected   byte = 2
	abortInvalid      byte = 6
)

// violation is something outside the protocol: it ends the association with an A-ABORT.
type violation struct {
	reason byte
	what   string
}

func (v *violation) Error() string { return v.what }

func invalid(what string) error    { return &violation{abortInvalid, "dicom: " + what} }
func unexpected(what string) error { return &violation{abortUnexpected, "dicom: " + what} }

// pdu is one PDU without its header.
type pdu struct {
	kind   byte
	body   []byte
	offset int64 // of its header, in its direction
}

// batch is what was there to be read at once: at least one PDU, or an error behind those that are whole.
type batch struct {
	list   []pdu
	buffer []byte // to be given back
	err    error
}

// pduReader reads one side a little ahead: two batches, each of what one read brought and never much longer than a PDU.
type pduReader struct {
	conn      net.Conn
	in        *bufio.Reader
	out       chan batch // closed behind the first error
	free      chan []byte
	inMessage time.Duration // from the first byte of a PDU to its last
	offset    int64
}

const aheadOf = 64 << 10

func newPDUReader(conn net.Conn, inMessage time.Duration) *pduReader {
	return &pduReader{conn: conn, in: bufio.NewReaderSize(promptly(conn), aheadOf), inMessage: inMessage, out: make(chan batch, 2), free: make(chan []byte, 4)}
}

// run reads until there is an error, or the connection has ended.
func (r *pduReader) run(ended <-chan struct{}) {
	defer close(r.out)
	for {
		b := r.next()
		select {
		case r.out <- b:
		case <-ended:
			return
		}
		if b.err != nil {
			return
		}
	}
}

// done gives a batch's memory back.
func (r *pduReader) done(b batch) {
	select {
	case r.free <- b.buffer[:0]:
	default:
	}
}

func (r *pduReader) next() batch {
	var b batch
	select {
	case b.buffer = <-r.free:
	default:
	}
	for b.err == nil && len(b.buffer) < aheadOf {
		whole := r.ahead()
		if len(b.list) > 0 && !whole {
			break
		}
		b.err = r.one(&b)
	}
	return b
}

// ahead reports whether a whole PDU is buffered.
func (r *pduReader) ahead() bool {
	if r.in.Buffered() < 6 {
		return false
	}
	head, _ := r.in.Peek(6) // it is there
	length := binary.BigEndian.Uint32(head[2:])
	return uint64(length)+6 <= uint64(r.in.Buffered())
}

// one reads a PDU: type(1) reserved(1) length(4). The length is checked before anything is made for it.
func (r *pduReader) one(b *batch) error {
	if _, err := r.in.Peek(1); err != nil { // as long as it takes: whoever decides knows how long that may be
		return err
	}
	if err := r.conn.SetReadDeadline(time.Now().Add(r.inMessage)); err != nil {
		return err
	}
	head, err := r.in.Peek(6)
	if err != nil {
		return inside(err)
	}
	kind, length := head[0], binary.BigEndian.Uint32(head[2:])
	if err := checkPDU(kind, length); err != nil {
		return err
	}
	_, _ = r.in.Discard(6) // they were looked at
	from := len(b.buffer)
	b.buffer = extend(b.buffer, int(length))
	if _, err := io.ReadFull(r.in, b.buffer[from:]); err != nil {
		return inside(err)
	}
	b.list = append(b.list, pdu{kind, b.buffer[from:len(b.buffer):len(b.buffer)], r.offset})
	r.offset += int64(length) + 6
	return r.conn.SetReadDeadline(time.Time{})
}

// extend makes room for n more bytes. PDUs that lie in b keep the array they have.
func extend(b []byte, n int) []byte {
	if cap(b)-len(b) < n {
		b = append(make([]byte, 0, max(len(b)+n, aheadOf+aheadOf/2)), b...)
	}
	return b[:len(b)+n]
}

func inside(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("dicom: the connection ends inside a PDU")
	}
	return err
}

// checkPDU checks a header (PS3.8 section 9.3).
func checkPDU(kind byte, length uint32) error {
	switch kind {
	case pduAssociateRQ, pduAssociateAC:
		if length < 68 || length > mostAssociate {
			return invalid(fmt.Sprintf("association PDU of %d bytes", length))
		}
	case pduData:
		if length < 6 || length > mostData {
			return invalid(fmt.Sprintf("P-DATA-TF of %d bytes", length))
		}
	case pduAssociateRJ, pduReleaseRQ, pduReleaseRP, pduAbort:
		if length != 4 {
			return invalid(fmt.Sprintf("PDU of type %d and %d bytes", kind, length))
		}
	default:
		return &violation{abortUnrecognised, fmt.Sprintf("dicom: PDU of type %d", kind)}
	}
	return nil
}

// fragment is a presentation data value: a piece of a message (PS3.8 section 9.3.5 and annex E.2).
type fragment struct {
	context       byte
	command, last bool
	data          []byte
}

// fragments gives the pieces in a P-DATA-TF.
func fragments(body []byte, each func(fragment) error) error {
	for len(body) > 0 {
		if len(body) < 6 {
			return invalid("bytes left over in a P-DATA-TF")
		}
		n := binary.BigEndian.Uint32(body)
		if n < 2 || uint64(n) > uint64(len(body)-4) || body[5] > 3 {
			return invalid(fmt.Sprintf("PDV of %d bytes", n))
		}
		f := fragment{context: body[4], command: body[5]&1 != 0, last: body[5]&2 != 0, data: body[6 : 4+n]}
		if err := each(f); err != nil {
			return err
		}
		body = body[4+n:]
	}
	return nil
}

// leg is one of the two associations of which a connection is made, as seen from the guard.
type leg struct {
	dir     wire.Dir // in which its peer sends
	conn    net.Conn
	in      *pduReader
	most    int // bytes of a P-DATA-TF that its peer takes
	patient time.Duration
	out     []byte
	message incoming
	offset  int64 // of the PDU being read
}

// write writes one PDU, or several that are whole, at once.
func (l *leg) write(b []byte) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(l.patient)); err != nil {
		return err
	}
	_, err := l.conn.Write(b)
	return err
}

// control writes a PDU that is not P-DATA.
func (l *leg) control(kind byte, body []byte) error {
	b := binary.BigEndian.AppendUint32([]byte{kind, 0}, uint32(len(body)))
	return l.write(append(b, body...))
}

func (l *leg) abort(source, reason byte) { _ = l.control(pduAbort, []byte{0, 0, source, reason}) } // it is over anyway

// send writes a piece of a message in PDUs of a size that the peer takes, each in one write.
func (l *leg) send(context byte, command, last bool, b []byte) error {
	flags := byte(0)
	if command {
		flags = 1
	}
	for {
		n := min(len(b), l.most-6)
		mark := flags
		if last && n == len(b) {
			mark |= 2
		}
		l.out = append(l.out[:0], pduData, 0)
		l.out = binary.BigEndian.AppendUint32(l.out, uint32(n+6))
		l.out = binary.BigEndian.AppendUint32(l.out, uint32(n+2))
		l.out = append(append(l.out, context, mark), b[:n]...)
		if err := l.write(l.out); err != nil {
			return err
		}
		if b = b[n:]; len(b) == 0 {
			return nil
		}
	}
}
