package verify

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestUntouched is the control of all others: nothing is wrong with a ledger that nobody touched, and verifying it does not
// change a byte.
func TestUntouched(t *testing.T) {
	h := newHouse(t, true)
	h.week(4)
	before := map[string][]byte{}
	for _, name := range h.files() {
		before[name] = h.read(name)
	}
	r := h.verify(func(o *Options) { o.Deep, o.Verifier = true, h.verify(offline).Verifier })
	h.whole(r)
	if len(r.Warnings) > 0 {
		t.Errorf("got warnings %q", r.Warnings)
	}
	if r.Batches != 17 || r.Disclosures != 96 || r.Sealed != r.Batches || r.Witnessed != r.Batches || len(r.Purged) != 1 || !r.Opened || !r.Closed || !r.Recounted || !r.Outside {
		t.Errorf("got %+v", r)
	}
	if said := strings.Join(r.Vouched(), " "); !strings.Contains(said, "east saw all 17 batches (1 of 1") {
		t.Errorf("got %q", said)
	}
	for _, name := range h.files() {
		if !bytes.Equal(before[name], h.read(name)) {
			t.Errorf("%s was changed", name)
		}
	}
}

// last gives the name of the last segment and where its frames begin.
func (h *house) last() (name string, frames []int64) {
	h.Helper()
	all, err := filepath.Glob(h.path("record/*.seg"))
	h.must(err)
	name = "record/" + filepath.Base(all[len(all)-1])
	return name, h.frames(name)
}

func TestDeleteTail(t *testing.T) {
	whole := newHouse(t, true)
	whole.week(2)
	older := whole.copied(t) // as it was the day before
	whole.week(1)
	for _, test := range []struct {
		name   string
		change func(h *house)
		file   string
		words  string
	}{
		{"the last batch", func(h *house) {
			name, frames := h.last()
			h.must(os.Truncate(h.path(name), frames[len(frames)-2]))
		}, "log/checkpoint", "shorter than what was signed"},
		{"and what the close said", func(h *house) {
			name, frames := h.last()
			h.must(os.Truncate(h.path(name), frames[len(frames)-2]))
			h.remove("closed", "index", "people")
		}, "log/checkpoint", "shorter than what was signed"},
		{"the last segment", func(h *house) {
			name, _ := h.last()
			h.remove(name)
		}, "log/checkpoint", "shorter than what was signed"},
		{"a segment in the middle", func(h *house) { h.remove("record/0000000001.seg") }, "record/0000000001.seg", "missing"},
		{"and the checkpoint", func(h *house) {
			name, _ := h.last()
			h.remove(name, "log/checkpoint", "closed")
		}, "log/checkpoint", "witnesses cosigned"},
		{"and every trace of it on this host", func(h *house) { h.restore(older.dir) }, "log/checkpoint", "shorter than what was signed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := whole.copied(t)
			h.whole(h.verify())
			test.change(h)
			h.noticed(h.verify(), test.file, test.words)
		})
	}
}

func TestTruncate(t *testing.T) {
	whole := newHouse(t, true)
	whole.week(3)
	name, frames := whole.last()
	for _, size := range []int64{0, 63, 64, 65, frames[1] + 1, frames[1] + 127, frames[1] + 128, frames[2] - 1, frames[len(frames)-1] - 1} {
		h := whole.copied(t)
		h.must(os.Truncate(h.path(name), size))
		r := h.verify(offline)
		if h.noticed(r, "", ""); r.Problems[0].File != name && r.Problems[0].File != "log/checkpoint" {
			t.Errorf("cut at %d: got %v", size, r.Problems[0])
		}
	}
	h := whole.copied(t)
	h.must(os.Truncate(h.path("record/0000000001.seg"), frames[1]))
	h.noticed(h.verify(), "record/0000000002.seg", "begins with batch")
}

// TestFlip flips bits in every file. Left out are those that say nothing: the lock, the space kept free, what a witness is
// called here and where it is.
func TestFlip(t *testing.T) {
	h := newHouse(t, true)
	h.week(2)
	h.whole(h.verify(offline))
	flips := 0
	for _, name := range h.files() {
		if name == "lock" || name == "reserve" {
			continue
		}
		good := h.read(name)
		if len(good) == 0 { // what it says is its name
			continue
		}
		places := []int{0, len(good) / 7, len(good) / 3, len(good) / 2, len(good) - 1}
		switch {
		case name == "witnesses":
			key := bytes.LastIndexByte(good, ' ')
			places = []int{5, key + 1, key + 20, key + 30, len(good) - 2}
		case strings.HasPrefix(name, "record/"):
			for _, at := range h.frames(name) {
				if at < int64(len(good)) {
					places = append(places, int(at), int(at)+10, int(at)+100)
				}
			}
		case strings.HasPrefix(name, "keys/"):
			places = append(places, 60, 4096+60, 4095)
		}
		for _, at := range places {
			bad := bytes.Clone(good)
			bad[at] ^= 0x04
			h.write(name, bad)
			flips++
			r := h.verify(offline)
			if r.Whole() {
				t.Errorf("%s, byte %d: not noticed", name, at)
			} else if first := r.Problems[0]; first.File != name && first.File != "log/cosigned" {
				t.Errorf("%s, byte %d: the first problem is %v", name, at, first)
			} else if strings.HasPrefix(name, "record/") && first.Offset > int64(at) {
				t.Errorf("%s, byte %d: the first problem is behind it: %v", name, at, first)
			}
		}
		h.write(name, good)
	}
	h.whole(h.verify(offline))
	t.Logf("%d bits", flips)
}

// TestSwap swaps every two files that are not the same.
func TestSwap(t *testing.T) {
	h := newHouse(t, true)
	h.week(2)
	h.whole(h.verify())
	var names []string
	index := 0
	for _, name := range h.files() {
		if strings.HasPrefix(name, "index/") {
			index++
		}
		if index < 4 || !strings.HasPrefix(name, "index/") { // those of the index are all compared in one way
			names = append(names, name)
		}
	}
	for i, one := range names {
		for _, two := range names[:i] {
			a, b := h.read(one), h.read(two)
			if bytes.Equal(a, b) || one == "lock" || two == "lock" {
				continue
			}
			h.write(one, b)
			h.write(two, a)
			if r := h.verify(offline); r.Whole() {
				t.Errorf("%s and %s: not noticed", one, two)
			}
			h.write(one, a)
			h.write(two, b)
		}
	}
}

func TestYesterdayAndAppend(t *testing.T) {
	h := newHouse(t, true)
	h.week(2)
	yesterday := h.copied(t)
	h.week(1)
	h.whole(h.verify())
	for _, days := range []int{0, 1, 2} { // shorter than the one that the witness saw, as long, longer
		h.restore(yesterday.dir)
		h.client = cut
		h.n = 1000 * (days + 1)
		h.week(days)
		r := h.verify()
		h.noticed(r, "log/checkpoint", "witness east")
		if days > 0 {
			said(h, r, "not the one that was signed")
		}
		if days == 1 { // two roots of one size: the witness has both, signed
			kept, err := filepath.Glob(filepath.Join(filepath.Dir(h.dir), "witness", "forks", "*"))
			h.must(err)
			if len(kept) != 1 {
				t.Fatalf("got %d pieces of evidence at the witness, want one", len(kept))
			}
			b, err := os.ReadFile(kept[0])
			h.must(err)
			if size := fmt.Sprintf("%s\n%d\n", r.Origin, r.Sealed); bytes.Count(b, []byte(size)) != 2 {
				t.Errorf("not two checkpoints of %d batches:\n%s", r.Sealed, b)
			}
		}
	}
}

// TestForkAndResign has all keys of the host and writes another history with them.
func TestForkAndResign(t *testing.T) {
	h := newHouse(t, true)
	empty := h.copied(t)
	h.week(2)
	h.whole(h.verify())
	outside := t.TempDir()
	h.must(os.WriteFile(filepath.Join(outside, "witnesses"), h.read("witnesses"), 0o600))

	h.restore(empty.dir)
	h.client, h.now, h.n = cut, monday, 500
	h.week(2)
	h.noticed(h.verify(), "log/checkpoint", "not the one that was signed")

	// Without a witness nothing can show, and the report must say that nobody vouches.
	h.remove("witnesses")
	r := h.verify()
	h.whole(r)
	if said := strings.Join(r.Vouched(), " "); !strings.Contains(said, "Nobody outside vouches") || !strings.Contains(said, "Self-declared") {
		t.Errorf("got %q", said)
	}
	h.noticed(h.verify(func(o *Options) { o.Witnesses = outside }), "log/checkpoint", "not the one that was signed")
}

// TestStopped ends the recording by force: that is no damage, and it is said.
func TestStopped(t *testing.T) {
	h := newHouse(t, true)
	h.week(1)
	l := h.open()
	h.record(l, h.batch(4))
	if _, err := Run(context.Background(), Options{Dir: h.dir, Keys: h.keys}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("verifying a ledger that records: got %v", err)
	}
	image := h.copied(t) // what a killed process leaves
	h.must(l.Close())
	h.whole(h.verify())
	r := image.verify(offline)
	h.whole(r)
	said(h, r, "not closed cleanly")
	said(h, r, "not under a signature")
	if r.Closed || r.Sealed >= r.Batches || r.Since.IsZero() {
		t.Errorf("got %+v", r)
	}
	name, frames := image.last()
	image.must(os.Truncate(image.path(name), frames[len(frames)-1]-5))
	r = image.verify(offline)
	h.whole(r)
	said(h, r, "the last write was cut off")
}

// TestZerosBehind appends zeros to a ledger that was closed: what a crash leaves, a close takes away.
func TestZerosBehind(t *testing.T) {
	h := newHouse(t, false)
	h.week(1)
	name, frames := h.last()
	b := h.read(name)
	if len(b) != int(frames[len(frames)-1]) {
		t.Errorf("%s has %d bytes and its frames end at %d", name, len(b), frames[len(frames)-1])
	}
	h.write(name, append(b, make([]byte, 100)...))
	h.noticed(h.verify(), name, "100 zeros")
}

// TestBehindClose appends to a ledger that was closed: no crash explains it.
func TestBehindClose(t *testing.T) {
	whole := newHouse(t, false)
	whole.week(2)
	name, frames := whole.last()
	b := whole.read(name)
	end := frames[len(frames)-1]
	for what, more := range map[string][]byte{
		"one byte":                    {1},
		"a text":                      []byte("this was never recorded"),
		"more zeros than a crash has": make([]byte, 70_000),
		"a frame that was copied":     b[frames[0]:frames[1]],
		"a frame that is cut":         b[frames[0] : frames[1]-9],
	} {
		t.Run(what, func(t *testing.T) {
			h := whole.copied(t)
			h.write(name, append(bytes.Clone(b), more...))
			r := h.verify()
			h.noticed(r, name, "")
			if p := r.Problems[0]; p.Kind != Changed || p.Offset != end {
				t.Errorf("got %v, want it told of byte %d", p, end)
			}
			for _, text := range r.Warnings {
				if strings.Contains(text, "crash") {
					t.Errorf("said was %q", text)
				}
			}
		})
	}
	h := whole.copied(t)
	h.write("record/0000000002.seg", []byte("chaprec1"))
	h.noticed(h.verify(), "record/0000000002.seg", "something stands behind")
}

// TestCutBeforeClose: an older log was put back, and the end is cut off: nothing stands behind it, and no opening is to remove what is left.
func TestCutBeforeClose(t *testing.T) {
	whole := newHouse(t, false)
	whole.week(1)
	older := whole.copied(t)
	whole.week(1)
	name, frames := whole.last()
	end := frames[len(frames)-1]
	for size, words := range map[int64]string{
		end - 20:                  "7 batches are whole and there were 8 when the ledger was closed; keep this ledger as evidence",
		frames[len(frames)-2]:     "the record ended here, with 8 batches",
		frames[len(frames)-1]:     "an older one was put back", // nothing is cut
		frames[len(frames)-2] + 1: "7 batches are whole and there were 8",
	} {
		h := whole.copied(t)
		h.remove("log")
		h.must(os.CopyFS(h.path("log"), os.DirFS(older.path("log"))))
		h.must(os.Truncate(h.path(name), size))
		r := h.verify()
		file := name
		if size == end {
			file = "log/checkpoint"
		}
		if h.noticed(r, file, words); strings.Contains(r.Problems[0].What, "reindex") {
			t.Errorf("cut at %d: got %v", size, r.Problems[0])
		}
	}
}

func TestClockBack(t *testing.T) {
	h := newHouse(t, false)
	h.week(2)
	if r := h.verify(); len(r.Warnings) > 0 {
		t.Errorf("got warnings %q", r.Warnings)
	}
	h.now = h.now.Add(-72 * time.Hour)
	l := h.open()
	h.record(l, h.batch(3))
	h.must(l.Close())
	r := h.verify()
	h.whole(r)
	said(h, r, "clock of this host went back: batch ")
}

func TestWitnessCutOff(t *testing.T) {
	h := newHouse(t, true)
	h.week(1)
	h.whole(h.verify())
	before := h.now
	h.client = cut
	h.week(1)
	for name, change := range map[string]func(*Options){"offline": offline, "cut off here, too": func(o *Options) { o.Client = cut }} {
		r := h.verify(change)
		h.noticed(r, "log/cosigned", "can be rewritten unnoticed")
		if !r.Since.Equal(before) || r.Witnessed >= r.Sealed {
			t.Errorf("%s: got %d of %d batches seen, the others since %v, want %v", name, r.Witnessed, r.Sealed, r.Since, before)
		}
		if said := strings.Join(r.Vouched(), " "); !strings.Contains(said, "no witness has seen") {
			t.Errorf("%s: got %q", name, said)
		}
	}
	r := h.verify() // the witness is asked, and sees it now
	h.whole(r)
	if r.Witnessed != r.Batches {
		t.Errorf("got %d of %d batches seen", r.Witnessed, r.Batches)
	}
}

func TestDeleteEverything(t *testing.T) {
	whole := newHouse(t, true)
	whole.week(1)
	whole.whole(whole.verify())
	for _, test := range []struct {
		name  string
		keep  string
		file  string
		words string
	}{
		{"the description left", "ledger.json", "closed", "everything was deleted"},
		{"the checkpoint left", "ledger.json log/checkpoint", "log/checkpoint", "shorter than what was signed"},
		{"the seal left", "ledger.json log/checkpoint log/cosigned witnesses", "log/checkpoint", "shorter than what was signed"},
		{"all but the record", "closed ledger.json log/checkpoint log/cosigned witnesses people", "log/checkpoint", "shorter than what was signed"},
		{"an empty folder", "", "ledger.json", "missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := whole.copied(t)
			for _, name := range h.files() {
				if test.keep == "" || !strings.Contains(" "+test.keep+" ", " "+name+" ") {
					h.remove(name)
				}
			}
			h.noticed(h.verify(), test.file, test.words)
		})
	}
	h := whole.copied(t)
	h.must(os.RemoveAll(h.dir))
	h.noticed(h.verify(), "ledger.json", "it was deleted")
}
