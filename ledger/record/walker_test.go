package record_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"chaperone/ledger"
	"chaperone/ledger/record"
)

// texts are frames as walk gives them.
func texts(frames [][]byte) []string {
	var all []string
	for _, f := range frames {
		all = append(all, string(f))
	}
	return all
}

func TestWalk(t *testing.T) {
	dir, all := write(t, 3, 1, 4)
	want := texts(all)
	end := record.Position{Segment: 2, Offset: int64(len(load(t, segment(dir, 2)))), Batch: 8}
	store(t, dir+"/notes.txt", nil)      // not a segment
	store(t, dir+"/3.seg", []byte("3"))  // nor this
	store(t, dir+"/a000000003.seg", nil) // nor this
	for from := uint64(0); from < 10; from++ {
		t.Run(fmt.Sprint("from ", from), func(t *testing.T) {
			got, at, err := walk(t, dir, record.WalkOptions{From: from})
			if !slices.Equal(got, want[min(from, 8):]) || err != nil || at != end {
				t.Errorf("got %d frames until %+v and %v, want %d until %+v", len(got), at, err, len(want)-int(from), end)
			}
		})
	}
	t.Run("headers only", func(t *testing.T) {
		got, at, err := walk(t, dir, record.WalkOptions{HeadersOnly: true})
		if len(got) != len(want) || err != nil || at != end {
			t.Fatalf("got %d frames until %+v and %v", len(got), at, err)
		}
		for i := range got {
			if got[i] != want[i][:record.HeaderSize] {
				t.Errorf("frame %d is not its header", i)
			}
		}
	})
	t.Run("where frames lie", func(t *testing.T) {
		w, err := record.Walk(dir, id, record.WalkOptions{From: 4})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = w.Close() }()
		f, err := w.Next()
		if err != nil || f.Segment != 2 || f.Offset != record.HeadSize || w.Before() != f.Before+uint64(f.Disclosures) {
			t.Fatalf("got segment %d, offset %d, %d before and %v", f.Segment, f.Offset, w.Before(), err)
		}
		file, err := record.OpenSegment(dir, 2)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		again, err := record.ReadFrame(file, f.Offset)
		if err != nil || again.Header != f.Header || again.Check(false) != nil || string(again.Entries) != string(f.Entries) {
			t.Errorf("read alone: got %+v and %v, want %+v", again.Header, err, f.Header)
		}
		if h, err := record.ReadHead(file); err != nil || h.Segment != 2 || h.First != 4 || h.ID != id {
			t.Errorf("head: got %+v and %v", h, err)
		}
	})
	t.Run("nothing there", func(t *testing.T) {
		for _, dir := range []string{t.TempDir(), dir + "/none"} {
			if got, at, err := walk(t, dir, record.WalkOptions{}); len(got) > 0 || err != nil || at != (record.Position{}) {
				t.Errorf("got %d frames until %+v and %v", len(got), at, err)
			}
		}
	})
}

// TestTorn cuts the last write off everywhere: the record ends before it, and the Walker says that a crash can explain it.
func TestTorn(t *testing.T) {
	dir, all := write(t, 2, 3)
	name := segment(dir, 1)
	whole := load(t, name)
	start := len(whole) - len(all[4])
	check := func(t *testing.T, b []byte, frames, follows int) {
		t.Helper()
		store(t, name, b)
		got, at, err := walk(t, dir, record.WalkOptions{})
		var d *record.Damage
		if !errors.As(err, &d) {
			t.Fatalf("got %v, want a Damage", err)
		}
		if !d.Torn || d.Follows != follows || d.Batch != uint64(frames) || d.Offset != at.Offset || d.File != name {
			t.Errorf("got %+v at %+v, want it torn in batch %d with %d following", d, at, frames, follows)
		}
		if !slices.Equal(got, texts(all[:frames])) {
			t.Errorf("got %d frames, want the first %d", len(got), frames)
		}
	}
	t.Run("cut off", func(t *testing.T) {
		for size := start + 1; size < len(whole); size++ {
			check(t, whole[:size], 4, 0)
		}
	})
	t.Run("zeros behind", func(t *testing.T) {
		for size := start + 1; size < len(whole); size += 7 {
			check(t, append(slices.Clone(whole[:size]), make([]byte, 512)...), 4, 0)
		}
	})
	t.Run("whole, and more zeros behind than a blank has", func(t *testing.T) {
		check(t, append(slices.Clone(whole), make([]byte, record.MaxBlank+1)...), 5, 0)
	})
	t.Run("whole, and something in the blank", func(t *testing.T) {
		b := append(slices.Clone(whole), make([]byte, 4096)...)
		b[len(b)-1] = 1
		check(t, b, 5, 0)
	})
	t.Run("garbage behind", func(t *testing.T) {
		check(t, append(slices.Clone(whole), strings.Repeat("CHB1 garbage ", 100)...), 5, 0)
	})
	t.Run("a hole within a group", func(t *testing.T) {
		b := slices.Clone(whole)
		clear(b[record.HeadSize+200 : record.HeadSize+210]) // in a part of batch 2
		check(t, b, 2, 2)
		clear(b[record.HeadSize : record.HeadSize+200]) // and its header
		check(t, b, 2, 2)
		clear(b[start+200:]) // and the end of the last
		check(t, b, 2, 1)
	})
	t.Run("no frame in the segment", func(t *testing.T) {
		check(t, whole[:record.HeadSize+5], 2, 0)
	})
	t.Run("head", func(t *testing.T) {
		for size := range record.HeadSize {
			check(t, whole[:size], 2, 0)
			check(t, make([]byte, size), 2, 0)
		}
		check(t, make([]byte, 4096), 2, 0)
	})
}

// TestDamage changes what no crash explains.
func TestDamage(t *testing.T) {
	type change func(t *testing.T, dir string)
	flip := func(n uint32, at int) change {
		return func(t *testing.T, dir string) {
			b := load(t, segment(dir, n))
			b[at] ^= 1
			store(t, segment(dir, n), b)
		}
	}
	cut := func(n uint32, size int) change {
		return func(t *testing.T, dir string) {
			store(t, segment(dir, n), load(t, segment(dir, n))[:size])
		}
	}
	_, all := write(t, 2, 2, 2)
	first := record.HeadSize + len(all[0])
	for _, test := range []struct {
		name    string
		change  change
		file    uint32
		offset  int
		frames  int
		follows int
	}{
		{"a header in an early segment", flip(0, record.HeadSize+20), 0, record.HeadSize, 0, 1},
		{"a part in an early segment", flip(0, first+150), 0, first, 1, 0},
		{"an early segment cut within a frame", cut(0, first+10), 0, first, 1, 0},
		{"an early segment cut within its head", cut(1, 10), 1, 0, 2, 0},
		{"an early segment cut between frames", cut(0, first), 1, 0, 1, 0},
		{"the head of the last segment", flip(2, 3), 2, 0, 4, 0},
		{"a segment removed", func(t *testing.T, dir string) {
			if err := os.Remove(segment(dir, 1)); err != nil {
				t.Fatal(err)
			}
		}, 1, 0, 2, 0},
		{"the first segment removed", func(t *testing.T, dir string) {
			if err := os.Remove(segment(dir, 0)); err != nil {
				t.Fatal(err)
			}
		}, 0, 0, 0, 0},
		{"two segments swapped", func(t *testing.T, dir string) {
			one, other := load(t, segment(dir, 1)), load(t, segment(dir, 2))
			store(t, segment(dir, 1), other)
			store(t, segment(dir, 2), one)
		}, 1, 0, 2, 0},
		{"another ledger's segment", func(t *testing.T, dir string) {
			h := record.Head{Version: record.Version, ID: [16]byte{9}, Segment: 2, First: 4}
			store(t, segment(dir, 2), h.Append(nil))
		}, 2, 0, 4, 0},
		{"another first batch", func(t *testing.T, dir string) {
			h := record.Head{Version: record.Version, ID: id, Segment: 2, First: 5}
			store(t, segment(dir, 2), h.Append(nil))
		}, 2, 0, 4, 0},
		{"a frame removed from the last segment", func(t *testing.T, dir string) {
			b := load(t, segment(dir, 2))
			store(t, segment(dir, 2), slices.Delete(b, record.HeadSize, record.HeadSize+len(all[4])))
		}, 2, record.HeadSize, 4, 0},
		{"another count of disclosures before", func(t *testing.T, dir string) {
			h, err := record.ParseHeader(all[4][:record.HeaderSize])
			if err != nil {
				t.Fatal(err)
			}
			h.Before++
			b := load(t, segment(dir, 2))
			h.Append(b[:record.HeadSize])
			store(t, segment(dir, 2), b)
		}, 2, record.HeadSize, 4, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, all := write(t, 2, 2, 2)
			test.change(t, dir)
			got, _, err := walk(t, dir, record.WalkOptions{})
			var d *record.Damage
			if !errors.As(err, &d) {
				t.Fatalf("got %v, want a Damage", err)
			}
			if d.Torn || d.File != segment(dir, test.file) || d.Offset != int64(test.offset) || d.Follows != test.follows {
				t.Errorf("got %+v, want segment %d at %d with %d following, not torn", d, test.file, test.offset, test.follows)
			}
			if !slices.Equal(got, texts(all[:test.frames])) {
				t.Errorf("got %d frames, want the first %d", len(got), test.frames)
			}
		})
	}
}

// TestAnyDamage flips, cuts and takes out of any segment: the Walker never gives a frame that was not written there, and
// is only silent about a tail that is gone as a whole.
func TestAnyDamage(t *testing.T) {
	dir, all := write(t, 2, 3)
	want := texts(all)
	files := [2][]byte{load(t, segment(dir, 0)), load(t, segment(dir, 1))}
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.IntRange(0, 1).Draw(t, "segment")
		b := damage(t, files[i])
		if err := os.WriteFile(segment(dir, uint32(i)), b, 0o600); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.WriteFile(segment(dir, uint32(i)), files[i], 0o600) }()
		w, err := record.Walk(dir, id, record.WalkOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = w.Close() }()
		count := 0
		for {
			f, err := w.Next()
			if err != nil {
				_, again := w.Next()
				var d *record.Damage
				silent := !errors.As(err, &d)
				if again != err || silent && !strings.HasPrefix(string(files[i]), string(b)) {
					t.Fatalf("got %v, then %v", err, again)
				}
				return
			}
			if got := string(f.Leaf) + string(f.Dictionary) + string(f.Entries); got != want[count] {
				t.Fatalf("frame %d is not what was written", count)
			}
			count++
		}
	})
}

func TestPurged(t *testing.T) {
	dir, all := write(t, 3)
	h, err := record.ParseHeader(all[1][:record.HeaderSize])
	if err != nil {
		t.Fatal(err)
	}
	b := load(t, segment(dir, 0))
	at := record.HeadSize + len(all[0])
	clear(b[at+int(h.EntriesAt()):][:h.EntriesSize])
	store(t, segment(dir, 0), b)
	purged := record.WalkOptions{Purged: func(d ledger.Day) bool { return d == day }}
	for _, test := range []struct {
		name    string
		options record.WalkOptions
		frames  int
	}{
		{"not purged", record.WalkOptions{}, 1},
		{"another day purged", record.WalkOptions{Purged: func(d ledger.Day) bool { return d != day }}, 1},
		{"purged", purged, 3},
		{"sums unchecked", record.WalkOptions{NoSums: true}, 3},
		{"headers only", record.WalkOptions{HeadersOnly: true}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, _, err := walk(t, dir, test.options)
			if len(got) != test.frames || (err == nil) != (test.frames == 3) {
				t.Errorf("got %d frames and %v, want %d", len(got), err, test.frames)
			}
		})
	}
	b[at+record.HeaderSize+40] ^= 1 // the dictionary stays
	store(t, segment(dir, 0), b)
	if got, _, err := walk(t, dir, purged); len(got) != 1 || err == nil {
		t.Errorf("a changed dictionary: got %d frames and %v, want 1 and an error", len(got), err)
	}
}

func TestNewer(t *testing.T) {
	dir, _ := write(t, 1, 1)
	store(t, segment(dir, 1), newerHead())
	got, _, err := walk(t, dir, record.WalkOptions{})
	if len(got) != 1 || !errors.Is(err, record.ErrNewer) || !strings.Contains(err.Error(), segment(dir, 1)) {
		t.Errorf("got %d frames and %v, want 1 and ErrNewer", len(got), err)
	}
}

func TestDamageSays(t *testing.T) {
	for _, test := range []struct {
		torn    bool
		follows int
		want    string
	}{
		{true, 0, "record: r/0000000002.seg at byte 64, batch 9: the file ends in a frame; a write may have been cut off here"},
		{true, 2, "record: r/0000000002.seg at byte 64, batch 9: the file ends in a frame; restore this file from a backup"},
		{false, 0, "record: r/0000000002.seg at byte 64, batch 9: the file ends in a frame; restore this file from a backup"},
	} {
		d := &record.Damage{File: "r/0000000002.seg", Offset: 64, Batch: 9, What: "the file ends in a frame", Torn: test.torn, Follows: test.follows}
		if got := d.Error(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
