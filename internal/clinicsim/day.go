package clinicsim

import (
	"math/rand/v2"
	"slices"
	"time"
)

// day is what the actors share.
type day struct {
	Options
	net    *network
	tally  *tally
	length time.Duration
	people []*Person
	held   []*study // what the archive has or will get
	plain  bool     // DICOM messages are cut as little as possible: other programs are to read along
}

// rare says that the day has what Wireshark 4.0 stumbles over: see Association.Rare, and encapsulated pixels.
func (d *day) rare() bool { return d.Seed%4 == 2 }

// share gives a part of the day as a time.
func (d *day) share(part float64) time.Duration { return time.Duration(part * float64(d.length)) }

// between gives a random time between two parts of the day.
func (d *day) between(r *rand.Rand, from, to float64) time.Duration {
	return d.share(from + (to-from)*r.Float64())
}

// clock gives a time of the day as HL7 and DICOM write it.
func (d *day) clock(at time.Duration) string { return d.net.begin.Add(at).Format("20060102150405") }

// planned is something that will be done.
type planned struct {
	at time.Duration
	do func()
}

func sortPlan(list []planned) {
	slices.SortStableFunc(list, func(a, b planned) int { return int(a.at - b.at) })
}

// patients gives those whom registration knows.
func (d *day) patients() []*Person {
	var list []*Person
	for _, p := range d.people {
		if !p.ImagingOnly {
			list = append(list, p)
		}
	}
	return list
}

// pick gives one of a list.
func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// one in n.
func one(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }
