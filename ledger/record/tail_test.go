package record_test

import (
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"chaperone/ledger/record"
)

// sizeOf gives how long a segment is.
func sizeOf(t *testing.T, dir string, n uint32) int64 {
	t.Helper()
	info, err := os.Stat(segment(dir, n))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestBlank appends small frames: the file grows ahead of them, and a record that ends in a blank reads as one without.
func TestBlank(t *testing.T) {
	dir, all := t.TempDir(), frames(200)
	w := openAt(t, dir, record.Position{})
	grown, size := 0, int64(0)
	for i := range all {
		if _, err := w.Append(all[i]); err != nil {
			t.Fatal(err)
		}
		if now := sizeOf(t, dir, 0); now != size {
			grown, size = grown+1, now
		}
		if blank := w.Blank(); blank < 0 || blank > record.MaxBlank || w.At().Offset+blank != size {
			t.Fatalf("frame %d: got a blank of %d bytes behind %d, and the file has %d", i, blank, w.At().Offset, size)
		}
	}
	if grown > 6 {
		t.Errorf("the file grew %d times with %d frames", grown, len(all))
	}
	if got, at, err := walk(t, dir, record.WalkOptions{}); err != nil || at != w.At() || !slices.Equal(got, texts(all)) {
		t.Errorf("got %d frames until %+v and %v, want %d until %+v", len(got), at, err, len(all), w.At())
	}
	if err := w.Trim(); err != nil || w.Blank() != 0 || sizeOf(t, dir, 0) != w.At().Offset {
		t.Errorf("trimmed: got %v and %d bytes, want %d", err, sizeOf(t, dir, 0), w.At().Offset)
	}
}

// TestBlankIsTakenBack looks at segments that are complete, and at frames that are large.
func TestBlankIsTakenBack(t *testing.T) {
	dir, all := t.TempDir(), frames(4)
	w := openAt(t, dir, record.Position{})
	for i := range 3 {
		if _, err := w.Append(all[i]); err != nil {
			t.Fatal(err)
		}
		w.Roll()
	}
	for n := range uint32(2) {
		if got, want := sizeOf(t, dir, n), record.HeadSize+int64(len(all[n])); got != want {
			t.Errorf("segment %d: got %d bytes, want %d", n, got, want)
		}
	}
	large := t.TempDir()
	w = openAt(t, large, record.Position{})
	if _, err := w.Append(frames(200)...); err != nil || w.Blank() != 0 {
		t.Errorf("behind a large frame: got %v and a blank of %d bytes, want none", err, w.Blank())
	}
}

// TestBlankLeft opens what a crash leaves: the blank has to be cut off first.
func TestBlankLeft(t *testing.T) {
	for _, size := range []int{1, record.HeaderSize - 1, record.HeaderSize, 4096, record.MaxBlank} {
		for _, o := range []record.WalkOptions{{}, {HeadersOnly: true}, {From: 3}, {From: 7}} {
			dir, all := write(t, 2, 2)
			end := sizeOf(t, dir, 1)
			store(t, segment(dir, 1), append(load(t, segment(dir, 1)), make([]byte, size)...))
			w, err := record.Walk(dir, id, o)
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = w.Next()
			}
			_, again := w.Next()
			at := w.At()
			if err != io.EOF || again != io.EOF || w.Blank() != int64(size) || at.Offset != end || at.Batch != uint64(len(all)) {
				t.Fatalf("%d zeros, %+v: got %v, then %v, at %+v and a blank of %d bytes", size, o, err, again, at, w.Blank())
			}
			if _, err := record.OpenAt(dir, id, at); err == nil {
				t.Fatalf("%d zeros: it was opened", size)
			}
			if err := errors.Join(w.Close(), record.Cut(dir, at)); err != nil {
				t.Fatal(err)
			}
			if more := openAt(t, dir, at); more.Blank() != 0 || sizeOf(t, dir, 1) != end {
				t.Fatalf("%d zeros: it was not cut", size)
			}
		}
	}
	dir, _ := write(t, 2, 2)
	store(t, segment(dir, 0), append(load(t, segment(dir, 0)), make([]byte, 4096)...))
	var d *record.Damage
	if got, _, err := walk(t, dir, record.WalkOptions{}); !errors.As(err, &d) || d.Torn || len(got) != 2 {
		t.Errorf("in an early segment: got %d frames and %v, want damage that no crash explains", len(got), err)
	}
}
