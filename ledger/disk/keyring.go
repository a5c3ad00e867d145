package disk

import (
	"bytes"
	"sync"
	"sync/atomic"

	"chaperone/ledger"
	"chaperone/ledger/index"
	"chaperone/ledger/keys"
	"chaperone/ledger/record"
)

// keyring keeps the ciphers of days, the heads of parts that questions opened with them, and the blocks that questions about
// one patient read twice: to open one again costs as much as all else that is done with it, and to keep what is never read
// again costs too. What is of a day goes with it.
type keyring struct {
	days    *keys.Days
	mu      sync.Mutex
	masters map[ledger.Day]*record.Master
	parts   map[uint64]*openPart // by batch
	memory  int                  // of parts and their blocks
}

// openPart is the opened head of a part, and some of its blocks.
type openPart struct {
	*record.Opened
	day    ledger.Day
	read   []atomic.Uint64           // a bit for each block that was read once
	blocks atomic.Pointer[openBlock] // the last that was kept; added under the keyring's lock, and read without it
	memory int                       // of head and blocks; 0: it is not kept (any more)
}

// openBlock is a block that is kept, and those of its part that were kept before it.
type openBlock struct {
	number int
	plain  []byte
	before *openBlock
	count  int // of it and those before
}

func newPart(o *record.Opened, day ledger.Day) *openPart {
	return &openPart{Opened: o, day: day, read: make([]atomic.Uint64, (o.Blocks()+63)/64)}
}

// again reports whether a block was read before, and notes that it is now.
func (p *openPart) again(number int) bool {
	bit := uint64(1) << (number % 64)
	word := &p.read[number/64]
	return word.Load()&bit != 0 || word.Or(bit)&bit != 0
}

// kept gives the plain text of a block that is kept, nil for another.
func (p *openPart) kept(number int) []byte {
	for b := p.blocks.Load(); b != nil; b = b.before {
		if b.number == number {
			return b.plain
		}
	}
	return nil
}

const (
	keptMemory = 32 << 20 // bounds what is kept: about 8,000 heads of large batches, or 40,000 blocks
	keptBlocks = 16       // of a part, which are looked through one after the other
)

// master gives the cipher of a day. Errors: keys.ErrPurged, or its key file is missing or damaged.
func (k *keyring) master(day ledger.Day) (*record.Master, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if m := k.masters[day]; m != nil {
		return m, nil
	}
	key, err := k.days.Key(day)
	if err != nil {
		return nil, err
	}
	m := record.NewMaster(key)
	if k.masters == nil {
		k.masters = map[ledger.Day]*record.Master{}
	}
	k.masters[day] = m
	return m, nil
}

// part gives the head of a batch's entries, nil for one that is not kept.
func (k *keyring) part(batch uint64) *openPart {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.parts[batch]
}

// keep takes in a head that was opened with a master, and gives it as it is kept.
func (k *keyring) keep(p *index.Place, m *record.Master, o *record.Opened) *openPart {
	k.mu.Lock()
	defer k.mu.Unlock()
	if part := k.parts[p.Batch]; part != nil {
		return part // another question was first
	}
	part := newPart(o, p.Day)
	if k.masters[p.Day] != m {
		return part // the day was purged meanwhile
	}
	part.memory = o.Memory() + 8*len(part.read)
	k.makeRoom(part.memory, nil)
	if k.parts == nil {
		k.parts = map[uint64]*openPart{}
	}
	k.parts[p.Batch] = part
	k.memory += part.memory
	return part
}

// keepBlock takes in a copy of an opened block of a part.
func (k *keyring) keepBlock(p *openPart, number int, plain []byte) {
	const list = 56 // bytes of an openBlock
	b := &openBlock{number: number, plain: bytes.Clone(plain), count: 1}
	k.mu.Lock()
	defer k.mu.Unlock()
	if b.before = p.blocks.Load(); b.before != nil {
		b.count += b.before.count
	}
	if p.memory == 0 || b.count > keptBlocks || p.kept(number) != nil {
		return // it was dropped meanwhile, or another question was first
	}
	size := cap(b.plain) + list
	k.makeRoom(size, p)
	p.blocks.Store(b)
	p.memory += size
	k.memory += size
}

// makeRoom drops any parts but one until there is room for so many bytes: questions go over the batches in order, so that the
// part which was used last is the one which is needed last.
func (k *keyring) makeRoom(size int, but *openPart) {
	if k.memory+size <= keptMemory {
		return
	}
	for batch, part := range k.parts {
		if k.memory+size <= keptMemory {
			return
		}
		if part != but {
			k.drop(batch, part)
		}
	}
}

// forget lets go of what is of a day.
func (k *keyring) forget(day ledger.Day) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.masters, day)
	for batch, part := range k.parts {
		if part.day == day {
			k.drop(batch, part)
		}
	}
}

// reset forgets everything.
func (k *keyring) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.masters, k.parts, k.memory = nil, nil, 0
}

func (k *keyring) drop(batch uint64, part *openPart) {
	k.memory -= part.memory
	part.memory = 0
	part.blocks.Store(nil)
	delete(k.parts, batch)
}
