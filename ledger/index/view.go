package index

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
	"sync"
	"time"

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
	near    []Place // of the row that was read last
	buffers [][]ledger.Number
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
func (v *View) Ways(day ledger.Day) ([]uint32, error) {
	var ways []uint32
	err := v.rows(day, headRow, nil, func(r run, value []byte) (err error) {
		ways, err = parseHead(value, &r, ways)
		return err
	})
	if err != nil {
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

// rows calls a function with the row of a kind and name in each run of a day. The value is valid until it returns.
func (v *View) rows(day ledger.Day, kind byte, name []byte, each func(r run, value []byte) error) error {
	runs := v.state.of(day)
	if len(runs) == 0 {
		return nil
	}
	it, err := v.state.iterator()
	if err != nil {
		return err
	}
	var buffer [runKey + 9]byte
	for _, r := range runs {
		value, ok, getErr := get(it, append(appendKey(buffer[:0], day, r.number, kind), name...))
		if err = getErr; err == nil && ok {
			err = each(r, value)
		}
		if err != nil {
			break
		}
	}
	return cmp.Or(err, v.state.done(it))
}

// memoryOf calls a function with the events in memory of a way on a day, the latest of a part first.
func (v *View) memoryOf(day ledger.Day, way uint32, each func(p *part, at int32, e *event)) {
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

// Cells adds up what one way did in the hours from <= hour < until of a day: its numbers into a set, its sums to others.
// Both may be nil.
func (v *View) Cells(day ledger.Day, way uint32, from, until int, into *people.Bits, sums *Sums) error {
	buffer := v.buffer()
	err := v.cells(day, way, func(hour int, body []byte) error {
		if hour < from || hour >= until {
			return nil
		}
		c, err := parseCell(body)
		if err != nil {
			return err
		}
		return c.count(day.Time().Add(time.Duration(hour)*time.Hour), &buffer, into, sums)
	})
	v.mu.Lock()
	v.buffers = append(v.buffers, buffer)
	v.mu.Unlock()
	if err != nil {
		return err
	}
	v.memoryOf(day, way, func(p *part, at int32, e *event) {
		if hour := e.hour(); from <= hour && hour < until {
			p.count(at, e, into, sums)
		}
	})
	return nil
}

// buffer lends memory for numbers.
func (v *View) buffer() []ledger.Number {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := len(v.buffers)
	if n == 0 {
		return nil
	}
	b := v.buffers[n-1]
	v.buffers = v.buffers[:n-1]
	return b
}

// cells calls a function with the cells of a way on a day, by hour in each run.
func (v *View) cells(day ledger.Day, way uint32, each func(hour int, body []byte) error) error {
	var name [4]byte
	binary.BigEndian.PutUint32(name[:], way)
	return v.rows(day, cellsRow, name[:], func(_ run, row []byte) error {
		for least := 0; len(row) > 0; {
			hour, body, rest, err := nextCell(row, least)
			if err == nil {
				err = each(hour, body)
			}
			if err != nil {
				return err
			}
			least, row = hour+1, rest
		}
		return nil
	})
}

// Seqs calls a function with the disclosures of one way in one hour, ascending.
func (v *View) Seqs(day ledger.Day, way uint32, hour int, each func(seq uint64) error) error {
	var seqs []uint64
	err := v.cells(day, way, func(h int, body []byte) error {
		if h != hour {
			return nil
		}
		c, err := parseCell(body)
		if err != nil {
			return err
		}
		at := len(seqs)
		seqs, err = appendTo(seqs, &c.seqs)
		for i := range seqs[at:] {
			seqs[at+i] += c.base
		}
		return err
	})
	if err != nil {
		return err
	}
	v.memoryOf(day, way, func(_ *part, _ int32, e *event) {
		if e.hour() == hour {
			seqs = append(seqs, e.seq)
		}
	})
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
	var recent []dated
	for i := range v.memory {
		p := &v.memory[i]
		v.x.mu.Lock()
		end, before := p.heads[chain(n)], p.buffer.before
		v.x.mu.Unlock()
		recent = p.postings(n, end, before, from, until, recent)
	}
	slices.SortStableFunc(recent, func(a, b dated) int { return cmp.Compare(a.day, b.day) })

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
