package guard

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
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
	raw    []byte // with its header
	place  int    // of its header, in the batch
	offset int64  // of its header, in its direction
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
	until     time.Time     // when the PDU that is being read has to be there; zero between PDUs
	owing     *owing        // of the client, nil for other sides
	offset    int64
}

const aheadOf = 64 << 10

func newPDUReader(conn net.Conn, inMessage time.Duration) *pduReader {
	r := &pduReader{conn: conn, inMessage: inMessage, out: make(chan batch, 2), free: make(chan []byte, 4)}
	r.in = bufio.NewReaderSize(&untilThen{r, promptly(conn)}, aheadOf)
	return r
}

// errWoken is no error: somebody set a deadline while nothing was being read, so that the connection looks around.
var errWoken = errors.New("woken up")

// untilThen reads under the deadline of a PDU, whatever other deadline somebody sets to wake its reader up.
type untilThen struct {
	*pduReader
	from io.Reader
}

func (u *untilThen) Read(b []byte) (int, error) {
	for {
		n, err := u.from.Read(b)
		if u.owing != nil {
			u.owing.part.Add(int64(n))
		}
		switch {
		case n > 0 || !errors.Is(err, os.ErrDeadlineExceeded):
			return n, err
		case u.until.IsZero():
			return 0, errWoken
		case !time.Now().Before(u.until):
			return 0, err
		}
		if err := u.conn.SetReadDeadline(u.until); err != nil {
			return 0, err
		}
	}
}

// run reads until there is an error, or the connection has ended.
func (r *pduReader) run(ended <-chan struct{}) {
	defer close(r.out)
	for {
		b := r.next()
		if errors.Is(b.err, errWoken) {
			b.err = r.conn.SetReadDeadline(time.Time{})
		}
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
	if !r.ahead() { // else nothing is waited for
		began := time.Now()
		r.until = began.Add(r.inMessage)
		if r.owing != nil {
			r.owing.begin(began)
		}
		if err := r.conn.SetReadDeadline(r.until); err != nil {
			return err
		}
	}
	head, err := r.in.Peek(6)
	if err != nil {
		return inside(err)
	}
	kind, length := head[0], binary.BigEndian.Uint32(head[2:])
	if err := checkPDU(kind, length); err != nil {
		return err
	}
	from := len(b.buffer)
	b.buffer = extend(b.buffer, 6+int(length))
	if _, err := io.ReadFull(r.in, b.buffer[from:]); err != nil {
		return inside(err)
	}
	raw := b.buffer[from:len(b.buffer):len(b.buffer)]
	b.list = append(b.list, pdu{kind, raw[6:], raw, from, r.offset})
	r.offset += int64(length) + 6
	if r.owing != nil {
		r.owing.part.Store(int64(r.in.Buffered()))
		r.owing.done()
	}
	if r.until.IsZero() {
		return nil
	}
	r.until = time.Time{}
	return r.conn.SetReadDeadline(time.Time{})
}

// extend makes room for n more bytes. PDUs that lie in b keep the array they have.
func extend(b []byte, n int) []byte {
	if cap(b)-len(b) < n {
		b = append(make([]byte, 0, max(len(b)+n, aheadOf+aheadOf/2)), b...)
	}
	return b[:len(b)+n]
}

// errInside is an end, or a break, of a connection in the middle of a PDU.
var errInside = errors.New("dicom: the connection ends inside a PDU")

func inside(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return errInside
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
