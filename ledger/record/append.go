package record

import (
	"encoding/binary"
	"net/netip"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// AppendWord appends the entry of a text, which has MaxWord bytes at most: see ledger.Cut.
func AppendWord(b []byte, text string) []byte {
	return append(append(b, byte(KindWord)), text...)
}

// AppendWay appends the entry of a way. The requester is left out unless Requested.
func AppendWay(b []byte, w *Way) []byte {
	b = append(b, byte(KindWay), flag(w.Requested), w.Protection)
	b = number(b, w.Protocol)
	b = number(b, w.Action)
	b = appendSide(b, &w.From)
	b = appendSide(b, &w.To)
	if w.Requested {
		b = appendSide(b, &w.Requester)
	}
	return b
}

// AppendPerson appends the entry of an identifier.
func AppendPerson(b []byte, token chaperone.PatientToken, weak bool) []byte {
	return append(append(b, byte(KindPerson), flag(weak)), token[:]...)
}

// AppendJoin appends that two identifiers are of one person, for good.
func AppendJoin(b []byte, one, other ledger.Number) []byte {
	return number(number(append(b, byte(KindJoin)), one), other)
}

// AppendAlike appends that an identifier was seen with a name, birth date and sex.
func AppendAlike(b []byte, demographic chaperone.PatientToken, n ledger.Number) []byte {
	return number(append(append(b, byte(KindAlike)), demographic[:]...), n)
}

// AppendMerge appends what ledger.Merge says. The lists keep their order.
func AppendMerge(b []byte, survivors, priors []ledger.Number, undo bool, at time.Time) []byte {
	b = moment(append(b, byte(KindMerge), flag(undo)), at)
	for _, list := range [...][]ledger.Number{survivors, priors} {
		b = number(b, len(list))
		for _, n := range list {
			b = number(b, n)
		}
	}
	return b
}

// AppendDisclosure appends the entry of a disclosure, whose time lies in the day, whose numbers are strictly ascending,
// and which Fits.
func AppendDisclosure(b []byte, day ledger.Day, d *Disclosure) []byte {
	b = append(append(b, byte(KindDisclosure)), d.ID[:]...)
	b = number(b, d.Time.UnixMicro()-int64(day)*dayMicros)
	b = number(b, d.Way)
	b = number(b, d.FromPort)
	b = number(b, d.ToPort)
	b = number(b, d.RequesterPort)
	outcome := byte(max(index(outcomes[:], d.Outcome), 0))
	if d.Unseen {
		outcome |= unseen
	}
	b = append(b, outcome)
	b = number(b, d.Unidentified)
	b = number(b, d.Records)
	b = number(b, d.Bytes)
	b = appendEvidence(b, &d.Evidence)
	b = number(b, len(d.Numbers))
	var last ledger.Number
	for _, n := range d.Numbers {
		b = number(b, n-last)
		last = n
	}
	return b
}

// AppendFinding appends the entry of a finding. A severity that chaperone has no word for becomes the nearest that has.
func AppendFinding(b []byte, f *Finding) []byte {
	b = append(b, byte(KindFinding), byte(min(max(f.Severity, chaperone.Info), chaperone.Critical)))
	for _, word := range [...]uint32{f.Rule, f.Technique, f.Title, f.Advice, f.Account} {
		b = number(b, word)
	}
	b = number(appendSide(b, &f.From), f.FromPort)
	b = number(appendSide(b, &f.To), f.ToPort)
	b = moment(moment(b, f.First), f.Last)
	b = number(b, f.Count)
	b = number(b, f.Bytes)
	return appendEvidence(b, &f.Evidence)
}

// AppendNote appends the entry of a note.
func AppendNote(b []byte, n *Note) []byte {
	b = append(append(b, byte(KindNote)), n.ID[:]...)
	b = moment(append(b, byte(n.Kind)), n.At)
	b = number(b, n.Text)
	b = number(b, n.Day)
	s := &n.Seen
	b = moment(moment(b, s.From), s.Until)
	for _, count := range [...]int64{s.Packets, s.Flows, s.Decoded, s.Hidden, s.LostBytes, s.Malformed} {
		b = number(b, count)
	}
	return b
}

const (
	dayMicros = 86400 * 1e6
	unseen    = 1 << 7 // beside an outcome
)

func appendSide(b []byte, s *Side) []byte {
	b = number(number(b, s.Proven), s.Claimed)
	return appendAddr(b, s.Addr)
}

func appendAddr(b []byte, a netip.Addr) []byte {
	size := a.BitLen()/8 + len(a.Zone())
	b, _ = a.AppendBinary(number(b, size)) // it has no reason for an error
	return b
}

func appendEvidence(b []byte, e *Evidence) []byte {
	b = number(b, e.File)
	b = number(b, e.Packet)
	b = number(b, e.Record)
	return number(b, e.Offset)
}

func moment(b []byte, t time.Time) []byte { return number(b, t.UnixMicro()) }

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// number appends a uvarint; of a signed number, of its 64 bits, so that every one comes back.
func number[T ~int | ~int64 | ~uint16 | ~uint32 | ~uint64](b []byte, n T) []byte {
	return binary.AppendUvarint(b, uint64(n))
}
