package guard

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"chaperone"
	"chaperone/format/dicom"
	"chaperone/wire"
)

// footing is by what the first object of a study in a retrieval was decided. The rest of that study is decided by it too, so that hours, an
// approval whose time is over, or another site file stop a retrieval between two studies: who reads half a study may not see that it is one.
type footing struct {
	study  chaperone.PatientToken
	people map[chaperone.PatientToken]bool // in the first object: an object of anybody else is decided anew
	rules  *rules
	at     time.Time
	use    *use
}

// mostFooting is how long a study may go on by what its first object was decided by: who says that objects are a C-MOVE's is not proven,
// and a retrieval that is dragged out must end some time.
const mostFooting = 2 * time.Hour

// mostFootings bounds the studies of which a retrieval is in the middle: archives send one behind the other.
const mostFootings = 64

// footings are those of one retrieval, the latest last. While one rests on an approval, its receipt waits.
type footings struct {
	of   retrieved
	list []footing
}

// retrieved says what an object belongs to: a C-GET, or a C-MOVE whose objects pass here.
type retrieved struct {
	op    *operation
	mover string
}

// over forgets all, when the retrieval is over.
func (s *footings) over() {
	for len(s.list) > 0 {
		s.leave(s.list[0].study)
	}
	s.of = retrieved{}
}

// add remembers a footing, and forgets the oldest when there are too many.
func (s *footings) add(f footing) {
	if len(s.list) == mostFootings {
		s.leave(s.list[0].study)
	}
	if f.use != nil {
		f.use.open.Add(1)
	}
	s.list = append(s.list, f)
}

// leave forgets the footing of a study.
func (s *footings) leave(study chaperone.PatientToken) {
	s.list = slices.DeleteFunc(s.list, func(f footing) bool {
		if f.study == study && f.use != nil {
			f.use.open.Add(-1)
		}
		return f.study == study
	})
}

// retrieved gives the retrieval that an object belongs to, none for what is sent without one.
func (p *push) retrieved() (of retrieved) {
	switch {
	case p.brings():
		of.op = p.d.op
	case p.from.dir == wire.FromClient && p.op.field == fieldStore:
		of.mover = p.op.mover()
	}
	return of
}

// mover gives, of an object that is sent because of a C-MOVE, whose that is and its number (0000,1030) and (0000,1031); "" of any other.
func (c *command) mover() (of string) {
	for rest := c.raw; len(rest) >= 8; { // readCommand has checked it
		tag, n := binary.LittleEndian.Uint16(rest[2:]), 8+int(binary.LittleEndian.Uint32(rest[4:]))
		if tag == 0x1030 || tag == 0x1031 {
			of += string(rest[:n])
		}
		rest = rest[n:]
	}
	return of
}

// studyOf gives what stands for the study of the object.
func (p *push) studyOf() (token chaperone.PatientToken, ok bool) {
	uid := text(p.walker.Elements, dicom.StudyInstanceUID)
	return p.d.study(chaperone.StudyUID, uid), !uid.Empty()
}

// rests gives the footing of the object: that of its study, if one of it has passed and it shows nobody else.
func (p *push) rests() *footing {
	s := &p.d.footings
	if len(s.list) == 0 || p.retrieved() != s.of {
		return nil
	}
	study, ok := p.studyOf()
	i := slices.IndexFunc(s.list, func(f footing) bool { return f.study == study })
	if !ok || i < 0 {
		return nil
	}
	for who := range p.charged {
		if !s.list[i].people[who] {
			return nil
		}
	}
	f := s.list[i]
	if p.d.guard.now().Sub(f.at).Abs() > mostFooting {
		return nil
	}
	return &f
}

// stands notes by what the object passes, for the rest of its study.
func (p *push) stands(v verdict) {
	of := p.retrieved()
	if of == (retrieved{}) {
		return
	}
	s := &p.d.footings
	if s.of != of {
		s.over()
		s.of = of
	}
	study, ok := p.studyOf()
	if i := slices.IndexFunc(s.list, func(f footing) bool { return f.study == study }); !ok || i >= 0 {
		if ok { // it is the latest now
			f := s.list[i]
			s.list = append(slices.Delete(s.list, i, i+1), f)
		}
		return
	}
	f := p.footing
	f.study, f.people, f.use = study, maps.Clone(p.charged), v.use
	s.add(f)
}

// decideOn decides a wish by what the first object of its study was decided by. What that does not permit is not refused yet.
func (j *judge) decideOn(f *footing, w *wish, now time.Time) verdict {
	if f.use != nil && !j.guard.approvals.register.Held(f.use.ID, f.at) {
		return verdict{}
	}
	decision, d := j.attempt(f.rules, w.in(f.rules), f.use, f.at, now)
	if !decision.Permit {
		return verdict{}
	}
	if d != nil {
		d.since = f.at
	}
	return verdict{Decision: decision, draft: d, use: f.use}
}
