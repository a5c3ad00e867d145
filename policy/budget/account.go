package budget

import "sync"

const (
	hours = 365*24 + 1 // that a year's window holds: the running one and a year of whole ones
	days  = 31         // today, and the month that is usual
)

// account is what one key has received. For each patient it keeps the last hour only: a patient is in a window when that
// hour is, and so the number of patients in a window is a sum over the histogram of last hours. A delivery moves its patient
// from one hour to the running one.
type account struct {
	order int // in which accounts are locked

	mu       sync.Mutex
	patients table
	head     int64          // the latest hour
	lasts    [hours]uint32  // patients by last hour, and unidentified records by hour; hour h is at h%hours
	counts   [windows]int64 // the sums of lasts over each window that ends at head
	distinct [days]uint32   // of each day of UTC, those who were delivered on it; day d is at d%days
	seen     map[visit]bool // while loading: who is counted in distinct; nil afterwards
	loaded   bool           // loading is over: it is told in order from now on
}

// visit is a patient's being delivered on a day.
type visit struct {
	day     int64
	patient uint32
}

// advance moves to an hour; what leaves a window is no longer counted in it. It never moves back.
func (a *account) advance(hour int64) {
	if hour <= a.head {
		return
	}
	for day := max(a.head/24, hour/24-days) + 1; day <= hour/24; day++ {
		a.distinct[day%days] = 0
	}
	if hour-a.head >= hours {
		a.lasts, a.counts, a.head = [hours]uint32{}, [windows]int64{}, hour
		return
	}
	for a.head < hour {
		for w := Hour; w <= Year; w++ {
			if gone := a.head - w.span(); gone >= 0 {
				a.counts[w] -= int64(a.lasts[gone%hours])
			}
		}
		a.head++
		a.lasts[a.head%hours] = 0
	}
}

// oldest is the first hour that any window holds.
func (a *account) oldest() int64 { return a.head - Year.span() }

// fresh counts the patients that would be new in each window.
func (a *account) fresh(patients []uint32) (n [windows]int) {
	for _, patient := range patients {
		last := a.patients.last(patient)
		for w := Hour; w <= Year && last < a.head-w.span(); w++ {
			n[w]++
		}
	}
	return n
}

// deliver counts a patient at an hour; only Load names one before the latest.
func (a *account) deliver(patient uint32, hour int64) {
	slot, last := a.patients.find(patient), never
	if slot != nil {
		last = hourIn(*slot)
	}
	a.visit(patient, hour/24, last)
	if hour <= last || hour < a.oldest() {
		return
	}
	if last >= a.oldest() {
		a.add(last, -1)
	}
	a.add(hour, 1)
	if slot != nil {
		*slot = filled(patient, hour)
	} else {
		a.patients.put(patient, hour, a.oldest())
	}
}

// visit counts a patient in a day, once. In order, the last hour tells whether it was; a load in any order has to remember.
func (a *account) visit(patient uint32, day, last int64) {
	if day <= a.head/24-days {
		return
	}
	known := last >= day*24
	if !a.loaded {
		v := visit{day, patient}
		known = a.seen[v]
		if a.seen == nil {
			a.seen = map[visit]bool{}
		}
		a.seen[v] = true
	}
	if !known {
		a.distinct[day%days] = saturated(a.distinct[day%days], 1)
	}
}

// anonymous counts records without identity at an hour.
func (a *account) anonymous(n int, hour int64) {
	if hour < a.oldest() {
		return
	}
	a.add(hour, int64(n))
	if hour/24 > a.head/24-days {
		a.distinct[hour/24%days] = saturated(a.distinct[hour/24%days], n)
	}
}

// add changes the histogram and the sums over it alike. An hour holds four billion
// at most, which is over any limit.
func (a *account) add(hour, n int64) {
	last := &a.lasts[hour%hours]
	before := int64(*last)
	*last = uint32(min(before+n, 1<<32-1))
	for w := Hour; w <= Year; w++ {
		if hour >= a.head-w.span() {
			a.counts[w] += int64(*last) - before
		}
	}
}

func saturated(a uint32, n int) uint32 { return uint32(min(int64(a)+int64(n), 1<<32-1)) }

// count gives the patients of a window that ends at an hour; one before the latest is the latest.
func (a *account) count(w Window, hour int64) int {
	n := a.counts[w]
	for gone := max(a.head-w.span(), 0); gone < hour-w.span() && gone <= a.head; gone++ {
		n -= int64(a.lasts[gone%hours])
	}
	return int(n)
}

// settle ends the loading.
func (a *account) settle() { a.seen, a.loaded = nil, true }
