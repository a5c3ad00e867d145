package dicom

import (
	"errors"
	"math/rand/v2"
	"testing"

	"chaperone/format"
)

// fuzzed are the encodings, by the first byte of a fuzzer's input.
var fuzzed = []Syntax{{Implicit: true}, {}, {BigEndian: true}, {Deflated: true}, {Guess: true}}

// FuzzDataSet walks any bytes in any encoding: the same wherever they are cut, with little memory, and clones are apart.
func FuzzDataSet(f *testing.F) {
	for _, file := range peerFiles(f) {
		if len(file.data) > 3000 {
			continue
		}
		for i, s := range fuzzed {
			if s == file.syntax {
				f.Add(byte(i), uint64(i), file.data)
			}
		}
	}
	f.Add(byte(3), uint64(9), deflate(explicitLE.sequence(0x00091001, "UN", true, implicitLE.id("ID12"))))
	f.Fuzz(func(t *testing.T, syntax byte, seed uint64, data []byte) {
		s := fuzzed[int(syntax)%len(fuzzed)]
		whole := walk(s, data)
		kept := 0
		for _, e := range whole.Elements {
			kept += len(e.Value)
		}
		if kept > maxKept || len(whole.Elements) > maxElements || cap(whole.open) > 2*2*64 {
			t.Fatalf("kept %d bytes in %d elements, %d levels", kept, len(whole.Elements), cap(whole.open))
		}
		if err := whole.Odd(); err != nil && !errors.Is(err, format.ErrMalformed) && !errors.Is(err, format.ErrLimit) {
			t.Fatalf("got %v, want a known error", err)
		}
		if len(Records(whole.Elements)) == 0 || len(Keys(whole.Elements)) > MaxKeys+maxElements {
			t.Fatal("no record, or too many keys")
		}

		r := rand.New(rand.NewPCG(seed, 7))
		w := NewWalker(s, 64, Identifying)
		passed := -1 // elements when the identity had passed
		for rest := data; len(rest) > 0; {
			n := 1 + r.IntN(min(len(rest), 1+r.IntN(64)))
			if r.IntN(8) == 0 { // go on with a clone; what the original reads must not matter
				other := w
				w = other.Clone()
				other.Write(data[len(data)-n:])
				other.Finish()
			}
			w.Write(rest[:n:n])
			rest = rest[n:]
			if until := len(w.Until(0x10)); w.Passed(0x10) && passed < 0 {
				passed = until
			} else if passed >= 0 && until != passed {
				t.Fatalf("the identity had %d elements and has %d", passed, until)
			}
		}
		w.Finish()
		if got, want := show(w), show(whole); got != want {
			t.Fatalf("cut differently: got %q, want %q", got, want)
		}
		if got, want := w.Odd(), whole.Odd(); (got == nil) != (want == nil) || got != nil && got.Error() != want.Error() {
			t.Fatalf("cut differently: got %v, want %v", got, want)
		}
	})
}
