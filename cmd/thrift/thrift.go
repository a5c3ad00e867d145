// Package thrift bounds the garbage that waits for Go's collector: by an amount, not as a share of what is alive. A ledger of
// ten million people is nearly all of it alive and would take twice its memory by Go's own rule; a short run, of which nearly
// nothing is alive, would be collected all the time.
package thrift

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// room is how many bytes of garbage may wait: as many as are alive, or as are made in a moment, whichever is more, but not fewer
// than from and not more than to.
type room struct{ from, to uint64 }

var (
	allowed atomic.Pointer[room]
	adjusts atomic.Bool // Begin was called, and decides
)

func init() { Room(48<<20, 48<<20) }

const (
	moment = time.Second / 2 // how far apart cycles should be: what is alive is looked through in each
	start  = 2 * time.Second // what a program makes in so long a time at first is not what it goes on to make
)

const (
	least = 12  // percent of what is alive that may wait in any case: else very much would be looked through for little
	most  = 400 // percent, while hardly anything is alive
)

// Room sets how many bytes of garbage may wait: as many as are alive or are made in half a second, within bounds. What runs for
// months beside others makes do with less than what is asked once, while it has little to do.
func Room(from, to uint64) {
	allowed.Store(&room{from, to})
	if adjusts.Load() {
		adjust(0)
	}
}

// Begin has the collector adjusted after each of its cycles, from now on. Whoever sets GOGC or GOMEMLIMIT decides instead.
func Begin() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" && !adjusts.Swap(true) {
		again(state{at: time.Now().Add(start)})
	}
}

// sign is garbage from the start: when it is collected, so was everything else. It holds a pointer, because Go keeps small
// things without any together and alive for each other.
type sign struct{ _ *sign }

// again adjusts by what was made since a cycle, and does so again after the next one.
func again(before state) {
	now := current()
	if now.at.Before(before.at) {
		now.at = before.at // the start is not over
	}
	adjust(now.since(before))
	runtime.AddCleanup(new(sign), again, now)
}

// state is how much had been made by when.
type state struct {
	at   time.Time
	made uint64 // bytes
}

func current() state {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return state{time.Now(), s[0].Value.Uint64()}
}

// adjust bounds the garbage by what the last cycle found alive, and by how much is made in a moment.
func adjust(made uint64) {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(s)
	debug.SetGCPercent(percent(s[0].Value.Uint64(), s[1].Value.Uint64()+s[2].Value.Uint64(), made))
}

// since gives how much is made in a moment, if it goes on as it did; 0 while the program starts.
func (s state) since(before state) uint64 {
	took := s.at.Sub(before.at)
	if took <= 0 {
		return 0
	}
	return uint64(float64(s.made-before.made) * float64(moment) / float64(took))
}

// percent gives how much garbage may wait beside so many bytes that are alive, when so many are made in a moment. Go takes its
// percentage of stacks and globals too (runtime/debug, SetGCPercent).
func percent(live, roots, made uint64) int {
	r := allowed.Load()
	garbage := max(r.from, min(max(live, made), r.to))
	return int(max(least, min(garbage*100/max(live+roots, 1), most)))
}
