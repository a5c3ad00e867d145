package budget

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// spend is one charge, as the history of a concurrent run shows it.
type spend struct {
	keys     []Keyed
	patients []uint32
	nobodies int
	hour     int64
}

// ledger is the state that charges go through one after the other: small enough for a search over all their orders.
type ledger struct {
	latest   int64
	patients [2][8]int64 // last hour by key and patient; 0 never
	nobodies [2]int
}

// oneByOne is what a book promises: all or nothing, as if charges came one after the other. Nobody leaves a window in it, so
// that only Day counts.
var oneByOne = porcupine.Model{
	Init: func() any { return ledger{latest: start} },
	Step: func(state, input, output any) (bool, any) {
		s, in, charged := state.(ledger), input.(spend), output.(bool)
		if in.hour > s.latest+1 {
			return !charged, state
		}
		s.latest = max(s.latest, in.hour)
		passed := s
		fits := true
		for _, k := range in.keys {
			i := slices.Index(testKeys[:2], k.Key)
			count, added := 0, 0
			for p := range s.patients[i] {
				if s.patients[i][p] != 0 {
					count++
				} else if slices.Contains(in.patients, uint32(p)) {
					added++
				}
			}
			count, added = count+s.nobodies[i], added+in.nobodies
			fits = fits && (added == 0 || count+added <= k.Limits[Day])
			for _, p := range in.patients {
				s.patients[i][p] = s.latest
			}
			s.nobodies[i] += in.nobodies
		}
		if !fits {
			return !charged, passed
		}
		return charged, s
	},
	Equal: func(a, b any) bool { return a.(ledger) == b.(ledger) },
}

type charger func(s spend) bool

// play lets clients charge one book at the same time and gives the history.
func play(seed uint64, clients, each int, charge charger) (history []porcupine.Operation) {
	var clock atomic.Int64 // orders calls and returns; a clock of the machine may stand still
	var mu sync.Mutex
	var wait sync.WaitGroup
	for client := range clients {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(client)))
			for range each {
				s := spend{nobodies: random.IntN(8) / 7, hour: start + int64(random.IntN(4)/3) - int64(random.IntN(6)/5)}
				for _, i := range random.Perm(2)[:1+random.IntN(2)] {
					s.keys = append(s.keys, Keyed{testKeys[i], Limits{Day: 3 + random.IntN(3)}})
				}
				for range random.IntN(4) {
					s.patients = append(s.patients, uint32(1+random.IntN(7)))
				}
				call := clock.Add(1)
				charged := charge(s)
				back := clock.Add(1)
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: client, Input: s, Output: charged, Call: call, Return: back})
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return history
}

func (s spend) charge(b *Book, keys []Keyed) bool {
	return b.Charge(at(s.hour), keys, s.patients, s.nobodies) == nil
}

// TestPorcupine looks for an order of the charges of concurrent clients that explains every answer, refusals among them.
func TestPorcupine(t *testing.T) {
	refused := 0
	for seed := range uint64(200) {
		b := New(at(start))
		history := play(seed, 8, 8, func(s spend) bool { return s.charge(b, s.keys) })
		if porcupine.CheckOperationsTimeout(oneByOne, history, 10*time.Second) == porcupine.Illegal {
			t.Fatalf("seed %d: no order of the charges explains their answers", seed)
		}
		for _, op := range history {
			if !op.Output.(bool) {
				refused++
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was refused: the test shows nothing")
	}
}

// TestPorcupineFinds is the control: books that are wrong in the ways one writes by mistake must be found.
func TestPorcupineFinds(t *testing.T) {
	broken := map[string]func(b *Book) charger{
		"half is counted": func(b *Book) charger { // key by key: a refusal leaves the keys before it charged
			return func(s spend) bool {
				for _, k := range s.keys {
					if !s.charge(b, []Keyed{k}) {
						return false
					}
				}
				return true
			}
		},
		"the limit is looked at first, and counted later": func(b *Book) charger {
			meet := make(chan struct{})
			return func(s spend) bool {
				for _, k := range s.keys {
					if b.Count(k.Key, Day, at(s.hour))+len(s.patients)+s.nobodies > k.Limits[Day] {
						return false
					}
				}
				select { // two clients look before either counts, when two are there
				case meet <- struct{}{}:
				case <-meet:
				case <-time.After(time.Millisecond):
				}
				free := slices.Clone(s.keys)
				for i := range free {
					free[i].Limits = Limits{}
				}
				return s.charge(b, free)
			}
		},
	}
	for name, book := range broken {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(50) {
				history := play(seed, 4, 6, book(New(at(start))))
				if porcupine.CheckOperationsTimeout(oneByOne, history, 10*time.Second) == porcupine.Illegal {
					return
				}
			}
			t.Error("a broken book was not found")
		})
	}
}

// TestConcurrentLimit charges from many sides at once: not one patient too many, on any of the keys.
func TestConcurrentLimit(t *testing.T) {
	b, limit := New(at(start)), Limits{Hour: 900, Day: 1000}
	var wait sync.WaitGroup
	var charged atomic.Int64
	for client := range 64 {
		wait.Go(func() {
			own := Key("party " + string(rune('A'+client)))
			for i := range 40 {
				keys := []Keyed{{own, Limits{}}, {"site s", limit}, {"group g", limit}}
				if i%2 == 0 {
					slices.Reverse(keys)
				}
				if b.Charge(at(start), keys, []uint32{uint32(client*100 + i + 1)}, 0) == nil {
					charged.Add(1)
				}
				b.Count("site s", Day, at(start))
				b.Usual(own, at(start))
				if i == 20 {
					b.Advance(at(start))
				}
			}
		})
	}
	wait.Wait()
	if got := charged.Load(); got != 900 || b.Count("site s", Year, at(start)) != 900 || b.Count("group g", Hour, at(start)) != 900 {
		t.Errorf("charged %d, site %d: want 900", got, b.Count("site s", Year, at(start)))
	}
}
