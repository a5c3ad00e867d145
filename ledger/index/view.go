package index

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
	"sync"

	"chaperone/ledger"
	"chaperone/ledger/people"
)

// View is the index at one moment: what is added or purged later does not change it. It is safe for concurrent use. Its
// functions must not close it.
type View struct {
	x      *Index
	state  *state
	memory []part // in the order of recording

	mu      sync.Mutex
	closed  bool
	recent  map[ledger.Number][]dated // what Postings found in memory, by day
	buffers []*lent
}

// View gives the index as of now. It holds on to memory and files until it is closed.
func (x *Index) View() (*View, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		return nil, x.err
	}
	v := &View{x: x, state: x.state}
	for _, b := range []*buffer{x.frozen, x.active} {
		if b != nil && !b.empty() {
			v.memory = append(v.memory, b.view())
		}
	}
	x.state.refs++
	x.viewers++
	return v, nil
}

// Close lets go of what the view holds.
func (v *View) Close() error {
	v.mu.Lock()
	closed := v.closed
	v.closed = true
	v.mu.Unlock()
	if closed {
		return nil
	}
	v.x.mu.Lock()
	v.x.viewers--
	for _, p := range v.memory {
		p.views--
	}
	v.x.mu.Unlock()
	return v.x.release(v.state)
}

// Days gives the days that have disclosures or batches, ascending.
func (v *View) Days() []ledger.Day {
	var days []ledger.Day
	for _, r := range v.state.runs {
		days = append(days, r.day)
	}
	for i := range v.memory {
		p := &v.memory[i]
		for at := range p.events {
			if day := p.events[at].day(); len(days) == 0 || days[len(days)-1] != day {
				days = append(days, day)
			}
		}
		for _, place := range p.places {
			if len(days) == 0 || days[len(days)-1] != place.Day {
				days = append(days, place.Day)
			}
		}
	}
	slices.Sort(days)
	return slices.Compact(days)
}

// Ways gives the ways that have disclosures on a day, ascending.
func (v *View) Ways(day ledger.Day) ([]Way, error) {
	it, err := v.state.iterator()
	if err != nil {
		return nil, err
	}
	var ways []Way
	for _, r := range v.state.of(day) {
		head, ok, getErr := get(it, appendKey(nil, day, r.number, headRow))
		if err = getErr; err == nil && ok {
			ways, err = parseHead(head, &r, ways)
		}
		if err != nil {
			break
		}
	}
	if err := cmp.Or(err, v.state.done(it)); err != nil {
		return nil, err
	}
	for i := range v.memory {
		p := &v.memory[i]
		v.x.mu.Lock()
		events := p.buffer.events
		var ends []dayWay
		for way := range p.last {
			if way.day == day {
				ends = append(ends, way)
			}
		}
		starts := make([]int32, len(ends))
		for i, way := range ends {
			starts[i] = p.last[way]
		}
		v.x.mu.Unlock()
		for i, way := range ends {
			there := false // when the view was made
			p.of(starts[i], events, func(int32, *event) { there = true })
			if there {
				ways = append(ways, way.way)
			}
		}
	}
	slices.Sort(ways)
	return slices.Compact(ways), nil
}

// rows calls a function with the rows of some ways, ascending, in each run of a day.
func (v *View) rows(day ledger.Day, ways []Way, each func(l *lent) error) error {
	runs := v.state.of(day)
	if len(runs) == 0 {
		return nil
	}
	it, err := v.state.iterator()
	if err != nil {
		return err
	}
	l := v.lend()
	var buffer [runKey + 9]byte
	for _, r := range runs {
		key := appendKey(buffer[:0], day, r.number, cellsRow)
		for _, way := range ways {
			row, ok, getErr := get(it, binary.BigEndian.AppendUint64(key, uint64(way)))
			if err = getErr; err == nil && ok {
				if err = l.cells.parse(row); err == nil {
					err = each(l)
				}
			}
			if err != nil {
				return cmp.Or(err, v.state.done(it))
			}
		}
	}
	v.mu.Lock()
	v.buffers = append(v.buffers, l)
	v.mu.Unlock()
	return v.state.done(it)
}

// lend gives memory to read rows with.
func (v *View) lend() *lent {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := len(v.buffers)
	if n == 0 {
		return new(lent)
	}
	l := v.buffers[n-1]
	v.buffers = v.buffers[:n-1]
	return l
}

// memoryOf calls a function with the events in memory of a way on a day, the latest of a part first.
func (v *View) memoryOf(day ledger.Day, way Way, each func(p *part, at int32, e *event)) {
	for i := range v.memory {
		p := &v.memory[i]
		v.x.mu.Lock()
		end, ok := p.last[dayWay{day, way}]
		events := p.buffer.events
		v.x.mu.Unlock()
		if ok {
			p.of(end, events, func(at int32, e *event) { each(p, at, e) })
		}
	}
}

// Cells adds up what some ways, ascending, did in the hours from <= hour < until of a day: their numbers into a set, their
// sums to others. Both may be nil.
func (v *View) Cells(day ledger.Day, ways []Way, from, until int, into *people.Bits, sums *Sums) error {
	err := v.rows(day, ways, func(l *lent) error { return l.count(day, from, until, into, sums) })
	if err != nil || len(v.memory) == 0 {
		return err
	}
	for _, way := range ways {
		v.memoryOf(day, way, func(p *part, at int32, e *event) {
			if hour := e.hour(); from <= hour && hour < until {
				p.count(at, e, into, sums)
			}
		})
	}
	return nil
}

// Seqs calls a function with the disclosures of some ways, ascending, in the hours from <= hour < until: ascending.
func (v *View) Seqs(day ledger.Day, ways []Way, from, until int, each func(seq uint64) error) error {
	var seqs []uint64
	err := v.rows(day, ways, func(l *lent) (err error) {
		at := len(seqs)
		seqs, err = ofHours(seqs, &l.cells.seqs, from, until)
		for i := range seqs[at:] {
			seqs[at+i] += l.cells.base
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, way := range ways {
		v.memoryOf(day, way, func(_ *part, _ int32, e *event) {
			if hour := e.hour(); from <= hour && hour < until {
				seqs = append(seqs, e.seq)
			}
		})
	}
	slices.Sort(seqs)
	for _, seq := range seqs {
		if err := each(seq); err != nil {
			return err
		}
	}
	return nil
}

// Postings calls a function with the disclosures of a number in the days from <= day < until: by day, ascending in each.
func (v *View) Postings(n ledger.Number, from, until ledger.Day, each func(seq uint64) error) error {
	recent := v.recentOf(n)
	recent = recent[sort.Search(len(recent), func(i int) bool { return recent[i].day >= from }):]
	recent = recent[:sort.Search(len(recent), func(i int) bool { return recent[i].day >= until })]

	runs := v.state.runs
	runs = runs[sort.Search(len(runs), func(i int) bool { return runs[i].day >= from }):]
	it, err := v.state.iterator()
	if err != nil {
		return err
	}
	var buffer [runKey + 5]byte
	for _, r := range runs {
		if r.day >= until {
			break
		}
		for ; len(recent) > 0 && recent[0].day < r.day && err == nil; recent = recent[1:] {
			err = each(recent[0].seq)
		}
		if err != nil {
			break
		}
		key := appendKey(buffer[:0], r.day, r.number, postingsRow)
		value, ok, getErr := get(it, binary.BigEndian.AppendUint32(key, uint32(n>>groupBits)))
		if err = getErr; err != nil {
			break
		}
		if !ok {
			continue
		}
		var p postings
		if p, err = parsePostings(value); err == nil {
			err = p.of(uint64(n%groupSize), each)
		}
		if err != nil {
			break
		}
	}
	for ; len(recent) > 0 && err == nil; recent = recent[1:] {
		err = each(recent[0].seq)
	}
	return cmp.Or(err, v.state.done(it))
}

// recentOf gives the disclosures of a number in memory, by day, ascending in each. Questions ask day by day: it looks once.
func (v *View) recentOf(n ledger.Number) []dated {
	v.mu.Lock()
	defer v.mu.Unlock()
	found, ok := v.recent[n]
	if ok || len(v.memory) == 0 {
		return found
	}
	for i := range v.memory {
		p := &v.memory[i]
		v.x.mu.Lock()
		end, before := p.heads[chain(n)], p.buffer.before
		v.x.mu.Unlock()
		found = p.postings(n, end, before, found)
	}
	slices.SortStableFunc(found, func(a, b dated) int { return cmp.Compare(a.day, b.day) })
	if v.recent == nil {
		v.recent = map[ledger.Number][]dated{}
	}
	v.recent[n] = found
	return found
}
