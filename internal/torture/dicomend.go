package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"chaperone/internal/clinicsim"
)

// dicomEnd is one end of an association. Both ends run the same script of clinicsim: each sends what is its own to send, and waits where it is
// the other one's turn.
type dicomEnd struct {
	conn net.Conn
	dir  clinicsim.Dir  // that it sends in
	see  func(b []byte) // what arrives, also of what does not arrive as a whole
	last []byte         // message that arrived
	err  error          // the script is over
}

// errRefused: the answer is neither success nor that more will come.
var errRefused = errors.New("refused")

// Send is the next message of the script.
func (e *dicomEnd) Send(d clinicsim.Dir, b []byte) {
	_ = e.conn.SetDeadline(time.Now().Add(patience)) // it fails as what comes next does
	switch {
	case e.err != nil:
	case d == e.dir:
		_, e.err = e.conn.Write(b)
	default:
		e.err = e.take()
	}
}

// take takes a message, or a PDU that is none (PS3.8 section 9.3).
func (e *dicomEnd) take() error {
	e.last = e.last[:0]
	for {
		kind, body, err := e.pdu()
		if err != nil {
			return err
		}
		e.last = append(e.last, body...)
		switch kind {
		case 1, 2, 6:
			return nil
		case 3:
			return errRefused
		case 4:
			over, err := e.fragments(body)
			if over || err != nil {
				return err
			}
		case 5:
			_, err := e.conn.Write([]byte{6, 0, 0, 0, 0, 4, 0, 0, 0, 0})
			return errors.Join(io.EOF, err)
		default:
			return io.ErrUnexpectedEOF
		}
	}
}

// pdu reads one PDU, and shows what there is of it.
func (e *dicomEnd) pdu() (kind byte, body []byte, err error) {
	var head [6]byte
	if _, err := io.ReadFull(e.conn, head[:]); err != nil {
		return 0, nil, err
	}
	body = make([]byte, min(binary.BigEndian.Uint32(head[2:]), 1<<20))
	n, err := io.ReadFull(e.conn, body)
	e.see(body[:n])
	return head[0], body, err
}

// fragments looks at presentation data values (PS3.8 annex E): over says that a message ends with them.
func (e *dicomEnd) fragments(body []byte) (over bool, err error) {
	for len(body) > 6 {
		n := int(binary.BigEndian.Uint32(body)) + 4
		if n < 6 || n > len(body) {
			return true, fmt.Errorf("a presentation data value of %d bytes", n)
		}
		control, value := body[5], body[6:n]
		body = body[n:]
		switch {
		case control == 3:
			over = number(value, 0x0800) == 0x0101
			if number(value, 0x0100)&0x8000 != 0 && number(value, 0x0900) != clinicsim.Success && number(value, 0x0900) != clinicsim.Pending {
				return true, errRefused
			}
		case control == 2:
			over = true
		}
	}
	return over, nil
}

// number gives an element of a command set (PS3.7 annex E).
func number(set []byte, element uint16) uint16 {
	_, value, ok := bytes.Cut(set, []byte{0, 0, byte(element), byte(element >> 8), 2, 0, 0, 0})
	if !ok || len(value) < 2 {
		return 0
	}
	return binary.LittleEndian.Uint16(value)
}
