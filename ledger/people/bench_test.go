package people

import (
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// people is how many identifiers the benchmarks take: small by default; the goal is for 10,000,000.
var people = flag.Int("people", 100_000, "identifiers in benchmarks")

// hospital is one table for all benchmarks: a fifth of the identifiers are in pairs, 3 % share a demographic with another,
// one in 10,000 is merged. It says how much memory it takes.
var hospital = sync.OnceValue(func() *Table {
	before := heap()
	n := *people
	random := rand.New(rand.NewPCG(1, 1))
	t := New()
	start := time.Now()
	for i := range n {
		t.Alike(random16(uint64(i)|1<<60), t.Add(random16(uint64(i)), i%1000 == 0))
	}
	adding := time.Since(start)
	for i := range n / 10 {
		t.Join(ledger.Number(10*i+1), ledger.Number(10*i+2))
	}
	for i := range n * 3 / 100 {
		t.Alike(random16(uint64(random.IntN(n))|1<<60), ledger.Number(33*i+5))
	}
	for range n / 10_000 {
		a, b := ledger.Number(random.IntN(n)+1), ledger.Number(random.IntN(n)+1)
		t.Merge([]ledger.Number{a}, []ledger.Number{b}, false, time.UnixMicro(1))
	}
	start = time.Now()
	t.Ready()
	println("people:", n, "MB:", (heap()-before)>>20, "ns to add one and its demographic:", adding.Nanoseconds()/int64(n),
		"µs to get ready:", time.Since(start).Microseconds())
	return t
})

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// random16 makes the i-th token, spread as digests are (the steps of SplitMix64).
func random16(i uint64) (t chaperone.PatientToken) {
	for half := range 2 {
		z := i*2*0x9e3779b97f4a7c15 + uint64(half+1)*0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		for j := range 8 {
			t[8*half+j] = byte(z >> (8 * j))
		}
	}
	return t
}

func BenchmarkFind(b *testing.B) {
	t := hospital()
	tokens := drawTokens(*people)
	for i := 0; b.Loop(); i++ {
		if _, ok := t.Find(tokens[i%len(tokens)]); !ok {
			b.Fatal("a token is lost")
		}
	}
}

func BenchmarkFindMissing(b *testing.B) {
	t := hospital()
	tokens := drawTokens(*people)
	for i := range tokens {
		tokens[i][3]++
	}
	for i := 0; b.Loop(); i++ {
		t.Find(tokens[i%len(tokens)])
	}
}

// BenchmarkFindWarm finds tokens in batches of 128 that were warmed; the time is for one token.
func BenchmarkFindWarm(b *testing.B) {
	t := hospital()
	tokens := drawTokens(*people)
	const batch = 128
	for i := 0; b.Loop(); i++ {
		at := i % len(tokens)
		if at%batch == 0 {
			t.Warm(tokens[at : at+batch])
		}
		t.Find(tokens[at])
	}
}

func drawTokens(n int) []chaperone.PatientToken {
	random := rand.New(rand.NewPCG(3, 3))
	tokens := make([]chaperone.PatientToken, 1<<20)
	for i := range tokens {
		tokens[i] = random16(uint64(random.IntN(n)))
	}
	return tokens
}

func BenchmarkAnswer(b *testing.B) {
	for _, test := range []struct {
		name  string
		asked int
	}{{"of 1", 1}, {"of 3000", 3000}, {"of a tenth", *people / 10}, {"of all", *people}} {
		b.Run(test.name, func(b *testing.B) {
			t := hospital()
			asked := NewBits(ledger.Number(t.Len()))
			if test.asked == *people {
				asked.AddRange(1, ledger.Number(*people)+1)
			}
			random := rand.New(rand.NewPCG(4, 4))
			for asked.Len() < test.asked {
				for range test.asked - asked.Len() {
					asked.Add(ledger.Number(random.IntN(*people) + 1))
				}
			}
			for b.Loop() {
				t.Answer(asked)
			}
		})
	}
}

// BenchmarkJoinAndAnswer asks after each statement that is new, as while recording.
func BenchmarkJoinAndAnswer(b *testing.B) {
	t := New()
	for i := range *people {
		t.Add(random16(uint64(i)), false)
		if i%5 == 1 {
			t.Join(ledger.Number(i), ledger.Number(i+1))
		}
	}
	asked := NewBits(ledger.Number(*people))
	asked.AddRange(1, 3000)
	for b.Loop() {
		n := t.Add(random16(uint64(t.Len())), false)
		t.Join(n-1, n)
		t.Answer(asked)
	}
}

func BenchmarkEverybody(b *testing.B) {
	t := hospital()
	for i := 0; b.Loop(); i++ {
		t.Everybody(ledger.Number(i**people/1000%*people) + 1)
	}
}

func BenchmarkSave(b *testing.B) {
	t := hospital()
	seal, _ := gcm()
	for b.Loop() {
		if err := t.Save(io.Discard, seal); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	seal, open := gcm()
	path := filepath.Join(b.TempDir(), "people")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := hospital().Save(f, seal); err != nil {
		b.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	for b.Loop() {
		t, _, err := Load(f, info.Size(), open)
		if err != nil {
			b.Fatal(err)
		}
		t.Ready()
	}
}
