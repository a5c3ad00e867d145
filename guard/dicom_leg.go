package guard

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"chaperone/wire"
)

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
	waiting []byte // PDUs of a batch that are to be passed on as they came
	until   int    // where in the batch they end
	time    deadline
	broken  error // of a write, of which a part may have gone: nothing may stand behind that
	message incoming
	offset  int64 // of the PDU being read
}

// later passes on a PDU of a batch as it came, in one write with those that lie before and behind it: flush has to follow before
// the batch is given back.
func (l *leg) later(b *batch, p *pdu) error {
	from, to := p.place, p.place+len(p.raw)
	if len(l.waiting) > 0 && l.until == from {
		l.waiting, l.until = l.waiting[:len(l.waiting)+len(p.raw)], to
		return nil
	}
	if err := l.flush(); err != nil {
		return err
	}
	l.waiting, l.until = b.buffer[from:to], to
	return nil
}

// flush writes what waits.
func (l *leg) flush() error {
	if len(l.waiting) == 0 {
		return nil
	}
	b := l.waiting
	l.waiting = nil
	return l.write(b)
}

// oneRecord is what goes out in a record of TLS.
const oneRecord = 16 << 10

// write writes one PDU, or several that are whole, at once.
func (l *leg) write(b []byte) error {
	if err := l.flush(); err != nil {
		return err
	}
	if l.broken == nil {
		l.broken = l.writeOne(b)
	}
	return l.broken
}

func (l *leg) writeOne(b []byte) error {
	if at, ok := l.time.renew(l.patient); ok {
		if err := l.conn.SetWriteDeadline(at); err != nil {
			return err
		}
	}
	if under := bulkOf(l.conn); under != nil && len(b) > oneRecord {
		return under.together(l.conn, b)
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
