package record

import (
	"net/netip"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// Kind is the first byte of an entry.
type Kind uint8

// Kinds of entries: up to KindMerge those of a dictionary part, from KindDisclosure on those of an entries part.
const (
	KindWord Kind = iota + 1
	KindWay
	KindPerson
	KindJoin
	KindAlike
	KindMerge
	KindDisclosure
	KindFinding
	KindNote
)

// Entry is one decoded entry. Kind says which of the fields are set; the others are leftovers of earlier entries.
type Entry struct {
	Kind Kind

	Word string // KindWord; the words of a record are numbered 1, 2, 3, … in their order
	Way  Way    // KindWay; numbered likewise

	Token     chaperone.PatientToken // KindPerson, KindAlike
	Weak      bool                   // KindPerson; persons are numbered likewise
	A, B      ledger.Number          // KindJoin: one person; KindAlike: A was seen with the demographic Token
	Survivors []ledger.Number        // KindMerge
	Priors    []ledger.Number
	Undo      bool
	At        time.Time

	Disclosure Disclosure
	Finding    Finding
	Note       Note
}

// Side is one side of an exchange without its port. It is comparable.
type Side struct {
	Proven, Claimed uint32 // words
	Addr            netip.Addr
}

// Way is what many disclosures have in common. It is comparable.
type Way struct {
	From, To, Requester Side
	Requested           bool   // whether there is a Requester
	Protocol, Action    uint32 // words
	Protection          uint8  // index in protections
}

// Evidence is chaperone.Evidence with its file as a word.
type Evidence struct {
	File   uint32
	Packet int64
	Record uint64
	Offset int64
}

// Disclosure is one disclosure on record. Together with its Way it is a chaperone.Disclosure.
type Disclosure struct {
	ID                              [16]byte
	Time                            time.Time // within the batch's day
	Way                             uint32    // number of the way
	FromPort, ToPort, RequesterPort uint16
	Outcome                         chaperone.Outcome
	Unseen                          bool
	Unidentified, Records           int
	Bytes                           int64
	Evidence
	Numbers []ledger.Number // strictly ascending
}

// Finding is a chaperone.Finding with its texts as words.
type Finding struct {
	Rule, Technique, Title, Advice, Account uint32
	Severity                                chaperone.Severity
	From, To                                Side
	FromPort, ToPort                        uint16
	First, Last                             time.Time
	Count                                   int
	Bytes                                   int64
	Evidence
}

// Note is a ledger.Note with its text as a word.
type Note struct {
	ID   [16]byte
	Kind ledger.NoteKind
	At   time.Time
	Text uint32
	Seen ledger.Seen
	Day  ledger.Day
}

// protections and outcomes give the numbers of words that the record has one byte for. They only ever grow at the end.
var (
	protections = [...]chaperone.Protection{"", chaperone.InClear, chaperone.TLS, chaperone.MutualTLS}
	outcomes    = [...]chaperone.Outcome{"", chaperone.Delivered, chaperone.Refused, chaperone.Unknown, chaperone.Partial}
)

// Fits reports whether a record has words for a disclosure's outcome and protection. One that does not fit is not valid.
func Fits(d *chaperone.Disclosure) bool {
	return index(outcomes[:], d.Outcome) >= 0 && index(protections[:], d.Protection) >= 0
}

func index[T comparable](all []T, one T) int {
	for i, t := range all {
		if t == one {
			return i
		}
	}
	return -1
}
