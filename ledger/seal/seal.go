// Package seal makes a record tamper-evident: every batch is a leaf of a Merkle tree (RFC 6962), the tree's root is signed
// again and again, and witnesses off this host cosign it. Whoever keeps a signed root can tell later that the record was
// shortened or changed, also by somebody who has all keys of this host.
//
// It follows C2SP: tlog-tiles (hash tiles of height 8), tlog-checkpoint, signed-note, tlog-cosignature and, as the client,
// tlog-witness. Below a ledger's folder it keeps
//
//	log/checkpoint   the latest signed root
//	log/cosigned     the latest one that enough witnesses cosigned
//	log/tile/L/N     hash tiles, L/N.p/W while a tile has W < 256 hashes
//	witnesses        who is asked, and how many are needed
//
// Tiles are derived from the record and made again when they are missing. A checkpoint is a promise: it is signed only
// over batches that are durable, and after their tiles are.
package seal

import (
	"crypto/sha256"
	"errors"
	"iter"

	"golang.org/x/mod/sumdb/tlog"
)

// LeafSize is the size of a leaf's data: a batch's header.
const LeafSize = 128

// Errors that callers tell apart.
var (
	ErrRolledBack = errors.New("the record is shorter than what was signed: its end was removed, or an old copy was put back")
	ErrRewritten  = errors.New("the record is not the one that was signed")
	ErrCheckpoint = errors.New("not a checkpoint that this ledger's key signed")
	ErrTile       = errors.New("a hash tile is missing or damaged; it can be made again from the record")
	ErrMoved      = errors.New("the log was written to in the meantime: open it again")
)

// Leaves gives the data of the leaves from one on, in order, each of LeafSize bytes and valid until the next one. It
// ends at the record's end, or with an error.
type Leaves func(from uint64) iter.Seq2[[]byte, error]

// LeafHash is the hash of a leaf (RFC 6962 2.1).
func LeafHash(leaf []byte) tlog.Hash {
	var b [1 + LeafSize]byte // a longer one is moved to the heap
	return sha256.Sum256(append(b[:1], leaf...))
}
