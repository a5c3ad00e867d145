package guard

import (
	"sync"

	"chaperone"
	"chaperone/format/dicom"
	"chaperone/ledger"
)

// owner is whose a study is.
type owner struct {
	number      chaperone.PatientToken // zero for a weak patient
	bare        chaperone.PatientToken // the number whoever gave it: systems differ in whether they tell that
	demographic chaperone.PatientToken
}

// covered gives an owner as the record wants it.
func (o owner) covered() ledger.Covered {
	c := ledger.Covered{Demographic: o.demographic}
	if o.number != (chaperone.PatientToken{}) {
		c.Numbers = []chaperone.PatientToken{o.number}
	}
	return c
}

// mostStudies bounds the map from studies and series to their owners: 64 bytes each.
const mostStudies = 1 << 19

// studies remembers whose a study or a series is, from what has passed. When it is full, the older half is forgotten. It is
// safe for concurrent use.
type studies struct {
	mu         sync.Mutex
	young, old map[chaperone.PatientToken]owner // the zero owner: it was said in two ways, and nobody is believed
}

func newStudies() *studies {
	return &studies{young: map[chaperone.PatientToken]owner{}, old: map[chaperone.PatientToken]owner{}}
}

// learn notes an owner. An archive that answers a query is believed; who brings an object may be wrong, so that a second
// owner makes the first one doubtful: a stored lie must not charge a study to somebody else.
func (s *studies) learn(of chaperone.PatientToken, who owner, archive bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.get(of)
	if ok && !archive {
		if have == who || have == (owner{}) {
			return
		}
		who = owner{}
	}
	if len(s.young) >= mostStudies/2 {
		s.old, s.young = s.young, map[chaperone.PatientToken]owner{}
	}
	s.young[of] = who
}

func (s *studies) get(of chaperone.PatientToken) (owner, bool) {
	if o, ok := s.young[of]; ok {
		return o, true
	}
	o, ok := s.old[of]
	return o, ok
}

// owner gives whose a study is, if somebody who is believed has said it.
func (s *studies) owner(of chaperone.PatientToken) (owner, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, _ := s.get(of)
	return o, o != owner{}
}

// seriesUID is the kind of an identifier that names a series.
const seriesUID chaperone.IdentifierKind = "dicom.0020,000E"

// study gives the token of a study or series of the system behind the guard: another system may have others under its UID.
func (d *dicomConn) study(kind chaperone.IdentifierKind, uid chaperone.PHI) chaperone.PatientToken {
	return d.judge.tokens.Token(chaperone.Identifier{Kind: kind, Authority: chaperone.NewPHI(d.spec().Upstream.Party), Value: uid})
}

// ownerOf gives who a record says it is about; false when it says nothing.
func (d *dicomConn) ownerOf(r chaperone.Record) (owner, bool) {
	i := d.judge.tokens.Identify(r)
	o := owner{demographic: i.Demographic}
	switch {
	case len(i.Numbers) > 0:
		o.number = i.Numbers[0]
		o.bare = d.judge.tokens.Token(chaperone.Identifier{Kind: chaperone.DICOMPatientID, Value: r.Identifiers[0].Value})
	default:
		o.number, _ = d.judge.tokens.Alternate(r)
		o.bare = o.number
	}
	return o, o != owner{}
}

// learn remembers whose the study and the series of a data set are.
func (d *dicomConn) learn(elements []dicom.Element, archive bool) {
	record := dicom.Records(elements)[0]
	who, ok := d.ownerOf(record)
	if !ok {
		return
	}
	if !record.Study.Empty() {
		d.guard.studies.learn(d.study(chaperone.StudyUID, record.Study), who, archive)
	}
	if series := text(elements, dicom.SeriesInstanceUID); !series.Empty() {
		d.guard.studies.learn(d.study(seriesUID, series), who, archive)
	}
}

// text gives the value of an element of the data set itself.
func text(elements []dicom.Element, tag dicom.Tag) chaperone.PHI {
	for _, e := range elements {
		if e.Tag == tag && e.Depth == 0 {
			return chaperone.NewPHI(title(e.Value))
		}
	}
	return chaperone.PHI{}
}

// resolve finds out whose the records of a wish are that only name a study.
func (d *dicomConn) resolve(w *wish) {
	var rest []chaperone.Record
	for _, r := range w.records {
		if _, ok := d.ownerOf(r); !ok && !r.Study.Empty() {
			if o, ok := d.guard.studies.owner(d.study(chaperone.StudyUID, r.Study)); ok {
				w.known = append(w.known, o.covered())
				continue
			}
		}
		rest = append(rest, r)
	}
	w.records = rest
}
