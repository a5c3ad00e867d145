package guard

import (
	"encoding/binary"

	"chaperone/wire"
)

// requestReader waits for what the client of a DICOM listener that observes asks an association for, and decides it by the code of one that
// enforces: nothing that comes later on the association shows what would have been rejected of it.
type requestReader struct {
	talk *dicomConn // decides, and sends nothing
	head []byte     // what has come of the request
}

func newRequestReader(c *conn, j *judge) *requestReader {
	return &requestReader{talk: &dicomConn{conn: c, from: c.from, to: c.to, judge: j}}
}

// hearRequest takes what comes from the client until the request is whole. What is none is left to the session.
func (o *observer) hearRequest(b []byte) {
	q := o.request
	q.head = append(q.head, b...)
	if q.head[0] != pduAssociateRQ {
		o.request = nil
		return
	}
	if len(q.head) < 6 {
		return
	}
	length := binary.BigEndian.Uint32(q.head[2:])
	err := checkPDU(pduAssociateRQ, length)
	if err == nil && len(q.head)-6 < int(length) {
		return
	}
	o.request = nil
	if err == nil {
		err = q.decide(q.head[6 : 6+length])
	}
	if err != nil {
		_ = o.brokenBy(wire.FromClient, err)
	}
}

// decide tells what would be refused of a request. Error: it is none that would be answered.
func (q *requestReader) decide(body []byte) error {
	request, err := readAssociation(pduAssociateRQ, body)
	if err == nil {
		_, err = request.unlike()
	}
	if err != nil {
		return err
	}
	q.talk.request = request
	q.talk.associates(0)
	return nil
}
