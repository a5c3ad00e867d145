package disk

import (
	"sync"

	"chaperone/ledger"
	"chaperone/ledger/index"
	"chaperone/ledger/keys"
	"chaperone/ledger/record"
)

// keyring keeps the ciphers of days, and the heads of parts that questions opened with them: to open one again costs as
// much as to read from it. What is of a day goes with it.
type keyring struct {
	days    *keys.Days
	mu      sync.Mutex
	masters map[ledger.Day]*record.Master
	parts   map[uint64]openPart // by batch
	memory  int                 // of parts
}

type openPart struct {
	*record.Opened
	day ledger.Day
}

// partsMemory bounds the heads that are kept: about 4,000 of large batches.
const partsMemory = 16 << 20

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
func (k *keyring) part(batch uint64) *record.Opened {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.parts[batch].Opened
}

// keep takes in a head that was opened with a master. When there is no room, any others go: questions go over the batches
// in order, so that the one which was used last is the one which is needed last.
func (k *keyring) keep(p *index.Place, m *record.Master, o *record.Opened) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.masters[p.Day] != m || k.parts[p.Batch].Opened != nil {
		return // the day was purged meanwhile, or another question was first
	}
	for batch := range k.parts {
		if k.memory+o.Memory() <= partsMemory {
			break
		}
		k.drop(batch)
	}
	if k.parts == nil {
		k.parts = map[uint64]openPart{}
	}
	k.parts[p.Batch] = openPart{o, p.Day}
	k.memory += o.Memory()
}

// forget lets go of what is of a day.
func (k *keyring) forget(day ledger.Day) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.masters, day)
	for batch, part := range k.parts {
		if part.day == day {
			k.drop(batch)
		}
	}
}

func (k *keyring) drop(batch uint64) {
	k.memory -= k.parts[batch].Memory()
	delete(k.parts, batch)
}
