package people

import (
	"chaperone"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"testing"
	"time"
)

func TestAddProf(tt *testing.T) {
	n := *people
	if n < 1000000 {
		tt.Skip()
	}
	m := func(name string, k int, f func()) {
		a := cpuAll()
		f()
		fmt.Printf("%-20s cpu %d ns/op\n", name, (cpuAll()-a)/int64(k))
	}
	t0 := New()
	toks := make([]chaperone.PatientToken, n)
	for i := range toks {
		toks[i] = random16(uint64(i))
	}
	for k := 0; k < n; k += n / 10 {
		m(fmt.Sprint("add only ", k), n/10, func() {
			for i := range toks[k : k+n/10] {
				t0.Add(toks[k+i], false)
			}
		})
	}
}
func TestLoadProf(tt *testing.T) {
	if *people < 1000000 {
		tt.Skip()
	}
	t := hospital()
	seal, open := gcm()
	file := saved(tt, t, seal)
	f, _ := os.Create("/tmp/people.file")
	f.Write(file)
	f.Close()
	f, _ = os.Open("/tmp/people.file")
	fmt.Println(len(file)>>20, "MB")
	sz := int64(len(file))
	file = nil
	runtime.GC()
	debug.FreeOSMemory()
	pf, _ := os.Create("/tmp/load.prof")
	pprof.StartCPUProfile(pf)
	for range 5 {
		a := cpuAll()
		s := time.Now()
		Load(f, sz, open)
		fmt.Println("load cpu ms", (cpuAll()-a)/1e6, "wall", time.Since(s).Milliseconds())
		runtime.GC()
		debug.FreeOSMemory()
	}
	pprof.StopCPUProfile()
}
