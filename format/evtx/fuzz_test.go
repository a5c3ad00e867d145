package evtx

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"chaperone/format"
)

// FuzzReader reads any bytes as chunks, with their own checksums or with right ones: in bounded time and memory, the same
// in pieces, and with errors that are known.
func FuzzReader(f *testing.F) {
	paths, err := filepath.Glob("testdata/sigma/*.evtx")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no logs: %v", err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		l := log{b: b}
		f.Add(true, l.chunk(0)[:l.free(0)])
	}
	l := newLog(f)
	f.Add(false, l.b[:headerSize+l.record(0, 5)])
	f.Add(true, l.chunk(1)[:l.record(1, 4)+50])
	f.Fuzz(func(t *testing.T, right bool, b []byte) {
		if right && len(b) >= chunkHeader && len(b) <= chunkSize {
			b = append(bytes.Clone(b), make([]byte, chunkSize-len(b))...)
			copy(b, chunkMark)
			sum(b)
		}
		started := time.Now()
		r := NewReader(bytes.NewReader(b))
		read, size := 0, 0
		for {
			rec, err := r.Next()
			if err != nil {
				break // of a source that is all there: the end, or no log
			}
			read++
			if len(rec.Data) > workRecord/workToken || rec.Offset < 0 || rec.Offset >= int64(len(b)) {
				t.Fatalf("got %d fields at offset %d", len(rec.Data), rec.Offset)
			}
			for _, field := range rec.Data {
				size += len(field.Value)
			}
		}
		stats, chunks := r.Stats(), len(b)/chunkSize+1
		if read != stats.Records || stats.Carved > read || stats.Damaged+stats.Empty > 2*stats.Chunks {
			t.Fatalf("got %d records and %+v", read, stats)
		}
		if stats.Lost > 0 && r.Odd() == nil {
			t.Fatal("records are lost and nobody says so")
		}
		if err := r.Odd(); err != nil && !errors.Is(err, format.ErrMalformed) && !errors.Is(err, format.ErrLimit) {
			t.Fatalf("got %v, want a known error", err)
		}
		if took := time.Since(started); took > time.Duration(stats.Chunks+chunks)*time.Second {
			t.Fatalf("%d chunks took %v", stats.Chunks, took)
		}
		if most := (stats.Chunks + 1) * 4 * workChunk; size > most {
			t.Fatalf("got %d bytes of text", size)
		}
		if kept := cap(r.decoder.event.text); kept > 4*maxText {
			t.Fatalf("%d bytes are kept", kept)
		}
		if _, cut, _ := readAll(iotest.HalfReader(bytes.NewReader(b))); cut != stats {
			t.Fatalf("read in pieces: got %+v, want %+v", cut, stats)
		}
	})
}
