package record_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"chaperone/ledger/record"
)

const pairs = 9 // numbers of a disclosure

// BenchmarkBuild encodes and seals batches of 5,000 disclosures.
func BenchmarkBuild(b *testing.B) {
	const batch = 5000
	d := disclosure(1)
	var builder record.Builder
	var frame, entry []byte
	for b.Loop() {
		for range batch {
			entry = record.AppendDisclosure(entry[:0], day, &d)
			builder.Entry(entry)
		}
		var err error
		if frame, _, err = builder.Frame(frame[:0], record.Header{}, nil, dayKey); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(batch*pairs*b.N)/b.Elapsed().Seconds()/1e6, "Mpairs/s")
	b.ReportMetric(float64(len(frame))/batch/pairs, "B/pair")
}

// BenchmarkSmall seals batches of 5 disclosures.
func BenchmarkSmall(b *testing.B) {
	d := disclosure(1)
	entry := record.AppendDisclosure(nil, day, &d)
	var builder record.Builder
	var frame []byte
	for b.Loop() {
		for range 5 {
			builder.Entry(entry)
		}
		var err error
		if frame, _, err = builder.Frame(frame[:0], record.Header{}, nil, dayKey); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(frame)), "B/frame")
}

// BenchmarkBlock opens single blocks of a part at random places, in memory.
func BenchmarkBlock(b *testing.B) {
	f := seal(b, 0, 2500) // and as many notes
	file := bytes.NewReader(slices.Concat(f.Leaf, f.Dictionary, f.Entries))
	opened, err := record.ReadPart(file, f.EntriesAt(), len(f.Entries), dayKey)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("of an opened part", func(b *testing.B) {
		var scratch []byte
		for b.Loop() {
			if scratch, err = opened.Block(file, rand.IntN(opened.Blocks()), scratch); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("with opening the part", func(b *testing.B) {
		var scratch []byte
		for b.Loop() {
			opened, err := record.ReadPart(file, f.EntriesAt(), len(f.Entries), dayKey)
			if err != nil {
				b.Fatal(err)
			}
			if scratch, err = opened.Block(file, rand.IntN(opened.Blocks()), scratch); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRead walks over a record, opens and decodes all of it.
func BenchmarkRead(b *testing.B) {
	const batch, batches = 5000, 40
	dir := b.TempDir()
	w, err := record.OpenAt(dir, id, record.Position{})
	if err != nil {
		b.Fatal(err)
	}
	var builder record.Builder
	for i := range uint64(batches) {
		for j := range batch {
			d := disclosure(j)
			builder.Entry(record.AppendDisclosure(nil, day, &d))
		}
		frame, _, err := builder.Frame(nil, record.Header{Batch: i, Before: i * batch}, nil, dayKey)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Append(frame); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	for name, open := range map[string]bool{"checked": false, "decoded": true} {
		b.Run(name, func(b *testing.B) {
			var e record.Entry
			for b.Loop() {
				w, err := record.Walk(dir, id, record.WalkOptions{})
				if err != nil {
					b.Fatal(err)
				}
				for {
					f, err := w.Next()
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					b.SetBytes(w.At().Offset)
					if !open {
						continue
					}
					part, err := record.OpenPart(f.Entries, dayKey)
					if err != nil {
						b.Fatal(err)
					}
					if err := part.Each(func(entry []byte) error { return record.Decode(entry, day, &e) }); err != nil {
						b.Fatal(err)
					}
				}
				_ = w.Close()
			}
			b.ReportMetric(float64(batch*batches*pairs*b.N)/b.Elapsed().Seconds()/1e6, "Mpairs/s")
		})
	}
}
