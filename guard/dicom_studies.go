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

// is reports whether two are one, whoever gave the number and whether the name was told.
func (o owner) is(other owner) bool {
	if o.bare == other.bare {
		return o.bare != chaperone.PatientToken{} || o.demographic == other.demographic
	}
	return false
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

// told is what was said of a study. The zero owner: it was said in two ways, and nobody is believed.
type told struct {
	owner
	archive bool // by the archive, about what it has
}

// studies remembers whose a study or a series is, from what has passed. When it is full, the older half is forgotten. It is
// safe for concurrent use.
type studies struct {
	mu         sync.Mutex
	young, old map[chaperone.PatientToken]told
}

func newStudies() *studies {
	return &studies{young: map[chaperone.PatientToken]told{}, old: map[chaperone.PatientToken]told{}}
}

// learn notes an owner. An archive that answers a query is believed before who brings an object, who may be wrong. A second owner
// makes a study doubtful: it has to be asked about each time, and a stored lie charges it to nobody else.
func (s *studies) learn(of chaperone.PatientToken, who told) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.get(of)
	switch {
	case !ok || who.archive && !have.archive:
	case have.archive && !who.archive, have.is(who.owner), have.owner == owner{}:
		return
	default:
		who = told{archive: have.archive}
	}
	if len(s.young) >= mostStudies/2 {
		s.old, s.young = s.young, map[chaperone.PatientToken]told{}
	}
	s.young[of] = who
}

func (s *studies) get(of chaperone.PatientToken) (told, bool) {
	if t, ok := s.young[of]; ok {
		return t, true
	}
	t, ok := s.old[of]
	return t, ok
}

// owner gives whose a study is, if somebody who is believed has said it; with archive only if that did.
func (s *studies) owner(of chaperone.PatientToken, archive bool) (owner, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, _ := s.get(of)
	return t.owner, t.owner != owner{} && (t.archive || !archive)
}

// seriesUID is the kind of an identifier that names a series.
const seriesUID chaperone.IdentifierKind = "dicom.0020,000E"

// study gives the token of a study or series of the system behind the guard: another system may have others under its UID.
func (d *dicomConn) study(kind chaperone.IdentifierKind, uid chaperone.PHI) chaperone.PatientToken {
	return d.judge.study(&d.to, kind, uid)
}

func (j *judge) study(at *side, kind chaperone.IdentifierKind, uid chaperone.PHI) chaperone.PatientToken {
	return j.tokens.Token(chaperone.Identifier{Kind: kind, Authority: chaperone.NewPHI(at.name()), Value: uid})
}

func (d *dicomConn) ownerOf(r chaperone.Record) (owner, bool) { return d.judge.ownerOf(r) }

// ownerOf gives who a record says it is about; false when it says nothing.
func (j *judge) ownerOf(r chaperone.Record) (owner, bool) {
	i := j.tokens.Identify(r)
	o := owner{demographic: i.Demographic}
	switch {
	case len(i.Numbers) > 0:
		o.number = i.Numbers[0]
		o.bare = j.tokens.Token(chaperone.Identifier{Kind: chaperone.DICOMPatientID, Value: r.Identifiers[0].Value})
	default:
		o.number, _ = j.tokens.Alternate(r)
		o.bare = o.number
	}
	return o, o != owner{}
}

// learn remembers whose the study and the series of a data set are.
func (d *dicomConn) learn(elements []dicom.Element, archive bool) {
	people, err := peopleIn(elements)
	if err != nil {
		return
	}
	record := people[0]
	who, ok := d.ownerOf(record)
	if !ok {
		return
	}
	if !record.Study.Empty() {
		d.guard.studies.learn(d.study(chaperone.StudyUID, record.Study), told{who, archive})
	}
	if series := text(elements, dicom.SeriesInstanceUID); !series.Empty() {
		d.guard.studies.learn(d.study(seriesUID, series), told{who, archive})
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
			if o, ok := d.guard.studies.owner(d.study(chaperone.StudyUID, r.Study), false); ok {
				w.known = append(w.known, o.covered())
				continue
			}
		}
		rest = append(rest, r)
	}
	w.records = rest
}
