package budget

// table keeps for each patient the last hour of a delivery: eight bytes a slot, found by open addressing. It is cut into
// parts that are split one at a time (extendible hashing), so that no charge waits until ten million patients have moved,
// and holds no pointers that the collector would follow.
type table struct {
	parts []*part // by the first bits of the hash; several places may lead to one part
	bits  uint8   // how many bits: len(parts) is 1<<bits
}

// part is a hash table of its own: a slot is patient<<32 | hour, 0 when it is empty.
type part struct {
	slots []uint64 // a power of two
	used  int
	bits  uint8 // how many first bits of the hash all its patients share
}

const (
	leastPart = 1 << 3
	mostPart  = 1 << 13
	maxHour   = 1<<32 - 1
)

// hash spreads the numbers, which are dense: the last steps of SplitMix64. Its first bits choose the part, its last the slot.
func hash(patient uint32) uint64 {
	h := uint64(patient) * 0x9e3779b97f4a7c15
	h = (h ^ h>>32) * 0x94d049bb133111eb
	return h ^ h>>32
}

func filled(patient uint32, hour int64) uint64 { return uint64(patient)<<32 | uint64(hour) }
func hourIn(slot uint64) int64                 { return int64(uint32(slot)) }

func (p *part) slot(patient uint32, h uint64) *uint64 {
	mask := uint64(len(p.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		if s := &p.slots[i]; *s == 0 || uint32(*s>>32) == patient {
			return s
		}
	}
}

// full reports whether one more patient would make searching slow.
func (p *part) full() bool { return (p.used+1)*16 > len(p.slots)*13 }

func (t *table) part(h uint64) *part { return t.parts[h>>(64-t.bits)] }

// find gives the slot of a patient, nil when there is none. It is good until the next put.
func (t *table) find(patient uint32) *uint64 {
	if t.parts == nil {
		return nil
	}
	h := hash(patient)
	if s := t.part(h).slot(patient, h); *s != 0 {
		return s
	}
	return nil
}

// warm touches the slots where patients would be, so that the waits for memory overlap: of nine patients on four keys, a
// third of the time. What it returns is there to be computed.
//
//go:noinline
func (t *table) warm(patients []uint32) (sum uint64) {
	if t.parts == nil {
		return 0
	}
	for _, patient := range patients {
		h := hash(patient)
		p := t.part(h)
		sum |= p.slots[h&uint64(len(p.slots)-1)]
	}
	return sum
}

// last gives the last hour of a patient, or one before any window when there was none.
func (t *table) last(patient uint32) int64 {
	if s := t.find(patient); s != nil {
		return hourIn(*s)
	}
	return never
}

// never is the last hour of a patient who was not delivered.
const never int64 = -1 << 40

// put notes the last hour of a patient. Patients whose last hour is before oldest are in no window and may be forgotten.
func (t *table) put(patient uint32, hour, oldest int64) {
	if t.parts == nil {
		t.parts = []*part{{slots: make([]uint64, leastPart)}}
	}
	h, entry := hash(patient), filled(patient, hour)
	for {
		p := t.part(h)
		s := p.slot(patient, h)
		if *s != 0 {
			*s = entry
			return
		}
		if !p.full() {
			*s = entry
			p.used++
			return
		}
		t.makeRoom(p, h, oldest)
	}
}

// makeRoom forgets who is in no window any more; if that is not much, the part grows, and then splits.
func (t *table) makeRoom(p *part, h uint64, oldest int64) {
	old := p.slots
	live := 0
	for _, s := range old {
		if s != 0 && hourIn(s) >= oldest {
			live++
		}
	}
	size := len(old)
	if live*2 > size {
		if size == mostPart {
			t.split(p, h, oldest)
			return
		}
		size *= 2
	}
	p.refill(make([]uint64, size), old, oldest, func(uint64) bool { return true })
}

// refill moves to new slots those of the old ones that are wanted and in a window.
func (p *part) refill(slots, old []uint64, oldest int64, wanted func(hash uint64) bool) {
	p.slots, p.used = slots, 0
	for _, s := range old {
		patient := uint32(s >> 32)
		if h := hash(patient); s != 0 && hourIn(s) >= oldest && wanted(h) {
			*p.slot(patient, h) = s
			p.used++
		}
	}
}

// split makes two parts of one, by the next bit of the hash.
func (t *table) split(p *part, h uint64, oldest int64) {
	if p.bits == t.bits {
		parts := make([]*part, 2*len(t.parts))
		for i, q := range t.parts {
			parts[2*i], parts[2*i+1] = q, q
		}
		t.parts, t.bits = parts, t.bits+1
	}
	p.bits++
	upper := &part{bits: p.bits}
	isUpper := func(h uint64) bool { return h>>(64-p.bits)&1 == 1 }
	old := p.slots
	upper.refill(make([]uint64, mostPart), old, oldest, isUpper)
	p.refill(make([]uint64, mostPart), old, oldest, func(h uint64) bool { return !isUpper(h) })
	// the places of both lie together; the second half of them leads to the new part
	places := 1 << (t.bits - p.bits)
	first := int(h>>(64-p.bits)&^1) * places
	for i := range places {
		t.parts[first+places+i] = upper
	}
}
