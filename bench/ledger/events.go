package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// The load: what a region's exchanges give in a month, evenly in order of time. Everything follows from the number of the
// event and the seed, so that nothing has to be kept to check an answer.
const (
	perEvent   = 9 // patients of a disclosure
	receivers  = 500
	senders    = 20
	days       = 30
	batchSize  = 5000 // disclosures
	historyLen = 2336 // disclosures of each patient whose history is asked
	mostTraced = 5    // such patients
	rounds     = 5    // in which they are asked for, one after the other
)

var begin = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// event is one disclosure, in numbers.
type event struct {
	id               [16]byte
	time             time.Time
	sender, receiver int
	patients         [perEvent]int32
	bytes            int64
}

// mix is SplitMix64's output function: it spreads a counter over all 64-bit numbers.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// spread gives a number below n.
func spread(x uint64, n int) int { return int(mix(x) % uint64(n)) }

// traced are the patients whose histories are asked. Their numbers are above those that the others are drawn from.
func (o options) traced() []int32 {
	var list []int32
	for k := range min(mostTraced, o.step()) {
		list = append(list, int32(o.Patients+k))
	}
	return list
}

// step is how many events there are for one in a patient's history.
func (o options) step() int { return max(1, o.events()/historyLen) }

// histories adds how long each history took: the first of all opens the heads of all batches, those of other patients read
// what nobody read before, and then each is asked again.
func (r results) histories(o options, times []float64) {
	n := len(o.traced())
	r["history first"] = times[0]
	if n > 1 {
		r.add("history anew", times[1:n])
	}
	r.add("history", times[n:])
}

// event gives the i-th. Number below events() are the load's; those above go on in time, for small commits.
func (o options) event(i int) event {
	x := mix(o.Seed<<40 ^ uint64(i))
	e := event{sender: spread(x+1, senders), receiver: spread(x+2, receivers), bytes: int64(500 + spread(x+3, 4000))}
	binary.BigEndian.PutUint64(e.id[:8], mix(x+4))
	binary.BigEndian.PutUint64(e.id[8:], mix(x+5))
	step := days * 24 * time.Hour / time.Duration(o.events())
	e.time = begin.Add(time.Duration(i) * step).Truncate(time.Microsecond)
	next := x + 16
	for k := range e.patients {
	again:
		p := int32(spread(next, o.Patients))
		next++
		for _, have := range e.patients[:k] {
			if have == p {
				goto again
			}
		}
		e.patients[k] = p
	}
	every := o.step()
	n := min(mostTraced, every)
	// As far from each other as may be, so that nobody's block of the record is another's.
	if gap := every / n; i%every%gap == 0 && i%every/gap < n && i/every < historyLen && i < o.events() {
		e.patients[0] = int32(o.Patients + i%every/gap)
	}
	return e
}

// token stands in for one identifier, as a keyed digest would.
func token(kind uint64, patient int32) (t chaperone.PatientToken) {
	x := kind<<32 | uint64(uint32(patient))
	binary.BigEndian.PutUint64(t[:8], mix(x))
	binary.BigEndian.PutUint64(t[8:], mix(^x))
	return t
}

// Kinds of tokens.
const (
	number = 1
	name   = 2
)

func receiverAddr(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 9, byte(n >> 8), byte(n)}) }
func senderAddr(n int) netip.Addr   { return netip.AddrFrom4([4]byte{10, 1, 0, byte(n)}) }

// batches makes batches in memory that is used again.
type batches struct {
	o      options
	tokens []chaperone.PatientToken
	all    []ledger.Covered
	list   []ledger.Disclosure
}

// make gives events first to first+n-1.
func (b *batches) make(first, n int) ledger.Batch {
	if len(b.tokens) < n*perEvent {
		b.tokens = make([]chaperone.PatientToken, n*perEvent)
		b.all = make([]ledger.Covered, n*perEvent)
		b.list = make([]ledger.Disclosure, n)
	}
	for i := range n {
		e := b.o.event(first + i)
		covered := b.all[i*perEvent : (i+1)*perEvent]
		for k, p := range e.patients {
			at := i*perEvent + k
			b.tokens[at] = token(number, p)
			covered[k] = ledger.Covered{Numbers: b.tokens[at : at+1 : at+1]}
			if b.o.Names {
				covered[k].Demographic = token(name, p)
			}
		}
		b.list[i] = ledger.Disclosure{Covered: covered, Disclosure: chaperone.Disclosure{
			ID: e.id, Time: e.time, Protocol: chaperone.HL7, Action: "ORU^R01",
			From:    chaperone.Party{Addr: senderAddr(e.sender), Port: 2575, Claimed: "LAB|HOSPITAL"},
			To:      chaperone.Party{Addr: receiverAddr(e.receiver), Port: 2575, Claimed: "EHR|CLINIC"},
			Records: perEvent, Bytes: e.bytes, Protection: chaperone.InClear, Outcome: chaperone.Delivered,
			Evidence: chaperone.Evidence{File: "monitor.pcap", Packet: int64(first+i) * 10, Offset: int64(first+i) * 900},
		}}
	}
	return ledger.Batch{Disclosures: b.list[:n]}
}

// question is one asking for distinct patients.
type question struct {
	parties  []int
	from, to int // hours since begin
}

func (q question) query() ledger.Query {
	var matches []ledger.Match
	for _, p := range q.parties {
		matches = append(matches, ledger.Match{Prefix: netip.PrefixFrom(receiverAddr(p), 32)})
	}
	return ledger.Query{From: begin.Add(time.Duration(q.from) * time.Hour), Until: begin.Add(time.Duration(q.to) * time.Hour), Parties: matches}
}

// asked is how often each question is asked.
const asked = 50

// questions gives those of one party over 7 days, and of ten over all 30.
func (o options) questions() (week, month []question) {
	r := rand.New(rand.NewPCG(o.Seed, 20))
	for range asked {
		from := r.IntN((days-7)*24 + 1)
		week = append(week, question{[]int{r.IntN(receivers)}, from, from + 7*24})
		month = append(month, question{r.Perm(receivers)[:10], 0, days * 24})
	}
	return week, month
}

func hourOf(t time.Time) int { return int(t.Sub(begin) / time.Hour) }
