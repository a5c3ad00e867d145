package faultfs

import (
	"maps"
	"math/rand/v2"
)

// mood is how much of what was not fsynced a power cut leaves.
type mood int

const (
	dropAll mood = iota
	keepAll
	tear
)

// Cut is the moment after a power cut: what was not fsynced is lost or torn, as r decides, and the disk works again. Nothing
// may have a file open.
func (d *Disk) Cut(r *rand.Rand) {
	m := tear
	switch r.IntN(8) {
	case 0, 1:
		m = dropAll
	case 2:
		m = keepAll
	}
	d.cut(r, m)
}

// Keep is the moment after a kill: what the kernel was given stays, fsynced or not, and the disk works again.
func (d *Disk) Keep() { d.cut(nil, keepAll) }

// Drop is a power cut that takes all that was not fsynced.
func (d *Disk) Drop() { d.cut(nil, dropAll) }

func (d *Disk) cut(r *rand.Rand, m mood) {
	d.mu.Lock()
	defer d.mu.Unlock()
	// In the order of numbers, so that one seed gives one outcome.
	for number := uint64(Root); number <= d.last; number++ {
		switch n := d.nodes[number]; {
		case n == nil:
		case n.folder:
			n.cutFolder(r, m)
		default:
			n.cutFile(r, m)
		}
	}
	for _, n := range d.nodes {
		n.opens = 0
	}
	d.faults = faults{left: -1, ignoreFsync: d.faults.ignoreFsync, limit: d.faults.limit}
	d.sweep()
}

func (n *node) cutFolder(r *rand.Rand, m mood) {
	happened := 0
	switch m {
	case keepAll:
		happened = len(n.pending)
	case tear:
		happened = r.IntN(len(n.pending) + 1)
	}
	n.settle(happened)
	n.pending = nil
	n.entries = maps.Clone(n.settled)
}

func (n *node) cutFile(r *rand.Rand, m mood) {
	size, piece, chance := n.size, int64(1), 0.0
	switch now := int64(len(n.data)); m {
	case keepAll:
		size, chance = now, 1
	case tear:
		if r.IntN(2) == 0 {
			piece = 4096 / sector
		}
		chance = r.Float64()
		switch low, high := min(n.size, now), max(n.size, now); r.IntN(3) {
		case 0:
			size = now
		case 1:
			size = low + r.Int64N(high-low+1)
		}
	}
	data := make([]byte, size)
	copy(data, n.data)
	survives := map[int64]bool{} // by piece
	for s := range sectors(n.old) {
		if _, ok := survives[s/piece]; !ok && m == tear {
			survives[s/piece] = r.Float64() < chance
		}
		if m == dropAll || m == tear && !survives[s/piece] {
			revert(data, s, n.old[s])
		}
	}
	for s := range n.lost {
		revert(data, s, n.lost[s])
	}
	n.data, n.size, n.old, n.lost = data, size, nil, nil
}

// sectors gives the numbers of sectors in ascending order.
func sectors(m map[int64][]byte) func(yield func(int64) bool) {
	return func(yield func(int64) bool) {
		var last int64 = -1
		for s := range m {
			last = max(last, s)
		}
		for s := int64(0); s <= last; s++ {
			if _, ok := m[s]; ok && !yield(s) {
				return
			}
		}
	}
}

// revert puts what the disk had back into a sector of data.
func revert(data []byte, s int64, old []byte) {
	at := s * sector
	if at >= int64(len(data)) {
		return
	}
	have := data[at:min(at+sector, int64(len(data)))]
	clear(have)
	copy(have, old)
}
