package approval

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"chaperone/ledger"
)

// Past is what the record says of an approval.
type Past struct {
	ID     string
	Kind   Kind
	Party  string
	By     string    // who gave it
	Digest string    // of what it said
	Begun  time.Time // when the guard first saw it
	Over   bool
}

// leastDigest is how much of a digest the notes of the first guards have.
const leastDigest = 16

// Says reports whether an approval says what it said when it began.
func (p *Past) Says(a *Approval) bool {
	return p.ID == a.ID && len(p.Digest) >= leastDigest && strings.HasPrefix(a.digest(), p.Digest)
}

// begins and isOver are how notes are read back: their words never change.
const (
	begins = "begins"
	isOver = "is over"
)

// Begins is the note for the record that an approval is in force from here on. The same one twice is recorded once.
func (a *Approval) Begins(at time.Time) ledger.Note {
	return a.note(at, begins, fmt.Sprintf("party %s, by %s, at most %d patients, until %s, digest %s",
		a.Party, a.By, a.Patients, a.Until.UTC().Format(time.RFC3339), a.digest()))
}

// Ends is the note that it is not any more, with what was done under it.
func (a *Approval) Ends(at time.Time, receipt string) ledger.Note { return a.note(at, isOver, receipt) }

func (a *Approval) note(at time.Time, what, text string) ledger.Note {
	n := ledger.Note{Kind: ledger.Policy, At: at, Text: a.Name() + " " + what + ": " + text}
	sum := sha256.Sum256([]byte("chaperone/approval/v1 " + a.ID + " " + what))
	copy(n.ID[:], sum[:])
	return n
}

// OfNote reads a note of an approval; false when it is another one.
func OfNote(n ledger.Note) (p Past, ok bool) {
	if n.Kind != ledger.Policy {
		return p, false
	}
	word, text, _ := strings.Cut(n.Text, " ")
	id, rest, _ := strings.Cut(text, " ")
	switch {
	case !IsID(id):
		return p, false
	case word == "approval":
		p.Kind = Approve
	case word == string(BreakGlass):
		p.Kind = BreakGlass
	default:
		return p, false
	}
	p.ID, p.Begun = id, n.At
	switch {
	case strings.HasPrefix(rest, begins+": party "):
		p.Party, _, _ = strings.Cut(strings.TrimPrefix(rest, begins+": party "), ",")
		_, p.By, _ = strings.Cut(rest, ", by ")
		p.By = p.By[:max(strings.LastIndex(p.By, ", at most "), 0)]
		p.Digest = rest[strings.LastIndexByte(rest, ' ')+1:] // by may be any text: what is behind it is looked for from the end
	case strings.HasPrefix(rest, isOver+": "):
		p.Over = true
	default:
		return p, false
	}
	return p, true
}
