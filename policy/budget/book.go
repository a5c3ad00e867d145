package budget

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Book counts the distinct patients that each key has received. Patients are the ledger's numbers: 1, 2, 3, … in the order
// of first use; a 0 is nobody's number and counts as one unidentified record. A Book is safe for concurrent use, and its
// charges are linearizable.
type Book struct {
	latest atomic.Int64 // the latest hour seen: it never goes back

	mu       sync.RWMutex
	accounts map[Key]*account
	loading  bool
}

// New opens an empty book at a time that its caller believes.
func New(at time.Time) *Book {
	b := &Book{accounts: map[Key]*account{}, loading: true}
	b.latest.Store(hourOf(at))
	return b
}

// entry is one key of a charge.
type entry struct {
	*account
	Keyed
}

// few is how many keys and patients a charge may have without asking for memory.
const few = 16

// Charge counts a delivery: all patients and records on all keys, or nothing at all if one window of one key would hold more
// than its limit. Nil means that it was counted. A patient named twice counts once.
//
// A delivery that adds nobody to a window is not refused for that window, however full it is: who was just seen may be seen
// again, also after a limit was lowered.
func (b *Book) Charge(at time.Time, keys []Keyed, patients []uint32, unidentified int) *Over {
	if unidentified < 0 || unidentified > math.MaxInt32 {
		return &Over{Cause: Invalid}
	}
	var roomForKeys [few]entry
	list := roomForKeys[:0]
	for _, k := range keys {
		list = append(list, entry{b.account(k.Key), k})
	}
	slices.SortStableFunc(list, func(x, y entry) int { return x.order - y.order })
	var roomForPatients [few]uint32
	patients, nobodies := distinct(append(roomForPatients[:0], patients...))
	unidentified += nobodies

	lock(list)
	over := b.charge(hourOf(at), list, patients, unidentified)
	unlock(list)
	return over
}

// charge is Charge, with all accounts locked.
func (b *Book) charge(hour int64, list []entry, patients []uint32, unidentified int) *Over {
	hour, ok := b.reach(hour)
	if !ok {
		return &Over{Cause: Leapt}
	}
	for i := range list {
		list[i].patients.warm(patients)
	}
	for i := range list {
		e := &list[i]
		e.advance(hour)
		if over := e.over(e.fresh(patients), unidentified); over != nil {
			return over
		}
	}
	for i, e := range list {
		if first(list, i) {
			e.receive(patients, unidentified)
		}
	}
	return nil
}

// first reports whether an account is not that of the entry before it: a key may be named twice.
func first(list []entry, i int) bool { return i == 0 || list[i].account != list[i-1].account }

func lock(list []entry) {
	for i := range list {
		if first(list, i) {
			list[i].mu.Lock()
		}
	}
}

func unlock(list []entry) {
	for i := range list {
		if first(list, i) {
			list[i].mu.Unlock()
		}
	}
}

// distinct sorts numbers and leaves out those that come again, and counts the zeros.
func distinct(patients []uint32) (_ []uint32, zeros int) {
	slices.Sort(patients)
	for zeros < len(patients) && patients[zeros] == 0 {
		zeros++
	}
	return slices.Compact(patients[zeros:]), zeros
}

// over says which limit would be exceeded, nil when none.
func (e *entry) over(fresh [windows]int, unidentified int) *Over {
	for w := Hour; w <= Year; w++ {
		added := fresh[w] + unidentified
		count := int(e.counts[w]) + added
		if e.Limits[w] != 0 && added > 0 && count > e.Limits[w] {
			return &Over{Cause: Exceeded, Key: e.Key, Window: w, Limit: e.Limits[w], Count: count}
		}
	}
	return nil
}

// receive counts a delivery in the latest hour.
func (a *account) receive(patients []uint32, unidentified int) {
	a.settle()
	for _, patient := range patients {
		a.deliver(patient, a.head)
	}
	if unidentified > 0 {
		a.anonymous(unidentified, a.head)
	}
}

// reach gives the hour that counts at a time: the latest that was seen, or the one after it when that has begun. It is
// called while the accounts of the charge are locked, so that none of them can be ahead of it.
func (b *Book) reach(hour int64) (int64, bool) {
	for {
		latest := b.latest.Load()
		switch {
		case hour <= latest:
			return latest, true
		case hour > latest+1:
			return 0, false
		case b.latest.CompareAndSwap(latest, hour):
			return hour, true
		}
	}
}

// Advance moves the book to a time, however far ahead: its caller has compared the clock with another one, such as the
// monotonic. It never moves back. It also ends the loading, and what that remembered is given back.
func (b *Book) Advance(at time.Time) {
	b.raise(hourOf(at))
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.loading {
		return
	}
	b.loading = false
	for _, a := range b.accounts {
		a.mu.Lock()
		a.settle()
		a.mu.Unlock()
	}
}

func (b *Book) raise(hour int64) {
	for latest := b.latest.Load(); hour > latest && !b.latest.CompareAndSwap(latest, hour); latest = b.latest.Load() {
	}
}

// Latest is the beginning of the latest hour that the book has seen.
func (b *Book) Latest() time.Time { return time.Unix(b.latest.Load()*3600, 0).UTC() }

// Load counts what was delivered before: at start, from the record, in any order and as often as one likes to name the same
// patient in the same hour; nothing is refused. Unidentified records are added each time. An hour (since 1970) ahead of the
// book moves it there: the record knows better than a clock that was set back.
func (b *Book) Load(key Key, hour int64, patients []uint32, unidentified int) {
	hour = min(max(hour, 0), maxHour)
	b.raise(hour)
	a := b.account(key)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(b.latest.Load())
	for _, patient := range patients {
		if patient == 0 {
			a.anonymous(1, hour)
		} else {
			a.deliver(patient, hour)
		}
	}
	if unidentified > 0 {
		a.anonymous(min(unidentified, math.MaxInt32), hour)
	}
}

// Count gives the distinct patients and unidentified records of a window at a time. A time before the latest hour is in it.
func (b *Book) Count(key Key, w Window, at time.Time) int {
	b.mu.RLock()
	a := b.accounts[key]
	b.mu.RUnlock()
	if a == nil {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count(w, max(hourOf(at), b.latest.Load()))
}

func (b *Book) account(key Key) *account {
	b.mu.RLock()
	a := b.accounts[key]
	b.mu.RUnlock()
	if a != nil {
		return a
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if a = b.accounts[key]; a == nil {
		a = &account{order: len(b.accounts), head: b.latest.Load(), loaded: !b.loading}
		b.accounts[key] = a
	}
	return a
}
