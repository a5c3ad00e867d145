package people
import ("testing";"fmt")
func TestWarmSizes(tt *testing.T) {
 n := *people
 if n < 1000000 { tt.Skip() }
 m := func(name string, k int, f func()) { a := cpuAll(); f(); fmt.Printf("%-20s cpu %d ns/op\n", name, (cpuAll()-a)/int64(k)) }
  t0 := New()
  for i := range n { t0.Add(random16(uint64(i)), false) }
  tokens := drawTokens(n)
 for range 2 {
 m("find", len(tokens), func(){ for i := range tokens { t0.Find(tokens[i]) } })
 for _, k := range []int{16, 64,128,256,1024} {
 m(fmt.Sprint("warm only ",k), 1<<20, func(){ for i := 0; i<1<<20; i+=k { t0.Warm(tokens[i:i+k]) } })
 m(fmt.Sprint("find warm ",k), 1<<20, func(){ for i := 0; i<1<<20; i+=k { t0.Warm(tokens[i:i+k]); for j := range k { t0.Find(tokens[i+j]) } } })
 }}
}
