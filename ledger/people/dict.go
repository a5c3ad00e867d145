package people

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"math/bits"
	"runtime"

	"chaperone"
)

// dict numbers tokens 1, 2, 3, … in the order they come. Tokens stand in chunks; the hash table beside them is cut into
// segments that grow one by one, so that growing never needs much memory or time at once.
//
// Tokens are digests under a key, and demographics too: who does not have the key cannot choose them. The table does not
// rest on that: its hash has a secret seed of its own.
type dict struct {
	seed     [2]uint64
	tokens   column
	n        uint32
	segments [segmentCount]segment
}

const segmentCount = 256

// segment is an open-addressing hash table of a power of two slots of four bytes. A slot holds a number in its low bits
// and, above them, a tag of the token's hash: another token's slot is told by the tag most times, which saves going to
// its token. An empty slot is 0.
type segment struct {
	slots []byte // little-endian, as in a file
	used  uint32
	bits  uint8 // of a slot that hold the number
}

const (
	slotSize  = 4
	leastSize = 16 // slots
	leastBits = 16
)

func newDict() dict {
	var seed [16]byte
	rand.Read(seed[:]) // never fails
	return dict{seed: seedOf(seed[:]), tokens: column{width: tokenSize}}
}

func seedOf(b []byte) [2]uint64 {
	return [2]uint64{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

// hash: the segment is its top byte, the first slot its low bits, the tag comes from the middle.
func (d *dict) hash(token []byte) uint64 {
	high, low := bits.Mul64(binary.LittleEndian.Uint64(token)^d.seed[0], binary.LittleEndian.Uint64(token[8:])^d.seed[1])
	return high ^ low
}

func tag(hash uint64) uint32 { return uint32(hash >> 24) }

func (s *segment) numberMask() uint32 { return 1<<s.bits - 1 }

func (s *segment) slot(i uint64) uint32 { return binary.LittleEndian.Uint32(s.slots[i*slotSize:]) }

// find gives the number of a token, 0 when it has none.
func (d *dict) find(token []byte, hash uint64) uint32 {
	s := &d.segments[hash>>56]
	if len(s.slots) == 0 {
		return 0
	}
	mask := uint64(len(s.slots)/slotSize - 1)
	number := s.numberMask()
	want := tag(hash) &^ number
	low, high := binary.LittleEndian.Uint64(token), binary.LittleEndian.Uint64(token[8:])
	for i := hash & mask; ; i = (i + 1) & mask {
		slot := s.slot(i)
		if slot == 0 {
			return 0
		}
		if slot&^number != want {
			continue
		}
		have := d.tokens.at(slot&number - 1)
		if binary.LittleEndian.Uint64(have) == low && binary.LittleEndian.Uint64(have[8:]) == high {
			return slot & number
		}
	}
}

// add gives the number of a token and whether it is new; 0 when all numbers are given.
func (d *dict) add(token []byte) (n uint32, isNew bool) {
	hash := d.hash(token)
	if n := d.find(token, hash); n != 0 || d.n == math.MaxUint32 {
		return n, false
	}
	d.n++
	d.tokens.append(token)
	s := &d.segments[hash>>56]
	slots := len(s.slots) / slotSize
	if full := int(s.used) >= slots/5*4; full || d.n > s.numberMask() {
		if full {
			slots = max(2*slots, leastSize)
		}
		d.rebuild(s, slots)
	}
	s.put(hash, d.n)
	return d.n, true
}

// rebuild moves a segment into a number of slots whose numbers have room to double. It hashes many tokens before it puts
// their numbers: so it waits for the memory of many at once.
func (d *dict) rebuild(s *segment, slots int) {
	moved := segment{make([]byte, slots*slotSize), 0, uint8(min(max(bits.Len32(d.n)+1, leastBits), 32))}
	var numbers [128]uint32
	var hashes [128]uint64
	n := 0
	move := func() {
		for i, v := range numbers[:n] {
			hashes[i] = d.hash(d.tokens.at(v - 1))
		}
		for i, v := range numbers[:n] {
			moved.put(hashes[i], v)
		}
		n = 0
	}
	number := s.numberMask()
	for b := s.slots; len(b) >= slotSize; b = b[slotSize:] {
		v := binary.LittleEndian.Uint32(b) & number
		if v == 0 {
			continue
		}
		numbers[n] = v
		if n++; n == len(numbers) {
			move()
		}
	}
	move()
	*s = moved
}

// put takes the first empty slot; there always is one.
func (s *segment) put(hash uint64, n uint32) {
	mask := uint64(len(s.slots)/slotSize - 1)
	i := hash & mask
	for s.slot(i) != 0 {
		i = (i + 1) & mask
	}
	binary.LittleEndian.PutUint32(s.slots[i*slotSize:], tag(hash)&^s.numberMask()|n)
	s.used++
}

// warm brings the memory that find will need for some tokens nearer. No token waits for another one's, so the waits
// overlap: first those for slots, then those for tokens and for what a column has beside them.
func (d *dict) warm(tokens []chaperone.PatientToken, beside *column) {
	var hashes [64]uint64
	var near touches
	for len(tokens) > 0 {
		part := tokens[:min(len(tokens), len(hashes))]
		tokens = tokens[len(part):]
		for i := range part {
			hashes[i] = d.hash(part[i][:])
			if s := &d.segments[hashes[i]>>56]; len(s.slots) > 0 {
				near.add(&s.slots[hashes[i]&uint64(len(s.slots)/slotSize-1)*slotSize])
			}
		}
		near.touch()
		for i := range part {
			n := d.first(hashes[i])
			if n == 0 {
				continue
			}
			near.add(&d.tokens.at(n - 1)[0])
			if beside != nil {
				near.add(&beside.at(n - 1)[0])
			}
		}
		near.touch()
	}
	runtime.KeepAlive(near.sum) // or the compiler could leave out the reads
}

// touches are places that are read one right after the other: nothing stands between, so many of the waits overlap.
type touches struct {
	at  [128]*byte
	n   int
	sum byte
}

func (t *touches) add(p *byte) {
	t.at[t.n&127] = p
	t.n++
}

func (t *touches) touch() {
	sum := t.sum
	for _, p := range t.at[:t.n] {
		sum += *p
	}
	t.sum, t.n = sum, 0
}

// first gives the number in the first slot whose tag fits, without a look at its token; 0 for none.
func (d *dict) first(hash uint64) uint32 {
	s := &d.segments[hash>>56]
	if len(s.slots) == 0 {
		return 0
	}
	mask := uint64(len(s.slots)/slotSize - 1)
	number := s.numberMask()
	want := tag(hash) &^ number
	for i := hash & mask; ; i = (i + 1) & mask {
		slot := s.slot(i)
		if slot == 0 {
			return 0
		}
		if slot&^number == want {
			return slot & number
		}
	}
}
