package clinicsim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// outsideAE is a receiver beyond the tap: the archive reaches it on another network.
const outsideAE = "TELERAD"

// viewers plays the workstation: queries, retrievals to itself and to others.
func (d *day) viewers() {
	r := d.net.random("viewers")
	session := func(from, to float64, run func(r *rand.Rand, wait func(time.Duration), at time.Duration)) {
		at := d.between(r, from, to)
		own := rand.New(rand.NewPCG(r.Uint64(), r.Uint64()))
		d.net.actor(at, func(wait func(time.Duration)) { run(own, wait, at) })
	}
	for i := range 5 + len(d.people)/25 {
		session(0.35, 0.95, func(r *rand.Rand, wait func(time.Duration), at time.Duration) { d.browse(r, wait, at, i) })
	}
	for i := range 2 + len(d.held)/16 {
		destination := viewer
		if i == 1 || i > 2 && i%4 == 1 {
			destination = teaching
		}
		session(0.4, 0.95, func(r *rand.Rand, wait func(time.Duration), at time.Duration) { d.move(r, wait, at, destination) })
	}
	for range 1 + len(d.held)/64 {
		session(0.5, 0.95, d.moveOutside)
	}
	for range 1 + len(d.held)/32 {
		session(0.4, 0.95, d.get)
	}
}

// study gives one that the archive holds and whose patient has a number.
func (d *day) choose(r *rand.Rand, fits func(*study) bool) *study {
	n := 0
	for _, s := range d.held {
		if s.person.Imaging != "" && fits(s) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	n = r.IntN(n)
	for _, s := range d.held { // twice over the list is much less than a copy of it, which a long day makes very long
		if s.person.Imaging != "" && fits(s) {
			if n == 0 {
				return s
			}
			n--
		}
	}
	return nil
}

func isStored(s *study) bool { return s.stored }
func isHeld(s *study) bool   { return s.stored || !s.today }

// browse is one session of queries.
func (d *day) browse(r *rand.Rand, wait func(time.Duration), at time.Duration, n int) {
	ts := pick(r, ImplicitLE, ExplicitLE)
	c := d.dial(r, wait, at, viewer, archive, portDICOM, accepted(Verification, ImplicitLE),
		accepted(StudyRootFind, ts), accepted(PatientRootFind, ImplicitLE))
	c.Open()
	for i := range 1 + r.IntN(3) {
		c.until(c.flow.now + time.Duration(500+r.IntN(5000))*time.Millisecond)
		var matches []DataSet
		var list []Record
		take := func(ds DataSet, rec Record) { matches, list = append(matches, ds), append(list, rec) }
		class, query := StudyRootFind, keys("STUDY", "", "")
		switch (n + i) % 6 {
		case 0: // the day's list: one match tells nothing at all of whose it is
			for range 2 + r.IntN(5) {
				if s := d.choose(r, isHeld); s != nil {
					take(s.match(true, true))
				}
			}
			if n == 0 {
				unknown := &study{person: d.people[0], uid: fmt.Sprintf("2.25.%d", r.Uint64()|1<<63), date: d.net.begin.AddDate(-5, -2, -2).Format("20060102") + "120000", modality: "CT", images: 1}
				take(unknown.match(false, false))
			}
		case 1: // nothing fits
			query = keys("STUDY", "NOBODY", "")
		case 2: // an archive that leaves the number out
			for range 1 + r.IntN(3) {
				if s := d.choose(r, isStored); s != nil {
					take(s.match(false, one(r, 2)))
				}
			}
			if s := d.choose(r, isHeld); s != nil {
				take(s.match(true, false))
			}
		case 3: // the series of a study
			if s := d.choose(r, isStored); s != nil {
				query = keys("SERIES", "", s.uid)
				for k := range 1 + r.IntN(3) {
					take(s.series(k + 1))
				}
			}
		case 4:
			class = PatientRootFind
			if s := d.choose(r, isHeld); s != nil {
				query = keys("STUDY", s.person.Imaging, "")
				take(s.match(true, true))
			}
		default:
			if one(r, 2) { // the user has seen enough
				c.cancelled(r, class, query)
				continue
			}
		}
		c.find(class, query, matches, list)
	}
	c.hangUp()
}

// cancelled is a C-FIND that is cancelled after two matches.
func (c *call) cancelled(r *rand.Rand, class string, query DataSet) {
	var matches []DataSet
	d := c.disclosure("C-FIND", FromServer)
	for range 2 {
		if s := c.day.choose(r, isHeld); s != nil {
			ds, rec := s.match(true, true)
			matches, d.Records = append(matches, ds), append(d.Records, rec)
		}
	}
	id := c.FindRequest(class, query)
	c.FindAnswers(class, id, matches)
	c.Cancel(class, id)
	c.FindEnd(class, id, Canceled)
	if len(d.Records) > 0 {
		c.day.tally.disclose(d)
	}
	c.wait(c.flow.now)
}

// retrieval gives a study to ask for, and the keys: without the patient's number when the capture has shown whose it is.
func (d *day) retrieval(r *rand.Rand) (s *study, class string, query DataSet, asked Record) {
	s = d.choose(r, isStored)
	if s != nil && one(r, 2) {
		return s, StudyRootMove, DataSet{Text(0x00080052, "CS", "STUDY"), Text(0x0020000D, "UI", s.uid)}, Record{Study: s.uid}
	}
	s = d.choose(r, isHeld)
	if s == nil { // nothing has been stored yet, and there are no old studies
		s = d.choose(r, func(*study) bool { return true })
	}
	asked = s.record()
	asked.Name = ""
	return s, PatientRootMove, keys("STUDY", s.person.Imaging, s.uid), asked
}

// move is a C-MOVE whose images pass in the capture.
func (d *day) move(r *rand.Rand, wait func(time.Duration), at time.Duration, destination Host) {
	s, class, query, _ := d.retrieval(r)
	c := d.dial(r, wait, at, viewer, archive, portDICOM, accepted(class, pick(r, ImplicitLE, ExplicitLE)))
	c.Open()
	id := c.MoveRequest(class, destination.Name, query)
	c.wait(c.flow.now)
	sub := d.dial(r, wait, c.flow.now+5*time.Millisecond, archive, destination, portDICOMUp, accepted(s.class, pick(r, ImplicitLE, ExplicitLE)))
	sub.Open()
	for i := range s.images {
		sub.store(FromClient, s, i, &MoveOrigin{viewer.Name, id}, viewer.Addr.String(), Success)
		c.flow.at(sub.flow.now)
		if i+1 < s.images {
			c.MoveAnswer(class, id, Pending, Counts{Remaining: s.images - i - 1, Completed: i + 1})
		}
		sub.flow.at(c.flow.now + time.Millisecond)
		wait(c.flow.now)
	}
	sub.hangUp()
	c.until(sub.flow.now + time.Millisecond)
	c.MoveAnswer(class, id, Success, Counts{Completed: s.images})
	c.hangUp()
}

// moveOutside is a C-MOVE to a receiver that the tap does not see: only the counts of the last answer tell of it.
func (d *day) moveOutside(r *rand.Rand, wait func(time.Duration), at time.Duration) {
	s, class, query, asked := d.retrieval(r)
	c := d.dial(r, wait, at, viewer, archive, portDICOM, accepted(class, ImplicitLE))
	c.Open()
	out := c.disclosure("C-MOVE", FromServer)
	out.To, out.ToName, out.RequestedBy = "", outsideAE, viewer.Addr.String()
	out.Unseen, out.Records, out.Extra = true, []Record{asked}, s.images-1
	id := c.MoveRequest(class, outsideAE, query)
	for i := range s.images - 1 {
		c.until(c.flow.now + 300*time.Millisecond)
		c.MoveAnswer(class, id, Pending, Counts{Remaining: s.images - i - 1, Completed: i + 1})
	}
	c.until(c.flow.now + 300*time.Millisecond)
	c.MoveAnswer(class, id, Success, Counts{Completed: s.images})
	d.tally.disclose(out)
	c.hangUp()
}

// get is a C-GET: the images come back on the same association.
func (d *day) get(r *rand.Rand, wait func(time.Duration), at time.Duration) {
	s, _, query, _ := d.retrieval(r)
	storage := accepted(s.class, pick(r, ImplicitLE, ExplicitLE))
	storage.SCPRole = true
	c := d.dial(r, wait, at, viewer, archive, portDICOM, accepted(StudyRootGet, ImplicitLE), storage)
	c.Open()
	id := c.GetRequest(StudyRootGet, query)
	for i := range s.images {
		c.store(FromServer, s, i, nil, "", Success)
		if i+1 < s.images {
			c.GetAnswer(StudyRootGet, id, Pending, Counts{Remaining: s.images - i - 1, Completed: i + 1})
		}
	}
	c.GetAnswer(StudyRootGet, id, Success, Counts{Completed: s.images})
	c.hangUp()
}
