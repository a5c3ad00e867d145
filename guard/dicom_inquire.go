package guard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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
	explicitVR      = "1.2.840.10008.1.2.1" // little endian
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
	spec := d.spec()
	if d.elsewhere(spec) { // it is not whom it is to know of, nor whose word counts
		return errMoved
	}
	second := &conn{guard: d.guard, listener: d.listener, ended: make(chan struct{})}
	if err := second.dial(ctx, spec); err != nil {
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
