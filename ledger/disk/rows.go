package disk

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	"chaperone/ledger"
	"chaperone/ledger/index"
	"chaperone/ledger/people"
	"chaperone/ledger/record"
)

// reader reads disclosures by their number. It keeps what neighbours share: the place of a batch, its opened head, the last
// block. It is for one goroutine.
type reader struct {
	ledger *Ledger
	view   *index.View
	place  index.Place
	opened map[uint64]*record.Opened // by batch
	memory int
	block  blockAt
	plain  []byte
	entry  record.Entry
}

type blockAt struct {
	batch uint64
	n     int
	ok    bool
}

// openedMemory bounds the heads that a reader keeps.
const openedMemory = 4 << 20

func (l *Ledger) reader(v *index.View) *reader {
	return &reader{ledger: l, view: v, opened: map[uint64]*record.Opened{}}
}

// row gives a disclosure as it is on record. It is good until the next call.
func (r *reader) row(seq uint64) (*record.Disclosure, uint64, error) {
	p := r.place
	if p.Count == 0 || seq < p.First || seq >= p.First+uint64(p.Count) {
		var ok bool
		var err error
		if p, ok, err = r.view.Place(seq); err != nil {
			return nil, 0, err
		} else if !ok {
			return nil, 0, fmt.Errorf("the index has no place for disclosure %d: run ledger reindex", seq)
		}
		r.place = p
	}
	if err := r.read(p, int(seq-p.First)); err != nil {
		return nil, 0, err
	}
	return &r.entry.Disclosure, p.Batch, nil
}

func (r *reader) read(p index.Place, n int) error {
	f, err := r.ledger.files.file(p.Segment)
	if err != nil {
		return err
	}
	want := blockAt{p.Batch, n / record.EntriesBlock, true}
	if r.block != want {
		part, err := r.part(p, f)
		if err != nil {
			return err
		}
		r.block.ok = false
		if r.plain, err = part.Block(f, want.n, r.plain[:0]); err != nil {
			return fmt.Errorf("%s: batch %d: %w", f.Name(), p.Batch, err)
		}
		r.block = want
	}
	rest, entry := r.plain, []byte(nil)
	for range n%record.EntriesBlock + 1 {
		if entry, rest, err = record.Next(rest); err != nil {
			return fmt.Errorf("%s: batch %d: %w", f.Name(), p.Batch, err)
		}
	}
	if err := record.Decode(entry, p.Day, &r.entry); err != nil {
		return fmt.Errorf("%s: batch %d: %w", f.Name(), p.Batch, err)
	}
	if r.entry.Kind != record.KindDisclosure {
		return fmt.Errorf("%s: batch %d: entry %d is no disclosure: run ledger reindex", f.Name(), p.Batch, n)
	}
	return nil
}

// part opens the head of a batch's entries.
func (r *reader) part(p index.Place, f *os.File) (*record.Opened, error) {
	if o := r.opened[p.Batch]; o != nil {
		return o, nil
	}
	m, err := r.ledger.master(p.Day)
	if err != nil {
		return nil, err
	}
	o, err := record.ReadPart(f, p.Offset+int64(p.EntriesAt), int(p.EntriesSize), m)
	if err != nil {
		return nil, fmt.Errorf("%s: batch %d: %w", f.Name(), p.Batch, err)
	}
	if r.memory > openedMemory {
		clear(r.opened)
		r.memory = 0
	}
	r.opened[p.Batch] = o
	r.memory += o.Memory()
	return o, nil
}

// spell turns a disclosure on record into a row. The dictionary is locked by the caller.
func (l *Ledger) spell(d *record.Disclosure, seq, batch uint64) (ledger.Row, error) {
	dict := l.dictionary
	if d.Way == 0 || int(d.Way) > len(dict.ways) {
		return ledger.Row{}, fmt.Errorf("batch %d: a disclosure by way %d, which the record does not define", batch, d.Way)
	}
	row := ledger.Row{Disclosure: d.Spell(&dict.ways[d.Way-1], dict.text), Seq: seq, Batch: batch}
	if len(d.Numbers) == 0 {
		return row, nil
	}
	if n := d.Numbers[len(d.Numbers)-1]; int(n) > dict.people.Len() {
		return ledger.Row{}, fmt.Errorf("batch %d: a disclosure of patient %d, whom the record does not define", batch, n)
	}
	persons := make([]uint64, len(d.Numbers)) // each with a last bit for one who is known by name only
	for i, n := range d.Numbers {
		persons[i] = uint64(dict.people.Person(n)) << 1
		if dict.people.Weak(n) {
			persons[i]++
		}
	}
	slices.Sort(persons)
	row.People = make([]ledger.PatientID, 0, len(persons))
	for i, p := range persons {
		if i+1 < len(persons) && persons[i+1]>>1 == p>>1 {
			continue // the last of equal ones tells whether one of them is weak
		}
		row.People = append(row.People, l.names.ID(ledger.Number(p>>1)))
		row.Weak += int(p & 1)
	}
	slices.SortFunc(row.People, func(a, b ledger.PatientID) int { return bytes.Compare(a[:], b[:]) })
	return row, nil
}

// person gives all numbers of the one who is meant. The dictionary is locked by the caller.
func (l *Ledger) person(w *ledger.Who) ([]ledger.Number, error) {
	table := l.dictionary.people
	var start []ledger.Number
	if w.ID != (ledger.PatientID{}) {
		n, ok := l.names.Number(w.ID)
		if !ok || int(n) > table.Len() {
			return nil, ledger.ErrUnknown
		}
		start = append(start, n)
	} else {
		for _, t := range w.Tokens {
			if n, ok := table.Find(t); ok {
				start = append(start, n)
			}
		}
	}
	if len(start) == 0 {
		return nil, ledger.ErrUnknown
	}
	var all people.Bits
	for _, n := range start {
		for _, other := range table.Everybody(n) {
			all.Add(other)
		}
	}
	var numbers []ledger.Number
	all.Each(func(n ledger.Number) { numbers = append(numbers, n) })
	return numbers, nil
}
