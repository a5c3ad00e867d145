package clinicsim

import (
	"math/rand/v2"
	"time"
)

// radiologist plays the busy hours at the viewer: a long list in the morning, then one patient after the other.
func (d *day) radiologist() {
	r := d.net.random("radiologist")
	begin := d.between(r, 0.15, 0.25)
	d.net.actor(begin, func(wait func(time.Duration)) {
		c := d.dial(r, wait, begin, viewer, archive, portDICOM, accepted(StudyRootFind, ExplicitLE), accepted(PatientRootFind, ImplicitLE))
		c.Open()
		d.answer(c, StudyRootFind, keys("STUDY", "", ""), func(s *study) bool { return isHeld(s) })
		for range 8 + r.IntN(8) {
			c.until(c.flow.now + time.Duration(20+r.IntN(300))*time.Second)
			if s := d.choose(r, isHeld); s != nil {
				d.answer(c, PatientRootFind, keys("STUDY", s.person.Imaging, ""), func(other *study) bool { return isHeld(other) && other.person == s.person })
			}
		}
		c.hangUp()
	})
	for range 3 {
		at := d.between(r, 0.3, 0.5)
		own := rand.New(rand.NewPCG(r.Uint64(), r.Uint64()))
		d.net.actor(at, func(wait func(time.Duration)) { d.move(own, wait, at, viewer) })
	}
}

// answer is a query to which all studies of the day that fit are matches.
func (d *day) answer(c *call, class string, query DataSet, fits func(*study) bool) {
	var matches []DataSet
	var list []Record
	for _, s := range d.held {
		if fits(s) {
			ds, rec := s.match(true, true)
			matches, list = append(matches, ds), append(list, rec)
		}
	}
	c.list(class, query, matches, list)
}
