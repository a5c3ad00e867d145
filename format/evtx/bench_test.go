package evtx

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// BenchmarkReader reads a log of 20000 events of several kinds.
func BenchmarkReader(b *testing.B) {
	log := written(b, 20_000)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(bytes.NewReader(log))
		for {
			if _, err := r.Next(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
		if n := r.Stats().Records; n != 20_000 {
			b.Fatalf("got %d records", n)
		}
	}
}
