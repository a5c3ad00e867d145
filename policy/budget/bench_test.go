package budget

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// inWindows is how many patients the books of benchmarks hold: small by default; the goal is for 10,000,000.
var inWindows = flag.Int("patients", 100_000, "patients in the windows of benchmarks and of TestMemory")

// hospital is a book of 1,000 parties with all patients between them, and one of the site with all of them.
func hospital(n int) (*Book, []Key) {
	b, random := New(at(start)), rand.New(rand.NewPCG(1, 1))
	parties := make([]Key, 1000)
	for i := range parties {
		parties[i] = Key(fmt.Sprintf("party %d", i))
	}
	for hour := start - int64(300*24); hour < start; hour += 24 {
		for i := range n / 300 {
			patient := []uint32{uint32(int(hour-start+300*24)/24*(n/300) + i + 1)}
			b.Load(parties[random.IntN(len(parties))], hour, patient, 0)
			b.Load("site s", hour, patient, 0)
		}
	}
	b.Advance(at(start))
	return b, parties
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestMemory says what a book takes: the goal is 400 MB for 10,000,000 patients twice (-patients 10000000).
func TestMemory(t *testing.T) {
	before, began := heap(), time.Now()
	b, parties := hospital(*inWindows)
	loading := time.Since(began)
	used := heap() - before
	site := b.Count("site s", Year, at(start))
	t.Logf("%d patients of %d parties and of the site: %d MB, loaded in %s", site, len(parties), used>>20, loading.Round(time.Millisecond))
	if limit := uint64(len(parties)+1)*50_000 + uint64(site)*35; used > limit { // 400 MB for ten million
		t.Errorf("%d bytes, want at most %d", used, limit)
	}
	runtime.KeepAlive(b)
}

// BenchmarkCharge charges a party, its group, its role and the site with patients who were last seen in another hour: of a
// ward of 10,000, or of all that the windows hold, by any of 1,000 parties, so that hardly anything is in the cache.
func BenchmarkCharge(b *testing.B) {
	const ward = 10_000
	for _, patients := range []int{1, 9} {
		for _, far := range []bool{false, true} {
			b.Run(fmt.Sprintf("patients=%d/far=%t", patients, far), func(b *testing.B) {
				book, parties := hospital(*inWindows)
				random := rand.New(rand.NewPCG(2, 2))
				limits := Limits{1 << 30, 1 << 30, 1 << 30, 1 << 30}
				list := make([]uint32, patients)
				keys := []Keyed{{parties[0], limits}, {"group g", limits}, {"role r", limits}, {"site s", limits}}
				for i := range uint32(ward) {
					book.Charge(at(start), keys, []uint32{i + 1}, 0)
				}
				hour := int64(start)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					for j := range list {
						list[j] = 1 + random.Uint32N(ward)
						if far {
							list[j] = 1 + random.Uint32N(uint32(*inWindows))
						}
					}
					if far {
						keys[0].Key = parties[random.IntN(len(parties))]
					}
					if i%(ward/patients) == 0 {
						hour++
						book.Advance(at(hour))
					}
					if over := book.Charge(at(hour), keys, list, 0); over != nil {
						b.Fatal(over)
					}
				}
			})
		}
	}
}

// BenchmarkRefuse is a charge that is over its last key's limit.
func BenchmarkRefuse(b *testing.B) {
	book, parties := hospital(*inWindows)
	keys := []Keyed{{parties[0], Limits{}}, {"site s", Limits{Year: 1}}}
	for b.Loop() {
		if book.Charge(at(start), keys, []uint32{1 << 31}, 0) == nil {
			b.Fatal("charged")
		}
	}
}

func BenchmarkCount(b *testing.B) {
	book, _ := hospital(*inWindows)
	for b.Loop() {
		book.Count("site s", Year, at(start))
	}
}
