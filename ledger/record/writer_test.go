package record_test

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"chaperone/ledger/record"
)

// newerHead is a head of the version after this one.
func newerHead() []byte {
	h := record.Head{Version: record.Version + 1, ID: id, Segment: 1, First: 1}
	return h.Append(nil)
}

func openAt(t *testing.T, dir string, at record.Position) *record.Writer {
	t.Helper()
	w, err := record.OpenAt(dir, id, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func TestWriterGoesOn(t *testing.T) {
	dir, all := t.TempDir(), frames(9)
	var at record.Position
	for i := 0; i < 9; i += 3 { // opened anew each time
		w := openAt(t, dir, at)
		place, err := w.Append(slices.Concat(all[i], all[i+1]), all[i+2])
		if err != nil || place.Batch != uint64(i) || place.Offset < record.HeadSize {
			t.Fatalf("got %+v and %v", place, err)
		}
		if err := errors.Join(w.Sync(), w.Trim(), w.Close()); err != nil {
			t.Fatal(err)
		}
		var got []string
		if got, at, err = walk(t, dir, record.WalkOptions{}); err != nil || !slices.Equal(got, texts(all[:i+3])) {
			t.Fatalf("got %d frames and %v, want %d", len(got), err, i+3)
		}
		if at != w.At() {
			t.Errorf("the walk ends at %+v, the writer at %+v", at, w.At())
		}
	}
	if segments, err := record.Segments(dir); err != nil || len(segments) != 1 {
		t.Errorf("got segments %v and %v, want one", segments, err)
	}
}

func TestWriterRolls(t *testing.T) {
	dir, all := t.TempDir(), frames(9)
	w := openAt(t, dir, record.Position{})
	w.Limit = record.HeadSize + int64(len(all[0])+len(all[1]))
	w.Roll() // nothing to begin anew yet
	for i, want := range []uint32{0, 0, 1, 2, 2, 3, 4, 4, 5} {
		if i == 8 {
			w.Limit = 0
			w.Roll()
		}
		if at, err := w.Append(all[i]); err != nil || at.Segment != want {
			t.Fatalf("frame %d: got segment %d and %v, want %d", i, at.Segment, err, want)
		}
	}
	if got, at, err := walk(t, dir, record.WalkOptions{}); err != nil || !slices.Equal(got, texts(all)) || at != w.At() {
		t.Errorf("got %d frames until %+v and %v, want %d", len(got), at, err, len(all))
	}
}

// TestWriterRefuses gives it what does not follow: nothing is written, and it goes on.
func TestWriterRefuses(t *testing.T) {
	dir, all := t.TempDir(), frames(4)
	w := openAt(t, dir, record.Position{})
	if _, err := w.Append(all[0]); err != nil {
		t.Fatal(err)
	}
	for name, group := range map[string][][]byte{
		"the same batch":     {all[0]},
		"a batch left out":   {all[1], all[3]},
		"a part of a header": {all[1][:50]},
		"a part of a frame":  {all[1], all[2][:200]},
		"no frame":           {[]byte(strings.Repeat("x", 200))},
	} {
		before := w.At()
		if _, err := w.Append(group...); err == nil || w.At() != before {
			t.Errorf("%s: got %v at %+v, want an error at %+v", name, err, w.At(), before)
		}
	}
	if _, err := w.Append(); err != nil {
		t.Errorf("nothing: got %v", err)
	}
	if _, err := w.Append(all[1:]...); err != nil {
		t.Error(err)
	}
	if got, _, err := walk(t, dir, record.WalkOptions{}); err != nil || len(got) != 4 {
		t.Errorf("got %d frames and %v, want 4", len(got), err)
	}
}

// TestWriterDies lets a new segment fail: from then on every call gives the same error.
func TestWriterDies(t *testing.T) {
	dir, all := t.TempDir(), frames(3)
	w := openAt(t, dir, record.Position{})
	if _, err := w.Append(all[0]); err != nil {
		t.Fatal(err)
	}
	store(t, segment(dir, 1), nil) // in the way
	w.Roll()
	_, first := w.Append(all[1])
	if !errors.Is(first, os.ErrExist) || !strings.Contains(first.Error(), segment(dir, 1)) {
		t.Fatalf("got %v, want that the file exists", first)
	}
	_, again := w.Append(all[1])
	for _, err := range []error{again, w.Sync(), w.Settle(0), w.Trim()} {
		if err != first {
			t.Errorf("got %v, want %v", err, first)
		}
	}
	if err := w.Close(); err != nil { // so that it can be opened anew
		t.Error(err)
	}
}

func TestWriterClosed(t *testing.T) {
	w := openAt(t, t.TempDir(), record.Position{})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := w.Append(frames(1)...)
	for _, err := range []error{err, w.Sync(), w.Settle(0), w.Trim()} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v, want os.ErrClosed", err)
		}
	}
}

// TestCut goes from every torn tail back to a record that takes more.
func TestCut(t *testing.T) {
	for size := 0; size < 700; size += 13 {
		dir, all := write(t, 2, 1)
		b := load(t, segment(dir, 1))
		store(t, segment(dir, 1), b[:min(size, len(b)-1)])
		_, at, err := walk(t, dir, record.WalkOptions{})
		if _, err := record.OpenAt(dir, id, at); err == nil && size != record.HeadSize {
			t.Fatal("it was opened at a torn tail")
		}
		var d *record.Damage
		if size != record.HeadSize && (!errors.As(err, &d) || !d.Torn) {
			t.Fatalf("%d bytes: got %v", size, err)
		}
		if err := record.Cut(dir, at); err != nil {
			t.Fatal(err)
		}
		w := openAt(t, dir, at)
		if _, err := w.Append(all[2]); err != nil {
			t.Fatal(err)
		}
		if got, _, err := walk(t, dir, record.WalkOptions{}); err != nil || !slices.Equal(got, texts(all)) {
			t.Fatalf("%d bytes: got %d frames and %v, want 3", size, len(got), err)
		}
	}
}

func TestCutRefuses(t *testing.T) {
	dir, _ := write(t, 2, 1)
	size := int64(len(load(t, segment(dir, 1))))
	for name, at := range map[string]record.Position{
		"an early segment":            {Segment: 0, Offset: record.HeadSize},
		"behind the end":              {Segment: 1, Offset: size + 1},
		"a segment that is not there": {Segment: 2, Offset: record.HeadSize},
	} {
		if err := record.Cut(dir, at); err == nil {
			t.Errorf("%s: it was cut", name)
		}
	}
	if got, _, err := walk(t, dir, record.WalkOptions{}); err != nil || len(got) != 3 {
		t.Errorf("got %d frames and %v, want 3", len(got), err)
	}
}

func TestOpenAtRefuses(t *testing.T) {
	dir, _ := write(t, 2, 1)
	_, end, err := walk(t, dir, record.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	early, short, later := end, end, end
	early.Segment, short.Offset, later.Segment = 0, end.Offset-1, 5
	for name, at := range map[string]record.Position{
		"an early segment": early, "before the end": short, "a later segment": later, "the beginning": {},
	} {
		if _, err := record.OpenAt(dir, id, at); err == nil {
			t.Errorf("%s: it was opened", name)
		}
	}
	if _, err := record.OpenAt(dir, [16]byte{9}, end); err == nil {
		t.Error("another ledger's record was opened")
	}
}

func TestSettle(t *testing.T) {
	dir, all := write(t, 2)
	_, end, err := walk(t, dir, record.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w := openAt(t, dir, end)
	if err := w.Settle(record.HeadSize + 100); err != nil {
		t.Fatal(err)
	}
	if got, at, err := walk(t, dir, record.WalkOptions{}); err != nil || !slices.Equal(got, texts(all)) || at != end {
		t.Errorf("got %d frames until %+v and %v", len(got), at, err)
	}
}

func TestPunch(t *testing.T) {
	name := t.TempDir() + "/file"
	want := []byte(strings.Repeat("x", 3*4096))
	store(t, name, want)
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, size := range []int64{0, 4096} {
		if err := record.Punch(f, 4096, size); err != nil {
			t.Fatal(err)
		}
	}
	got := load(t, name)
	clear(want[4096:8192])
	if !slices.Equal(got, want) && (runtime.GOOS == "linux" && got[4096] != 'x' || len(got) != len(want)) {
		t.Error("the file is neither punched nor as it was")
	}
}
