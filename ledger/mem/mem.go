// Package mem is the ledger in its plainest words: lists of what was recorded, and answers by looking at all of it. It
// serves runs that keep no record, and the tests of other stores as what they must agree with. So it is written from the
// rule in package patient and the contract in package ledger alone, shares no code with ledger/people or ledger/index,
// and prefers the obvious to the fast: a question costs time in proportion to all that is known.
//
// What the contract leaves to be settled, and how it is settled here and in every store:
//
//   - A disclosure's persons are those of its Covered. The numbers of one Covered join; its Demographic makes the person
//     alike to everybody else who bore it.
//   - A merge discloses nobody: a prior that was disclosed is in Covered as well.
//   - A disclosure that is on record already, or whose day was purged, adds nothing at all: no join, no likeness, no
//     identifier. Findings and notes of a purged day are not recorded either.
//   - Identifiers are numbered by first use: those of each disclosure in the order of Covered and its Numbers, then those
//     of each merge, survivors before priors. A person's id is that of the least number.
//   - Times are kept in whole microseconds, texts as far as ledger.Cut goes.
//   - A finding is the same when rule, parties without ports, account, first time and place in the evidence are, whatever
//     the evidence's file is called. The first one stands.
//   - A purge forgets disclosures by Time, findings by First, notes by At (policies and purges stay). Identifiers, and what
//     is known of who is who, stay.
package mem

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// Store is a ledger.Store in memory.
type Store struct {
	cipher cipher.Block // between numbers and public ids

	mu       sync.RWMutex
	closed   bool
	people   people
	rows     []row // in the order of recording; only ever appended to, or replaced as a whole
	known    map[[16]byte]bool
	seq      uint64
	batches  uint64
	findings []chaperone.Finding
	notes    []ledger.Note
	purged   map[ledger.Day]bool
}

// row is a disclosure on record.
type row struct {
	disclosure chaperone.Disclosure
	seq, batch uint64
	numbers    []ledger.Number
}

// New makes an empty store.
func New() *Store {
	var key [32]byte
	_, _ = rand.Read(key[:])            // it never fails (crypto/rand)
	block, err := aes.NewCipher(key[:]) // it fails for no key of 32 bytes
	if err != nil {
		panic(err)
	}
	return &Store{cipher: block, people: newPeople(), known: map[[16]byte]bool{}, purged: map[ledger.Day]bool{}}
}

// Record keeps a batch. What it keeps lasts as long as the store.
func (s *Store) Record(ctx context.Context, b ledger.Batch) (ledger.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return ledger.Receipt{}, err
	}
	if err := b.Check(); err != nil {
		return ledger.Receipt{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ledger.Receipt{}, ledger.ErrClosed
	}
	var receipt ledger.Receipt
	for i := range b.Disclosures {
		d := &b.Disclosures[i]
		switch {
		case s.purged[ledger.DayOf(d.Time)]:
			receipt.Purged++
		case s.known[d.ID]:
			receipt.Already++
		default:
			s.disclose(d)
			receipt.Recorded++
		}
	}
	for i := range b.Merges {
		s.people.merge(&b.Merges[i])
	}
	for i := range b.Findings {
		s.find(b.Findings[i])
	}
	for i := range b.Notes {
		s.note(b.Notes[i])
	}
	if len(b.Disclosures)+len(b.Merges)+len(b.Findings)+len(b.Notes) > 0 {
		s.batches++
	}
	return receipt, nil
}

func (s *Store) disclose(d *ledger.Disclosure) {
	r := row{disclosure: kept(d.Disclosure), seq: s.seq, batch: s.batches}
	for _, c := range d.Covered {
		r.numbers = append(r.numbers, s.people.cover(c)...)
	}
	s.rows = append(s.rows, r)
	s.known[d.ID] = true
	s.seq++
}

func (s *Store) find(f chaperone.Finding) {
	f.First, f.Last = moment(f.First), moment(f.Last)
	f.From, f.To = party(f.From), party(f.To)
	for _, text := range []*string{&f.Rule, &f.Technique, &f.Title, &f.Advice, &f.Account, &f.Evidence.File} {
		*text = ledger.Cut(*text)
	}
	if s.purged[ledger.DayOf(f.First)] {
		return
	}
	for i := range s.findings {
		if same(s.findings[i], f) {
			return
		}
	}
	s.findings = append(s.findings, f)
}

// same reports whether two findings are one.
func same(a, b chaperone.Finding) bool {
	plain := func(f chaperone.Finding) chaperone.Finding {
		f.From.Port, f.To.Port, f.Evidence.File = 0, 0, ""
		return chaperone.Finding{Rule: f.Rule, From: f.From, To: f.To, Account: f.Account, First: f.First, Evidence: f.Evidence}
	}
	return plain(a) == plain(b)
}

func (s *Store) note(n ledger.Note) {
	n.At, n.Text = moment(n.At), ledger.Cut(n.Text)
	if n.Kind == ledger.Coverage {
		n.Seen.From, n.Seen.Until = moment(n.Seen.From), moment(n.Seen.Until)
	}
	for i := range s.notes {
		if n.ID != [16]byte{} && s.notes[i].ID == n.ID {
			return
		}
	}
	s.notes = append(s.notes, n)
}

// Purge forgets a day for good, and notes that it did, at the time now. To purge it again does nothing.
func (s *Store) Purge(day ledger.Day, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ledger.ErrClosed
	}
	if s.purged[day] {
		return nil
	}
	s.purged[day] = true
	s.rows = without(s.rows, func(r row) bool { return ledger.DayOf(r.disclosure.Time) == day })
	s.findings = without(s.findings, func(f chaperone.Finding) bool { return ledger.DayOf(f.First) == day })
	s.notes = append(s.notes, ledger.Note{Kind: ledger.Purge, At: moment(now), Day: day})
	s.batches++
	return nil
}

// without copies a list: questions that are being answered go on with the old one.
func without[T any](list []T, gone func(T) bool) []T {
	var out []T
	for _, v := range list {
		if !gone(v) {
			out = append(out, v)
		}
	}
	return out
}

// Close ends the store; everything that was recorded is gone. To close it again does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.people, s.rows, s.known, s.findings, s.notes = true, newPeople(), nil, nil, nil, nil
	return nil
}

// id gives the public id of a number.
func (s *Store) id(n ledger.Number) (id ledger.PatientID) {
	binary.BigEndian.PutUint32(id[12:], uint32(n))
	s.cipher.Encrypt(id[:], id[:])
	return id
}

// number gives the number of a public id, 0 for one of another store.
func (s *Store) number(id ledger.PatientID) ledger.Number {
	s.cipher.Decrypt(id[:], id[:])
	if [12]byte(id[:12]) != [12]byte{} {
		return 0
	}
	return ledger.Number(binary.BigEndian.Uint32(id[12:]))
}

// kept is a disclosure as it is kept: a copy that shares nothing with the caller's.
func kept(d chaperone.Disclosure) chaperone.Disclosure {
	d.Time, d.Action, d.Patients = moment(d.Time), ledger.Cut(d.Action), nil
	d.Protocol, d.Evidence.File = chaperone.Protocol(ledger.Cut(string(d.Protocol))), ledger.Cut(d.Evidence.File)
	d.From, d.To = party(d.From), party(d.To)
	if d.RequestedBy != nil {
		by := party(*d.RequestedBy)
		d.RequestedBy = &by
	}
	return d
}

func party(p chaperone.Party) chaperone.Party {
	p.Proven, p.Claimed = ledger.Cut(p.Proven), ledger.Cut(p.Claimed)
	return p
}

func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
