package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"chaperone/ledger"
)

// packer writes a buffer's events of one day as a run. It keeps its memory from one to the next.
type packer struct {
	at      []int32 // the day's events, in the order of recording
	ids     []idAt
	pairs   []uint64 // number << 32 | place in at
	spare   []uint64
	values  []uint64
	ways    []Way
	content content
	key     []byte
	value   []byte
}

type idAt struct {
	high uint64
	at   int32
}

// share is what a buffer has of one day.
type share struct {
	events []int32
	places []Place
	ways   []lastOf
}

// lastOf is the latest event of a way.
type lastOf struct {
	way Way
	at  int32
}

// shares gives a buffer's events and batches by day.
func (b *buffer) shares() (days []ledger.Day, of map[ledger.Day]*share) {
	of = map[ledger.Day]*share{}
	at := func(day ledger.Day) *share {
		s := of[day]
		if s == nil {
			s = &share{}
			of[day] = s
			days = append(days, day)
		}
		return s
	}
	for i := range b.events {
		s := at(b.events[i].day())
		s.events = append(s.events, int32(i))
	}
	for _, p := range b.places {
		s := at(p.Day)
		s.places = append(s.places, p)
	}
	for way, last := range b.last {
		s := at(way.day)
		s.ways = append(s.ways, lastOf{way.way, last})
	}
	for _, s := range of {
		slices.SortFunc(s.ways, func(a, b lastOf) int { return cmp.Compare(a.way, b.way) })
	}
	slices.Sort(days)
	return days, of
}

// pack writes one day of a buffer as a run of the given number. The tables hold the whole run when it returns.
func (k *packer) pack(b *buffer, day ledger.Day, s *share, number uint32, t *tables) (run, error) {
	r := run{day: day, number: number}
	made, size := len(t.paths), t.size
	k.at = s.events
	places := s.places
	p := part{buffer: b, events: b.events, numbers: b.numbers}
	k.prepare(&p)
	k.ways = k.ways[:0]
	for _, last := range s.ways {
		k.ways = append(k.ways, last.way)
	}
	if n := len(k.at); n > 0 {
		r.first, r.next = b.events[k.at[0]].seq, b.events[k.at[n-1]].seq+1
		r.disclosures, r.pairs = uint64(n), uint64(len(k.pairs))
	}
	if n := len(places); n > 0 {
		r.place, r.past = places[0].First, places[n-1].First+uint64(places[n-1].Count)
	}
	k.value = appendHead(k.value[:0], &r, k.ways)
	k.key = appendKey(k.key[:0], day, number, headRow)
	if err := t.set(k.key, k.value); err != nil {
		return r, err
	}
	for _, rows := range []func() error{
		func() error { return k.packIDs(b, t) },
		func() error { return k.packPostings(&r, t, b) },
		func() error { return k.packCells(&p, s.ways, t) },
		func() error { return k.packPlaces(places, t) },
		t.finish,
	} {
		if err := rows(); err != nil {
			return r, err
		}
	}
	r.tables, r.size = uint64(len(t.paths)-made), t.size-size
	return r, nil
}

// prepare brings events and pairs into the orders of the rows.
func (k *packer) prepare(p *part) {
	k.ids, k.pairs = k.ids[:0], k.pairs[:0]
	for i, at := range k.at {
		e := &p.events[at]
		k.ids = append(k.ids, idAt{binary.BigEndian.Uint64(e.id[:]), at})
		for _, n := range p.numbersOf(at) {
			k.pairs = append(k.pairs, uint64(n)<<32|uint64(i))
		}
	}
	slices.SortFunc(k.ids, func(a, b idAt) int {
		if a.high != b.high {
			if a.high < b.high {
				return -1
			}
			return 1
		}
		if c := bytes.Compare(p.events[a.at].id[8:], p.events[b.at].id[8:]); c != 0 {
			return c
		}
		return int(a.at) - int(b.at)
	})
	k.sortPairs()
}

// sortPairs orders the pairs by number. They are in the order of recording, and stay so for each number.
func (k *packer) sortPairs() {
	const digit = 11
	greatest := uint64(0)
	for _, p := range k.pairs {
		greatest = max(greatest, p)
	}
	k.spare = slices.Grow(k.spare[:0], len(k.pairs))[:len(k.pairs)]
	for shift := 32; shift < bits.Len64(greatest); shift += digit {
		var starts [1 << digit]int
		for _, p := range k.pairs {
			starts[p>>shift&(1<<digit-1)]++
		}
		sum := 0
		for i, n := range starts {
			starts[i] = sum
			sum += n
		}
		for _, p := range k.pairs {
			d := p >> shift & (1<<digit - 1)
			k.spare[starts[d]] = p
			starts[d]++
		}
		k.pairs, k.spare = k.spare, k.pairs
	}
}

// packIDs writes the ids. Of one that is there twice, the first counts.
func (k *packer) packIDs(b *buffer, t *tables) error {
	k.key[runKey] = idRow
	for i, id := range k.ids {
		e := &b.events[id.at]
		if i > 0 && b.events[k.ids[i-1].at].id == e.id {
			continue
		}
		k.key = append(k.key[:runKey+1], e.id[:]...)
		k.value = binary.AppendUvarint(k.value[:0], e.seq)
		if err := t.set(k.key, k.value); err != nil {
			return err
		}
	}
	return nil
}

func (k *packer) packPostings(r *run, t *tables, b *buffer) error {
	k.key[runKey] = postingsRow
	for begin := 0; begin < len(k.pairs); {
		group := k.pairs[begin] >> (32 + groupBits)
		w := width(r.first, r.next)
		k.values = k.values[:0]
		for ; begin < len(k.pairs) && k.pairs[begin]>>(32+groupBits) == group; begin++ {
			p := k.pairs[begin]
			seq := b.events[k.at[uint32(p)]].seq
			k.values = append(k.values, p>>32%groupSize<<w|(seq-r.first))
		}
		k.key = binary.BigEndian.AppendUint32(k.key[:runKey+1], uint32(group))
		k.value = appendPostings(k.value[:0], r.first, w, k.values)
		if err := t.set(k.key, k.value); err != nil {
			return err
		}
	}
	return nil
}

func (k *packer) packCells(p *part, ways []lastOf, t *tables) error {
	k.key[runKey] = cellsRow
	for _, last := range ways {
		k.content.reset()
		for at := last.at; at >= 0; at = p.events[at].before {
			k.content.event(&p.events[at], p.numbersOf(at))
		}
		slices.Reverse(k.content.seqs)
		k.value = k.content.appendTo(k.value[:0])
		k.key = binary.BigEndian.AppendUint64(k.key[:runKey+1], uint64(last.way))
		if err := t.set(k.key, k.value); err != nil {
			return err
		}
	}
	return nil
}

func (k *packer) packPlaces(places []Place, t *tables) error {
	k.key[runKey] = placesRow
	for len(places) > 0 {
		n := min(len(places), placesPerRow)
		k.key = binary.BigEndian.AppendUint64(k.key[:runKey+1], places[0].First)
		k.value = appendPlaces(k.value[:0], places[:n])
		if err := t.set(k.key, k.value); err != nil {
			return err
		}
		places = places[n:]
	}
	return nil
}
