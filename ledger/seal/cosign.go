package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"chaperone/ledger/durable"
)

// witnessTime is how long one witness may take.
const witnessTime = 5 * time.Second

// Answer is what one witness said about this log.
type Answer struct {
	Witness string
	Size    uint64    // batches that it has seen, as far as it said
	Time    time.Time // of its cosignature; zero without one
	Err     error
	line    note.Signature
}

// offer is one state of the log that witnesses are asked to cosign.
type offer struct {
	verifier note.Verifier
	tree     tlog.Tree
	signed   []byte
	reader   tlog.HashReader
}

func (l *Log) offer() (offer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.latest == nil {
		return offer{}, errors.New("seal: there is no checkpoint yet to be cosigned")
	}
	return offer{l.verifier, l.tree, l.latest, l.reader()}, nil
}

// Cosign asks all witnesses at the same time to cosign the latest checkpoint, and writes log/cosigned when enough of them
// did. Too few is no error: WitnessedSize then stays behind Tree, and the answers say why.
//
// Errors: ErrRolledBack or ErrRewritten when a witness says that it has seen a longer or another tree: one alone may lie, so
// it is for the caller to weigh it when WitnessedSize has reached the checkpoint all the same; the disk's.
func (l *Log) Cosign(ctx context.Context, client *http.Client, p Policy) ([]Answer, error) {
	o, err := l.offer()
	if err != nil {
		return nil, err
	}
	answers := make([]Answer, len(p.Witnesses))
	var wait sync.WaitGroup
	for i := range p.Witnesses {
		wait.Go(func() { answers[i] = l.ask(ctx, client, o, &p.Witnesses[i]) })
	}
	wait.Wait()

	n := &note.Note{Text: formatCheckpoint(o.verifier.Name(), o.tree)}
	if _, own, err := OpenCheckpoint(o.signed, o.verifier); err == nil {
		n = own
	}
	n.UnverifiedSigs = nil
	var contradiction error
	for i := range answers {
		a := &answers[i]
		if a.Err == nil {
			n.Sigs = append(n.Sigs, a.line)
		} else if contradiction == nil && (errors.Is(a.Err, ErrRolledBack) || errors.Is(a.Err, ErrRewritten)) {
			contradiction = fmt.Errorf("seal: witness %s: %w", a.Witness, a.Err)
		}
	}
	if p.satisfied(n) {
		signed, err := note.Sign(n)
		if err == nil {
			err = l.keepCosigned(o.tree, signed)
		}
		if err != nil {
			return answers, fmt.Errorf("seal: cosigned checkpoint: %w", err)
		}
	}
	return answers, contradiction
}

// keepCosigned writes log/cosigned, unless a later call was faster.
func (l *Log) keepCosigned(tree tlog.Tree, signed []byte) error {
	if l.signer == nil {
		return nil
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	if tree.N < l.cosigned.N {
		return nil
	}
	if err := durable.WriteFile(filepath.Join(l.dir, cosignedFile), signed); err != nil {
		return err
	}
	l.mu.Lock()
	l.cosigned, l.signed = tree, signed
	l.mu.Unlock()
	return nil
}

// Ask offers the latest checkpoint to one witness in order to learn what it has seen of this log. It changes nothing here.
//
// Errors: ErrRolledBack when the witness has seen more than there is, ErrRewritten when it has seen another tree, ErrMoved
// when it has seen more because the log grew since it was opened for reading, or while it was asked.
func (l *Log) Ask(ctx context.Context, client *http.Client, w Witness) (Answer, error) {
	o, err := l.offer()
	if err != nil {
		return Answer{}, err
	}
	a := l.ask(ctx, client, o, &w)
	return a, a.Err
}

// moved reports whether the log has by now what a witness has seen: then it only was asked with an old checkpoint.
func (l *Log) moved(seen uint64) bool {
	now := l.Tree()
	if l.signer == nil {
		var err error
		if now, _, err = ReadCheckpoint(filepath.Dir(l.dir), l.verifier); err != nil {
			return false
		}
	}
	return uint64(now.N) >= seen
}

// ask goes through the protocol with one witness (C2SP tlog-witness).
func (l *Log) ask(ctx context.Context, client *http.Client, o offer, w *Witness) Answer {
	ctx, cancel := context.WithTimeout(ctx, witnessTime)
	defer cancel()
	l.mu.Lock()
	seen := l.known[w.Verifier.Name()]
	l.mu.Unlock()
	a := Answer{Witness: w.Name}
	for range 3 { // what it has seen may be news to us, and change once more
		next, err := o.post(ctx, client, w, seen, &a)
		a.Size = next
		if err == nil || !errors.Is(err, errOtherSize) {
			a.Err = err
			break
		}
		a.Err = err
		seen = next
	}
	if errors.Is(a.Err, ErrRolledBack) && l.moved(a.Size) {
		a.Err = ErrMoved
	}
	if a.Err != nil {
		return a
	}
	l.mu.Lock()
	l.known[w.Verifier.Name()] = max(l.known[w.Verifier.Name()], a.Size)
	l.mu.Unlock()
	return a
}

// errOtherSize says that the witness has seen another number of batches than was thought.
var errOtherSize = errors.New("it keeps changing its mind about what it has seen")

// post offers a checkpoint with a proof that it continues what the witness has seen. It gives what the witness has seen now.
func (o *offer) post(ctx context.Context, client *http.Client, w *Witness, seen uint64, a *Answer) (uint64, error) {
	var body bytes.Buffer
	fmt.Fprintf(&body, "old %d\n", seen)
	if seen > 0 {
		proof, err := tlog.ProveTree(o.tree.N, int64(seen), o.reader)
		if err != nil {
			return seen, err
		}
		for _, h := range proof {
			fmt.Fprintf(&body, "%s\n", h)
		}
	}
	body.WriteByte('\n')
	body.Write(o.signed)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL+"/add-checkpoint", &body)
	if err != nil {
		return seen, err
	}
	resp, err := client.Do(req)
	var away *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return seen, fmt.Errorf("it did not answer within %s", witnessTime)
	case errors.As(err, &away): // whose text begins with the method and the whole address
		return seen, fmt.Errorf("it cannot be reached: %w", away.Err)
	case err != nil:
		return seen, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxNote))
	if err != nil {
		return seen, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return o.accept(w, text, a)
	case http.StatusConflict:
		return o.conflict(text, seen)
	case http.StatusUnprocessableEntity:
		return seen, fmt.Errorf("it saw another tree of %d batches: %w", seen, ErrRewritten)
	case http.StatusForbidden:
		return seen, errors.New("it does not know this ledger's signing key")
	case http.StatusNotFound:
		return seen, errors.New("it does not know this ledger")
	}
	return seen, fmt.Errorf("it answered with status %d", resp.StatusCode)
}

// accept checks the cosignature.
func (o *offer) accept(w *Witness, lines []byte, a *Answer) (uint64, error) {
	_, n, err := OpenCheckpoint(append(bytes.Clone(o.signed), lines...), o.verifier, w.Verifier)
	if err != nil {
		return 0, errors.New("its cosignature is not valid")
	}
	sig, ok := signatureOf(n, w.Verifier)
	if !ok {
		return 0, errors.New("it did not cosign with the key that is in the file of witnesses")
	}
	a.line, a.Time = sig, cosignedAt(sig)
	return uint64(o.tree.N), nil
}

// conflict reads what the witness has seen instead.
func (o *offer) conflict(text []byte, seen uint64) (uint64, error) {
	size, err := strconv.ParseUint(strings.TrimSuffix(string(text), "\n"), 10, 63)
	switch {
	case err != nil && seen == uint64(o.tree.N): // C2SP tlog-witness: of two roots of one size the status is all that must be said
		return seen, fmt.Errorf("it saw another tree of %d batches: %w", seen, ErrRewritten)
	case err != nil:
		return seen, errors.New("it has seen another size, and does not say which")
	case size > uint64(o.tree.N):
		return size, fmt.Errorf("it saw %d batches, there are %d: %w", size, o.tree.N, ErrRolledBack)
	case size == seen && size == uint64(o.tree.N):
		return size, fmt.Errorf("it saw another tree of %d batches: %w", size, ErrRewritten)
	}
	return size, errOtherSize
}
