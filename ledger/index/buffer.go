package index

import (
	"slices"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/people"
)

// Event is one disclosure. Numbers are ascending and distinct.
type Event struct {
	Seq                            uint64 // 0, 1, 2, … in the order of recording
	ID                             [16]byte
	Time                           time.Time
	Way                            Way
	Records, Unidentified, Objects int
	Bytes                          int64
	Numbers                        []ledger.Number
}

// Place says where a batch of disclosures is in the record, all of one day.
type Place struct {
	Batch       uint64
	First       uint64 // disclosures First <= seq < First+Count
	Count       uint32
	Day         ledger.Day
	Segment     uint32
	Offset      int64  // of the frame in its segment
	EntriesAt   uint32 // the entries part, from the frame's start
	EntriesSize uint32
}

// buffer collects events until they are written as runs. Slices only grow, so that a view may go on reading what was there
// when it was made; maps and heads are read under the index's lock.
type buffer struct {
	events  []event
	numbers []ledger.Number
	before  []int32 // for each of numbers, the one before it in its chain, or -1
	places  []Place
	ids     map[dayID]int32  // events
	last    map[dayWay]int32 // the latest event of a way on a day: the end of a chain
	heads   [1 << headBits]int32
	views   int // that read it: it is not used again before they end
}

// headBits is how many chains numbers are spread over: short chains, and small enough to stay in the processor's cache.
const headBits = 14

type event struct {
	seq                            uint64
	id                             [16]byte
	time                           int64 // µs since 1970
	bytes                          int64
	records, unidentified, objects int64
	way                            Way
	end                            uint32 // of its numbers
	before                         int32  // the event before it of the same way and day, or -1
}

type dayID struct {
	day ledger.Day
	id  [16]byte
}

type dayWay struct {
	day ledger.Day
	way Way
}

func newBuffer() *buffer {
	b := &buffer{ids: map[dayID]int32{}, last: map[dayWay]int32{}}
	b.reset()
	return b
}

func (b *buffer) reset() {
	b.events, b.numbers, b.before, b.places = b.events[:0], b.numbers[:0], b.before[:0], b.places[:0]
	clear(b.ids)
	clear(b.last)
	for i := range b.heads {
		b.heads[i] = -1
	}
}

func (b *buffer) empty() bool { return len(b.events) == 0 && len(b.places) == 0 }

func chain(n ledger.Number) uint32 { return uint32(n) * 0x9E3779B1 >> (32 - headBits) }

func (e *event) day() ledger.Day { return ledger.Day(e.time / dayMicros) }
func (e *event) hour() int       { return int(e.time % dayMicros / hourMicros) }

func (b *buffer) add(e *Event, micros int64) {
	at := int32(len(b.events))
	for _, n := range e.Numbers {
		head := &b.heads[chain(n)]
		b.before = append(b.before, *head)
		*head = int32(len(b.numbers))
		b.numbers = append(b.numbers, n)
	}
	kept := event{
		seq: e.Seq, id: e.ID, time: micros, bytes: e.Bytes,
		records: int64(e.Records), unidentified: int64(e.Unidentified), objects: int64(e.Objects),
		way: e.Way, end: uint32(len(b.numbers)), before: -1,
	}
	way := dayWay{kept.day(), e.Way}
	if end, ok := b.last[way]; ok {
		kept.before = end
	}
	b.last[way] = at
	if id := (dayID{way.day, e.ID}); true {
		if _, ok := b.ids[id]; !ok {
			b.ids[id] = at
		}
	}
	b.events = append(b.events, kept)
}

// part is a buffer as a view sees it.
type part struct {
	*buffer
	events  []event
	numbers []ledger.Number
	places  []Place
}

func (b *buffer) view() part {
	b.views++
	return part{buffer: b, events: b.events, numbers: b.numbers, places: b.places}
}

// numbersOf gives the numbers of one event.
func (p *part) numbersOf(at int32) []ledger.Number {
	begin := uint32(0)
	if at > 0 {
		begin = p.events[at-1].end
	}
	return p.numbers[begin:p.events[at].end]
}

// of calls a function with the events of a way on a day, the latest first. end and events are those of the buffer now.
func (p *part) of(end int32, events []event, each func(at int32, e *event)) {
	for at := end; at >= 0; at = events[at].before {
		if int(at) < len(p.events) {
			each(at, &events[at])
		}
	}
}

// postings appends the disclosures of a number, ascending. end and before are those of the buffer now.
func (p *part) postings(n ledger.Number, end int32, before []int32, found []dated) []dated {
	at := len(found)
	for ; end >= 0; end = before[end] {
		if int(end) >= len(p.numbers) || p.numbers[end] != n {
			continue
		}
		i, _ := slices.BinarySearchFunc(p.events, uint32(end), func(e event, place uint32) int {
			if e.end <= place {
				return -1
			}
			return 1
		})
		found = append(found, dated{p.events[i].day(), p.events[i].seq})
	}
	slices.Reverse(found[at:])
	return found
}

// dated is a disclosure and its day.
type dated struct {
	day ledger.Day
	seq uint64
}

// count adds an event to a set and to sums; both may be nil.
func (p *part) count(at int32, e *event, into *people.Bits, sums *Sums) {
	if into != nil {
		into.AddSorted(p.numbersOf(at))
	}
	if sums != nil {
		when := time.UnixMicro(e.time).UTC()
		sums.Add(Sums{
			Disclosures: 1, Records: e.records, Unidentified: e.unidentified, Objects: e.objects, Bytes: e.bytes,
			First: when, Last: when,
		})
	}
}
