package verify

import (
	"fmt"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/record"
)

// dayCount is what the record has of a day.
type dayCount struct {
	first       uint64 // batch
	disclosures uint64
	batches     uint64 // that have disclosures
}

// checker opens batches in their order and holds each against those before it.
type checker struct {
	run     *run
	entry   record.Entry
	block   []byte
	numbers uint32 // of persons, as far as they are defined
	words   uint32
	ways    uint32
	lost    bool // those three are not known: the next header is believed
	told    map[ledger.Day]bool
	dicom   [4]uint32 // words: see objectWords
	written time.Time // the latest
	back    int       // how often the clock went back
	since   string    // where it did first
}

// objectWords are the words that make a way one of DICOM objects: the protocol, then the actions.
var objectWords = [4]string{"dicom", "C-STORE", "C-GET", "C-MOVE"}

func newChecker(r *run) *checker { return &checker{run: r, told: map[ledger.Day]bool{}} }

// batch checks one. A problem in it does not end the check of others.
func (c *checker) batch(f *record.Frame) {
	r := c.run.report
	c.clock(f)
	r.Batches++
	r.Disclosures += uint64(f.Disclosures)
	if c.lost || c.run.data == nil {
		c.lost = false
		if f.Numbers < c.numbers || f.Words < c.words || f.Ways < c.ways {
			c.wrong(f, "fewer patients, words or ways come before it than before the batch before it")
		}
		c.numbers, c.words, c.ways = f.Numbers, f.Words, f.Ways
	}
	if f.EntriesSize > 0 {
		c.day(f)
	}
	if c.run.data == nil {
		return
	}
	if f.Numbers != c.numbers || f.Words != c.words || f.Ways != c.ways {
		c.wrong(f, "it does not follow on the patients, words and ways before it")
		c.numbers, c.words, c.ways = f.Numbers, f.Words, f.Ways
	}
	if err := c.dictionary(f); err != nil {
		c.wrong(f, "dictionary: %v", err)
		c.lost = true
	}
	if f.EntriesSize > 0 && c.run.ring.missing(f.Day) {
		return // purged: its bytes are nobody's any more
	}
	if err := c.entries(f); err != nil {
		c.wrong(f, "entries: %v", err)
	}
}

func (c *checker) wrong(f *record.Frame, format string, args ...any) {
	c.run.report.problem(record.Folder+"/"+record.SegmentName(f.Segment), f.Offset, int64(f.Batch), format, args...)
}

func (c *checker) clock(f *record.Frame) {
	r := c.run.report
	if r.Batches == 0 {
		r.First = f.Written
	}
	r.Last = f.Written
	if f.Written.Before(c.written) {
		if c.back++; c.back == 1 {
			c.since = fmt.Sprintf("batch %d was written at %s, after one of %s", f.Batch, f.Written.Format(time.RFC3339), c.written.Format(time.RFC3339))
		}
		return
	}
	c.written = f.Written
}

func (c *checker) day(f *record.Frame) {
	d := c.run.days[f.Day]
	if d == nil {
		d = &dayCount{first: f.Batch}
		c.run.days[f.Day] = d
	}
	d.disclosures += uint64(f.Disclosures)
	if f.Disclosures > 0 {
		d.batches++
	}
}

// finish says what shows only at the end.
func (c *checker) finish() {
	if c.back > 0 {
		c.run.report.warn("the clock of this host went back: %s (%d batches in all)", c.since, c.back)
	}
	c.run.report.Days = len(c.run.days)
	if c.run.data != nil {
		c.run.report.Numbers = uint64(c.numbers)
	}
}

// each opens a part block by block: all but the last are full.
func (c *checker) each(part []byte, m *record.Master, full int, entry func() error, day ledger.Day) (n uint32, err error) {
	p, err := record.OpenPart(part, m)
	if err != nil {
		return 0, err
	}
	for i := range p.Blocks() {
		if c.block, err = p.Open(i, c.block[:0]); err != nil {
			return n, err
		}
		held := 0
		for rest := c.block; len(rest) > 0; held++ {
			var b []byte
			if b, rest, err = record.Next(rest); err == nil {
				err = record.Decode(b, day, &c.entry)
			}
			if err == nil {
				err = entry()
			}
			if err != nil {
				return n, fmt.Errorf("entry %d: %w", n, err)
			}
			n++
		}
		if held != full && i < p.Blocks()-1 || held == 0 || held > full {
			return n, fmt.Errorf("block %d has %d entries: %w", i, held, record.ErrMalformed)
		}
	}
	return n, nil
}

// dictionary takes the definitions of a batch: what they refer to is defined before.
func (c *checker) dictionary(f *record.Frame) error {
	e := &c.entry
	_, err := c.each(f.Dictionary, c.run.ring.dictionary, record.DictionaryBlock, func() error {
		ok := true
		switch e.Kind {
		case record.KindWord:
			c.words++
			for i, text := range objectWords {
				if e.Word == text {
					c.dicom[i] = c.words
				}
			}
		case record.KindWay:
			c.ways++
			ok = c.sides(e.Way.From, e.Way.To, e.Way.Requester) && c.known(e.Way.Protocol, e.Way.Action)
			if c.run.Deep {
				c.run.objects = append(c.run.objects, c.isObject(&e.Way))
				c.run.ways.Add(e.Way.To)
			}
		case record.KindPerson:
			c.numbers++
		case record.KindJoin:
			ok = c.persons(e.A, e.B)
		case record.KindAlike:
			ok = c.persons(e.A)
		case record.KindMerge:
			ok = c.persons(e.Survivors...) && c.persons(e.Priors...)
		default:
			return fmt.Errorf("it is of kind %d: %w", e.Kind, record.ErrMalformed)
		}
		if !ok {
			return errUndefined
		}
		return nil
	}, 0)
	return err
}

// errUndefined says that an entry refers to something that no entry before it defines.
var errUndefined = fmt.Errorf("it refers to what is not defined: %w", record.ErrMalformed)

// entries checks the others. Disclosures come first.
func (c *checker) entries(f *record.Frame) error {
	var m *record.Master
	if f.EntriesSize > 0 {
		if m = c.run.ring.master(f.Day); m == nil { // keyFiles says why
			return nil
		}
	}
	e := &c.entry
	disclosures, others := uint32(0), false
	n, err := c.each(f.Entries, m, record.EntriesBlock, func() error {
		ok := true
		switch e.Kind {
		case record.KindDisclosure:
			d := &e.Disclosure
			if others {
				return fmt.Errorf("a disclosure behind other entries: %w", record.ErrMalformed)
			}
			disclosures++
			last := len(d.Numbers) - 1
			ok = d.Way > 0 && d.Way <= c.ways && c.known(d.File) && (last < 0 || uint32(d.Numbers[last]) <= c.numbers)
		case record.KindFinding:
			x := &e.Finding
			others, ok = true, c.known(x.Rule, x.Technique, x.Title, x.Advice, x.Account, x.File) && c.sides(x.From, x.To)
		case record.KindNote:
			others, ok = true, c.known(e.Note.Text)
			if e.Note.Kind == ledger.Purge {
				c.run.purges[e.Note.Day] = true
			}
		default:
			return fmt.Errorf("it is of kind %d: %w", e.Kind, record.ErrMalformed)
		}
		if !ok {
			return errUndefined
		}
		return nil
	}, f.Day)
	if err == nil && (n != f.Header.Entries || disclosures != f.Disclosures) {
		err = fmt.Errorf("%d and %d disclosures, where its header says %d and %d: %w", n, disclosures, f.Header.Entries, f.Disclosures, record.ErrMalformed)
	}
	return err
}

func (c *checker) known(words ...uint32) bool {
	for _, w := range words {
		if w > c.words {
			return false
		}
	}
	return true
}

func (c *checker) persons(numbers ...ledger.Number) bool {
	for _, n := range numbers {
		if n == 0 || uint32(n) > c.numbers {
			return false
		}
	}
	return true
}

func (c *checker) sides(sides ...record.Side) bool {
	for _, s := range sides {
		if !c.known(s.Proven, s.Claimed) {
			return false
		}
	}
	return true
}

func (c *checker) isObject(w *record.Way) bool {
	return w.Action != 0 && w.Protocol != 0 && w.Protocol == c.dicom[0] && (w.Action == c.dicom[1] || w.Action == c.dicom[2] || w.Action == c.dicom[3])
}
