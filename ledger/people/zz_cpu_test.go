package people

import (
	"bytes"
	"chaperone"
	"chaperone/ledger"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

func cpu() int64 {
	var r syscall.Rusage
	syscall.Getrusage(1, &r)
	return r.Utime.Nano() + r.Stime.Nano()
}
func cpuAll() int64 {
	var r syscall.Rusage
	syscall.Getrusage(0, &r)
	return r.Utime.Nano() + r.Stime.Nano()
}
func TestCPU(tt *testing.T) {
	n := *people
	if n < 1000000 {
		tt.Skip()
	}
	m := func(name string, k int, f func()) {
		a := cpuAll()
		s := time.Now()
		f()
		fmt.Printf("%-20s cpu %d ns/op wall %d\n", name, (cpuAll()-a)/int64(k), time.Since(s).Nanoseconds()/int64(k))
	}
	var t *Table
	{
		t0 := New()
		toks := make([]chaperone.PatientToken, n)
		for i := range toks {
			toks[i] = random16(uint64(i))
		}
		m("add only", n, func() {
			for i := range toks {
				t0.Add(toks[i], false)
			}
		})
		t0 = New()
		m("add warm 1000", n, func() {
			for i := range toks {
				if i%1000 == 0 {
					t0.Warm(toks[i : i+1000])
				}
				t0.Add(toks[i], false)
			}
		})
	}
	t = hospital()
	tokens := drawTokens(n)
	m("find", len(tokens), func() {
		for i := range tokens {
			t.Find(tokens[i])
		}
	})
	m("find warm", 1000000, func() {
		for i := 0; i < 1000000; i += 1000 {
			t.Warm(tokens[i : i+1000])
			for j := range 1000 {
				t.Find(tokens[i+j])
			}
		}
	})
	asked := NewBits(ledger.Number(n))
	asked.AddRange(1, ledger.Number(n)+1)
	m("all", 10, func() {
		for range 10 {
			t.Answer(asked)
		}
	})
	for _, k := range []int{1, 3000, 20000, 100000, 1000000} {
		b := NewBits(ledger.Number(n))
		for range k {
			b.Add(ledger.Number(rand.IntN(n) + 1))
		}
		m(fmt.Sprint("answer ", k), 10, func() {
			for range 10 {
				t.Answer(b)
			}
		})
		m(fmt.Sprint("few ", k), 10, func() {
			for range 10 {
				t.answerFew(li(b))
			}
		})
		m(fmt.Sprint("many ", k), 10, func() {
			for range 10 {
				s := NewBits(ledger.Number(n))
				s.Or(b)
				t.answerMany(s)
			}
		})
	}
	seal, open := gcm()
	file := saved(tt, t, seal)
	for range 3 {
		m("load total cpu", 1, func() { Load(bytes.NewReader(file), int64(len(file)), open) })
	}
}
func li(b *Bits) (l []ledger.Number) { b.Each(func(n ledger.Number) { l = append(l, n) }); return }
