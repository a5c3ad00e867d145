package verify

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/internal/torture/faultfs"
	"chaperone/ledger/disk"
	"chaperone/ledger/keys"
)

// unmade fails unless a report says that a ledger was never made, and nothing else.
func (h *house) unmade(r *Report) {
	h.Helper()
	if len(r.Problems) != 1 || r.Problems[0].Kind != Unmade || !strings.Contains(r.Problems[0].What, "never finished, or all of it was taken away since") {
		h.Errorf("got %v, want that its making was never finished", r.Problems)
	}
}

// TestUnmade takes from a ledger in which nothing was recorded what the last steps of making it put there, and then puts
// something in that no making does.
func TestUnmade(t *testing.T) {
	whole := newHouse(t, true)
	used := whole.copied(t)
	used.week(1)
	bare := func(t *testing.T) *house { // all but the description
		h := whole.copied(t)
		h.remove(keys.MetaFile, "index", closedName, "people", "reserve", witnessesName)
		h.must(os.Mkdir(h.path("index"), 0o700))
		return h
	}
	from := func(name string) func(*house) {
		return func(h *house) {
			h.must(os.MkdirAll(filepath.Dir(h.path(name)), 0o700))
			h.write(name, used.read(name))
		}
	}
	meta := string(whole.read(keys.MetaFile))
	given, err := keys.ReadMeta(whole.dir)
	whole.must(err)
	for _, test := range []struct {
		name   string
		change func(h *house)
		unmade bool
		given  func(*Options)
	}{
		{"the checkpoint of nothing", func(h *house) {}, true, offline},
		{"before it was signed", func(h *house) { h.remove(checkpointName) }, true, offline},
		{"while it was signed", func(h *house) {
			h.write(checkpointName+".new", h.read(checkpointName)[:20])
			h.remove(checkpointName)
		}, true, offline},
		{"before the log", func(h *house) { h.remove("log") }, true, offline},
		{"before the folders", func(h *house) { h.remove("log", "record", "keys", "index") }, true, offline},
		{"while it was described", func(h *house) { h.write(keys.MetaFile+".new", []byte(meta[:100])) }, true, offline},
		{"with no lock", func(h *house) { h.remove("lock") }, false, offline},
		{"with the key of a day", from("keys/20261102.key"), false, offline},
		{"with a segment", from("record/0000000000.seg"), false, offline},
		{"with the checkpoint of something", from(checkpointName), false, offline},
		{"with the checkpoint of something, half put in its place", func(h *house) { h.write(checkpointName+".new", used.read(checkpointName)) }, false, offline},
		{"with what was cosigned", from(cosignedName), false, offline},
		{"with a tile", from("log/tile/0/000.p/4"), false, offline},
		{"with a folder of tiles", func(h *house) { h.must(os.MkdirAll(h.path("log/tile/0"), 0o700)) }, false, offline},
		{"with what its close said", from(closedName), false, offline},
		{"with witnesses", from(witnessesName), false, offline},
		{"with people", from("people"), false, offline},
		{"with an index", func(h *house) { h.write("index/MANIFEST", nil) }, false, offline},
		{"with an older description", func(h *house) { h.write(keys.MetaFile+".bak", []byte(meta)) }, false, offline},
		{"with an older checkpoint", func(h *house) { h.write("log/checkpoint.old", used.read(checkpointName)) }, false, offline},
		{"with half a key of a day", func(h *house) { h.write("keys/20261102.key.new", []byte("x")) }, false, offline},
		{"with a checkpoint of nothing that nobody signed", func(h *house) { h.write(checkpointName, []byte("chaperone.ledger/x\n0\nx\n\n")) }, false, offline},
		{"with a log that is a file", func(h *house) { h.remove("log"); h.write("log", nil) }, false, offline},
		{"with a record that is a file", func(h *house) { h.remove("record"); h.write("record", nil) }, false, offline},
		{"with a record that leads nowhere", func(h *house) { h.remove("record"); h.must(os.Symlink("/nowhere", h.path("record"))) }, false, offline},
		{"and its public key is known outside", func(h *house) {}, false, func(o *Options) { o.Verifier = given.Verifier }},
		{"and its witnesses are known outside", func(h *house) {}, false, func(o *Options) { o.Witnesses = used.dir }},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := bare(t)
			test.change(h)
			if r := h.verify(test.given); test.unmade {
				h.unmade(r)
			} else if test.name != "with a record that leads nowhere" { // which is a problem of its own
				h.noticed(r, keys.MetaFile, "everything was deleted, or")
			}
			_, err := disk.Open(t.Context(), disk.Options{Dir: h.dir, Keys: h.keys, ReadOnly: true})
			if got := err != nil && strings.Contains(err.Error(), "never finished"); got != test.unmade && strings.HasPrefix(test.name, "with") {
				t.Errorf("asking: got %v", err)
			}
		})
	}
}

// TestMakingKilled ends the making of a ledger after each change of its disk, by a kill and by a power cut: verify says how far it
// came, the next recording makes it good, and then nothing is missing and nothing too much.
func TestMakingKilled(t *testing.T) {
	if err := faultfs.Mountable(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	on := func(d *faultfs.Disk, step func()) {
		t.Helper()
		m, err := faultfs.NewMount(d, dir)
		if err != nil {
			t.Skip("cannot mount here: ", err)
		}
		step()
		if err := m.Close(); err != nil && !errors.Is(err, faultfs.ErrBusy) { // Pebble, whose opening failed, may have a file open
			t.Fatal(err)
		}
	}
	states := map[string]int{}
	for _, end := range []struct {
		name string
		step int
		cut  func(*faultfs.Disk, int)
	}{
		{"killed", 1, func(d *faultfs.Disk, _ int) { d.Keep() }},
		{"nothing kept", 4, func(d *faultfs.Disk, _ int) { d.Drop() }},
		{"torn", 3, func(d *faultfs.Disk, n int) { d.Cut(rand.New(rand.NewPCG(1, uint64(n)))) }},
	} {
		for n, made := 0, 0; made < 5; n += end.step { // what comes behind the description is an opening like others
			h := &house{T: t, dir: filepath.Join(dir, "ledger"), keys: filepath.Join(dir, "keys"), now: time.Now()}
			d := faultfs.New()
			on(d, func() {
				d.PowerFailsAfter(n)
				l, err := disk.Open(context.Background(), disk.Options{Dir: h.dir, Keys: h.keys})
				if err == nil {
					_ = l.Close() // it may have come to the end of its power in between
				}
			})
			end.cut(d, n)
			on(d, func() {
				r, err := Run(t.Context(), Options{Dir: h.dir, Keys: h.keys})
				_, described := os.Stat(h.path(keys.MetaFile))
				switch entries, gone := os.ReadDir(h.dir); {
				case err != nil:
					t.Fatalf("%s after %d changes: %v", end.name, n, err)
				case described == nil:
					states["made"]++
					made++
					h.whole(r)
				case errors.Is(gone, os.ErrNotExist), len(entries) == 0:
					states["empty"]++
					h.noticed(r, keys.MetaFile, "")
				default:
					states["unmade"]++
					h.unmade(r)
				}
				l := h.open()
				h.record(l, h.batch(3))
				h.must(l.Close())
				r = h.verify(func(o *Options) { o.Deep = true })
				h.whole(r)
				if r.Batches != 1 || r.Disclosures != 3 || r.Sealed != 1 || !r.Closed || !r.Recounted {
					t.Errorf("%s after %d changes, made good: got %+v", end.name, n, r)
				}
			})
			if t.Failed() {
				t.Fatalf("%s after %d changes", end.name, n)
			}
		}
	}
	for _, state := range []string{"empty", "unmade", "made"} {
		if states[state] == 0 {
			t.Errorf("no making ended as %s: got %v", state, states)
		}
	}
	t.Logf("%v", states)
}
