package witness

import (
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// TestHashesOf takes all proofs among small trees: what they tell of a size is its root, or nothing.
func TestHashesOf(t *testing.T) {
	const most = 40
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = stored[x]
		}
		return out, nil
	})
	roots := make([]tlog.Hash, most+1)
	for n := range int64(most) {
		more, err := tlog.StoredHashes(n, []byte{byte(n)}, read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		if roots[n+1], err = tlog.TreeHash(n+1, read); err != nil {
			t.Fatal(err)
		}
	}
	told, all := 0, 0
	for n := int64(1); n <= most; n++ {
		for old := int64(1); old <= n; old++ {
			proof, err := tlog.ProveTree(n, old, read)
			if err != nil {
				t.Fatal(err)
			}
			known := hashesOf(tlog.Tree{N: old, Hash: roots[old]}, n, proof)
			for size := old; size <= n; size++ {
				root, ok := known.root(0, size)
				if ok && root != roots[size] {
					t.Errorf("from %d to %d: got another root of %d", old, n, size)
				}
				if !ok && (size == old || size == n) {
					t.Errorf("from %d to %d: got no root of %d", old, n, size)
				}
				if old < size && size < n {
					all++
					if ok {
						told++
					}
				}
			}
		}
	}
	if told == 0 || told == all {
		t.Errorf("got the roots of %d of %d sizes in between", told, all)
	}
	t.Logf("the roots of %d of %d sizes in between", told, all)
}
