package proof

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/record"
)

// Filter says what of a range of batches is counted. The zero value means everything.
type Filter struct {
	From, Until time.Time // From <= t < Until; zero is open
	Ways        []uint32  // none: all
}

// tally counts the disclosures of batches one after another: the maker of a proof and its checker do the same.
type tally struct {
	filter      Filter
	entry       record.Entry
	next        uint64 // number of the disclosure that comes next, known from the second batch on
	count       Counted
	identifiers map[ledger.Number]struct{}
	ways        map[uint32]int64 // records that were counted, by way
	first, last time.Time
}

func newTally(f Filter) *tally {
	t := &tally{filter: f, identifiers: map[ledger.Number]struct{}{}, ways: map[uint32]int64{}}
	t.filter.Ways = slices.Compact(slices.Sorted(slices.Values(f.Ways)))
	t.count.From, t.count.Until, t.count.Ways = moment(f.From), moment(f.Until), t.filter.Ways
	return t
}

// header checks that a batch follows the one before.
func (t *tally) header(h *record.Header, batch uint64) error {
	if h.Batch != batch {
		return fmt.Errorf("proof: batch %d says that it is batch %d: %w", batch, h.Batch, ErrInvalid)
	}
	if h.Disclosures > h.Entries || h.Before+uint64(h.Disclosures) < h.Before {
		return fmt.Errorf("proof: batch %d says that it has %d entries, %d of them disclosures, behind %d: %w", batch, h.Entries, h.Disclosures, h.Before, ErrInvalid)
	}
	if t.count.Batches > 0 && h.Before != t.next {
		return fmt.Errorf("proof: batch %d does not begin with disclosure %d: %w", batch, t.next, ErrInvalid)
	}
	t.next = h.Before + uint64(h.Disclosures)
	t.count.Batches++
	return nil
}

// closed notes a batch that cannot be opened any more.
func (t *tally) closed(h *record.Header) {
	t.count.Closed++
	t.count.ClosedDisclosures += uint64(h.Disclosures)
}

// batch counts an opened entries part. each sees every disclosure, whether it is counted or not; it may be nil.
func (t *tally) batch(h *record.Header, part *record.Part, each func(i uint64, d *record.Disclosure)) error {
	if !fullBlocks(h, uint32(part.Blocks())) {
		return fmt.Errorf("proof: batch %d has %d blocks and says that it has %d entries: %w", h.Batch, part.Blocks(), h.Entries, ErrInvalid)
	}
	var block []byte
	for i := range part.Blocks() {
		var err error
		if block, err = part.Open(i, block[:0]); err != nil {
			return err
		}
		if err := t.block(h, uint32(i), block, each); err != nil {
			return err
		}
	}
	return nil
}

// block counts one block. A disclosure has its number by its place: all blocks but the last are full, and disclosures come before
// other entries. Else one signed batch could be shown with two disclosures of one number.
func (t *tally) block(h *record.Header, n uint32, block []byte, each func(i uint64, d *record.Disclosure)) error {
	first := uint64(n) * record.EntriesBlock
	i := first
	for ; len(block) > 0; i++ {
		var entry []byte
		var err error
		if entry, block, err = record.Next(block); err == nil {
			err = record.Decode(entry, h.Day, &t.entry)
		}
		if err != nil {
			return err
		}
		is := t.entry.Kind == record.KindDisclosure
		if is != (i < uint64(h.Disclosures)) {
			return fmt.Errorf("proof: batch %d: entry %d is of another kind than its header says: %w", h.Batch, i, ErrInvalid)
		}
		if !is {
			continue
		}
		if each != nil {
			each(i, &t.entry.Disclosure)
		}
		if err := t.add(&t.entry.Disclosure); err != nil {
			return err
		}
	}
	if i-first != min(record.EntriesBlock, uint64(h.Entries)-first) {
		return fmt.Errorf("proof: batch %d: block %d has %d entries, which its header does not say: %w", h.Batch, n, i-first, ErrInvalid)
	}
	return nil
}

func (t *tally) add(d *record.Disclosure) error {
	if _, ok := t.ways[d.Way]; !ok {
		t.ways[d.Way] = 0
	}
	q := ledger.Query{From: t.filter.From, Until: t.filter.Until}
	if _, ok := slices.BinarySearch(t.filter.Ways, d.Way); !q.InTime(d.Time) || len(t.filter.Ways) > 0 && !ok {
		return nil
	}
	c := &t.count
	if d.Records < 0 || d.Unidentified < 0 || d.Bytes < 0 || d.Bytes > math.MaxInt64-c.Bytes ||
		int64(d.Records) > math.MaxInt64-c.Records || int64(d.Unidentified) > math.MaxInt64-c.Unidentified {
		return fmt.Errorf("proof: a disclosure with impossible numbers: %w", ErrInvalid)
	}
	if c.Disclosures == 0 || d.Time.Before(t.first) {
		t.first = d.Time
	}
	if c.Disclosures == 0 || d.Time.After(t.last) {
		t.last = d.Time
	}
	c.Disclosures++
	c.Records += int64(d.Records)
	c.Unidentified += int64(d.Unidentified)
	c.Bytes += d.Bytes
	t.ways[d.Way] += int64(d.Records)
	for _, n := range d.Numbers {
		t.identifiers[n] = struct{}{}
	}
	return nil
}

// result gives the numbers.
func (t *tally) result() *Counted {
	c := t.count
	c.Identifiers = len(t.identifiers)
	if c.Disclosures > 0 {
		c.First, c.Last = moment(t.first), moment(t.last)
	}
	return &c
}

// objects counts DICOM objects, if the ways are what is claimed.
func (t *tally) objects(ways []Way) *int64 {
	var objects int64
	for _, w := range ways {
		if ledger.Objects(chaperone.Protocol(w.Protocol), w.Action, 1) > 0 {
			objects += t.ways[w.Number]
		}
	}
	return &objects
}

// disclosed writes out what is proven of a disclosure.
func disclosed(number uint64, d *record.Disclosure) *Disclosed {
	p := &Disclosed{
		Number: number, ID: hex.EncodeToString(d.ID[:]), Time: moment(d.Time), Way: d.Way,
		FromPort: d.FromPort, ToPort: d.ToPort, RequesterPort: d.RequesterPort,
		Outcome: string(d.Outcome), Unseen: d.Unseen, Identifiers: make([]uint32, len(d.Numbers)),
		Unidentified: d.Unidentified, Records: d.Records, Bytes: d.Bytes,
		File: d.File, Packet: d.Packet, Record: d.Record, Offset: d.Offset,
	}
	for i, n := range d.Numbers {
		p.Identifiers[i] = uint32(n)
	}
	return p
}

// way writes out what is claimed of a way.
func (s *Source) way(n uint32) (Way, error) {
	w, ok := s.Way(n)
	if !ok {
		return Way{}, fmt.Errorf("proof: way %d: %w", n, ledger.ErrUnknown)
	}
	word := func(n uint32) string {
		if n == 0 {
			return ""
		}
		return s.Words(n)
	}
	party := func(side *record.Side) Party {
		p := Party{Proven: word(side.Proven), Claimed: word(side.Claimed)}
		if side.Addr.IsValid() {
			p.Addr = side.Addr.String()
		}
		return p
	}
	way := Way{
		Number: n, From: party(&w.From), To: party(&w.To),
		Protocol: word(w.Protocol), Action: word(w.Action), Protection: string(w.Protected()),
	}
	if w.Requested {
		requester := party(&w.Requester)
		way.Requester = &requester
	}
	return way, nil
}

func sameWays(claimed []Way, used map[uint32]int64) bool {
	ascending := slices.IsSortedFunc(claimed, func(a, b Way) int { return cmp.Compare(a.Number, b.Number) })
	for i, w := range claimed {
		if _, ok := used[w.Number]; !ok || i > 0 && claimed[i-1].Number == w.Number {
			return false
		}
	}
	return ascending && len(claimed) == len(used)
}

// moment writes a time; the zero one as "".
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
