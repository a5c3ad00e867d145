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
		if got := percent(test.live); got != test.want {
			t.Errorf("%s: got %d, want %d", test.what, got, test.want)
		}
	}
}

// TestBegin: the bound follows what is alive, up and down.
func TestBegin(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	Begin()
	for _, alive := range []int{0, 192 << 20, 0, 96 << 20} {
		held := make([]byte, alive)
		want := percent(uint64(alive))
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

// TestRoom: between its bounds as much garbage may wait as is alive.
func TestRoom(t *testing.T) {
	const mb = 1 << 20
	old := *allowed.Load()
	Room(8*mb, 32*mb)
	defer Room(old.from, old.to)
	for _, test := range []struct {
		live uint64
		want int
	}{{mb, 400}, {4 * mb, 200}, {8 * mb, 100}, {20 * mb, 100}, {64 * mb, 50}, {1000 * mb, 12}} {
		if got := percent(test.live); got != test.want {
			t.Errorf("%d MB alive: got %d, want %d", test.live/mb, got, test.want)
		}
	}
}
