package record_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"chaperone/ledger/record"
)

// tree computes the root over some blocks as the library that keeps the log does.
func tree(t *testing.T, blocks [][]byte) tlog.Hash {
	t.Helper()
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(at []int64) (list []tlog.Hash, err error) {
		for _, i := range at {
			list = append(list, stored[i])
		}
		return list, nil
	})
	for i, b := range blocks {
		more, err := tlog.StoredHashes(int64(i), b, read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
	}
	root, err := tlog.TreeHash(int64(len(blocks)), read)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestSum(t *testing.T) {
	for n := range 9 * record.EntriesBlock {
		f := seal(t, n, n)
		for _, part := range []struct {
			bytes []byte
			sum   [32]byte
		}{{f.Dictionary, f.DictionarySum}, {f.Entries, f.EntriesSum}} {
			want := sha256.Sum256(nil)
			if n > 0 {
				blocks, err := record.Blocks(part.bytes)
				if err != nil || uint32(len(blocks)) != record.BlocksIn(part.bytes[:record.PartHead]) {
					t.Fatalf("%d blocks, %v", len(blocks), err)
				}
				root := tree(t, blocks)
				want = sha256.Sum256(append(append([]byte("chaperone/blocks/v1"), part.bytes[:60]...), root[:]...))
			}
			if part.sum != want {
				t.Errorf("%d entries: got the sum %x, want %x", n, part.sum, want)
			}
		}
	}
}

// TestSumBinds changes each byte of a part, and moves the ends of its blocks: it has another sum then, or none.
func TestSumBinds(t *testing.T) {
	f := seal(t, 0, 20)
	for i := range f.Entries {
		f.Entries[i] ^= 4
		if f.Check(false) == nil {
			t.Errorf("byte %d changed: the sum fits", i)
		}
		f.Entries[i] ^= 4
	}
	first := f.Entries[record.PartHead:]
	end := binary.BigEndian.Uint32(first)
	for _, other := range []uint32{0, end - 16, end - 1, end + 1, end + 16, 1 << 31} {
		binary.BigEndian.PutUint32(first, other)
		if f.Check(false) == nil {
			t.Errorf("the first block ends at %d instead of %d: the sum fits", other, end)
		}
	}
	binary.BigEndian.PutUint32(first, end)
	for _, part := range [][]byte{f.Entries[:len(f.Entries)-1], append(f.Entries, 0), f.Entries[:59], nil} {
		if other := (record.Frame{Header: f.Header, Entries: part}); other.Check(false) == nil {
			t.Errorf("%d bytes instead of %d: the sum fits", len(part), len(f.Entries))
		}
	}
	if err := f.Check(false); err != nil {
		t.Error("as it was:", err)
	}
}

func TestOpenBlock(t *testing.T) {
	f := seal(t, 0, 20)
	part, err := record.OpenPart(f.Entries, dayKey)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := record.Blocks(f.Entries)
	if err != nil {
		t.Fatal(err)
	}
	nonce, _ := record.PartNonce(f.Entries)
	head, key := f.Entries[:record.PartHead], dayKey.PartKey(nonce)
	for i, block := range blocks {
		want, err := part.Open(i, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := record.OpenBlock(head, block, i, key); err != nil || !bytes.Equal(got, want) {
			t.Errorf("block %d: got %d bytes and %v, want %d", i, len(got), err, len(want))
		}
		if _, err := record.OpenBlock(head, block, i+1, key); !errors.Is(err, record.ErrMalformed) {
			t.Errorf("block %d as the next: got %v, want ErrMalformed", i, err)
		}
	}
	if _, err := record.OpenBlock(head, blocks[0], 0, notThisDaysKey.PartKey(nonce)); !errors.Is(err, record.ErrKey) {
		t.Errorf("another key: got %v, want ErrKey", err)
	}
	for _, short := range [][2][]byte{{head[:59], blocks[0]}, {head, blocks[0][:15]}, {nil, nil}} {
		if _, err := record.OpenBlock(short[0], short[1], 0, key); !errors.Is(err, record.ErrMalformed) {
			t.Errorf("%d and %d bytes: got %v, want ErrMalformed", len(short[0]), len(short[1]), err)
		}
	}
}

// old makes of a frame one of version 1.
func old(t *testing.T, frame []byte) []byte {
	t.Helper()
	f, err := record.ReadFrame(bytes.NewReader(frame), 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Version, f.DictionarySum, f.EntriesSum = 1, sha256.Sum256(f.Dictionary), sha256.Sum256(f.Entries)
	return append(f.Append(nil), frame[record.HeaderSize:]...)
}

// TestOlderRecord goes on with a record of version 1: what is there stays as it is, and what follows is a segment of this version.
func TestOlderRecord(t *testing.T) {
	for name, there := range map[string]int{"with frames": 3, "without one": 0} {
		t.Run(name, func(t *testing.T) {
			dir, all := t.TempDir(), frames(6)
			head := record.Head{Version: 1, ID: id, First: 0, Made: written}
			b := head.Append(nil)
			for _, frame := range all[:there] {
				b = append(b, old(t, frame)...)
			}
			path := filepath.Join(dir, record.SegmentName(0))
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			got, at, err := walk(t, dir, record.WalkOptions{})
			if err != nil || len(got) != there {
				t.Fatalf("got %d frames and %v, want %d", len(got), err, there)
			}
			w := openAt(t, dir, at)
			if _, err := w.Append(old(t, all[there])); err == nil {
				t.Error("a frame of version 1 was appended")
			}
			for _, frame := range all[there:] {
				if _, err := w.Append(frame); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(w.Sync(), w.Trim(), w.Close()); err != nil {
				t.Fatal(err)
			}
			got, at, err = walk(t, dir, record.WalkOptions{})
			if err != nil || len(got) != len(all) || at.Segment != 1 {
				t.Errorf("got %d frames, the last in segment %d, and %v; want %d in segment 1", len(got), at.Segment, err, len(all))
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, b) {
				t.Errorf("the older segment was changed: %v", err)
			}
		})
	}
}

// TestMixedSegment puts a frame of the other version into a segment: no writer does.
func TestMixedSegment(t *testing.T) {
	for _, version := range []uint32{1, 2} {
		dir, frame := t.TempDir(), frames(1)[0]
		if version == 2 {
			frame = old(t, frame)
		}
		head := record.Head{Version: version, ID: id, Made: written}
		if err := os.WriteFile(filepath.Join(dir, record.SegmentName(0)), append(head.Append(nil), frame...), 0o600); err != nil {
			t.Fatal(err)
		}
		var damage *record.Damage
		if _, _, err := walk(t, dir, record.WalkOptions{}); !errors.As(err, &damage) || damage.Torn {
			t.Errorf("a segment of version %d: got %v, want damage that no crash explains", version, err)
		}
	}
}
