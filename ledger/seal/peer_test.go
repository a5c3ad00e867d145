package seal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	formats "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func raw(hashes []tlog.Hash) [][]byte {
	out := make([][]byte, len(hashes))
	for i := range hashes {
		out[i] = hashes[i][:]
	}
	return out
}

// TestPeerTessera lets Tessera's client read checkpoints and tiles and build proofs of them, and transparency-dev/merkle
// verify its proofs and ours.
func TestPeerTessera(t *testing.T) {
	ctx := context.Background()
	_, verifier := keys(t)
	hasher := rfc6962.DefaultHasher
	dir := t.TempDir()
	l := open(t, dir, 0)
	var tracker *client.LogStateTracker
	for _, n := range sizes[1:] {
		grow(t, l, n)
		fetch := client.FileFetcher{Root: filepath.Join(dir, logFolder)}
		checkpoint, _, _, err := client.FetchCheckpoint(ctx, fetch.ReadCheckpoint, verifier, origin)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(checkpoint.Hash), l.Tree().Hash; checkpoint.Size != n || got != string(want[:]) {
			t.Fatalf("Tessera reads size %d and another root, want %d", checkpoint.Size, n)
		}
		if tracker == nil {
			tracker, err = client.NewLogStateTracker(ctx, fetch.ReadTile, nil, verifier, origin, client.UnilateralConsensus(fetch.ReadCheckpoint))
		} else {
			_, _, _, err = tracker.Update(ctx)
		}
		if err != nil {
			t.Fatalf("%d leaves: following the log: %v", n, err)
		}
		builder, err := client.NewProofBuilder(ctx, n, fetch.ReadTile)
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(n, 1))
		for _, i := range []uint64{0, n / 2, n - 1, random.Uint64N(n), random.Uint64N(n)} {
			leaf := hasher.HashLeaf(leafOf("", i)[:])
			theirs, err := builder.InclusionProof(ctx, i)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := l.ProveInclusion(i, n)
			if err != nil {
				t.Fatal(err)
			}
			for name, p := range map[string][][]byte{"theirs": theirs, "ours": raw(ours)} {
				if err := proof.VerifyInclusion(hasher, i, n, leaf, p, checkpoint.Hash); err != nil {
					t.Errorf("leaf %d of %d, %s: %v", i, n, name, err)
				}
			}
			old := i + 1
			consistency, err := l.ProveConsistency(old, n)
			if err != nil {
				t.Fatal(err)
			}
			root := rootOf(old)
			if err := proof.VerifyConsistency(hasher, old, n, raw(consistency), root[:], checkpoint.Hash); err != nil {
				t.Errorf("consistency of %d and %d: %v", old, n, err)
			}
		}
	}
}

// TestPeerBundle lets Tessera read an entry bundle and its path.
func TestPeerBundle(t *testing.T) {
	var b []byte
	for i := range uint64(5) {
		b = AppendBundle(b, leafOf("", i)[:])
	}
	var bundle api.EntryBundle
	if err := bundle.UnmarshalText(b); err != nil {
		t.Fatal(err)
	}
	if len(bundle.Entries) != 5 || string(bundle.Entries[3]) != string(leafOf("", 3)[:]) {
		t.Errorf("Tessera reads %d entries, want the same 5", len(bundle.Entries))
	}
	for _, n := range []uint64{0, 999, 1000, 1234067} {
		if got, want := BundlePath(n, 256), layout.EntriesPath(n, 0); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, want := BundlePath(n, 7), layout.EntriesPath(n, 7); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		part := tile{level: 2, n: n, hashes: make([]tlog.Hash, 7)}
		if got, want := filepath.ToSlash(part.path()), layout.TilePath(2, n, 7); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestPeerCosignature exchanges cosignatures with transparency-dev/formats.
func TestPeerCosignature(t *testing.T) {
	skey, _, err := note.GenerateKey(zeros{}, "witness.example/w1")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := formats.NewSignerForCosignatureV1(skey)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := NewCosigner("witness.example/w1", [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	ours.Now = func() time.Time { return time.Unix(1700000000, 0) }
	if theirs.KeyHash() != ours.KeyHash() {
		t.Fatalf("key id: got %08x, want %08x", ours.KeyHash(), theirs.KeyHash())
	}
	read, err := NewCosignatureVerifier(ours.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	text := formatCheckpoint(origin, tlog.Tree{N: 7, Hash: rootOf(7)})
	for name, signer := range map[string]note.Signer{"theirs": theirs, "ours": ours} {
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			t.Fatal(err)
		}
		for which, v := range map[string]note.Verifier{"theirs": theirs.Verifier(), "ours": ours.Verifier(), "read": read} {
			n, err := note.Open(signed, note.VerifierList(v))
			if err != nil {
				t.Errorf("%s signed, %s read: %v", name, which, err)
				continue
			}
			if name == "ours" && cosignedAt(n.Sigs[0]).Unix() != 1700000000 {
				t.Errorf("got time %v of the cosignature", cosignedAt(n.Sigs[0]))
			}
		}
	}
}

// TestRange proves ranges of all small trees and some of larger ones, and that any other claim fails.
func TestRange(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 0)
	check := func(first, end, size uint64) {
		t.Helper()
		p, err := l.ProveRange(first, end, size)
		if err != nil {
			t.Fatal(err)
		}
		var hashes []tlog.Hash
		for leaf := range leaves(end)(first) {
			hashes = append(hashes, LeafHash(leaf))
		}
		got, err := RangeRoot(first, hashes, size, p)
		if err != nil || got != rootOf(size) {
			t.Fatalf("[%d,%d) of %d: got %v %v", first, end, size, got, err)
		}
		hashes[len(hashes)/2][0] ^= 1
		if got, err := RangeRoot(first, hashes, size, p); err == nil && got == rootOf(size) {
			t.Errorf("[%d,%d) of %d: another leaf gives the same root", first, end, size)
		}
		hashes[len(hashes)/2][0] ^= 1
		if first > 0 {
			if got, err := RangeRoot(first-1, hashes, size, p); err == nil && got == rootOf(size) {
				t.Errorf("[%d,%d) of %d: proven at another place", first, end, size)
			}
		}
		if _, err := RangeRoot(first, hashes, size, append(p, tlog.Hash{})); err == nil {
			t.Errorf("[%d,%d) of %d: one hash too many is no error", first, end, size)
		}
	}
	const small = 20
	grow(t, l, small)
	for size := uint64(1); size <= small; size++ {
		for first := range size {
			for end := first + 1; end <= size; end++ {
				check(first, end, size)
			}
		}
	}
	grow(t, l, 70000)
	for _, r := range [][3]uint64{{0, 1, 70000}, {69999, 70000, 70000}, {250, 270, 70000}, {65530, 65540, 69999}, {0, 3000, 66000}} {
		check(r[0], r[1], r[2])
	}
	for _, r := range [][3]uint64{{5, 5, 10}, {6, 5, 10}, {5, 11, 10}, {1, 2, 70001}} {
		if _, err := l.ProveRange(r[0], r[1], r[2]); err == nil {
			t.Errorf("range %v is no error", r)
		}
	}
}

func TestPolicy(t *testing.T) {
	var vkeys []string
	for i := range 3 {
		c, err := NewCosigner(fmt.Sprintf("w%d.example", i), [32]byte{byte(i)})
		if err != nil {
			t.Fatal(err)
		}
		vkeys = append(vkeys, c.VerifierKey())
	}
	_, logKey, _ := note.GenerateKey(zeros{}, origin)
	for _, test := range []struct {
		name, text string
		ok         bool
	}{
		{"two of three", "# ours\nneed 2\n\na http://a.example/ " + vkeys[0] + "\nb https://b.example/x " + vkeys[1] + "\nc http://c:1 " + vkeys[2] + "\n", true},
		{"empty", "", true},
		{"more than there are", "need 2\na http://a.example " + vkeys[0], false},
		{"none needed", "need 0\na http://a.example " + vkeys[0], false},
		{"no need", "a http://a.example " + vkeys[0], false},
		{"not a URL", "need 1\na a.example " + vkeys[0], false},
		{"a log's key", "need 1\na http://a.example " + logKey, false},
		{"changed key", "need 1\na http://a.example " + vkeys[0][:len(vkeys[0])-5] + "AAAA=", false},
		{"no key", "need 1\na http://a.example", false},
		{"same name", "need 1\na http://a.example " + vkeys[0] + "\na http://b.example " + vkeys[1], false},
		{"same key", "need 1\na http://a.example " + vkeys[0] + "\nb http://b.example " + vkeys[0], false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, witnessesFile), []byte(test.text), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadWitnesses(dir); (err == nil) != test.ok {
				t.Errorf("got %v, want it to be right: %t", err, test.ok)
			}
		})
	}
	if p, err := ReadWitnesses(t.TempDir()); err != nil || p.Need != 0 {
		t.Errorf("without a file: got %v %v, want nobody", p, err)
	}
}
