package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// asking is an association of the guard's own.
type asking struct {
	leg
	context proposed
	queue   []fragment
}

// open asks for an association under the client's titles and identity.
func (a *asking) open(client *association) error {
	request := association{head: client.head, most: usualPDU}
	for i, class := range []string{studyRootFind, patientRootFind} {
		request.contexts = append(request.contexts, proposed{id: byte(2*i + 1), abstract: class, transfer: []string{implicitVR}})
	}
	for _, k := range client.kept {
		if k[0][0] == itemIdentity {
			k[1] = append([]byte(nil), k[1]...)
			request.kept = append(request.kept, k)
		}
	}
	request.kept = append(request.kept, [2][]byte{{itemClassUID}, []byte(implementation)})
	answer, err := a.request(request.body(pduAssociateRQ))
	if err != nil {
		return err
	}
	for _, c := range request.contexts {
		if got := answer.context(c.id); got != nil && got.result == contextAccepted && got.accepted == implicitVR {
			a.context, a.most = c, bounded(answer.most)
			return nil
		}
	}
	return errors.New("dicom: inquiries are not answered")
}

// request asks for an association. Errors: rejection; there is no answer, or another one.
func (a *asking) request(body []byte) (*association, error) {
	if err := a.control(pduAssociateRQ, body); err != nil {
		return nil, err
	}
	p, err := a.pdu()
	switch {
	case err != nil:
		return nil, err
	case p.kind == pduAssociateRJ:
		return nil, rejection(p.body[1:])
	case p.kind != pduAssociateAC:
		return nil, unexpected(fmt.Sprintf("PDU of type %d", p.kind))
	}
	return readAssociation(pduAssociateAC, p.body)
}

// implementation is this program's implementation class UID, under 2.25 (PS3.5 annex B.2).
const implementation = "2.25.302604112"

func (a *asking) ask(keys []byte) error {
	set := element(nil, 0x0002, []byte(a.context.abstract+"\x00"[:len(a.context.abstract)%2]))
	for _, n := range [][2]uint16{{0x0100, fieldFind}, {0x0110, 1}, {0x0700, 0}, {0x0800, 1}} {
		set = element(set, n[0], binary.LittleEndian.AppendUint16(nil, n[1]))
	}
	if err := a.send(a.context.id, true, true, withLength(set)); err != nil {
		return err
	}
	return a.send(a.context.id, false, true, keys)
}

// answer gives the next answer, with its data set if it has one.
func (a *asking) answer() (*command, []byte, error) {
	b, err := a.whole(true)
	if err != nil {
		return nil, nil, err
	}
	set, err := readCommand(a.context.id, b)
	if err != nil {
		return nil, nil, err
	}
	if set.field != fieldFind|answerBit || set.dataSet != pending(set.status) {
		return nil, nil, unexpected("answer to what was not asked")
	}
	if !set.dataSet {
		return set, nil, nil
	}
	b, err = a.whole(false)
	return set, b, err
}

// whole gives the fragments of a command or of a data set as one.
func (a *asking) whole(command bool) ([]byte, error) {
	var b []byte
	for {
		for len(a.queue) == 0 {
			p, err := a.pdu()
			if err != nil {
				return nil, err
			}
			if p.kind != pduData {
				return nil, unexpected(fmt.Sprintf("PDU of type %d", p.kind))
			}
			if err := fragments(p.body, func(f fragment) error { a.queue = append(a.queue, f); return nil }); err != nil {
				return nil, err
			}
		}
		f := a.queue[0]
		a.queue = a.queue[1:]
		if f.command != command || f.context != a.context.id || len(b)+len(f.data) > mostHeld {
			return nil, unexpected("fragments of two messages are mixed")
		}
		b = append(b, f.data...)
		if f.last {
			return b, nil
		}
	}
}

// pdu reads the next PDU. Its bytes are its own.
func (a *asking) pdu() (pdu, error) {
	var b batch
	if err := a.in.one(&b); err != nil {
		if err == io.EOF {
			err = errors.New("dicom: the other side is gone")
		}
		return pdu{}, err
	}
	return b.list[0], nil
}
