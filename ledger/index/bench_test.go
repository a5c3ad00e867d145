package index

import (
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/people"
)

var benchDays = flag.Int("days", 30, "days they are spread over")
var benchPairs = flag.Int("pairs", 200_000, "pairs of disclosure and patient in BenchmarkIndex")

// load is a stream of disclosures as a hospital makes them: 500 parties, 30 days, 9 patients each, in the order of time.
type load struct {
	random  *rand.Rand
	events  int
	patient ledger.Number
	at      int
	numbers []ledger.Number
}

const (
	loadParties = 500
	loadEach    = 9
	loadOften   = 2300 // disclosures of the patient who is seen most
	loadFirst   = ledger.Day(20_000)
)

func newLoad(pairs int) *load {
	return &load{random: rand.New(rand.NewPCG(1, 2)), events: pairs / loadEach, patient: 1_000_000}
}

func (l *load) next() (Event, bool) {
	if l.at == l.events {
		return Event{}, false
	}
	e := Event{Seq: uint64(l.at), Records: loadEach, Objects: 3, Bytes: 20_000 + int64(l.random.IntN(100_000))}
	span := time.Duration(*benchDays) * 24 * time.Hour
	e.Time = loadFirst.Time().Add(time.Duration(float64(span) * float64(l.at) / float64(l.events)))
	e.Way = Way(l.random.Uint32N(loadParties))
	binary.BigEndian.PutUint64(e.ID[:], l.random.Uint64())
	binary.BigEndian.PutUint64(e.ID[8:], l.random.Uint64())
	l.numbers = l.numbers[:0]
	for len(l.numbers) < loadEach {
		n := 1 + ledger.Number(l.random.Uint32N(uint32(l.patient)))
		if l.random.IntN(l.events) < loadOften && len(l.numbers) == 0 {
			n = 4711 // one who is seen much
		}
		if !slices.Contains(l.numbers, n) {
			l.numbers = append(l.numbers, n)
		}
	}
	slices.Sort(l.numbers)
	e.Numbers = l.numbers
	l.at++
	return e, true
}

// fill adds everything, and gives the time that Add and Batch took.
func (l *load) fill(x *Index) (time.Duration, error) {
	var spent time.Duration
	chunk := make([]Event, 0, 1000)
	var numbers []ledger.Number
	for more := true; more; {
		chunk, numbers = chunk[:0], numbers[:0]
		for len(chunk) < cap(chunk) {
			var e Event
			if e, more = l.next(); !more {
				break
			}
			at := len(numbers)
			numbers = append(numbers, e.Numbers...)
			e.Numbers = numbers[at:len(numbers):len(numbers)]
			if len(chunk) > 0 && ledger.DayOf(chunk[0].Time) != ledger.DayOf(e.Time) {
				l.at-- // batches are of one day; the draw is lost, which does no harm
				break
			}
			chunk = append(chunk, e)
		}
		if len(chunk) == 0 {
			break
		}
		start := time.Now()
		err := x.Batch(Place{Batch: chunk[0].Seq / 1000, First: chunk[0].Seq, Count: uint32(len(chunk)), Day: ledger.DayOf(chunk[0].Time), Offset: int64(chunk[0].Seq) * 100, EntriesAt: 128, EntriesSize: 70_000})
		for i := 0; i < len(chunk) && err == nil; i++ {
			err = x.Add(chunk[i])
		}
		if err != nil {
			return spent, err
		}
		spent += time.Since(start)
	}
	return spent, nil
}

// BenchmarkIndex loads disclosures and asks. It reports figures of the load beside those of the questions.
func BenchmarkIndex(b *testing.B) {
	dir := b.TempDir() + "/index"
	x, err := Create(Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	l := newLoad(*benchPairs)
	spent, err := l.fill(x)
	if err != nil {
		b.Fatal(err)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	resident := resident()
	begin := time.Now()
	if err := x.Close(); err != nil {
		b.Fatal(err)
	}
	closing := time.Since(begin)
	begin = time.Now()
	if x, err = Open(Options{Dir: dir, ReadOnly: true}); err != nil {
		b.Fatal(err)
	}
	opening := time.Since(begin)
	stats := x.Stats()
	pairs := float64(stats.Pairs)
	b.Logf("add %.2f M pairs/s; with close (%.2f s) %.2f M pairs/s; open %v; %.2f B/pair; %d runs of %d days; heap %d MB, resident %d MB",
		pairs/spent.Seconds()/1e6, closing.Seconds(), pairs/(spent+closing).Seconds()/1e6, opening,
		float64(stats.Size)/pairs, stats.Runs, stats.Days, memory.Sys>>20, resident>>20)
	v, err := x.View()
	if err != nil {
		b.Fatal(err)
	}
	bits := people.NewBits(l.patient)
	first, last := loadFirst, loadFirst+ledger.Day(*benchDays)
	union := func(parties int, from, until ledger.Day) func(*testing.B) {
		return func(b *testing.B) {
			var ways []Way
			for way := range parties {
				ways = append(ways, Way(way))
			}
			var sums Sums
			for b.Loop() {
				bits.Reset()
				sums = Sums{}
				for day := from; day < until; day++ {
					if err := v.Cells(day, ways, 0, 24, bits, &sums); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(sums.Disclosures*loadEach), "pairs")
		}
	}
	b.Run("Union/1party7days", union(1, first, min(first+7, last)))
	b.Run("Union/10parties30days", union(10, first, last))
	b.Run("Union/500parties30days", union(500, first, last))
	b.Run("Postings", func(b *testing.B) {
		n := 0
		for b.Loop() {
			n = 0
			if err := v.Postings(4711, first, last, func(uint64) error { n++; return nil }); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n), "events")
	})
	b.Run("Place", func(b *testing.B) {
		var near Near
		seq := uint64(0)
		for b.Loop() {
			if _, ok, err := v.Place(seq, &near); err != nil || !ok {
				b.Fatal(ok, err)
			}
			seq = (seq + 2377) % uint64(l.events)
		}
	})
	b.Run("Find/new", func(b *testing.B) {
		var id [16]byte
		for b.Loop() {
			binary.BigEndian.PutUint64(id[:], l.random.Uint64())
			if _, ok, err := x.Find(id, first+ledger.Day(int(id[0])%*benchDays)); ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("View", func(b *testing.B) {
		for b.Loop() {
			v, err := x.View()
			if err != nil {
				b.Fatal(err)
			}
			v.Close()
		}
	})
	if err := v.Close(); err != nil {
		b.Fatal(err)
	}
	if err := x.Close(); err != nil {
		b.Fatal(err)
	}
}

// resident gives the memory of this process in bytes, where /proc tells.
func resident() int {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return kb << 10
		}
	}
	return 0
}
