package thrift

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	const mb = 1 << 20
	for _, test := range []struct {
		what string
		live uint64
		want int
	}{
		{"nothing was collected yet", 0, 400},
		{"a short run", 2 * mb, 400},
		{"captures", 40 * mb, 120},
		{"a ledger of a million people", 96 * mb, 50},
		{"a ledger of ten million people", 600 * mb, 12},
		{"all people", 1 << 50, 12},
	} {
		if got := percent(test.live, 0, 0); got != test.want {
			t.Errorf("%s: got %d, want %d", test.what, got, test.want)
		}
	}
}

func roots() uint64 {
	s := []metrics.Sample{{Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() + s[1].Value.Uint64()
}

// TestBegin: the bound follows what is alive, up and down.
func TestBegin(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	Begin()
	for _, alive := range []int{0, 192 << 20, 0, 96 << 20} {
		held := make([]byte, alive)
		want := percent(uint64(alive), roots(), 0)
		deadline := time.Now().Add(20 * time.Second)
		for got := -1; got > want || got < want-1; {
			if time.Now().After(deadline) {
				t.Fatalf("%d MB alive: %d percent of garbage may wait, want %d", alive>>20, got, want)
			}
			runtime.GC()
			time.Sleep(time.Millisecond)
			now := []metrics.Sample{{Name: "/gc/gogc:percent"}}
			metrics.Read(now)
			got = int(now[0].Value.Uint64())
		}
		runtime.KeepAlive(held)
	}
}

// TestRoom: between its bounds as much garbage may wait as is alive, or as is made in a moment.
func TestRoom(t *testing.T) {
	const mb = 1 << 20
	old := *allowed.Load()
	Room(8*mb, 32*mb)
	defer Room(old.from, old.to)
	for _, test := range []struct {
		live, roots, made uint64
		want              int
	}{
		{mb, 0, 0, 400}, {4 * mb, 0, 0, 200}, {8 * mb, 0, 0, 100}, {20 * mb, 0, 0, 100}, {64 * mb, 0, 0, 50}, {1000 * mb, 0, 0, 12},
		{8 * mb, 0, 4 * mb, 100}, {8 * mb, 0, 16 * mb, 200}, {10 * mb, 0, 500 * mb, 320}, {64 * mb, 0, 500 * mb, 50},
		{2 * mb, 6 * mb, 0, 100}, {8 * mb, 8 * mb, 0, 50}, {10 * mb, 6 * mb, 500 * mb, 200},
	} {
		if got := percent(test.live, test.roots, test.made); got != test.want {
			t.Errorf("%d MB alive, %d made: got %d, want %d", test.live/mb, test.made/mb, got, test.want)
		}
	}
}

// TestSince: what is made in a moment follows from what was made since the last cycle.
func TestSince(t *testing.T) {
	began := time.Now()
	before := state{began, 1000}
	for _, test := range []struct {
		took time.Duration
		made uint64
		want uint64
	}{{moment, 500, 500}, {2 * moment, 500, 250}, {moment / 10, 500, 5000}, {time.Hour, 0, 0}, {0, 0, 0}} {
		if got := (state{began.Add(test.took), 1000 + test.made}).since(before); got != test.want {
			t.Errorf("%d in %v: got %d in a moment, want %d", test.made, test.took, got, test.want)
		}
	}
}
