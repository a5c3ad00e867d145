package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// What a disclosure holds follows from its id alone. So whoever finds one in a ledger can say what it must be, whether or not
// its recording was ever acknowledged.

// place is what an id is made of: which batch of which writer of which round, and which disclosure of it.
type place struct {
	seed   uint32
	round  uint32
	writer uint16
	batch  uint32
	item   uint16
}

func (p place) id() (id [16]byte) {
	binary.BigEndian.PutUint32(id[0:], p.seed)
	binary.BigEndian.PutUint32(id[4:], p.round)
	binary.BigEndian.PutUint16(id[8:], p.writer)
	binary.BigEndian.PutUint32(id[10:], p.batch)
	binary.BigEndian.PutUint16(id[14:], p.item)
	return id
}

func placeOf(id [16]byte) place {
	return place{
		seed: binary.BigEndian.Uint32(id[0:]), round: binary.BigEndian.Uint32(id[4:]), writer: binary.BigEndian.Uint16(id[8:]),
		batch: binary.BigEndian.Uint32(id[10:]), item: binary.BigEndian.Uint16(id[14:]),
	}
}

// The population is small, so that everybody is disclosed often.
const (
	singles = 40 // persons with numbers
	pairs   = 12 // persons known under two numbers, until a merge says so
	weak    = 8  // known by name only; each has the name of a single person
)

var firstDay = time.Date(2026, time.March, 30, 0, 0, 0, 0, time.UTC)

// days is over how many days disclosures are spread.
const days = 3

// token stands for one identifier of a person.
func token(kind string, person int) chaperone.PatientToken {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", kind, person))
	return chaperone.PatientToken(sum[:16])
}

// covered gives what one record says of whom. Of a pair it is one of the two.
func covered(slot int, r *rand.Rand) ledger.Covered {
	switch {
	case slot < singles:
		c := ledger.Covered{Numbers: []chaperone.PatientToken{token("number", slot)}, Demographic: token("name", slot)}
		if r.IntN(2) == 0 {
			c.Numbers = append(c.Numbers, token("second number", slot))
		}
		return c
	case slot < singles+pairs:
		return ledger.Covered{Numbers: []chaperone.PatientToken{pairToken(slot-singles, r.IntN(2))}}
	}
	return ledger.Covered{Demographic: token("name", slot-singles-pairs)}
}

func pairToken(pair, side int) chaperone.PatientToken {
	return token("pair", 2*pair+side)
}

func merge(pair int) ledger.Merge {
	return ledger.Merge{
		Survivor: []chaperone.PatientToken{pairToken(pair, 0)}, Prior: []chaperone.PatientToken{pairToken(pair, 1)},
		At: firstDay.Add(time.Duration(pair) * time.Minute),
	}
}

func random(id [16]byte) *rand.Rand {
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])))
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// disclosure gives the disclosure of an id. No two persons of it are ever found to be one, so their number is known too.
func disclosure(id [16]byte) ledger.Disclosure {
	r := random(id)
	// New parties keep coming: the later the batch, the more there are.
	receiver := r.IntN(40 + int(binary.BigEndian.Uint32(id[10:])&0xfff) + 8*int(binary.BigEndian.Uint32(id[4:])&0xff))
	var d ledger.Disclosure
	d.ID = id
	d.Time = firstDay.Add(time.Duration(r.Int64N(int64(days*24*time.Hour))) / time.Microsecond * time.Microsecond)
	d.Protocol = pick(r, chaperone.HL7, chaperone.DICOM)
	d.Action = "ORU^R01"
	if d.Protocol == chaperone.DICOM {
		d.Action = pick(r, "C-STORE", "C-FIND")
	}
	d.From = chaperone.Party{Addr: netip.AddrFrom4([4]byte{10, 1, 0, byte(r.IntN(20))}), Port: 2575, Claimed: "SENDER"}
	d.To = chaperone.Party{Addr: netip.AddrFrom4([4]byte{10, 9, byte(receiver >> 8), byte(receiver)}), Port: uint16(r.IntN(1 << 16))}
	if r.IntN(4) == 0 {
		d.To.Proven, d.To.Claimed = fmt.Sprintf("CN=receiver-%d", receiver), fmt.Sprintf("RECEIVER%d", receiver)
	}
	if r.IntN(8) == 0 {
		d.RequestedBy = &chaperone.Party{Addr: d.To.Addr, Port: 104, Claimed: "WORKSTATION"}
	}
	slots := r.Perm(singles + pairs + weak)[:1+r.IntN(9)]
	for _, slot := range slots {
		d.Covered = append(d.Covered, covered(slot, r))
	}
	d.Unidentified = max(0, r.IntN(12)-9)
	d.Records = len(slots) + d.Unidentified + r.IntN(3)
	d.Bytes = r.Int64N(1 << 20)
	d.Protection = pick(r, chaperone.InClear, chaperone.TLS, chaperone.MutualTLS)
	d.Outcome = pick(r, chaperone.Delivered, chaperone.Refused, chaperone.Unknown, chaperone.Partial)
	d.Unseen = r.IntN(16) == 0
	d.Evidence = chaperone.Evidence{File: fmt.Sprintf("%d.pcap", r.IntN(5)), Packet: r.Int64N(1e6), Offset: r.Int64N(1e9)}
	return d
}

// digest sums up what a ledger must give back of a disclosure.
func digest(d chaperone.Disclosure, persons, weak int) [8]byte {
	d.Patients, d.Time = nil, d.Time.UTC()
	requester := "-"
	if d.RequestedBy != nil {
		requester, d.RequestedBy = fmt.Sprintf("%+v", *d.RequestedBy), nil
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v %s %d %d", d, requester, persons, weak))
	return [8]byte(sum[:8])
}

// want gives the digest of an id's disclosure as it was made.
func want(id [16]byte) [8]byte {
	d := disclosure(id)
	names := 0
	for _, c := range d.Covered {
		if c.Weak() {
			names++
		}
	}
	return digest(d.Disclosure, len(d.Covered), names)
}

// items draws how many disclosures a batch has of its own. It comes first of all that is drawn for a batch.
func items(r *rand.Rand) int { return 1 + r.IntN(5) }

// batch gives one batch of a writer: 1 to 5 disclosures, now and then a merge or a note, and now and then what an earlier
// round may have recorded already.
func batch(p place) ledger.Batch {
	r := random(p.id())
	var b ledger.Batch
	for i := range items(r) {
		p.item = uint16(i + 1)
		b.Disclosures = append(b.Disclosures, disclosure(p.id()))
	}
	if p.round > 0 && r.IntN(4) == 0 {
		again := place{p.seed, p.round - 1, p.writer, uint32(r.IntN(8)), 1}
		b.Disclosures = append(b.Disclosures, disclosure(again.id()))
	}
	if r.IntN(8) == 0 {
		b.Merges = append(b.Merges, merge(r.IntN(pairs)))
	}
	if r.IntN(8) == 0 {
		p.item = 0
		b.Notes = append(b.Notes, ledger.Note{ID: p.id(), Kind: ledger.Remark, At: firstDay, Text: "a remark"})
	}
	return b
}
