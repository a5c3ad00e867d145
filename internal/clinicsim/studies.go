package clinicsim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// study is one examination: a few images of one person.
type study struct {
	person      *Person
	uid         string
	accession   string
	description string
	modality    string // CT or MR
	class       string
	seed        uint64 // of the pixels, so that the same image is the same bytes each time
	images      int
	at          time.Duration // when it is made
	today       bool
	stored      bool // all of it passed to the archive today, so that its study UID says whose it is
	date        string
}

// planStudies decides who is examined today and whose old studies the archive has.
func (d *day) planStudies() {
	r := d.net.random("studies")
	for i, p := range d.people {
		if p.Imaging == "" {
			continue
		}
		s := d.study(r, p)
		s.today = i < 16 || one(r, 2)
		s.class, s.modality = CTImage, "CT"
		if i != 0 && i != 8 && one(r, 2) {
			s.class, s.modality = MRImage, "MR"
		}
		s.at = d.between(r, 0.05, 0.85)
		if i < 16 {
			s.at = d.between(r, 0.05, 0.3)
		}
		s.date = d.clock(s.at)
		if !s.today {
			s.date = d.net.begin.AddDate(0, 0, -119).Format("20060102") + "093000"
		}
		d.held = append(d.held, s)
	}
	stranger := invent(r, len(d.people)) // an emergency: nobody asked for a number
	stranger.Numbers, stranger.Imaging, stranger.Issuer = nil, "", ""
	s := d.study(r, stranger)
	s.person.Walkin, s.person.Bare = true, false
	s.today, s.class, s.modality = true, CTImage, "CT"
	s.at = d.between(r, 0.3, 0.6)
	s.date = d.clock(s.at)
	d.held = append(d.held, s)
}

func (d *day) study(r *rand.Rand, p *Person) *study {
	return &study{
		person: p, uid: fmt.Sprintf("2.25.%d", r.Uint64()|1<<63), accession: fmt.Sprintf("A%07d", r.IntN(1e7)),
		description: pick(r, "Head", "Thorax", "Knee left", "Lumbar spine"), seed: r.Uint64(), images: d.ImagesPerStudy,
	}
}

// record is what a data set or match of the study says of its patient.
func (s *study) record() Record {
	rec := Record{Name: s.person.key(), Birth: s.person.Birth, Sex: s.person.Sex, Study: s.uid}
	if s.person.Imaging != "" {
		rec.Numbers = []Identifier{{kindDICOM, s.person.Issuer, s.person.Imaging}}
	}
	return rec
}
