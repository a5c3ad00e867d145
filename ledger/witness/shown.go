package witness

import "golang.org/x/mod/sumdb/tlog"

// hashes are what a consistency proof tells of a tree: of leaves [from, to) their subtree's hash.
type hashes map[[2]int64]tlog.Hash

// hashesOf spreads out a proof that was checked, from one tree to another of n leaves (RFC 6962, 2.1.2).
//
// With them the roots of some sizes in between can be made, and what was signed for such a size is then shown to be of this
// history or not, though nobody proved it. Of most sizes they cannot: a proof passes over whole subtrees. What is between them is
// shown by nothing that a witness is sent anyway, for a log shows it the latest checkpoint and no others.
func hashesOf(old tlog.Tree, n int64, proof []tlog.Hash) hashes {
	h := hashes{}
	if old.N > 0 {
		h.take(0, n, old, proof)
	}
	return h
}

// take gives the hashes of a proof to [from, to), and returns those that are left.
func (h hashes) take(from, to int64, old tlog.Tree, proof []tlog.Hash) []tlog.Hash {
	if to == old.N && from == 0 {
		h[[2]int64{from, to}] = old.Hash
		return proof
	}
	if to == old.N {
		h[[2]int64{from, to}] = proof[0]
		return proof[1:]
	}
	mid := from + half(to-from)
	other := [2]int64{from, mid}
	if old.N <= mid {
		other = [2]int64{mid, to}
		proof = h.take(from, mid, old, proof)
	} else {
		proof = h.take(mid, to, old, proof)
	}
	h[other] = proof[0]
	return proof[1:]
}

// root makes the hash of leaves [from, to) of what is known. ok is false when that does not do.
func (h hashes) root(from, to int64) (root tlog.Hash, ok bool) {
	if root, ok = h[[2]int64{from, to}]; ok || to-from < 2 {
		return root, ok
	}
	mid := from + half(to-from)
	left, ok := h.root(from, mid)
	if !ok {
		return left, false
	}
	right, ok := h.root(mid, to)
	return tlog.NodeHash(left, right), ok
}

// half is the largest power of two below n, which is 2 or more.
func half(n int64) int64 {
	k := int64(1)
	for k < n-k {
		k *= 2
	}
	return k
}
