// Package ledger is the vocabulary of the record: what is written to it, what can be asked of it, and what every store
// owes. It does no I/O. ledger/disk keeps a record, ledger/mem answers for runs that keep none and is the oracle of the
// tests; both pass ledger/storetest.
//
// Who counts as one patient is the rule of package patient. A ledger gives each identifier a Number in the order of first
// use; one person may have several. Identifiers that one record named together are joined for good; merges are aliases that
// are applied when asking.
package ledger

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"chaperone"
)

// Number is what a ledger calls one identifier inside: 1, 2, 3, … in the order of first use. 0 is none.
type Number uint32

// PatientID is the name of a person outside a ledger: 128 bits that look random and say nothing without the ledger's data key.
type PatientID [16]byte

func (p PatientID) String() string { return hex.EncodeToString(p[:]) }

// MarshalText writes the id as 32 hexadecimal digits.
func (p PatientID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, p[:]), nil }

// Covered is what one record of a disclosure says of whose it is, in tokens: all numbers of one person, or only the name.
// The zero value is an unidentified record and does not belong into a disclosure's Covered.
type Covered struct {
	Numbers     []chaperone.PatientToken // all of one person; empty for a weak patient
	Demographic chaperone.PatientToken   // of name, birth date and sex; zero without a name
}

// Weak reports whether only the name identifies.
func (c Covered) Weak() bool { return len(c.Numbers) == 0 }

// Disclosure is one release of patient data with those it covers. Patients of the embedded value is not used. The ID makes
// it idempotent: the same ID is recorded once.
type Disclosure struct {
	chaperone.Disclosure
	Covered []Covered
}

// Merge says that two sets of identifiers are one person, or with Undo that they are not. The latest statement about two
// identifiers holds; of two with one time, the one recorded later.
type Merge struct {
	Survivor, Prior []chaperone.PatientToken
	Undo            bool
	At              time.Time
}

// NoteKind says what a Note is.
type NoteKind uint8

// Kinds of notes.
const (
	Remark   NoteKind = iota + 1 // a person's words, or the store's own
	Policy                       // which policy holds from here on
	Coverage                     // what a run saw and what it did not: see Seen
	Purge                        // a day's key was destroyed; written by the store alone
)

// Note is a statement about the record or its surroundings. Text bears no patient data. It is kept under the day on which it
// was written: what is said of a time outlives the purge of that time.
type Note struct {
	ID   [16]byte // the same note twice is recorded once; zero for one that is always new
	Kind NoteKind
	At   time.Time
	Text string
	Seen Seen // with Coverage
	Day  Day  // with Purge
}

// Seen is what a run covers: every answer about its period carries it.
type Seen struct {
	From, Until time.Time
	Packets     int64
	Flows       int64 // connections seen
	Decoded     int64 // of them, decoded
	Hidden      int64 // of them, encrypted or of unknown content
	LostBytes   int64
	Malformed   int64
}

// Add makes of it what it and another one cover together, from the first moment to the last.
func (s *Seen) Add(o Seen) {
	if o.From.Before(s.From) {
		s.From = o.From
	}
	if o.Until.After(s.Until) {
		s.Until = o.Until
	}
	s.Packets += o.Packets
	s.Flows += o.Flows
	s.Decoded += o.Decoded
	s.Hidden += o.Hidden
	s.LostBytes += o.LostBytes
	s.Malformed += o.Malformed
}

// Pause is how long nothing may be seen between two stretches of watching that count as one. Most captures do not say when their
// recorder began and ended, only when their first and last packet passed: one that goes on in a new file leaves as much time between
// the two files as between two packets, and hardly any network is silent for a minute. Silence within one file was watched, however
// long it is. Time between two files that is longer than this may have been silent, or nobody may have watched: it is not claimed.
const Pause = time.Minute

// Batch is what is recorded together. It becomes durable as a whole, or not at all; only when the machine fails before Record
// returns, and the disclosures are of several days, some of its days may be on record.
type Batch struct {
	Disclosures []Disclosure
	Merges      []Merge
	Findings    []chaperone.Finding
	Notes       []Note
}

// Receipt says what became of a batch that is durable now.
type Receipt struct {
	Recorded int // disclosures that are new
	Already  int // disclosures that were on record
	Purged   int // disclosures of days that were purged: they stay forgotten
}

// Add adds another receipt.
func (r *Receipt) Add(o Receipt) {
	r.Recorded += o.Recorded
	r.Already += o.Already
	r.Purged += o.Purged
}

// Errors that callers tell apart.
var (
	ErrFenced   = errors.New("the ledger takes nothing more: an earlier write is not known to be on disk")
	ErrFull     = errors.New("the disk is full")
	ErrReadOnly = errors.New("the ledger is open for asking only")
	ErrClosed   = errors.New("the ledger is closed")
	ErrInvalid  = errors.New("not a valid batch")
	ErrUnknown  = errors.New("not in this ledger")
)

// Store keeps disclosures and answers questions.
//
// Record MUST NOT return without an error before the whole batch is durable, MUST record a disclosure's ID once however
// often it is given, and MUST NOT keep the batch. After a write whose fate is unknown it MUST answer ErrFenced to
// every Record until the store is opened anew. It checks the batch first: times from 1970 to 2262, no negative count, no
// empty Covered; otherwise ErrInvalid and nothing is recorded.
//
// Scope and Disclosures see every batch whose Record returned before they began, and a state that does not change under
// them. Disclosures gives rows in the order of time, then of recording; an error of each ends it and is returned. each must
// not record. All methods are safe for concurrent use.
type Store interface {
	Record(ctx context.Context, b Batch) (Receipt, error)
	Scope(ctx context.Context, q Query) (Scope, error)
	Disclosures(ctx context.Context, q Query, each func(Row) error) error
	Findings(ctx context.Context, q Query, each func(chaperone.Finding) error) error // From, Until only
	Notes(ctx context.Context, each func(Note) error) error                          // in the order of recording
	Close() error
}

// Day is a day in UTC: days since 1970-01-01. Records are kept, keyed and purged by it.
type Day uint32

// DayOf gives the day of a time.
func DayOf(t time.Time) Day { return Day(t.Unix() / 86400) }

// Time gives the day's first moment.
func (d Day) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

func (d Day) String() string { return d.Time().Format(time.DateOnly) }

// MarshalText writes the day as 2006-01-02.
func (d Day) MarshalText() ([]byte, error) { return d.Time().AppendFormat(nil, time.DateOnly), nil }
