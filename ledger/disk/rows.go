package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"

	"chaperone/ledger"
	"chaperone/ledger/index"
	"chaperone/ledger/people"
	"chaperone/ledger/record"
)

// reader reads disclosures by their number. It keeps what neighbours share: the place of a batch, its file and opened head,
// the last block. It is for one goroutine.
type reader struct {
	ledger  *Ledger
	view    *index.View
	near    index.Near
	place   index.Place
	file    *os.File  // of place
	part    *openPart // of place; nil before a block of it is read
	block   int       // that is open, of part
	plain   []byte    // of block
	scratch []byte    // for a block that is not kept
	keeps   bool      // blocks that it opens
	entry   record.Entry

	persons []uint64           // of one row
	ids     []ledger.PatientID // room for those of further rows
}

func (l *Ledger) reader(v *index.View) *reader { return &reader{ledger: l, view: v} }

// row gives a disclosure as it is on record. It is good until the next call.
func (r *reader) row(seq uint64) (*record.Disclosure, uint64, error) {
	if seq < r.place.First || seq-r.place.First >= uint64(r.place.Count) {
		if err := r.turn(seq); err != nil {
			return nil, 0, err
		}
	}
	if err := r.read(int(seq - r.place.First)); err != nil {
		return nil, 0, fmt.Errorf("%s: batch %d: %w", r.file.Name(), r.place.Batch, err)
	}
	return &r.entry.Disclosure, r.place.Batch, nil
}

// turn goes to the batch of a disclosure.
func (r *reader) turn(seq uint64) error {
	p, ok, err := r.view.Place(seq, &r.near)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("the index has no place for disclosure %d: run ledger reindex", seq)
	}
	f, err := r.ledger.files.file(p.Segment)
	if err != nil {
		return err
	}
	r.place, r.file, r.part = p, f, nil
	return nil
}

// read reads the n-th disclosure of the batch.
func (r *reader) read(n int) (err error) {
	if r.part == nil {
		if r.part, err = r.open(); err != nil {
			return err
		}
		r.block = -1
	}
	if block := n / record.EntriesBlock; r.block != block {
		r.block = -1
		if err := r.turnTo(block); err != nil {
			return err
		}
	}
	rest, entry := r.plain, []byte(nil)
	for range n%record.EntriesBlock + 1 {
		if entry, rest, err = record.Next(rest); err != nil {
			return err
		}
	}
	if err := record.Decode(entry, r.place.Day, &r.entry); err != nil {
		return err
	}
	if r.entry.Kind != record.KindDisclosure {
		return fmt.Errorf("entry %d is no disclosure: run ledger reindex", n)
	}
	return nil
}

// turnTo opens a block of the batch, or takes the one that the keyring keeps.
func (r *reader) turnTo(block int) (err error) {
	if r.plain = r.part.kept(block); r.plain == nil {
		if r.scratch, err = r.part.Block(r.file, block, r.scratch[:0]); err != nil {
			return err
		}
		if r.plain = r.scratch; r.keeps && r.part.again(block) {
			r.ledger.keys.keepBlock(r.part, block, r.plain)
		}
	}
	r.block = block
	return nil
}

// open opens the head of the batch's entries.
func (r *reader) open() (*openPart, error) {
	p, keys := &r.place, &r.ledger.keys
	if o := keys.part(p.Batch); o != nil {
		return o, nil
	}
	m, err := keys.master(p.Day)
	if err != nil {
		return nil, err
	}
	o, err := record.ReadPart(r.file, p.Offset+int64(p.EntriesAt), int(p.EntriesSize), m)
	if err != nil {
		return nil, err
	}
	return keys.keep(p, m, o), nil
}

// spell turns the disclosure that was read last into a row, with the ids of these persons only, nil for all. The dictionary
// is locked by the caller.
func (r *reader) spell(row *ledger.Row, seq uint64, asked []ledger.Number) error {
	d, batch, dict := &r.entry.Disclosure, r.place.Batch, r.ledger.dictionary
	if d.Way == 0 || int(d.Way) > len(dict.ways) {
		return fmt.Errorf("batch %d: a disclosure by way %d, which the record does not define", batch, d.Way)
	}
	if len(d.Numbers) > 0 && int(d.Numbers[len(d.Numbers)-1]) > dict.people.Len() {
		return fmt.Errorf("batch %d: a disclosure of patient %d, whom the record does not define", batch, d.Numbers[len(d.Numbers)-1])
	}
	row.Disclosure = d.Spell(&dict.ways[d.Way-1], dict.text)
	row.Seq, row.Batch, row.Persons, row.Weak = seq, batch, 0, 0
	r.persons = r.persons[:0] // each with a last bit for one who is known by name only
	for _, n := range d.Numbers {
		person := uint64(dict.people.Person(n)) << 1
		if dict.people.Weak(n) {
			person++
		}
		r.persons = append(r.persons, person)
	}
	slices.Sort(r.persons)
	room := len(r.persons)
	if asked != nil {
		room = min(room, len(asked))
	}
	people := r.room(room)
	for i, p := range r.persons {
		if i+1 < len(r.persons) && r.persons[i+1]>>1 == p>>1 {
			continue // the last of equal ones tells whether one of them is weak
		}
		row.Persons++
		row.Weak += int(p & 1)
		if asked == nil || slices.Contains(asked, ledger.Number(p>>1)) {
			people = append(people, ledger.PatientID{})
			r.ledger.names.Put(&people[len(people)-1], ledger.Number(p>>1))
		}
	}
	sortPeople(people)
	row.People = people
	return nil
}

// room gives memory for n people: many rows share a piece. It is nil for none.
func (r *reader) room(n int) []ledger.PatientID {
	const piece = 256
	if n == 0 {
		return nil
	}
	if len(r.ids) < n {
		r.ids = make([]ledger.PatientID, max(n, piece))
	}
	people := r.ids[:0:n]
	r.ids = r.ids[n:]
	return people
}

// sortPeople puts people in the order of bytes.
func sortPeople(people []ledger.PatientID) {
	const few = 12
	if len(people) > few {
		slices.SortFunc(people, func(a, b ledger.PatientID) int { return bytes.Compare(a[:], b[:]) })
		return
	}
	for i := range people { // nearly all rows are short, and all have to be sorted
		for ; i > 0 && before(&people[i], &people[i-1]); i-- {
			people[i], people[i-1] = people[i-1], people[i]
		}
	}
}

func before(a, b *ledger.PatientID) bool {
	x, y := binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(b[:])
	return x < y || x == y && binary.BigEndian.Uint64(a[8:]) < binary.BigEndian.Uint64(b[8:])
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
