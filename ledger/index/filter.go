package index

import (
	"encoding/binary"

	"chaperone/ledger"
)

// filters tell of nearly all ids that are new that they are, without a look at the rows: recording asks for each disclosure,
// and hardly ever finds it. They are made while disclosures are added; those of days that were there before, from the rows
// when enough was looked for among them.
type filters struct {
	days   map[ledger.Day]*filter
	old    map[ledger.Day]bool // has rows whose ids its filter does not know
	missed map[ledger.Day]int  // of an old day: look-ups in its runs that found nothing
	size   int                 // words of all
	clock  uint64
}

// mostFilters bounds the words of all filters together. Beyond, those of the days that were asked for least lately go: what is
// recorded is of today nearly always.
const mostFilters = 2 << 20

// filter is a row of Bloom filters in blocks of 512 bits, each twice as large as the one before. 12 bits an id, six of them
// set, let one of about 150 others through.
type filter struct {
	layers []layer
	used   uint64 // on the clock, when it was last
}

type layer struct {
	words []uint64
	room  int
}

const (
	firstLayer = 1 << 13 // ids
	bitsOfID   = 12
	blockWords = 8
	bitsSet    = 6
)

func newFilters() filters {
	return filters{days: map[ledger.Day]*filter{}, old: map[ledger.Day]bool{}, missed: map[ledger.Day]int{}}
}

// add notes an id.
func (f *filters) add(day ledger.Day, id *[16]byte) { f.put(day, hashes(id)) }

func (f *filters) put(day ledger.Day, h [2]uint64) {
	one := f.days[day]
	if one == nil {
		one = new(filter)
		f.days[day] = one
	}
	f.use(one)
	if words := one.add(h); words > 0 {
		f.size += words
		f.shrink()
	}
}

func (f *filters) use(one *filter) {
	f.clock++
	one.used = f.clock
}

// shrink makes the filters fit. The one that was used last stays in any case.
func (f *filters) shrink() {
	for f.size > mostFilters && len(f.days) > 1 {
		var last ledger.Day
		least := f.clock
		for day, one := range f.days {
			if one.used < least {
				last, least = day, one.used
			}
		}
		f.drop(last)
	}
}

// drop lets go of a day's filter.
func (f *filters) drop(day ledger.Day) {
	if one := f.days[day]; one != nil {
		f.size -= one.size()
		delete(f.days, day)
		f.old[day] = true
	}
}

// forget is for a day that was purged.
func (f *filters) forget(day ledger.Day) {
	f.drop(day)
	delete(f.old, day)
	delete(f.missed, day)
}

// isNew reports whether an id is certainly not among those of a day.
func (f *filters) isNew(day ledger.Day, id *[16]byte) bool {
	if f.old[day] {
		return false
	}
	one := f.days[day]
	if one == nil {
		return true
	}
	f.use(one)
	return !one.may(hashes(id))
}

// patienceOfOld is how many rows of an old day are read to make its filter for each look-up in one of its runs that found
// nothing: about as many as take the time of one. So whatever comes, not much more time is spent than was needed.
const patienceOfOld = 16

// worthwhile notes a look-up among a day's rows that found nothing, and reports whether it is time to make its filter.
func (f *filters) worthwhile(day ledger.Day, runs []run) bool {
	f.missed[day] += len(runs)
	rows := uint64(0)
	for _, r := range runs {
		rows += r.disclosures
	}
	return uint64(f.missed[day])*patienceOfOld >= rows
}

// add sets an id's bits and gives the words that were needed for it.
func (f *filter) add(h [2]uint64) (words int) {
	if n := len(f.layers); n == 0 || f.layers[n-1].room == 0 {
		room := firstLayer << n
		words = room * bitsOfID / 64 / blockWords * blockWords
		f.layers = append(f.layers, layer{make([]uint64, words), room})
	}
	l := &f.layers[len(f.layers)-1]
	l.room--
	block := l.block(h[0])
	for i := range bitsSet {
		bit := h[1] >> (9 * i) & 511
		block[bit/64] |= 1 << (bit % 64)
	}
	return words
}

func (f *filter) may(h [2]uint64) bool {
	for i := range f.layers {
		block := f.layers[i].block(h[0])
		hit := true
		for i := range bitsSet {
			bit := h[1] >> (9 * i) & 511
			hit = hit && block[bit/64]&(1<<(bit%64)) != 0
		}
		if hit {
			return true
		}
	}
	return false
}

// size gives the words of all layers.
func (f *filter) size() (words int) {
	for i := range f.layers {
		words += len(f.layers[i].words)
	}
	return words
}

func (l *layer) block(h uint64) []uint64 {
	at := h % uint64(len(l.words)/blockWords) * blockWords
	return l.words[at : at+blockWords]
}

// hashes spreads an id: not all ids that a caller gives are as random as a digest.
func hashes(id *[16]byte) [2]uint64 {
	a, b := binary.LittleEndian.Uint64(id[:]), binary.LittleEndian.Uint64(id[8:])
	return [2]uint64{mix(a ^ mix(b)), mix(b + mix(a+0x9E3779B97F4A7C15))}
}

func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
	h = (h ^ h>>27) * 0x94D049BB133111EB
	return h ^ h>>31
}

// learn is told of a look-up in vain among the rows of a day that was there before. It makes the day's filter from them when
// there were enough of these.
func (x *Index) learn(day ledger.Day, s *state, runs []run) error {
	x.mu.Lock()
	worthwhile := x.filters.worthwhile(day, runs)
	x.mu.Unlock()
	if !worthwhile {
		return nil
	}
	one := new(filter)
	it, err := s.iterator()
	if err != nil {
		return err
	}
	for _, r := range runs {
		var buffer [runKey + 1]byte
		prefix := appendKey(buffer[:0], r.day, r.number, idRow)
		for ok := it.SeekGE(prefix); ok; ok = it.Next() {
			key := it.Key()
			if len(key) != len(prefix)+16 || string(key[:len(prefix)]) != string(prefix) {
				break
			}
			one.add(hashes((*[16]byte)(key[len(prefix):])))
		}
	}
	if err := s.done(it); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.filters.old[day] || x.state != s {
		return nil // another look-up did it meanwhile; or rows came, and the next look-up does it
	}
	x.filters.forget(day) // what it has is not all
	x.filters.days[day] = one
	x.filters.size += one.size()
	for _, b := range []*buffer{x.frozen, x.active} { // their ids may have been in a filter that was dropped
		if b == nil {
			continue
		}
		for key := range b.ids {
			if key.day == day {
				x.filters.add(day, &key.id)
			}
		}
	}
	x.filters.use(one)
	x.filters.shrink()
	return nil
}
