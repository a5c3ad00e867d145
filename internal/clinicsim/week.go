package clinicsim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// TheftOptions say what week to play. The zero value is an honest one.
type TheftOptions struct {
	Seed     uint64
	Days     int  // default 5, beginning on a Monday; with an intruder at least 3
	Intruder bool // whether somebody comes and takes the records
	Patients int  // size of the population, default 600, at least 200
	Images   int  // bytes of pixel data in an image, about; default 500
}

func (o TheftOptions) withDefaults() TheftOptions {
	if o.Days == 0 {
		o.Days = 5
	}
	if o.Intruder {
		o.Days = max(o.Days, 3)
	}
	if o.Patients == 0 {
		o.Patients = 600
	}
	o.Patients = max(o.Patients, 200)
	if o.Images == 0 {
		o.Images = 500
	}
	return o
}

// week is what the actors of several days share. As a day it has the clock of the whole week, from midnight on.
type week struct {
	TheftOptions
	day
	logs         *journal
	stored       *database
	newcomer     string // who begins to work in the clinic
	hired        int    // on which day, from 0
	certificates map[Host][]byte
	archived     []*study
	seen         map[netip.Addr]bool // that sent something
	unknown      []int               // outside addresses that are nobody's yet
	theft        *theft              // nil in an honest week
}

// newWeek makes an empty one that gives its packets to sink.
func newWeek(o TheftOptions, sink func(Packet) error) *week {
	o = o.withDefaults()
	w := &week{TheftOptions: o, certificates: map[Host][]byte{}, seen: map[netip.Addr]bool{}}
	t := newTally(false)
	monday := time.Date(2016, time.May, 2, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(7*(o.Seed%13)))
	net := newNetwork(monday, o.Seed, t, func(p Packet) error {
		w.seen[netip.AddrFrom4([4]byte(p.Frame[26:30]))] = true
		return sink(p)
	})
	w.day = day{
		Options: Options{Seed: 4 * o.Seed, Images: o.Images, ImagesPerStudy: 2}, // never a day with what Wireshark stumbles over
		net:     net, tally: t,
		length: time.Duration(o.Days) * 24 * time.Hour,
		people: population(net.random("people"), o.Patients),
		plain:  true,
	}
	w.logs = newJournal(monday, terminal, terminal2, files)
	w.age()
	w.archiveOld()
	w.stored = newDatabase(net.random("database"))
	r := net.random("newcomer")
	w.newcomer, w.hired = pick(r, "j.calderane", "f.osterwieck", "p.wexcombe"), r.IntN(min(o.Days, 5))
	return w
}

// age makes everybody be born before the week, and gives more people images: an archive is larger than a day.
func (w *week) age() {
	r := w.net.random("age")
	for i, p := range w.people {
		if p.Birth >= "2015" {
			var year int
			_, _ = fmt.Sscan(p.Birth[:4], &year) // it was written as a number
			p.Birth = fmt.Sprint(year-12) + p.Birth[4:]
		}
		if i >= 16 && p.Imaging == "" && p.usual() == allNumbers && p.Numbers[0].Type == "MR" && one(r, 2) {
			p.Imaging = p.Numbers[0].Value
		}
	}
}

// archiveOld gives the archive the studies of the last two years.
func (w *week) archiveOld() {
	r := w.net.random("archive")
	for _, p := range w.people {
		if p.Imaging == "" {
			continue
		}
		for range pick(r, 1, 1, 1, 2, 2, 3) {
			s := w.study(r, p)
			s.class, s.modality = CTImage, "CT"
			if one(r, 2) {
				s.class, s.modality = MRImage, "MR"
			}
			when := w.net.begin.AddDate(0, 0, -1-r.IntN(730)).Add(time.Duration(7*3600+r.IntN(9*3600)) * time.Second)
			s.date = when.Format("20060102150405")
			w.archived = append(w.archived, s)
		}
	}
}

// play lets everybody act, and gives the traffic's truth.
func (w *week) play() (Truth, error) {
	for n := range w.Days {
		if !w.weekend(n) {
			w.workday(n)
		}
	}
	w.honest()
	if w.Intruder {
		w.theft = newTheft(w)
		w.theft.plan()
	}
	err := w.net.play()
	return w.tally.close(), err
}

func (w *week) weekend(n int) bool { return n%7 >= 5 }

// workday lets a day of the clinic happen from 7 to 17 o'clock. Not everybody comes every day; the first ones, who
// have the rare properties, do.
func (w *week) workday(n int) {
	begin := time.Duration(24*n+7) * time.Hour
	w.net.actor(begin, func(func(time.Duration)) {
		clock := w.net.later(begin, w.Seed+uint64(n+1)<<32)
		people := append([]*Person(nil), w.people[:16]...)
		r := clock.random("who comes")
		for _, i := range r.Perm(len(w.people) - 16)[:14] {
			people = append(people, w.people[16+i])
		}
		d := &day{Options: w.Options, net: clock, tally: w.tally, length: 10 * time.Hour, people: people, plain: true}
		d.Options.Seed += uint64(4 * n)
		d.Options.Patients = len(people)
		d.plan()
		d.radiologist()
		w.archived = append(w.archived, d.held...)
	})
}

// time gives a moment of the week.
func (w *week) time(at time.Duration) time.Time { return w.net.begin.Add(at) }

// each lets somebody act once a day at some time between two hours.
func (w *week) each(actor string, workdays bool, from, to float64, do func(r *rand.Rand, at time.Duration, wait func(time.Duration))) {
	r := w.net.random(actor)
	for n := range w.Days {
		at := time.Duration((float64(24*n) + from + (to-from)*r.Float64()) * float64(time.Hour))
		own := rand.New(rand.NewPCG(r.Uint64(), r.Uint64()))
		if workdays && w.weekend(n) {
			continue
		}
		w.net.actor(at, func(wait func(time.Duration)) { do(own, at, wait) })
	}
}

// certificate gives the one that a computer shows.
func (w *week) certificate(h Host) []byte {
	if w.certificates[h] == nil {
		w.certificates[h] = certificate(computer(h), w.net.begin.AddDate(0, -2, -int(h.Addr.As4()[3])%28))
	}
	return w.certificates[h]
}
