package clinicsim

import (
	"math/rand/v2"
	"slices"
	"time"
)

// modality plays a scanner: an echo in the morning, the worklist, and each study to the archive when it is made.
func (d *day) modality(h Host, class string) {
	r := d.net.random("modality " + h.Name)
	var mine []*study
	for _, s := range d.held {
		if s.today && s.class == class {
			mine = append(mine, s)
		}
	}
	slices.SortStableFunc(mine, func(a, b *study) int { return int(a.at - b.at) })
	d.net.actor(d.share(0.005), func(wait func(time.Duration)) {
		c := d.dial(r, wait, d.share(0.005), h, archive, portDICOM, accepted(Verification, ImplicitLE))
		c.Open()
		c.Echo()
		c.hangUp()
		c = d.worklist(r, wait, c.flow.now+time.Second, h, mine)
		now := c.flow.now
		for i, s := range mine {
			at := max(s.at, now+time.Second)
			wait(at)
			if i == len(mine)/2 {
				at = d.worklist(r, wait, at, h, mine[i:]).flow.now + time.Second
			}
			now = d.send(r, wait, at, h, s, class == CTImage && i == 1, class == CTImage && i == 0)
		}
	})
}

// worklist asks radiology for what is planned.
func (d *day) worklist(r *rand.Rand, wait func(time.Duration), at time.Duration, h Host, mine []*study) *call {
	c := d.dial(r, wait, at, h, radiology, portDICOMUp, accepted(WorklistFind, pick(r, ImplicitLE, ExplicitLE)))
	c.Open()
	var matches []DataSet
	var list []Record
	for _, s := range mine {
		if s.person.Imaging != "" && len(list) < 5 {
			ds, rec := s.scheduled(h.Name)
			matches, list = append(matches, ds), append(list, rec)
		}
	}
	c.find(WorklistFind, DataSet{
		Text(0x00100010, "PN", ""), Text(0x00100020, "LO", ""),
		Sequence(0x00400100, DataSet{Text(0x00400001, "AE", h.Name), Text(0x00400002, "DA", d.clock(at)[:8])}),
	}, matches, list)
	c.hangUp()
	return c
}

// send brings a study to the archive. In an aborted one, the second image is cut off in its pixels; of a refused
// one, the archive takes all but the last image.
func (d *day) send(r *rand.Rand, wait func(time.Duration), at time.Duration, h Host, s *study, abort, refuse bool) time.Duration {
	contexts := []Context{accepted(Verification, ImplicitLE)}
	switch n := r.IntN(6); {
	case n == 0 && d.rare():
		contexts = append(contexts, accepted(s.class, JPEGLossless))
	case n < 4:
		contexts = append(contexts, accepted(s.class, ExplicitLE, ImplicitLE))
	default:
		contexts = append(contexts, Context{Abstract: s.class, Offered: []string{ExplicitLE, ImplicitLE}, Accepted: ImplicitLE})
	}
	contexts = append(contexts, Context{Abstract: s.class, Offered: []string{"1.2.840.10008.1.2.4.90"}, Reason: 4})
	c := d.dial(r, wait, at, h, archive, portDICOM, contexts...)
	c.Open()
	for i := range s.images {
		c.until(c.flow.now + time.Duration(20+r.IntN(200))*time.Millisecond)
		if abort && i == min(1, s.images-1) {
			p := c.disclosure("C-STORE", FromClient)
			p.Records, p.Outcome = []Record{s.record()}, "partial"
			_, ts := c.Context(s.class)
			c.StorePart(FromClient, s.object(i, d.Images, ts))
			d.tally.disclose(p)
			c.Abort(FromClient, 0, 0)
			c.flow.close(FromClient)
			wait(c.flow.now)
			return c.flow.now
		}
		status := uint16(Success)
		if refuse && i == s.images-1 {
			status = OutOfResources
		}
		c.store(FromClient, s, i, nil, "", status)
	}
	c.hangUp()
	s.stored = true
	return c.flow.now
}

// stranger plays a computer that the archive does not know.
func (d *day) stranger() {
	r := d.net.random("stranger")
	for range 1 + r.IntN(2) {
		at := d.between(r, 0.2, 0.9)
		d.net.actor(at, func(wait func(time.Duration)) {
			c := d.dial(r, wait, at, laptop, archive, portDICOM, accepted(Verification, ImplicitLE), accepted(StudyRootFind, ImplicitLE))
			c.Request()
			c.Reject(1, 1, 3) // permanent, by the service user, calling AE title not recognised
			c.flow.close(FromServer)
		})
	}
}
