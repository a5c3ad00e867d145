package verify

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"chaperone/ledger"
	"chaperone/ledger/index"
	"chaperone/ledger/people"
	"chaperone/ledger/record"
)

const indexName = "index"

// recount counts every cell of the index anew: what each way did in each hour, and with how many patients; and holds the
// disclosures of every patient, and where each id is found, against it. An id that is on record twice shows by that, in no memory but the
// index's. It reads the record once more, day by day.
func (r *run) recount(ctx context.Context) error {
	r.report.Deep = true
	switch {
	case r.data == nil:
		r.report.warn("the index was not counted anew: that needs the data key")
		return nil
	case !r.report.Closed:
		r.report.warn("the index was not counted anew: it is made anew at the next opening")
		return nil
	case r.report.found[Changed] > 0: // nothing else keeps the record from being read
		r.report.warn("the index was not counted anew: what is told above comes first")
		return nil
	}
	r.report.Compared = true
	x, err := index.Open(index.Options{Dir: filepath.Join(r.Dir, indexName), ReadOnly: true})
	if errors.Is(err, index.ErrNewer) {
		return err
	}
	if err != nil {
		r.report.whole(indexName, "%v; run ledger reindex", err)
		return nil
	}
	v, err := x.View()
	if err == nil {
		err = errors.Join(r.everyDay(ctx, x, v), v.Close())
	}
	err = errors.Join(err, x.Close())
	r.report.Recounted = err == nil && r.report.found[Changed] == 0
	return err
}

// everyDay goes over all days of record and index.
func (r *run) everyDay(ctx context.Context, x *index.Index, v *index.View) error {
	all := map[ledger.Day]bool{}
	for _, day := range v.Days() {
		all[day] = true
	}
	for day, d := range r.days {
		if d.disclosures > 0 && !r.ring.missing(day) {
			all[day] = true
		}
	}
	c := &counter{run: r, index: x, view: v, limit: leastPairs}
	defer c.close()
	for _, day := range slices.Sorted(maps.Keys(all)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.ring.missing(day) {
			r.report.whole(indexName, "%s was purged and is still there; run ledger reindex", day)
			continue
		}
		if err := c.day(day); err != nil {
			r.report.whole(indexName, "%s: %v; run ledger reindex", day, err)
		}
	}
	return nil
}

// cell is one way in one hour.
type cell struct {
	way  index.Way
	hour int
}

// counter counts a day from the record.
type counter struct {
	run     *run
	index   *index.Index
	view    *index.View
	segment uint32
	file    *os.File
	entry   record.Entry
	cells   map[cell]int // place in sums
	sums    []index.Sums
	pairs   []uint64 // place in sums, number
	limit   int      // of pairs, before they are sorted
	seq     uint64   // the next disclosure
	of      uint64   // sum of marks of the day's patients and disclosures
	other   uint64   // disclosures whose id the index gives another place, or none
	first   otherID  // the first of them
	bits    people.Bits
}

const leastPairs = 1 << 20

func (c *counter) close() {
	if c.file != nil {
		_ = c.file.Close() // only read
		c.file = nil
	}
}

// errOther says that the index says something else than the record.
var errOther = errors.New("the index is not what the record says")

func (c *counter) day(day ledger.Day) error {
	c.cells, c.sums, c.pairs, c.of, c.other = map[cell]int{}, c.sums[:0], c.pairs[:0], 0, 0
	var batches, disclosures uint64
	err := c.view.Places(day, func(p index.Place) error {
		batches++
		disclosures += uint64(p.Count)
		return c.batch(day, p)
	})
	if err != nil {
		return err
	}
	if d := c.run.days[day]; d == nil || d.batches != batches || d.disclosures != disclosures {
		return fmt.Errorf("%w: it has %d batches with %d disclosures", errOther, batches, disclosures)
	}
	if c.other > 0 {
		if err := c.twice(day); err != nil {
			return err
		}
	}
	return c.compare(day)
}

// batch counts one batch where the index says it is.
func (c *counter) batch(day ledger.Day, p index.Place) error {
	c.seq = p.First
	return c.each(day, p, func(d *record.Disclosure) error {
		// An index finds one place for an id: where two disclosures of a day have the same, at least one of them is not there.
		found, ok, err := c.index.Find(d.ID, day)
		if err != nil {
			return err
		}
		if !ok || found != c.seq {
			if c.other++; c.other == 1 {
				c.first = otherID{d.ID, c.seq, found, ok, p}
			}
		}
		c.add(d)
		return nil
	})
}

// each gives the disclosures of a batch where the index says that it is.
func (c *counter) each(day ledger.Day, p index.Place, each func(*record.Disclosure) error) error {
	if c.file == nil || c.segment != p.Segment {
		c.close()
		f, err := record.OpenSegment(filepath.Join(c.run.Dir, record.Folder), p.Segment)
		if err != nil {
			return err
		}
		c.file, c.segment = f, p.Segment
	}
	f, err := record.ReadFrame(c.file, p.Offset)
	if err != nil {
		return err
	}
	if f.Batch != p.Batch || f.Day != day || f.Before != p.First || f.Disclosures != p.Count || f.EntriesAt() != int64(p.EntriesAt) || f.EntriesSize != p.EntriesSize {
		return fmt.Errorf("%w: batch %d is not where or what it says", errOther, p.Batch)
	}
	m := c.run.ring.master(day)
	if m == nil {
		return c.run.ring.bad[day]
	}
	part, err := record.OpenPart(f.Entries, m)
	if err != nil {
		return err
	}
	return part.Each(func(b []byte) error {
		if err := record.Decode(b, day, &c.entry); err != nil || c.entry.Kind != record.KindDisclosure {
			return err
		}
		return each(&c.entry.Disclosure)
	})
}

func (c *counter) add(d *record.Disclosure) {
	at := cell{c.run.ways.Of(d.Way), d.Time.Hour()}
	i, ok := c.cells[at]
	if !ok {
		i = len(c.sums)
		c.cells[at] = i
		c.sums = append(c.sums, index.Sums{First: d.Time})
	}
	s := &c.sums[i]
	s.Disclosures++
	s.Records += int64(d.Records)
	s.Unidentified += int64(d.Unidentified)
	s.Bytes += d.Bytes
	if c.run.objects[d.Way-1] {
		s.Objects += int64(d.Records)
	}
	if d.Time.Before(s.First) {
		s.First = d.Time
	}
	if d.Time.After(s.Last) {
		s.Last = d.Time
	}
	for _, n := range d.Numbers {
		c.pairs = append(c.pairs, uint64(i)<<32|uint64(n))
		c.of += mark(n, c.seq)
	}
	c.seq++
	if len(c.pairs) > c.limit { // what is there twice takes no room
		slices.Sort(c.pairs)
		c.pairs = slices.Compact(c.pairs)
		c.limit = max(2*len(c.pairs), leastPairs)
	}
}

// seed makes marks of this process: who would change an index so that their sum stays cannot know it.
var seed = maphash.MakeSeed()

// mark stands for one patient in one disclosure.
func mark(n ledger.Number, seq uint64) uint64 {
	return maphash.Comparable(seed, [2]uint64{uint64(n), seq})
}

// compare holds the index against what was counted.
func (c *counter) compare(day ledger.Day) error {
	of := uint64(0)
	if err := c.view.Pairs(day, func(n ledger.Number, seq uint64) error { of += mark(n, seq); return nil }); err != nil {
		return err
	}
	if of != c.of {
		return fmt.Errorf("%w: in the disclosures of some patient", errOther)
	}
	slices.Sort(c.pairs)
	c.pairs = slices.Compact(c.pairs)
	ofWay := map[index.Way]int64{}
	for at, i := range c.cells {
		ofWay[at.way] += c.sums[i].Disclosures
		var sums index.Sums
		c.bits.Reset()
		if err := c.view.Cells(day, []index.Way{at.way}, at.hour, at.hour+1, &c.bits, &sums); err != nil {
			return err
		}
		from, _ := slices.BinarySearch(c.pairs, uint64(i)<<32)
		until, _ := slices.BinarySearch(c.pairs, uint64(i+1)<<32)
		same := sameSums(&sums, &c.sums[i]) && c.bits.Len() == until-from
		for _, pair := range c.pairs[from:until] {
			same = same && c.bits.Has(ledger.Number(uint32(pair)))
		}
		if !same {
			return fmt.Errorf("%w: way %d in hour %d", errOther, at.way.Number(), at.hour)
		}
	}
	ways, err := c.view.Ways(day)
	if err != nil {
		return err
	}
	for _, way := range ways { // hours that the record does not have
		var sums index.Sums
		if err := c.view.Cells(day, []index.Way{way}, 0, 24, nil, &sums); err != nil {
			return err
		}
		if sums.Disclosures != ofWay[way] {
			return fmt.Errorf("%w: way %d has %d disclosures", errOther, way.Number(), sums.Disclosures)
		}
		delete(ofWay, way)
	}
	if len(ofWay) > 0 {
		return fmt.Errorf("%w: %d ways are not on its list", errOther, len(ofWay))
	}
	return nil
}

func sameSums(a, b *index.Sums) bool {
	return a.Disclosures == b.Disclosures && a.Records == b.Records && a.Unidentified == b.Unidentified && a.Objects == b.Objects &&
		a.Bytes == b.Bytes && a.First.Equal(b.First) && a.Last.Equal(b.Last)
}
