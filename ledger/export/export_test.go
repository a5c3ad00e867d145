package export

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/client"

	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/ledger/keys"
)

// logOf makes a ledger of some batches and exports its log.
func logOf(t *testing.T, batches int) (dir, out string) {
	t.Helper()
	base := t.TempDir()
	dir, out = filepath.Join(base, "ledger"), filepath.Join(base, "log")
	l, err := disk.Open(t.Context(), disk.Options{Dir: dir, Keys: filepath.Join(base, "keys")})
	if err != nil {
		t.Fatal(err)
	}
	for i := range batches {
		note := ledger.Note{Kind: ledger.Remark, At: time.Now(), Text: fmt.Sprint("remark ", i)}
		if _, err := l.Record(t.Context(), ledger.Batch{Notes: []ledger.Note{note}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Log(t.Context(), dir, out); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("of a ledger that is open: got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, out
}

// TestPeerTessera lets Tessera's client read the export: checkpoint, every leaf and a proof of each.
func TestPeerTessera(t *testing.T) {
	const batches = 259
	dir, out := logOf(t, batches)
	n, err := Log(t.Context(), dir, out)
	if err != nil || n != batches {
		t.Fatalf("got %d batches and %v, want %d", n, err, batches)
	}
	meta, err := keys.ReadMeta(dir)
	if err != nil {
		t.Fatal(err)
	}
	v, err := keys.ParseVerifier(meta.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	fetch := client.FileFetcher{Root: out}
	checkpoint, _, _, err := client.FetchCheckpoint(ctx, fetch.ReadCheckpoint, v, meta.Origin)
	if err != nil || checkpoint.Size != batches {
		t.Fatalf("Tessera reads a checkpoint of %v and %v", checkpoint, err)
	}
	builder, err := client.NewProofBuilder(ctx, batches, fetch.ReadTile)
	if err != nil {
		t.Fatal(err)
	}
	seen := uint64(0)
	for bundle := range uint64(2) {
		b, err := client.GetEntryBundle(ctx, fetch.ReadEntryBundle, bundle, batches)
		if err != nil {
			t.Fatal(err)
		}
		for _, leaf := range b.Entries {
			p, err := builder.InclusionProof(ctx, seen)
			if err != nil {
				t.Fatal(err)
			}
			if err := proof.VerifyInclusion(rfc6962.DefaultHasher, seen, batches, rfc6962.DefaultHasher.HashLeaf(leaf), p, checkpoint.Hash); err != nil {
				t.Errorf("leaf %d: %v", seen, err)
			}
			seen++
		}
	}
	if seen != batches {
		t.Errorf("Tessera reads %d leaves, want %d", seen, batches)
	}
	if _, err := Log(t.Context(), dir, out); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("into a folder that is not empty: got %v", err)
	}
}

func TestNotWhatWasSigned(t *testing.T) {
	dir, out := logOf(t, 3)
	segment := filepath.Join(dir, "record", "0000000000.seg")
	info, err := os.Stat(segment)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(segment, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	if _, err := Log(t.Context(), dir, out); err == nil {
		t.Error("a record that was cut is no error")
	}
	if _, err := os.Stat(filepath.Join(out, "checkpoint")); err == nil {
		t.Error("a checkpoint was written for it")
	}
}

// TestNothingOnRecord: the log of a ledger in which nothing was recorded is its checkpoint alone.
func TestNothingOnRecord(t *testing.T) {
	dir, out := logOf(t, 0)
	n, err := Log(t.Context(), dir, out)
	if err != nil || n != 0 {
		t.Fatalf("got %d batches and %v, want none", n, err)
	}
	entries, err := os.ReadDir(out)
	if err != nil || len(entries) != 1 || entries[0].Name() != "checkpoint" {
		t.Errorf("got %v, %v, want a checkpoint", entries, err)
	}
}
