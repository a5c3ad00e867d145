package seal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"chaperone/ledger/durable"
)

// Log is the Merkle tree over a ledger's batches. All methods but Load are safe for concurrent use.
type Log struct {
	dir      string // log/ of the ledger's folder
	verifier note.Verifier
	signer   note.Signer // nil: read only

	writing sync.Mutex // one Checkpoint, Repair or Cosign's end at a time; taken before mu

	mu       sync.Mutex
	edge     edge
	tree     tlog.Tree // of the latest checkpoint
	latest   []byte
	cosigned tlog.Tree
	signed   []byte            // log/cosigned, nil unless it satisfies the policy
	known    map[string]uint64 // what witnesses have seen, by verifier name
}

// Open reads the checkpoints of a ledger's folder and checks their signatures. The verifier's name is the log's origin.
// Without a signer the log is read only. Load must follow.
//
// Errors: ErrCheckpoint; ErrRolledBack when witnesses cosigned more than the log has.
func Open(dir string, verifier note.Verifier, signer note.Signer) (*Log, error) {
	if signer != nil && (signer.Name() != verifier.Name() || signer.KeyHash() != verifier.KeyHash()) {
		return nil, fmt.Errorf("seal: the signing key is not that of %s", verifier.Name())
	}
	policy, err := ReadWitnesses(dir)
	if err != nil {
		return nil, err
	}
	l := &Log{dir: filepath.Join(dir, logFolder), verifier: verifier, signer: signer, known: map[string]uint64{}}
	// The cosigned checkpoint first: somebody else may be writing, and that one is never the newer of the two.
	if err := l.readCosigned(policy); err != nil {
		return nil, err
	}
	l.tree, l.latest, err = ReadCheckpoint(dir, verifier)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if l.cosigned.N > l.tree.N {
		return nil, fmt.Errorf("seal: witnesses cosigned %d batches, %s has %d: %w",
			l.cosigned.N, filepath.Join(l.dir, checkpointFile), l.tree.N, ErrRolledBack)
	}
	return l, nil
}

func (l *Log) readCosigned(p Policy) error {
	tree, n, signed, err := readNote(filepath.Join(l.dir, cosignedFile), l.verifier, p.verifiers()...)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	l.cosigned = tree
	if p.satisfied(n) {
		l.signed = signed
	}
	return nil
}

// Append adds a leaf. It is in memory until Checkpoint.
func (l *Log) Append(leaf *[LeafSize]byte) {
	h := LeafHash(leaf[:])
	l.mu.Lock()
	l.edge.add(h)
	l.mu.Unlock()
}

// Size is the number of leaves, signed or not.
func (l *Log) Size() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.edge.size
}

// Tree is that of the latest checkpoint; N is 0 without one.
func (l *Log) Tree() tlog.Tree {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tree
}

// Latest is the latest checkpoint as a signed note, nil without one.
func (l *Log) Latest() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latest
}

// Cosigned is the latest checkpoint with enough cosignatures as a signed note, nil without one.
func (l *Log) Cosigned() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.signed
}

// WitnessedSize is the number of batches that enough witnesses have seen: no more than that is safe from somebody who
// has this host and its keys.
func (l *Log) WitnessedSize() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.signed == nil {
		return 0
	}
	return uint64(l.cosigned.N)
}

// Checkpoint signs the tree of the first size leaves. When it returns, the checkpoint and all its tiles are on disk;
// it does nothing when they were. The caller vouches that the batches of these leaves are durable. After an error the earlier
// checkpoint stands, and it can be tried again.
func (l *Log) Checkpoint(ctx context.Context, size uint64) error {
	if l.signer == nil {
		return errors.New("seal: the log is open for reading only")
	}
	l.writing.Lock()
	defer l.writing.Unlock()

	l.mu.Lock()
	old := uint64(l.tree.N)
	if size > l.edge.size || size < l.edge.start {
		start, all := l.edge.start, l.edge.size
		l.mu.Unlock()
		return fmt.Errorf("seal: %d batches to be signed; there are %d, and no less than %d may be", size, all, start)
	}
	if size == old && l.latest != nil {
		l.mu.Unlock()
		return nil
	}
	tree, err := l.edge.tree(size)
	tiles := append(l.edge.full(size), l.edge.partial(old, size)...)
	l.mu.Unlock()
	if err != nil {
		return err
	}

	signed, err := note.Sign(&note.Note{Text: formatCheckpoint(l.verifier.Name(), tree)}, l.signer)
	if err != nil {
		return fmt.Errorf("seal: signing: %w", err)
	}
	if err := l.makeFolder(); err != nil {
		return err
	}
	if err := writeTiles(l.dir, tiles); err != nil {
		return fmt.Errorf("seal: hash tiles: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(l.dir, checkpointFile), signed); err != nil {
		return fmt.Errorf("seal: checkpoint: %w", err)
	}
	l.mu.Lock()
	l.tree, l.latest = tree, signed
	l.edge.cut(size)
	l.mu.Unlock()
	removeOld(l.dir, tiles)
	removeFilled(l.dir, old, size)
	return nil
}

// makeFolder makes log/ durable.
func (l *Log) makeFolder() error {
	if err := os.Mkdir(l.dir, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return durable.SyncFolder(filepath.Dir(l.dir))
}

// Origin is the log's name, as in its checkpoints.
func (l *Log) Origin() string { return l.verifier.Name() }
