package guard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"chaperone"
	"chaperone/format/dicom"
)

// inquiry is a C-FIND of the guard's own: whose are the studies that a client wants?
type inquiry struct {
	level                    string
	patient, name, accession chaperone.PHI
	study, series, object    chaperone.PHI
	expect                   int        // how many of the level have to be there at least; 0: any number
	only                     bool       // all of them in that study
	into                     *retrieval // whose they are, may be nil
	right, unidentified      int
}

// Bounds of an inquiry.
const (
	inquiring   = 30 * time.Second
	mostAnswers = 20_000
)

// Classes of inquiries (PS3.6 table A-1).
const (
	studyRootFind   = "1.2.840.10008.5.1.4.1.2.2.1"
	patientRootFind = "1.2.840.10008.5.1.4.1.2.1.1"
	implicitVR      = "1.2.840.10008.1.2"
)

// inquire asks the system behind the guard on an association of its own, under the client's AE title. What it learns goes to
// the guard's memory. It reports whether the answer is complete: everybody in it has an identity.
func (d *dicomConn) inquire(ctx context.Context, q inquiry) bool {
	ctx, cancel := context.WithTimeout(ctx, inquiring)
	defer cancel()
	err := d.inquireOf(ctx, &q)
	if err != nil {
		d.guard.log.Warn("whose studies are asked for could not be found out", "listener", d.listener.name, "why", err.Error())
		return false
	}
	return q.unidentified == 0 && q.right >= q.expect
}

func (d *dicomConn) inquireOf(ctx context.Context, q *inquiry) error {
	second := &conn{guard: d.guard, listener: d.listener, ended: make(chan struct{})}
	if err := second.dial(ctx, d.spec()); err != nil {
		return err
	}
	defer func() { _ = second.upstream.Close() }() // it was only asked
	stop := context.AfterFunc(ctx, func() { _ = second.upstream.Close() })
	defer stop()
	a := &asking{leg: leg{conn: second.upstream, in: newPDUReader(second.upstream, inquiring), patient: inquiring, most: mostPDU}}
	if err := a.open(d.request); err != nil {
		return err
	}
	if err := a.ask(q.keys()); err != nil {
		return err
	}
	for n := 0; ; n++ {
		set, data, err := a.answer()
		if err != nil {
			return err
		}
		switch {
		case !pending(set.status) && set.status != statusSuccess:
			return fmt.Errorf("dicom: inquiry ends with status %04X", set.status)
		case !pending(set.status):
			return a.control(pduReleaseRQ, make([]byte, 4)) // its answer is not waited for
		case n == mostAnswers:
			a.abort(0, 0)
			return errors.New("dicom: inquiry with too many answers")
		}
		if err := d.heard(q, data); err != nil {
			return err
		}
	}
}

// heard takes one answer to an inquiry.
func (d *dicomConn) heard(q *inquiry, data []byte) error {
	read, err := readWhole(implicitVR, data)
	if err != nil {
		return err
	}
	record := read.records[0]
	if q.level != "STUDY" {
		key := dicom.SeriesInstanceUID
		if q.level == "IMAGE" {
			key = dicom.SOPInstanceUID
		}
		if !text(read.elements, key).Empty() && (!q.only || record.Study.Reveal() == q.study.Reveal()) { // compared, not shown
			q.right++
		}
		return nil
	}
	o, ok := d.ownerOf(record)
	if !ok {
		q.unidentified++
		return nil
	}
	q.right++
	d.learn(read.elements, true)
	if q.into != nil {
		q.into.add(o)
		if !record.Study.Empty() {
			q.into.studies[d.study(chaperone.StudyUID, record.Study)] = true
		}
	}
	return nil
}

// keys gives the identifier of an inquiry, in implicit VR little endian.
func (q *inquiry) keys() []byte {
	var b []byte
	key := func(tag dicom.Tag, value, pad string) {
		b = binary.LittleEndian.AppendUint16(b, tag.Group())
		b = binary.LittleEndian.AppendUint16(b, uint16(tag))
		value += pad[:len(value)%2]
		b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
		b = append(b, value...)
	}
	if q.level == "IMAGE" {
		key(dicom.SOPInstanceUID, q.object.Reveal(), "\x00") // to the system whose it is, as all below
	}
	study := q.level == "STUDY"
	if study {
		key(dicom.AccessionNumber, q.accession.Reveal(), " ")
	}
	key(dicom.QueryRetrieveLevel, q.level, " ")
	if study {
		key(dicom.PatientName, q.name.Reveal(), " ")
		key(dicom.PatientID, q.patient.Reveal(), " ")
		key(dicom.IssuerOfPatientID, "", " ")
		key(dicom.PatientBirthDate, "", " ")
		key(dicom.PatientSex, "", " ")
	}
	key(dicom.StudyInstanceUID, q.study.Reveal(), "\x00")
	if !study {
		key(dicom.SeriesInstanceUID, q.series.Reveal(), "\x00")
	}
	return b
}

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
	if err := a.control(pduAssociateRQ, request.body(pduAssociateRQ)); err != nil {
		return err
	}
	p, err := a.pdu()
	if err != nil {
		return err
	}
	if p.kind != pduAssociateAC {
		return errors.New("dicom: inquiry is not taken")
	}
	answer, err := readAssociation(pduAssociateAC, p.body)
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
