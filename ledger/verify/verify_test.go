package verify

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/ledger/index"
	"chaperone/ledger/keys"
	"chaperone/ledger/record"
)

func TestKeys(t *testing.T) {
	whole := newHouse(t, false)
	first := "keys/" + ledger.DayOf(monday).Time().Format("20060102") + ".key"
	whole.week(1)
	kept := whole.read(first)
	whole.week(2)
	l := whole.open()
	whole.must(l.Purge(t.Context(), ledger.DayOf(monday)))
	whole.must(l.Close())
	whole.whole(whole.verify())
	second := "keys/" + ledger.DayOf(monday.AddDate(0, 0, 1)).Time().Format("20060102") + ".key"
	third := "keys/" + ledger.DayOf(monday.AddDate(0, 0, 2)).Time().Format("20060102") + ".key"

	t.Run("without the data key", func(t *testing.T) {
		h := whole.copied(t)
		r := h.verify(func(o *Options) { o.Keys, o.Deep = "", true })
		h.whole(r)
		said(h, r, "was not opened")
		if r.Opened || r.Recounted || r.Batches == 0 {
			t.Errorf("got %+v", r)
		}
		name, frames := h.last()
		b := h.read(name)
		b[frames[0]+200]++
		h.write(name, b)
		h.noticed(h.verify(func(o *Options) { o.Keys = "" }), name, "not what was written")
		h = whole.copied(t)
		h.write(first, kept)
		h.noticed(h.verify(func(o *Options) { o.Keys = "" }), "record/", "its key came back, which only data.key can tell")
	})
	t.Run("no key in the folder", func(t *testing.T) {
		if _, err := Run(t.Context(), Options{Dir: whole.dir, Keys: t.TempDir()}); !errors.Is(err, keys.ErrNoKey) {
			t.Errorf("got %v, want ErrNoKey", err)
		}
	})
	t.Run("the key of another ledger", func(t *testing.T) {
		other := t.TempDir()
		if _, err := keys.Make(other); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), Options{Dir: whole.dir, Keys: other}); !errors.Is(err, keys.ErrWrongKey) {
			t.Errorf("got %v, want ErrWrongKey", err)
		}
	})
	t.Run("another verifier", func(t *testing.T) {
		other := newHouse(t, false)
		r := whole.verify(func(o *Options) { o.Verifier = other.verify().Verifier })
		whole.noticed(r, "ledger.json", "another ledger")
		if r.Outside {
			t.Error("a verifier that does not fit vouches")
		}
		if _, err := Run(t.Context(), Options{Dir: whole.dir, Verifier: "no verifier"}); err == nil {
			t.Error("a verifier that is none is no error")
		}
	})
	t.Run("a day's key is missing", func(t *testing.T) {
		h := whole.copied(t)
		h.remove(second)
		h.noticed(h.verify(), second, "no purge of it is on record")
	})
	t.Run("a purged day's key is back", func(t *testing.T) {
		for name, key := range map[string][]byte{"its own": kept, "another": whole.read(second)} {
			h := whole.copied(t)
			h.write(first, key)
			r := h.verify()
			h.noticed(r, first, "the purge of this day is on record and its key is there")
			if n := whole.verify(); len(r.Problems) != 1 || r.Problems[0].Kind != Kept || r.Batches != n.Batches || r.Disclosures != n.Disclosures || r.Days != n.Days || r.First != n.First {
				h.Errorf("%s: got %+v, want that of all else nothing is wrong", name, r)
			}
			h.must(h.open().Close()) // which destroys it
			h.whole(h.verify())
		}
	})
	t.Run("two days' keys are swapped", func(t *testing.T) {
		h := whole.copied(t)
		a, b := h.read(second), h.read(third)
		h.write(second, b)
		h.write(third, a)
		h.noticed(h.verify(), second, "another day")
	})
	t.Run("bytes behind the key", func(t *testing.T) {
		h := whole.copied(t)
		b := h.read(second)
		b[3000], b[3000+4096] = 1, 1
		h.write(second, b)
		h.noticed(h.verify(), second, "behind the key")
	})
}

func TestStrangers(t *testing.T) {
	whole := newHouse(t, false)
	whole.week(1)
	for _, name := range []string{"notes.txt", "record/0000000000.seg.old", "keys/20261102.key.new", "log/tile/0/zzz"} {
		h := whole.copied(t)
		h.write(name, []byte("x"))
		r := h.verify()
		h.whole(r)
		said(h, r, name+": this file is not the ledger's")
	}
	h := whole.copied(t)
	h.write("index/000999.sst", []byte("x"))
	h.noticed(h.verify(), "index/000999.sst", "not there when the ledger was closed")
	h.remove("index/000999.sst", "people")
	h.noticed(h.verify(), "people", "cannot be read")
}

// TestNotPlain puts what never ends in the place of files.
func TestNotPlain(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no /dev/zero")
	}
	whole := newHouse(t, true)
	whole.week(1)
	for _, name := range []string{"ledger.json", "closed", "record/0000000000.seg", "log/checkpoint", "witnesses", "people"} {
		h := whole.copied(t)
		h.remove(name)
		if err := os.Symlink("/dev/zero", h.path(name)); err != nil {
			t.Fatal(err)
		}
		h.noticed(h.verify(), name, "not a plain file")
	}
	h := whole.copied(t)
	h.must(os.Truncate(h.path("closed"), maxClosed+1))
	h.must(os.Truncate(h.path("record/0000000000.seg"), maxSegment+1))
	r := h.verify()
	h.noticed(r, "closed", "more than such a file ever has")
	if len(r.Problems) != 2 {
		t.Errorf("got problems %v, want 2", r.Problems)
	}
}

// TestNewer refuses what a later version wrote.
func TestNewer(t *testing.T) {
	h := newHouse(t, false)
	h.week(1)
	b := h.read("record/0000000000.seg")
	b[11] = 9
	binary.BigEndian.PutUint32(b[60:], crc32.Checksum(b[:60], crc32.MakeTable(crc32.Castagnoli)))
	h.write("record/0000000000.seg", b)
	if _, err := Run(t.Context(), Options{Dir: h.dir, Keys: h.keys}); !errors.Is(err, record.ErrNewer) {
		t.Errorf("got %v, want ErrNewer", err)
	}
}

func TestCancelled(t *testing.T) {
	h := newHouse(t, true)
	h.week(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Options{Dir: h.dir, Keys: h.keys}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestProgress(t *testing.T) {
	h := newHouse(t, false)
	h.week(1)
	var done, total int64
	r := h.verify(func(o *Options) { o.Progress = func(d, n int64) { done, total = d, n } })
	if done != total || done != r.Bytes || done == 0 {
		t.Errorf("got %d of %d at the end, of %d bytes", done, total, r.Bytes)
	}
}

// TestRecount adds to an index what is not on record, and signs that this is how it was closed.
func TestRecount(t *testing.T) {
	deep := func(o *Options) { o.Deep = true }
	whole := newHouse(t, false)
	whole.week(3)
	if r := whole.verify(deep); !r.Whole() || !r.Recounted {
		t.Fatalf("the control: %+v", r)
	}
	day := ledger.DayOf(monday.AddDate(0, 0, 2))
	for name, e := range map[string]index.Event{
		"one more":         {Way: new(index.Ways).Add(record.Side{}), Records: 1, Numbers: []ledger.Number{1}},
		"of a day without": {Way: 1, Time: monday.AddDate(0, 0, 9)},
		"of another way":   {Way: 99},
	} {
		t.Run(name, func(t *testing.T) {
			h := whole.copied(t)
			x, err := index.Open(index.Options{Dir: h.path("index")})
			h.must(err)
			if e.Seq = x.Next(); e.Time.IsZero() {
				e.Time = day.Time()
			}
			h.must(x.Batch(index.Place{Batch: 99, First: e.Seq, Count: 1, Day: ledger.DayOf(e.Time)}))
			h.must(x.Add(e))
			h.must(x.Close())
			h.signClosed()
			h.whole(h.verify())
			h.noticed(h.verify(deep), "index", "")
		})
	}
}

// signClosed signs the derived files as they are, as somebody with all keys can.
func (h *house) signClosed() {
	h.Helper()
	meta, err := keys.ReadMeta(h.dir)
	h.must(err)
	v, err := keys.ParseVerifier(meta.Verifier)
	h.must(err)
	c, err := disk.ReadClosed(h.dir, v)
	h.must(err)
	c.Files = nil
	for _, name := range h.files() {
		if derived(name) {
			size, sum, err := disk.Digest(h.path(name))
			h.must(err)
			c.Files = append(c.Files, disk.ClosedFile{Name: name, Size: size, SHA256: sum})
		}
	}
	seed, err := keys.LoadSigning(h.keys)
	h.must(err)
	signer, err := keys.Signer(seed, meta.Origin)
	h.must(err)
	text, err := json.Marshal(c)
	h.must(err)
	signed, err := note.Sign(&note.Note{Text: string(text) + "\n"}, signer)
	h.must(err)
	h.write("closed", signed)
}

// TestQuiet looks for tokens in what a report says of a ledger that is damaged everywhere.
func TestQuiet(t *testing.T) {
	h := newHouse(t, false)
	h.week(2)
	for _, name := range h.files() {
		if b := h.read(name); len(b) > 200 {
			b[len(b)/2] ^= 1
			h.write(name, b)
		}
	}
	r := h.verify()
	for _, p := range r.Problems {
		for n := range 30 {
			if strings.Contains(p.String(), token("number", n).String()) {
				t.Errorf("a token is in %q", p)
			}
		}
	}
	if r.Whole() {
		t.Error("nothing was noticed")
	}
}

// BenchmarkRun opens every entry of a record of some megabytes.
func BenchmarkRun(b *testing.B) {
	base := b.TempDir()
	o := disk.Options{Dir: filepath.Join(base, "ledger"), Keys: filepath.Join(base, "keys")}
	l, err := disk.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	h := &house{now: monday}
	for range 40 {
		if _, err := l.Record(b.Context(), h.batch(5000)); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r, err := Run(b.Context(), Options{Dir: o.Dir, Keys: o.Keys})
		if err != nil || !r.Whole() {
			b.Fatal(err, r.Problems)
		}
		b.SetBytes(r.Bytes)
	}
}
