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
)

// room is how many bytes of garbage may wait: as many as are alive, but not fewer than from and not more than to.
type room struct{ from, to uint64 }

var allowed atomic.Pointer[room]

func init() { Room(48<<20, 48<<20) }

const (
	least = 12  // percent of what is alive that may wait in any case: else very much would be looked through for little
	most  = 400 // percent, while hardly anything is alive
)

// Room sets how many bytes of garbage may wait, from the collector's next cycle on: as many as are alive, within bounds. What runs
// for months beside others makes do with less than what is asked once.
func Room(from, to uint64) { allowed.Store(&room{from, to}) }

// Begin has the collector adjusted after each of its cycles, from now on. Whoever sets GOGC or GOMEMLIMIT decides instead.
func Begin() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		adjust()
	}
}

// sign is garbage from the start: when it is collected, so was everything else. It holds a pointer, because Go keeps small
// things without any together and alive for each other.
type sign struct{ _ *sign }

// adjust bounds the garbage by what the last cycle found alive, and does so again after the next one.
func adjust() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetGCPercent(percent(live[0].Value.Uint64()))
	runtime.AddCleanup(new(sign), func(struct{}) { adjust() }, struct{}{})
}

// percent gives how much garbage may wait beside so many bytes that are alive.
func percent(live uint64) int {
	r := allowed.Load()
	garbage := max(r.from, min(live, r.to))
	return int(max(least, min(garbage*100/max(live, 1), most)))
}
