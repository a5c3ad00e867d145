package clinicsim

import (
	"container/heap"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"net/netip"
	"time"
)

// network plays everything that happens, in the order of time. Actors are coroutines: each says until when it has
// nothing to do. Packets wait only until no actor can send an earlier one, so a long day needs little memory.
//
// A network is a clock on a schedule: several clocks, each with its own beginning and seed, may share one.
type network struct {
	*schedule
	begin time.Time
	shift time.Duration // of begin from the beginning of the schedule
	seed  uint64
}

type schedule struct {
	now    time.Duration // of the actor that plays
	sink   func(Packet) error
	err    error // the sink's first
	tally  *tally
	out    queue[Packet]
	actors queue[func() (time.Duration, bool)]
	order  uint64
	ports  map[netip.Addr]uint16
	ids    map[netip.Addr]uint16
}

func newNetwork(begin time.Time, seed uint64, t *tally, sink func(Packet) error) *network {
	return &network{begin: begin, seed: seed, schedule: &schedule{
		sink: sink, tally: t, ports: map[netip.Addr]uint16{}, ids: map[netip.Addr]uint16{},
	}}
}

// later gives a clock that begins so much later.
func (n *network) later(shift time.Duration, seed uint64) *network {
	return &network{schedule: n.schedule, begin: n.begin.Add(shift), shift: n.shift + shift, seed: seed}
}

// clock gives the time of the actor that plays.
func (n *network) clock() time.Duration { return n.now - n.shift }

// random gives a source of its own to each actor, so that a new one does not change what the others do.
func (n *network) random(actor string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(actor))
	return rand.New(rand.NewPCG(n.seed, h.Sum64()))
}

// port gives the next client port of a host.
func (n *network) port(a netip.Addr) uint16 {
	p := n.ports[a]
	n.ports[a] = (p + 1) % 16384
	return 49152 + p
}

// actor lets run begin at a time. It calls wait with the time at which it wants to go on. An actor may call others in.
func (n *network) actor(at time.Duration, run func(wait func(time.Duration))) {
	next, _ := iter.Pull(func(yield func(time.Duration) bool) {
		run(func(until time.Duration) { yield(until + n.shift) })
	})
	n.order++
	heap.Push(&n.actors, queued[func() (time.Duration, bool)]{max(at+n.shift, n.now), n.order, next})
}

// play runs all actors to their end.
func (n *network) play() error {
	for len(n.actors) > 0 && n.err == nil {
		a := n.actors[0]
		n.now = a.at
		n.release(n.now)
		until, ok := a.what()
		if !ok {
			heap.Pop(&n.actors)
			continue
		}
		n.order++
		n.actors[0].at, n.actors[0].order = max(until, a.at), n.order
		heap.Fix(&n.actors, 0)
	}
	n.release(1<<63 - 1)
	return n.err
}

// emit takes a transport segment; at MUST NOT be before the actor's time.
func (n *network) emit(at time.Duration, from, to netip.Addr, protocol byte, checksumAt int, segment []byte) {
	n.ids[from]++
	n.capture(at, Packet{Frame: ipv4(from, to, n.ids[from], protocol, checksumAt, segment)})
}

// capture takes a frame as the tap keeps it.
func (n *network) capture(at time.Duration, p Packet) {
	if at+n.shift < n.now {
		panic("clinicsim: a packet for the past")
	}
	p.Time = n.begin.Add(at)
	n.order++
	heap.Push(&n.out, queued[Packet]{at + n.shift, n.order, p})
}

// release hands out the packets before a time.
func (n *network) release(before time.Duration) {
	for len(n.out) > 0 && n.out[0].at < before {
		p := heap.Pop(&n.out).(queued[Packet]).what
		n.tally.truth.Packets++
		n.tally.truth.Bytes += int64(len(p.Frame))
		if n.err == nil {
			n.err = n.sink(p)
		}
	}
}

// queue is a heap by time and, at the same time, by order of entry.
type queue[T any] []queued[T]

type queued[T any] struct {
	at    time.Duration
	order uint64
	what  T
}

func (q queue[T]) Len() int { return len(q) }
func (q queue[T]) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q queue[T]) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue[T]) Push(x any)   { *q = append(*q, x.(queued[T])) }
func (q *queue[T]) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = queued[T]{}
	*q = old[:len(old)-1]
	return last
}
