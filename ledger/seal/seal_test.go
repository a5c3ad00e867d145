package seal

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const origin = "chaperone.ledger/0011223344556677"

// keys gives a log's key pair, always the same.
func keys(t testing.TB) (note.Signer, note.Verifier) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(zeros{}, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// leafOf is leaf i of the history with this name.
func leafOf(name string, i uint64) *[LeafSize]byte {
	var leaf [LeafSize]byte
	binary.BigEndian.PutUint64(leaf[:], i)
	copy(leaf[96:], name)
	return &leaf
}

// history gives n leaves, those from other on with another content.
func history(n, other uint64) Leaves {
	return func(from uint64) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			for i := from; i < n; i++ {
				name := ""
				if i >= other {
					name = "other"
				}
				if !yield(leafOf(name, i)[:], nil) {
					return
				}
			}
		}
	}
}

func leaves(n uint64) Leaves { return history(n, n) }

// open opens and loads a log.
func open(t testing.TB, dir string, batches uint64) *Log {
	t.Helper()
	signer, verifier := keys(t)
	l, err := Open(dir, verifier, signer)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Load(context.Background(), batches, leaves(batches)); err != nil {
		t.Fatal(err)
	}
	return l
}

// grow appends leaves up to n and signs.
func grow(t testing.TB, l *Log, n uint64) {
	t.Helper()
	for i := l.Size(); i < n; i++ {
		l.Append(leafOf("", i))
	}
	if err := l.Checkpoint(context.Background(), n); err != nil {
		t.Fatal(err)
	}
}

// rootOf computes the root of n leaves, from the closest size that was asked before.
func rootOf(n uint64) tlog.Hash {
	h := Hasher{}
	for size, have := range hashers {
		if size <= n && size > h.size {
			h = Hasher{size, append([]tlog.Hash(nil), have.roots...)}
		}
	}
	for leaf := range leaves(n)(h.size) {
		h.Add(leaf)
	}
	hashers[n] = Hasher{n, append([]tlog.Hash(nil), h.roots...)}
	return h.Root()
}

var hashers = map[uint64]Hasher{}

// files lists the files below log/ of a ledger.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	content := map[string]string{}
	root := filepath.Join(dir, logFolder)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		content[filepath.ToSlash(name)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// restore makes a ledger's folder of files.
func restore(t testing.TB, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range content {
		path := filepath.Join(dir, logFolder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var sizes = []uint64{0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 1000, 65535, 65536, 65537, 65792, 65793, 131073}

// TestGrow signs one log at many sizes, opens it again at each and compares the root with one that was computed apart.
func TestGrow(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 0)
	for _, n := range sizes {
		grow(t, l, n)
		if got, want := l.Tree(), (tlog.Tree{N: int64(n), Hash: rootOf(n)}); got != want {
			t.Fatalf("%d leaves: got tree %v, want %v", n, got, want)
		}
		l = open(t, dir, n)
		if got := l.Size(); got != n {
			t.Fatalf("size after opening: got %d, want %d", got, n)
		}
		if err := CheckTiles(context.Background(), dir, l.Tree(), leaves(n)); err != nil {
			t.Errorf("%d leaves: %v", n, err)
		}
	}
	partial := 0
	for name := range files(t, dir) {
		if strings.Contains(name, ".p/") {
			partial++
		}
	}
	if partial != 2 { // 131073 leaves are 2 full tiles of level 1 and one leaf
		t.Errorf("got %d partial tiles on disk, want 2: old ones were not removed", partial)
	}
}

// TestDurableOnly signs less than was appended.
func TestDurableOnly(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 0)
	for i := range uint64(1000) {
		l.Append(leafOf("", i))
	}
	ctx := context.Background()
	for _, n := range []uint64{300, 300, 301, 768, 1000} {
		if err := l.Checkpoint(ctx, n); err != nil {
			t.Fatal(err)
		}
		if got, want := l.Tree().Hash, rootOf(n); got != want {
			t.Errorf("%d of 1000: got root %v, want %v", n, got, want)
		}
	}
	for _, n := range []uint64{999, 1001} {
		if err := l.Checkpoint(ctx, n); err == nil {
			t.Errorf("signing %d after 1000, with 1000 there, is no error", n)
		}
	}
}

func TestTampered(t *testing.T) {
	signer, verifier := keys(t)
	for _, test := range []struct {
		name    string
		batches uint64
		leaves  Leaves
		want    error
	}{
		{"the same", 700, leaves(700), nil},
		{"longer", 800, leaves(800), nil},
		{"shorter", 699, leaves(699), ErrRolledBack},
		{"gone", 0, leaves(0), ErrRolledBack},
		{"ends early", 700, leaves(650), ErrRolledBack},
		{"last batch changed", 700, history(700, 699), ErrRewritten},
		{"tail changed and longer", 900, history(900, 520), ErrRewritten},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			grow(t, open(t, dir, 0), 700)
			for _, s := range []note.Signer{nil, signer} {
				before := files(t, dir)
				l, err := Open(dir, verifier, s)
				if err != nil {
					t.Fatal(err)
				}
				if err = l.Load(context.Background(), test.batches, test.leaves); !errors.Is(err, test.want) {
					t.Errorf("signer %t: got %v, want %v", s != nil, err, test.want)
				}
				after := files(t, dir)
				if test.want != nil && len(after) != len(before) {
					t.Errorf("signer %t: a log that does not fit was written to", s != nil)
				}
			}
		})
	}
}

// TestTilesDamaged damages every tile in turn: opening, and Repair, make it anew.
func TestTilesDamaged(t *testing.T) {
	const n = 66000
	dir := t.TempDir()
	grow(t, open(t, dir, 0), n)
	good := files(t, dir)
	ctx := context.Background()
	tree := open(t, dir, n).Tree()
	for name := range good {
		if !strings.HasPrefix(name, "tile/") || strings.HasPrefix(name, "tile/0/") && name != "tile/0/077" {
			continue
		}
		kinds := []string{"gone", "torn", "flipped"}
		if !strings.HasPrefix(name, "tile/1/") {
			kinds = kinds[2:]
		}
		for _, damage := range kinds {
			path := filepath.Join(dir, logFolder, filepath.FromSlash(name))
			b := []byte(good[name])
			switch damage {
			case "gone":
				_ = os.Remove(path)
			case "torn":
				_ = os.WriteFile(path, b[:len(b)/2], 0o644)
			case "flipped":
				b[len(b)/2] ^= 1
				_ = os.WriteFile(path, b, 0o644)
			}
			if err := CheckTiles(ctx, dir, tree, leaves(n)); !errors.Is(err, ErrTile) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s %s: checking gives %v, want ErrTile with the file's name", name, damage, err)
			}
			l := open(t, dir, n)
			if err := l.Repair(ctx, leaves(n)); err != nil {
				t.Errorf("%s %s: repair: %v", name, damage, err)
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != good[name] {
				t.Errorf("%s %s: after repair the file is not what it was: %v", name, damage, err)
			}
		}
	}
}

func TestCheckpointDamaged(t *testing.T) {
	dir := t.TempDir()
	grow(t, open(t, dir, 0), 10)
	_, verifier := keys(t)
	text := files(t, dir)[checkpointFile]
	put := func(b []byte) {
		if err := os.WriteFile(filepath.Join(dir, logFolder, checkpointFile), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range len(text) {
		bad := []byte(text)
		bad[i] ^= 1
		put(bad)
		if _, err := Open(dir, verifier, nil); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("flipped bit at offset %d: got %v, want ErrCheckpoint", i, err)
		}
		put([]byte(text[:i]))
		if _, err := Open(dir, verifier, nil); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("cut off at %d: got %v, want ErrCheckpoint", i, err)
		}
	}
	put([]byte(text))
	skey, vkey, _ := note.GenerateKey(nil, origin)
	other, _ := note.NewSigner(skey)
	if _, err := Open(dir, verifier, other); err == nil {
		t.Error("a signer of another key is no error")
	}
	stranger, _ := note.NewVerifier(vkey)
	if _, err := Open(dir, stranger, nil); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("another ledger's key: got %v, want ErrCheckpoint", err)
	}
}

// TestCrash goes through states that a crash in Checkpoint leaves: any of the new tiles, whole or torn, and the new
// checkpoint only when all of them are there; old partial tiles removed only after that.
func TestCrash(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 12 {
		first := 1 + random.Uint64N(1200)
		second := first + 1 + random.Uint64N(1200)
		dir := t.TempDir()
		l := open(t, dir, 0)
		grow(t, l, first)
		before := files(t, dir)
		grow(t, l, second)
		after := files(t, dir)

		state := map[string]string{}
		for name, b := range before {
			state[name] = b
		}
		signed := first
		whole := random.IntN(3) == 0
		for name, b := range after {
			switch {
			case before[name] == b || name == checkpointFile:
			case whole:
				state[name] = b
			case random.IntN(3) == 0:
				state[name] = b[:random.IntN(len(b)+1)]
			case random.IntN(2) == 0:
				state[name] = b
			}
		}
		if whole {
			signed = second
			state[checkpointFile] = after[checkpointFile]
		} else {
			state[checkpointFile+".new"] = after[checkpointFile][:random.IntN(40)]
		}
		crashed := restore(t, state)
		l = open(t, crashed, second+5)
		if got := uint64(l.Tree().N); got != signed {
			t.Fatalf("%d to %d: after the crash %d are signed, want %d", first, second, got, signed)
		}
		grow(t, l, second+300)
		if err := CheckTiles(context.Background(), crashed, l.Tree(), leaves(second+300)); err != nil {
			t.Fatalf("%d to %d: %v", first, second, err)
		}
	}
}

// TestTilesWithoutCheckpoint is a crash before the first checkpoint, with more leaves than are kept in memory.
func TestTilesWithoutCheckpoint(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, chunk+300)
	if l.Latest() != nil || l.Tree().N != 0 {
		t.Error("a log that was never signed has a checkpoint")
	}
	grow(t, l, chunk+400)
	if err := CheckTiles(context.Background(), dir, l.Tree(), leaves(chunk+400)); err != nil {
		t.Error(err)
	}
	if err := l.Checkpoint(context.Background(), 5); err == nil {
		t.Error("signing less than was forgotten is no error")
	}
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	grow(t, open(t, dir, 0), 300)
	before := files(t, dir)
	_, verifier := keys(t)
	l, err := Open(dir, verifier, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := l.Load(ctx, 400, leaves(400)); err != nil {
		t.Fatal(err)
	}
	if err := l.Checkpoint(ctx, 300); err == nil {
		t.Error("a log that is read only was signed")
	}
	if err := l.Repair(ctx, leaves(400)); err == nil {
		t.Error("a log that is read only was repaired")
	}
	if l.Size() != 300 || len(files(t, dir)) != len(before) {
		t.Errorf("got size %d, want 300, and nothing written", l.Size())
	}
}

func TestCheckTilesNamesTheBatch(t *testing.T) {
	dir := t.TempDir()
	grow(t, open(t, dir, 0), 600)
	signed := tlog.Tree{N: 600, Hash: rootOf(600)}
	err := CheckTiles(context.Background(), dir, signed, history(600, 333))
	if !errors.Is(err, ErrRewritten) || !strings.Contains(err.Error(), "batch 333 ") {
		t.Errorf("got %v, want ErrRewritten naming batch 333", err)
	}
	if err := CheckTiles(context.Background(), dir, signed, leaves(599)); !errors.Is(err, ErrRolledBack) {
		t.Errorf("a record without its last batch: got %v, want ErrRolledBack", err)
	}
}

// TestTogether appends, signs, proves and asks at the same time: for the race detector.
func TestTogether(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 0)
	grow(t, l, 200)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := uint64(200); i < 3000; i++ {
			l.Append(leafOf("", i))
		}
	}()
	proofs := make(chan error)
	go func() {
		for {
			size := uint64(l.Tree().N)
			_, err := l.ProveRange(size/3, size/2+1, size)
			if err == nil {
				_, err = l.ProveConsistency(100, size)
			}
			if err != nil || size == 3000 {
				proofs <- err
				return
			}
		}
	}()
	for l.Tree().N < 3000 {
		if err := l.Checkpoint(context.Background(), l.Size()); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	if err := <-proofs; err != nil {
		t.Error(err)
	}
}

func BenchmarkAppend(b *testing.B) {
	var l Log
	leaf := leafOf("", 1)
	for range b.N {
		l.Append(leaf)
	}
}
