package disk

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/index"
	"chaperone/ledger/record"
)

// frame is one batch of the record on its way to disk: all its entries are of one day.
type frame struct {
	day     ledger.Day
	builder *record.Builder
	header  record.Header
	bytes   []byte
	leaf    [record.HeaderSize]byte
	events  []index.Event
	others  bool // it has entries other than disclosures
	refused bool // whoever wanted it on record was told that it is not
	place   index.Place
}

// intake turns requests into frames: it drops what is on record, gives numbers to what is new, and encodes. All dictionary
// entries of a group go into its first frame, since they are numbered in the order in which they stand in the record.
type intake struct {
	ledger *Ledger
	frames []*frame
	now    time.Time
	ids    map[[16]byte]bool // of this group's disclosures
	ahead  bool              // of the record: see Resolve
}

// intake encodes the requests of a group that can be admitted; the others get their error. After an error of its own nothing
// more can be recorded, since numbers are given out for entries that nobody wrote.
func (l *Ledger) intake(group []*request) ([]*frame, error) {
	in := intake{ledger: l, now: l.now(), ids: map[[16]byte]bool{}}
	for _, r := range group {
		if r.err = in.admit(r); errors.Is(r.err, ledger.ErrFenced) {
			return nil, r.err
		}
	}
	l.dictionary.Lock()
	defer l.dictionary.Unlock()
	before := l.defined
	for _, r := range group {
		if r.err != nil {
			continue
		}
		in.catchUp()
		for i := range r.batch.Disclosures {
			if i%warmed == 0 {
				in.warm(r.batch.Disclosures[i:min(i+warmed, len(r.batch.Disclosures))])
			}
			if r.fresh[i] {
				in.disclosure(&r.batch.Disclosures[i])
			}
		}
		for i := range r.batch.Merges {
			in.merge(&r.batch.Merges[i])
		}
		for i := range r.batch.Findings {
			in.finding(&r.batch.Findings[i])
		}
		for i := range r.batch.Notes {
			in.note(&r.batch.Notes[i])
		}
	}
	return in.frames, in.seal(before)
}

// mostInBatch bounds the records of one batch: its frame must not be larger than a part may be.
const mostInBatch = 1 << 23

// admit looks up what of a request is on record, and makes the keys that its days need, before anything is given a number.
func (in *intake) admit(r *request) error {
	l := in.ledger
	if r.pairs > mostInBatch {
		return fmt.Errorf("%w: %d records are too many for one batch", ledger.ErrInvalid, r.pairs)
	}
	if today := ledger.DayOf(in.now); l.purged(today) {
		return fmt.Errorf("the clock says %s, a day that was purged: set it right", today)
	}
	var have ledger.Day
	known := false
	need := func(day ledger.Day) error {
		if known && day == have || l.purged(day) {
			return nil
		}
		have, known = day, true
		work := func() error { return l.makeDay(day) }
		if r.isUrgent() {
			return l.withReserve(work)
		}
		return work()
	}
	err := need(ledger.DayOf(in.now))
	r.receipt, r.fresh = ledger.Receipt{}, make([]bool, len(r.batch.Disclosures))
	for i := range r.batch.Disclosures {
		if err != nil {
			break
		}
		d := &r.batch.Disclosures[i]
		day := ledger.DayOf(d.Time)
		if l.purged(day) {
			r.receipt.Purged++
			continue
		}
		on := in.ids[d.ID]
		if !on {
			if on, err = l.known(d.ID, day); err != nil {
				err = fmt.Errorf("whether it is on record cannot be looked up: %w; open the ledger anew", err)
				break
			}
		}
		if on {
			r.receipt.Already++
			continue
		}
		in.ids[d.ID], r.fresh[i] = true, true
		r.receipt.Recorded++
		err = need(day)
	}
	for i := range r.batch.Findings {
		err = cmp.Or(err, need(ledger.DayOf(r.batch.Findings[i].First)))
	}
	if err != nil { // what it would have recorded others may
		for i, fresh := range r.fresh {
			if fresh {
				delete(in.ids, r.batch.Disclosures[i].ID)
			}
		}
	}
	return err
}

// frame gives the frame of a day.
func (in *intake) frame(day ledger.Day) *frame {
	for _, f := range in.frames {
		if f.day == day {
			return f
		}
	}
	l := in.ledger
	f := &frame{day: day, builder: l.builder, bytes: l.sealed[:0]}
	l.builder, l.sealed = nil, nil
	if f.builder == nil {
		f.builder = new(record.Builder)
	}
	if len(in.frames) == 0 {
		f.events = make([]index.Event, 0, len(in.ids)) // nearly always it has all
	}
	in.frames = append(in.frames, f)
	return f
}

// define adds a dictionary entry.
func (in *intake) define(entry []byte) {
	if in.ahead {
		in.ledger.ahead = append(in.ledger.ahead, entry)
		return
	}
	if len(in.frames) == 0 {
		in.frame(ledger.DayOf(in.now))
	}
	in.frames[0].builder.Dictionary(entry)
}

func (in *intake) disclosure(d *ledger.Disclosure) {
	l := in.ledger
	day := ledger.DayOf(d.Time)
	f := in.frame(day)
	e := record.DisclosureOf(&d.Disclosure, in.way(&d.Disclosure), in.covered(d.Covered), in.word)
	l.scratch = record.AppendDisclosure(l.scratch[:0], day, &e)
	f.builder.Entry(l.scratch)
	f.events = append(f.events, l.event(&e, 0, e.Numbers)) // its number is given in seal
}

// covered gives the numbers of those a disclosure covers, ascending and without repetition, and defines what is new of them.
func (in *intake) covered(all []ledger.Covered) []ledger.Number {
	numbers := make([]ledger.Number, 0, len(all))
	for i := range all {
		numbers = append(numbers, in.person(&all[i]))
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// person gives a number of one whom a disclosure covers.
func (in *intake) person(c *ledger.Covered) (n ledger.Number) {
	people := in.ledger.dictionary.people
	if c.Weak() {
		n = in.number(c.Demographic, true)
	} else {
		n = in.number(c.Numbers[0], false)
		for _, token := range c.Numbers[1:] {
			other := in.number(token, false)
			if people.Join(n, other) {
				in.define(record.AppendJoin(nil, n, other))
			}
		}
	}
	if (c.Demographic != chaperone.PatientToken{}) && people.Alike(c.Demographic, n) {
		in.define(record.AppendAlike(nil, c.Demographic, n))
	}
	return n
}

// number gives the number of a token.
func (in *intake) number(t chaperone.PatientToken, weak bool) ledger.Number {
	people := in.ledger.dictionary.people
	if n, ok := people.Find(t); ok {
		return n
	}
	in.define(record.AppendPerson(nil, t, weak))
	return people.Add(t, weak)
}

func (in *intake) numbers(tokens []chaperone.PatientToken) []ledger.Number {
	numbers := make([]ledger.Number, len(tokens))
	for i, t := range tokens {
		numbers[i] = in.number(t, false)
	}
	return numbers
}

func (in *intake) merge(m *ledger.Merge) {
	survivors := in.numbers(m.Survivor)
	priors := in.numbers(m.Prior)
	if in.ledger.dictionary.people.Merge(survivors, priors, m.Undo, m.At) {
		in.define(record.AppendMerge(nil, survivors, priors, m.Undo, m.At))
	}
}

func (in *intake) finding(f *chaperone.Finding) {
	l := in.ledger
	day := ledger.DayOf(f.First)
	id := findingID(f)
	if _, said := l.dictionary.said[id]; said || l.purged(day) {
		return
	}
	l.dictionary.said[id] = day
	frame := in.frame(day)
	e := record.FindingOf(f, in.word)
	l.scratch = record.AppendFinding(l.scratch[:0], &e)
	frame.builder.Entry(l.scratch)
	frame.others = true
}

func (in *intake) note(n *ledger.Note) {
	l := in.ledger
	day := ledger.DayOf(in.now) // what is said of a time outlives that time's purge
	if _, said := l.dictionary.said[n.ID]; l.purged(day) || said && n.ID != [16]byte{} {
		return
	}
	l.dictionary.remember(n, day)
	frame := in.frame(day)
	e := record.NoteOf(n, in.word)
	l.scratch = record.AppendNote(l.scratch[:0], &e)
	frame.builder.Entry(l.scratch)
	frame.others = true
}

// word gives the number of a text; 0 is the empty one.
func (in *intake) word(text string) uint32 {
	d := in.ledger.dictionary
	n, isNew := d.word(text)
	if isNew {
		in.define(record.AppendWord(nil, d.words[n]))
	}
	return n
}

// way gives the number of who gives what to whom, and how.
func (in *intake) way(d *chaperone.Disclosure) uint32 {
	w := record.WayOf(d, in.word)
	n, isNew := in.ledger.dictionary.way(w)
	if isNew {
		in.define(record.AppendWay(nil, &w))
	}
	return n
}

// seal numbers the frames and encrypts them.
func (in *intake) seal(before counts) error {
	l := in.ledger
	batch, seq := l.batches, l.events
	for _, f := range in.frames {
		day, err := l.keys.master(f.day)
		if err != nil {
			return l.fence(err)
		}
		f.header = record.Header{
			Batch: batch, Written: in.now, Day: f.day, Before: seq, Disclosures: uint32(len(f.events)),
			Numbers: before.numbers, Words: before.words, Ways: before.ways,
		}
		f.bytes, f.header, err = f.builder.Frame(f.bytes, f.header, l.dictionaryKey, day)
		if err != nil {
			return l.fence(err)
		}
		f.leaf = [record.HeaderSize]byte(f.bytes[:record.HeaderSize])
		f.place = placeOf(&f.header, 0, 0)
		for i := range f.events {
			f.events[i].Seq = seq + uint64(i)
		}
		batch, seq = batch+1, seq+uint64(len(f.events))
		l.defined = l.dictionary.counts() // all dictionary entries are in the first frame
		before = l.defined
	}
	l.events = seq
	return nil
}

// warmed disclosures have their patients looked up ahead, so that the memory's latencies overlap.
const warmed = 24

func (in *intake) warm(disclosures []ledger.Disclosure) {
	tokens := make([]chaperone.PatientToken, 0, 10*warmed) // on the stack, unless there are more
	demographics := make([]chaperone.PatientToken, 0, 10*warmed)
	for i := range disclosures {
		for j := range disclosures[i].Covered {
			c := &disclosures[i].Covered[j]
			tokens = append(tokens, c.Numbers...)
			if c.Demographic == (chaperone.PatientToken{}) {
				continue
			}
			demographics = append(demographics, c.Demographic)
			if c.Weak() {
				tokens = append(tokens, c.Demographic)
			}
		}
	}
	in.ledger.dictionary.people.Warm(tokens)
	in.ledger.dictionary.people.WarmAlike(demographics)
}
