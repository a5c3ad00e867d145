// Package witness is the other side of the seal: it runs on another host than the ledgers, cosigns each new checkpoint
// that continues the one it cosigned before, and nothing else. Whoever rewrites a ledger later, with all keys of its host
// at hand, has no witness for it, and the checkpoints that do not fit together are kept here as evidence.
//
// It speaks C2SP tlog-witness (POST /add-checkpoint) and makes cosignatures of C2SP tlog-cosignature, version 1. Its folder
// holds
//
//	witness.key    the seed of its key, 64 hexadecimal digits, and its name
//	lock           held by the process that has it open
//	logs           the logs it knows: a line "ORIGIN VKEY" for each key of each
//	state/HASH     the latest cosigned checkpoint of a log; HASH is SHA-256 of its origin
//	forks/HASH-N   evidence: two checkpoints of one size, or the one that was cosigned and one that is not shown to continue
//	               it; both signed by the log, with an empty line between them
//
// The state must not be put back to an earlier one: a witness that lost it is to be given a new key.
package witness

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"chaperone/ledger/seal"
)

// maxBody bounds a request: 63 hashes and a checkpoint with its signatures need less.
const maxBody = 64 << 10

// Witness answers for one folder (http.Handler). It is safe for concurrent use; no other process can use its folder.
type Witness struct {
	Warn func(text string) // one line for the operator when something could not be kept; may be nil, is set before anybody is answered

	dir    string
	signer *seal.Cosigner
	logs   map[string]*log // by origin
	held   *os.File        // the lock
}

// log is what a witness knows of one log.
type log struct {
	origin string
	keys   []note.Verifier

	// mu is held from comparing a checkpoint with the latest until the new one is on disk: two requests at a time would
	// take a log back otherwise.
	mu     sync.Mutex
	tree   tlog.Tree
	signed []byte // the latest cosigned checkpoint, nil before the first
	forks  []fork
}

// ServeHTTP answers POST /add-checkpoint, and GET / with a page for people.
func (w *Witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/add-checkpoint":
		w.add(rw, r)
	case (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.Path == "/":
		w.page(rw)
	case r.URL.Path == "/" || r.URL.Path == "/add-checkpoint":
		allow := "POST"
		if r.URL.Path == "/" {
			allow = "GET, HEAD"
		}
		rw.Header().Set("Allow", allow)
		http.Error(rw, "not a method for this", http.StatusMethodNotAllowed)
	default:
		http.NotFound(rw, r)
	}
}

func (w *Witness) add(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		http.Error(rw, "the request is cut off or too large", http.StatusBadRequest)
		return
	}
	req, err := parseRequest(body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	l := w.logs[req.origin]
	if l == nil {
		http.Error(rw, "this log is not known here", http.StatusNotFound)
		return
	}
	n, err := note.Open(req.checkpoint, note.VerifierList(l.keys...))
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unverified) || errors.As(err, &invalid):
		http.Error(rw, "not signed with a key that is known here", http.StatusForbidden)
		return
	case err != nil:
		http.Error(rw, "the checkpoint is not a signed note", http.StatusBadRequest)
		return
	}
	tree, err := seal.ParseCheckpoint(n.Text, l.origin)
	if strings.Contains(n.Text, "\n\n") { // C2SP tlog-checkpoint: no line is empty
		err = seal.ErrCheckpoint
	}
	if err != nil || req.old > uint64(tree.N) {
		http.Error(rw, "not a checkpoint, or of fewer leaves than the old size", http.StatusBadRequest)
		return
	}
	n.UnverifiedSigs = nil // of nobody's business here
	answer := w.cosign(l, req, tree, n)
	if answer.status == http.StatusConflict {
		rw.Header().Set("Content-Type", "text/x.tlog.size")
	}
	rw.WriteHeader(answer.status)
	_, _ = io.WriteString(rw, answer.body) // one who does not listen asks again
}

type answer struct {
	status int
	body   string
}

// cosign decides about a checkpoint that the log has signed.
func (w *Witness) cosign(l *log, req request, tree tlog.Tree, n *note.Note) answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	have := uint64(l.tree.N)
	switch {
	case have == uint64(tree.N) && l.signed != nil && l.tree.Hash != tree.Hash:
		// Two roots for one size: whatever else the request says, the log has signed two histories.
		if err := w.keepFork(l, tree, n); err != nil {
			return w.failed(err)
		}
		return conflict(have)
	case req.old != have:
		if tree == l.tree { // whoever has the log can show this way that it went through what is suspected: the answer stays the same
			w.settle(l, func(t tlog.Tree) bool { return t.N > 0 && uint64(t.N) == req.old && continues(t, tree, req.proof) })
		}
		return conflict(have)
	case !continues(l.tree, tree, req.proof):
		if err := w.keepFork(l, tree, n); err != nil {
			return w.failed(err)
		}
		return answer{http.StatusUnprocessableEntity, "it is not proven that this checkpoint continues the one before\n"}
	}
	before := len(n.Sigs)
	own, err := note.Sign(n)
	if err == nil {
		err = w.proven(l, tree, own) // while it has no cosignature that could get out before it is kept
	}
	if err != nil {
		return w.failed(err)
	}
	signed, err := note.Sign(n, w.signer)
	if err != nil {
		return w.failed(err)
	}
	if err := w.keep(l, signed); err != nil {
		return w.failed(err)
	}
	known := hashesOf(l.tree, tree.N, req.proof)
	l.tree, l.signed = tree, signed
	w.settle(l, func(t tlog.Tree) bool {
		if t.N >= tree.N {
			return t == tree
		}
		root, ok := known.root(0, t.N)
		return ok && root == t.Hash
	})
	lines := strings.SplitAfter(string(signed[len(n.Text)+1:]), "\n")
	return answer{http.StatusOK, strings.Join(lines[before:], "")}
}

func conflict(size uint64) answer { return answer{http.StatusConflict, fmt.Sprintf("%d\n", size)} }

// failed answers that nothing was cosigned. Why is for the operator: it names folders of this host.
func (w *Witness) failed(err error) answer {
	if w.Warn != nil {
		w.Warn(fmt.Sprintf("witness: a checkpoint was not cosigned: %v", err))
	}
	return answer{http.StatusInternalServerError, "the witness could not keep what it saw, and cosigned nothing\n"}
}

// continues reports whether a proof shows that one tree is the beginning of the other.
func continues(old, tree tlog.Tree, proof []tlog.Hash) bool {
	if old.N == 0 {
		return len(proof) == 0 && (tree.N > 0 || tree.Hash == new(seal.Hasher).Root())
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash) == nil
}
