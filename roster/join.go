package roster

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"

	"chaperone"
	"chaperone/ledger"
	"chaperone/patient"
)

// Question is what a roster is asked for.
type Question struct {
	Options
	Tokens *patient.Tokenizer // with the ledger's token key
	// Affected gives the affected person who has a token, merges applied, so that one person has one id whichever token is
	// asked for. ok is false for a token that is unknown, or of somebody who is not affected.
	Affected func(chaperone.PatientToken) (id ledger.PatientID, ok bool)
	Persons  int // that are affected, by the ledger's count
}

// Notice is the answer, without anybody's data.
type Notice struct {
	Stats
	People     int         // to notify: the roster's people who are affected
	States     []Residents // of them, by state, in the order of its text; "" is not known
	NoAddress  int         // of them, those without a street or a city
	Numbered   int64       // rows with a number
	Bare       int64       // of them, those for which nobody names an authority as messages write it: under one they are not found
	Named      int         // affected persons of the ledger whom the roster names; several may be one of its people
	Unnamed    int         // affected persons of the ledger whom it does not name
	Duplicates int         // rows beyond the first of one of its people
	Doubtful   int         // of them, those that seem to be of somebody else, and are written too
	Pairs      []Pair      // the first of the duplicates
}

// Residents is how many of one state are to be notified.
type Residents struct {
	State  string
	People int
}

// Pair is a duplicate and the row that stands for the person.
type Pair struct {
	Line, Stands int64
	Doubtful     bool // name, birth date or sex differ
}

// Individuals is the number of people that counts towards the limits for the whole: those the roster does not name are
// affected too.
func (n *Notice) Individuals() int { return n.People + n.Unnamed }

// verdict is what becomes of a row.
type verdict uint8

const (
	drop  verdict = iota // a duplicate
	stand                // the row of its person
	doubt                // a duplicate that is perhaps somebody else
)

// match is a row that names affected persons.
type match struct {
	row     int64  // counted from 1 among those that could be read
	person  uint32 // the first of them; later its group
	who     uint64 // digest of name, birth date and sex
	verdict verdict
}

// Join finds the people of a roster who are affected and hands them to write, in the roster's order. A person has one row:
// the last of theirs, since that knows the address best. Rows of one number under another name, birth date or sex may be
// somebody else's: the last one of each is written too, with doubt.
//
// The roster is read twice: who is the same is known at the end only. Errors: as those of Read; the roster changed meanwhile.
func Join(roster io.ReadSeeker, q Question, write func(p *Person, doubt bool) error) (*Notice, error) {
	n := &Notice{}
	j := joiner{Question: q, Notice: n, persons: map[ledger.PatientID]uint32{}, seed: maphash.MakeSeed()}
	start, err := roster.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, fmt.Errorf("roster: it must be a file, which can be read twice: %w", err)
	}
	digest, row := j.digest(), int64(0)
	n.Stats, err = Read(io.TeeReader(roster, digest), q.Options, func(p *Person) error {
		row++
		j.match(p, row)
		return nil
	})
	if err != nil {
		return nil, err
	}
	j.judge()
	if _, err := roster.Seek(start, io.SeekStart); err != nil {
		return nil, fmt.Errorf("roster: %w", err)
	}
	again := j.digest()
	w := writer{Notice: n, matches: j.matches, states: map[string]int{}, open: map[uint32][]int{}, write: write}
	if _, err := Read(io.TeeReader(roster, again), q.Options, w.row); err != nil {
		return nil, err
	}
	if again.Sum64() != digest.Sum64() || len(w.matches) > 0 {
		return nil, errors.New("roster: the file changed while it was read; what was written is not complete: try again")
	}
	for state, people := range w.states {
		n.States = append(n.States, Residents{state, people})
	}
	slices.SortFunc(n.States, func(a, b Residents) int { return cmp.Compare(a.State, b.State) })
	n.Named = len(j.persons)
	n.Unnamed = max(0, q.Persons-n.Named)
	return n, nil
}

// joiner finds out who is who, in the first reading.
type joiner struct {
	Question
	*Notice
	seed    maphash.Seed
	persons map[ledger.PatientID]uint32
	parent  []uint32 // a union-find over persons that one row names together
	matches []match
	tokens  []chaperone.PatientToken
}

func (j *joiner) digest() *maphash.Hash {
	var h maphash.Hash
	h.SetSeed(j.seed)
	return &h
}

// match looks a row up.
func (j *joiner) match(p *Person, row int64) {
	j.count(p)
	j.tokens = p.tokens(j.Tokens, j.Authorities, j.tokens[:0])
	first, found := uint32(0), false
	for _, token := range j.tokens {
		id, ok := j.Affected(token)
		if !ok {
			continue
		}
		n, ok := j.persons[id]
		if !ok {
			n = uint32(len(j.parent))
			j.persons[id] = n
			j.parent = append(j.parent, n)
		}
		if found {
			j.parent[j.root(n)] = j.root(first)
		} else {
			first, found = n, true
		}
	}
	if found {
		who := j.Tokens.Identify(chaperone.Record{Name: p.Record.Name, Birth: p.Record.Birth, Sex: p.Record.Sex}).Demographic
		j.matches = append(j.matches, match{row: row, person: first, who: maphash.Bytes(j.seed, who[:])})
	}
}

// count notes whether a row can be found by a number.
func (j *joiner) count(p *Person) {
	if len(p.Record.Identifiers) == 0 {
		return
	}
	j.Numbered++
	named := func(id chaperone.Identifier) bool { return !id.Authority.Empty() && !p.foreign }
	if len(j.Authorities) == 0 && !slices.ContainsFunc(p.Record.Identifiers, named) {
		j.Bare++
	}
}

func (j *joiner) root(n uint32) uint32 {
	for j.parent[n] != n {
		j.parent[n] = j.parent[j.parent[n]]
		n = j.parent[n]
	}
	return n
}

// judge decides which row of each person stands for them.
func (j *joiner) judge() {
	for i := range j.matches {
		j.matches[i].person = j.root(j.matches[i].person)
	}
	slices.SortFunc(j.matches, func(a, b match) int {
		return cmp.Or(cmp.Compare(a.person, b.person), cmp.Compare(a.who, b.who), cmp.Compare(a.row, b.row))
	})
	last := 0 // the latest row of the person so far
	for i := range j.matches {
		m := &j.matches[i]
		if i == 0 || j.matches[i-1].person != m.person {
			last = i
		} else if m.row > j.matches[last].row {
			last = i
		}
		ends := i+1 == len(j.matches) || j.matches[i+1].person != m.person
		if ends || j.matches[i+1].who != m.who {
			m.verdict = doubt
		}
		if ends {
			j.matches[last].verdict = stand
		}
	}
	slices.SortFunc(j.matches, func(a, b match) int { return cmp.Compare(a.row, b.row) })
}

// tokens gives everything that a row may be known by. A number without an authority may be one of a message that names none
// or one of those in the options, or one that was met. The same number may come in DICOM, which mostly names no authority.
func (p *Person) tokens(t *patient.Tokenizer, authorities []string, tokens []chaperone.PatientToken) []chaperone.PatientToken {
	add := func(id chaperone.Identifier, authority chaperone.PHI) {
		id.Authority = authority
		for _, id.Kind = range []chaperone.IdentifierKind{chaperone.HL7PatientID, chaperone.DICOMPatientID} {
			tokens = append(tokens, t.Token(id))
		}
	}
	for _, id := range p.Record.Identifiers {
		if !id.Authority.Empty() {
			add(id, id.Authority)
		}
		if !id.Authority.Empty() && !p.foreign {
			tokens = append(tokens, t.Token(chaperone.Identifier{Kind: chaperone.DICOMPatientID, Value: id.Value}))
			continue
		}
		add(id, chaperone.PHI{})
		for _, authority := range authorities {
			add(id, chaperone.NewPHI(authority))
		}
		tokens = append(tokens, t.Numbers(id.Value)...)
	}
	for _, id := range p.Record.Alternates {
		tokens = append(tokens, t.Token(id))
	}
	demographic := t.Identify(chaperone.Record{Name: p.Record.Name, Birth: p.Record.Birth, Sex: p.Record.Sex}).Demographic
	if (demographic != chaperone.PatientToken{}) {
		tokens = append(tokens, demographic)
	}
	return tokens
}

// writer hands the people on, in the second reading.
type writer struct {
	*Notice
	matches []match // that were not met yet
	rows    int64
	states  map[string]int
	open    map[uint32][]int // pairs whose standing row was not met yet, by person
	write   func(p *Person, doubt bool) error
}

func (w *writer) row(p *Person) error {
	w.rows++
	if len(w.matches) == 0 || w.matches[0].row != w.rows {
		return nil
	}
	m := w.matches[0]
	w.matches = w.matches[1:]
	if m.verdict == stand {
		w.People++
		w.states[p.State]++
		if p.Street.Empty() || p.City.Empty() {
			w.NoAddress++
		}
		for _, i := range w.open[m.person] {
			w.Pairs[i].Stands = p.Line
		}
		delete(w.open, m.person)
		return w.write(p, false)
	}
	w.Duplicates++
	if len(w.Pairs) < maxListed {
		w.open[m.person] = append(w.open[m.person], len(w.Pairs))
		w.Pairs = append(w.Pairs, Pair{Line: p.Line, Doubtful: m.verdict == doubt})
	}
	if m.verdict != doubt {
		return nil
	}
	w.Doubtful++
	return w.write(p, true)
}
