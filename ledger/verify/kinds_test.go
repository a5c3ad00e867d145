package verify

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/keys"
)

// manyDays is more days than a list of problems has room for.
const manyDays = maxProblems + 1

// daily records something on many days, and gives the days and their key files.
func (h *house) daily() (days []ledger.Day, files map[string][]byte) {
	h.Helper()
	files = map[string][]byte{}
	l := h.open()
	for range manyDays {
		b := h.batch(1)
		b.Disclosures[0].Time = h.now
		h.record(l, b)
		day := ledger.DayOf(h.now)
		days, files[keyName(day)] = append(days, day), h.read(keyName(day))
		h.now = h.now.Add(24 * time.Hour)
	}
	h.must(l.Close())
	return days, files
}

// has reports whether a problem of a kind is told.
func has(r *Report, kind Kind) bool {
	return slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Kind == kind })
}

// TestManyKept: the keys of many purged days came back, which is told once, and hides nothing of what else is wrong.
func TestManyKept(t *testing.T) {
	whole := newHouse(t, true)
	days, files := whole.daily()
	l := whole.open()
	for _, day := range days {
		whole.must(l.Purge(t.Context(), day))
	}
	whole.must(l.Close())
	older := whole.copied(t)
	l = whole.open()
	whole.record(l, whole.batch(3))
	whole.must(l.Close())
	whole.whole(whole.verify())
	for _, test := range []struct {
		name   string
		change func(h *house)
		want   []Kind
	}{
		{"alone", func(*house) {}, []Kind{Kept}},
		{"the table of people is changed", func(h *house) { h.write("people", append(h.read("people"), 0)) }, []Kind{Kept, Changed}},
		{"an older copy was put back", func(h *house) { h.restore(older.dir) }, []Kind{Kept, Ahead}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := whole.copied(t)
			test.change(h)
			for name, key := range files {
				h.write(name, key)
			}
			r := h.verify()
			if len(r.Problems) != len(test.want) || r.More > 0 || !slices.Equal(r.Kept, days) {
				t.Errorf("got %d problems, %d more, %d days with a key, want %d, none and %d", len(r.Problems), r.More, len(r.Kept), len(test.want), len(days))
			}
			for _, kind := range test.want {
				if !has(r, kind) {
					t.Errorf("nothing of kind %d is told", kind)
				}
			}
			h.noticed(r, "keys/"+keys.DayFile(days[0]), ", and so it is with 100 more days until 2027-02-10: ")
		})
	}
}

// TestUnaskedBesideKept: a cosignature of a witness that the list from outside does not name is damaged, so that the log cannot be shown to those whom it
// does. That is told, whether or not something else is wrong that is no change.
func TestUnaskedBesideKept(t *testing.T) {
	whole := newHouse(t, true)
	base, outside := t.TempDir(), t.TempDir()
	west := whole.witness(filepath.Join(base, "west"), "west")
	whole.write("witnesses", append(whole.read("witnesses"), west...))
	whole.must(os.WriteFile(filepath.Join(outside, "witnesses"), []byte("need 1\n"+west), 0o600))
	whole.week(2)
	day := ledger.DayOf(monday)
	key := whole.read(keyName(day))
	l := whole.open()
	whole.must(errors.Join(l.Purge(t.Context(), day), l.Close()))
	given := func(o *Options) { o.Witnesses = outside }
	whole.whole(whole.verify(given))
	lines := strings.Split(string(whole.read("log/cosigned")), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "— east.example ") {
			lines[i] = line[:len(line)-6] + "AAAA" + line[len(line)-2:]
		}
	}
	for _, kept := range []bool{false, true} {
		h := whole.copied(t)
		h.write("log/cosigned", []byte(strings.Join(lines, "\n")))
		if kept {
			h.write(keyName(day), key)
		}
		if r := h.verify(given); !has(r, Changed) || has(r, Kept) != kept {
			t.Errorf("with a key that came back %t: got %v", kept, r.Problems)
		}
	}
}

// TestManyChanged: however much is changed, what a witness says is told as well, for other things follow from it.
func TestManyChanged(t *testing.T) {
	h := newHouse(t, true)
	_, files := h.daily()
	older := h.copied(t)
	l := h.open()
	h.record(l, h.batch(3))
	h.must(l.Close())
	h.restore(older.dir)
	for name := range files {
		h.must(os.Truncate(h.path(name), 9))
	}
	r := h.verify()
	if len(r.Problems) != maxProblems+1 || r.More != manyDays-maxProblems || !has(r, Ahead) {
		t.Errorf("got %d problems and %d more, the witness's told %t", len(r.Problems), r.More, has(r, Ahead))
	}
}

// TestDeepBesides: --deep compares the index whatever else is wrong, unless something was changed, and says what came of it.
func TestDeepBesides(t *testing.T) {
	const compared, found, not, unasked = "were compared with the record, and are what it says", "what came of it is told above", "were not compared with the record, as is told below", "--deep does"
	whole := newHouse(t, true)
	whole.week(1)
	first := keyName(ledger.DayOf(monday))
	key := whole.read(first)
	segment := whole.read("record/0000000000.seg")
	whole.week(2)
	l := whole.open()
	whole.must(l.Purge(t.Context(), ledger.DayOf(monday)))
	whole.must(l.Close())
	lie := func(h *house) { // another id for a disclosure, signed
		places, events := h.indexed()
		events[len(events)-1].ID[0] ^= 1
		h.reindex(places, events)
	}
	for _, test := range []struct {
		name   string
		change func(h *house)
		option func(o *Options)
		counts string
		said   string
	}{
		{"nothing", func(*house) {}, nil, compared, ""},
		{"a false index", lie, nil, found, "in the id of disclosure"},
		{"a false index, and a purged day's key is back", func(h *house) { lie(h); h.write(first, key) }, nil, found, "in the id of disclosure"},
		{"a purged day's key is back", func(h *house) { h.write(first, key) }, nil, compared, ""},
		{"and its bytes are, too", func(h *house) { h.write(first, key); h.write("record/0000000000.seg", segment) }, nil, compared, ""},
		{"a false index, and too few witnesses", func(h *house) { // who do not see the last batches
			h.client = cut
			l := h.open()
			h.record(l, h.batch(1))
			h.must(l.Close())
			lie(h)
		}, offline, found, "in the id of disclosure"},
		{"an index that is not one", func(h *house) { h.remove("index"); h.must(os.Mkdir(h.path("index"), 0o700)); h.signClosed() }, nil, found, "run ledger reindex"},
		{"the table of people is changed", func(h *house) { h.write("people", append(h.read("people"), 0)) }, nil, not, "what is told above comes first"},
		{"the table of people is changed, and many files are not the ledger's", func(h *house) {
			h.write("people", append(h.read("people"), 0))
			for i := range maxProblems {
				h.write(fmt.Sprint("notes", i), nil)
			}
		}, nil, not, "what is told above comes first"},
		{"no data key", func(*house) {}, func(o *Options) { o.Keys = "" }, not, "that needs the data key"},
		{"it was not asked for", func(*house) {}, func(o *Options) { o.Deep = false }, unasked, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := whole.copied(t)
			test.change(h)
			r := h.verify(func(o *Options) {
				if o.Deep = true; test.option != nil {
					test.option(o)
				}
			})
			if got := r.Counts(); !strings.Contains(got, test.counts) || r.Recounted != (test.counts == compared) {
				t.Errorf("got %q, recounted %t, want %q", got, r.Recounted, test.counts)
			}
			if test.said != "" {
				said(h, r, test.said)
			}
		})
	}
}
