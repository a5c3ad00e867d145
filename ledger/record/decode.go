package record

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// Decode reads one entry of a batch of some day. Memory of e's lists is used again: they are valid until the next call.
// Error: ErrMalformed.
func Decode(b []byte, day ledger.Day, e *Entry) error {
	r := reader{rest: b}
	e.Kind = Kind(r.byte())
	switch e.Kind {
	case KindWord:
		if len(r.rest) > MaxWord {
			r.bad = true
		} else {
			e.Word = string(r.take(len(r.rest)))
		}
	case KindWay:
		r.way(&e.Way)
	case KindPerson:
		e.Weak = r.flag()
		e.Token = r.token()
	case KindJoin:
		e.A, e.B = r.person(), r.person()
	case KindAlike:
		e.Token = r.token()
		e.A = r.person()
	case KindMerge:
		e.Undo = r.flag()
		e.At = r.moment()
		e.Survivors = r.persons(e.Survivors[:0])
		e.Priors = r.persons(e.Priors[:0])
	case KindDisclosure:
		r.disclosure(&e.Disclosure, day)
	case KindFinding:
		r.finding(&e.Finding)
	case KindNote:
		r.note(&e.Note)
	default:
		r.bad = true
	}
	if r.bad || len(r.rest) > 0 {
		return fmt.Errorf("record: entry of kind %d and %d bytes: %w", e.Kind, len(b), ErrMalformed)
	}
	return nil
}

// reader reads fields one after another. After the first that is not there it is bad and gives zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.bad = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) flag() bool {
	b := r.byte()
	r.bad = r.bad || b > 1
	return b == 1
}

func (r *reader) token() (t chaperone.PatientToken) {
	copy(t[:], r.take(len(t)))
	return t
}

// number reads a uvarint that is not above limit.
func (r *reader) number(limit uint64) uint64 {
	if len(r.rest) > 0 && r.rest[0] < 0x80 && uint64(r.rest[0]) <= limit {
		n := r.rest[0]
		r.rest = r.rest[1:]
		return uint64(n)
	}
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > limit {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) uint16() uint16 { return uint16(r.number(math.MaxUint16)) }
func (r *reader) uint32() uint32 { return uint32(r.number(math.MaxUint32)) }
func (r *reader) int64() int64   { return int64(r.number(math.MaxUint64)) }

func (r *reader) int() int {
	n := r.int64()
	if n != int64(int(n)) { // on machines of 32 bits
		r.bad = true
	}
	return int(n)
}

func (r *reader) moment() time.Time { return time.UnixMicro(r.int64()).UTC() }

func (r *reader) person() ledger.Number {
	n := r.uint32()
	r.bad = r.bad || n == 0
	return ledger.Number(n)
}

// persons appends a list in whatever order.
func (r *reader) persons(list []ledger.Number) []ledger.Number {
	for count := r.count(); count > 0 && !r.bad; count-- {
		list = append(list, r.person())
	}
	return list
}

// count reads how many fields follow, each of one byte at least.
func (r *reader) count() uint64 {
	n := r.number(math.MaxUint64)
	if n > uint64(len(r.rest)) {
		r.bad = true
		return 0
	}
	return n
}

func (r *reader) way(w *Way) {
	w.Requested = r.flag()
	w.Protection = r.byte()
	r.bad = r.bad || int(w.Protection) >= len(protections)
	w.Protocol, w.Action = r.uint32(), r.uint32()
	w.From, w.To, w.Requester = r.side(), r.side(), Side{}
	if w.Requested {
		w.Requester = r.side()
	}
}

func (r *reader) side() Side {
	return Side{Proven: r.uint32(), Claimed: r.uint32(), Addr: r.addr()}
}

func (r *reader) addr() (a netip.Addr) {
	b := r.take(int(r.number(math.MaxInt32)))
	if a.UnmarshalBinary(b) != nil {
		r.bad = true
	}
	return a
}

func (r *reader) evidence() Evidence {
	return Evidence{File: r.uint32(), Packet: r.int64(), Record: r.number(math.MaxUint64), Offset: r.int64()}
}

func (r *reader) disclosure(d *Disclosure, day ledger.Day) {
	copy(d.ID[:], r.take(len(d.ID)))
	d.Time = time.UnixMicro(int64(day)*dayMicros + int64(r.number(dayMicros-1))).UTC()
	d.Way = r.uint32()
	d.FromPort, d.ToPort, d.RequesterPort = r.uint16(), r.uint16(), r.uint16()
	outcome := r.byte()
	d.Unseen = outcome&unseen != 0
	if outcome &^= unseen; int(outcome) < len(outcomes) {
		d.Outcome = outcomes[outcome]
	} else {
		r.bad = true
	}
	d.Unidentified, d.Records, d.Bytes = r.int(), r.int(), r.int64()
	d.Evidence = r.evidence()
	d.Numbers = d.Numbers[:0]
	var last uint64
	for count := r.count(); count > 0 && !r.bad; count-- {
		distance := r.number(math.MaxUint32 - last)
		r.bad = r.bad || distance == 0
		last += distance
		d.Numbers = append(d.Numbers, ledger.Number(last))
	}
}

func (r *reader) finding(f *Finding) {
	f.Severity = chaperone.Severity(r.byte())
	r.bad = r.bad || f.Severity > chaperone.Critical
	f.Rule, f.Technique, f.Title, f.Advice, f.Account = r.uint32(), r.uint32(), r.uint32(), r.uint32(), r.uint32()
	f.From, f.FromPort = r.side(), r.uint16()
	f.To, f.ToPort = r.side(), r.uint16()
	f.First, f.Last = r.moment(), r.moment()
	f.Count, f.Bytes = r.int(), r.int64()
	f.Evidence = r.evidence()
}

func (r *reader) note(n *Note) {
	copy(n.ID[:], r.take(len(n.ID)))
	n.Kind = ledger.NoteKind(r.byte())
	n.At = r.moment()
	n.Text = r.uint32()
	n.Day = ledger.Day(r.uint32())
	s := &n.Seen
	s.From, s.Until = r.moment(), r.moment()
	s.Packets, s.Flows, s.Decoded = r.int64(), r.int64(), r.int64()
	s.Hidden, s.LostBytes, s.Malformed = r.int64(), r.int64(), r.int64()
}
