package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"chaperone/ledger/record"
	"chaperone/ledger/seal"
	"chaperone/page"
)

// Names of files that problems are about.
const (
	closedName     = "closed"
	checkpointName = "log/checkpoint"
	cosignedName   = "log/cosigned"
	witnessesName  = "witnesses"
)

// seen is what witnesses have seen, and what the record says at those places.
type seen struct {
	tree   tlog.Tree // under log/cosigned
	root   tlog.Hash // of as many batches of the record
	after  time.Time // when the first batch after those was written
	signed time.Time // when the first batch after the checkpoint was written
	size   uint64    // of the checkpoint
}

// checkpoints reads what was signed and cosigned. The tree is nil without a checkpoint that can be believed. Error: the list of
// witnesses that was given from outside cannot be used; that says nothing of the ledger.
func (r *run) checkpoints() (*tlog.Tree, error) {
	policy, own := seal.ReadWitnesses(r.Dir)
	if own != nil {
		r.report.whole(witnessesName, "%v", own)
	}
	if r.Witnesses != "" {
		var err error
		if policy, err = seal.ReadWitnesses(r.Witnesses); err != nil {
			return nil, fmt.Errorf("the list of witnesses that was given: %w", err)
		}
	}
	r.policy = policy
	r.report.Needed = r.policy.Need
	for _, w := range r.policy.Witnesses {
		r.report.Witnesses = append(r.report.Witnesses, Witness{Name: w.Name})
	}
	if r.Witnesses != "" || own == nil {
		r.readCosigned()
	}
	tree, _, err := seal.ReadCheckpoint(r.Dir, r.verify)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if r.seen.tree.N > 0 {
			r.report.whole(checkpointName, "it is missing, and witnesses cosigned %s", page.Count(int(r.seen.tree.N), "batch", "batches"))
		}
		return nil, nil
	case err != nil:
		r.report.whole(checkpointName, "%v", err)
		return nil, nil
	}
	r.report.Sealed, r.seen.size = uint64(tree.N), uint64(tree.N)
	if r.seen.tree.N > tree.N {
		r.report.whole(checkpointName, "it is of %s, and witnesses cosigned %d: an older one was put back", page.Count(int(tree.N), "batch", "batches"), r.seen.tree.N)
	}
	return &tree, nil
}

// readCosigned reads which witnesses cosigned what.
func (r *run) readCosigned() {
	signed, err := os.ReadFile(filepath.Join(r.Dir, filepath.FromSlash(cosignedName)))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	tree, by := tlog.Tree{}, []seal.Cosignature(nil)
	if err == nil {
		tree, by, err = r.policy.Open(signed, r.verify)
	}
	if err != nil {
		r.report.whole(cosignedName, "%v", err)
		return
	}
	if len(r.policy.Witnesses) == 0 {
		r.report.whole(witnessesName, "it names nobody, and %s is of some: remove both when nobody is to be asked any more", cosignedName)
	}
	r.seen.tree = tree
	for _, c := range by {
		for i := range r.report.Witnesses {
			if w := &r.report.Witnesses[i]; w.Name == c.Witness {
				w.Size, w.Time = uint64(tree.N), c.Time
			}
		}
	}
	if len(by) < r.policy.Need {
		r.report.whole(cosignedName, "%d of the %d witnesses that are needed signed it", len(by), r.policy.Need)
	}
}

// noteSize takes what is needed at the places that were signed and cosigned, while the record passes.
func (r *run) noteSize(h *seal.Hasher, f *record.Frame) {
	s := &r.seen
	if h.Size() == uint64(s.tree.N) {
		s.root = h.Root()
	}
	if f.Batch == uint64(s.tree.N) {
		s.after = f.Written
	}
	if f.Batch == s.size {
		s.signed = f.Written
	}
}

// sealing says what the comparison of the record with its tiles and its checkpoint gave.
func (r *run) sealing(err error, tree *tlog.Tree) {
	batches := r.report.Batches
	switch {
	case errors.Is(err, seal.ErrTile):
		name, offset := tileOf(err.Error(), r.Dir)
		r.report.problem(name, offset, -1, "%v", seal.ErrTile)
	case err != nil && !(r.stopped && errors.Is(err, seal.ErrRolledBack)): // of that one, the damage says it
		r.report.whole(checkpointName, "%v", err)
	case tree == nil && batches > 0:
		if !slices.ContainsFunc(r.report.Problems, func(p Problem) bool { return p.File == checkpointName }) {
			r.report.whole(checkpointName, "it is missing, and there are %d batches: one is signed within the first second", batches)
		}
	case tree != nil && batches > uint64(tree.N):
		r.report.warn("not under a signature: %s since %s. Recording ended with a crash, or they were added by somebody without the signing key",
			page.Count(int(batches-uint64(tree.N)), "batch", "batches"), moment(r.seen.signed))
	}
	if n := uint64(r.seen.tree.N); n > 0 && n <= batches && r.seen.root != r.seen.tree.Hash {
		r.report.whole(cosignedName, "the first %d batches are not those that witnesses cosigned: the record was rewritten", n)
	}
}

// tileOf finds the file and the offset in what was said of a tile.
func tileOf(text, dir string) (name string, offset int64) {
	text = strings.TrimPrefix(text, "seal: ")
	path, at, wrong := strings.Cut(text, " is wrong at offset ")
	if !wrong {
		path, _, _ = strings.Cut(text, " is missing: ")
	}
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel), number(at)
	}
	return "log/tile", -1
}

// number reads the digits that a text begins with; -1 without any.
func number(text string) int64 {
	n := int64(-1)
	for _, c := range text {
		if c < '0' || c > '9' || n > 1<<32 {
			break
		}
		n = max(n, 0)*10 + int64(c-'0')
	}
	return n
}

// witnesses asks all witnesses what they have seen of this log, and says how much enough of them have.
func (r *run) witnesses(ctx context.Context, tree *tlog.Tree) error {
	list := r.report.Witnesses
	if len(list) == 0 {
		return nil
	}
	if tree == nil {
		r.report.warn("there is no checkpoint to show to the witnesses: look at their pages for how much they have seen of %s", r.meta.Origin)
	} else if !r.Offline {
		l, err := r.log(ctx)
		if err != nil {
			return err
		}
		if l != nil {
			r.ask(ctx, l, tree)
		}
	}
	sizes := make([]uint64, len(list))
	for i := range list {
		sizes[i] = list[i].Size
	}
	slices.Sort(sizes)
	s, enough := r.report, sizes[len(sizes)-r.policy.Need]
	s.Witnessed = min(enough, s.Batches)
	if s.Witnessed < s.Batches {
		s.Since = r.since()
	}
	if enough < s.Sealed {
		s.add(Problem{Unseen, cosignedName, -1, -1, r.unseen()})
	}
	return ctx.Err()
}

// unseen says what it means that too few witnesses cosigned all that is signed, and what to do. They may have been there all the time: one that takes
// longer to answer than the next checkpoint takes to be signed has cosigned that of no moment at which a ledger is copied that is recorded into all the time.
func (r *run) unseen() string {
	s, ahead := r.report, 0
	for _, w := range s.Witnesses {
		if w.Known > 0 || w.Size >= s.Sealed {
			ahead++
		}
	}
	text := fmt.Sprintf("%d of %d signed batches were seen by the %s needed: what was written since %s can be rewritten unnoticed",
		s.Witnessed, s.Sealed, page.Count(s.Needed, "witness that is", "witnesses that are"), moment(s.Since))
	switch {
	case s.Backup && ahead >= s.Needed:
		return text + fmt.Sprintf(" in this copy. By now %d were seen, but just this checkpoint was not cosigned, and can be shown to nobody any more: "+
			"verify the ledger itself when nobody records in it, or a backup that is made when less is recorded", s.Known)
	case s.Backup:
		return text + ". Bring the witnesses back, and make a new backup"
	}
	return text + ". Bring the witnesses back, open and close the ledger, verify again"
}

// since is when the first batch was written that enough witnesses have not seen.
func (r *run) since() time.Time {
	switch r.report.Witnessed {
	case 0:
		return r.report.First
	case uint64(r.seen.tree.N):
		return r.seen.after
	case r.seen.size:
		return r.seen.signed
	}
	return r.report.Last
}

// log opens the log for asking. It is nil when what is wrong with it keeps it from being shown; that was said already.
func (r *run) log(ctx context.Context) (*seal.Log, error) {
	l, err := seal.Open(r.Dir, r.verify, nil)
	if err == nil {
		err = l.Load(ctx, r.report.Batches, r.leaves)
	}
	switch {
	case err == nil:
		return l, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case r.report.found[Changed] == 0:
		r.report.whole(checkpointName, "%v", err)
	}
	return l, nil // the tiles may still do for the proofs that witnesses ask for
}

// ask asks all of them at a time.
func (r *run) ask(ctx context.Context, l *seal.Log, tree *tlog.Tree) {
	answers := make([]seal.Answer, len(r.policy.Witnesses))
	var wait sync.WaitGroup
	for i, w := range r.policy.Witnesses {
		wait.Go(func() { answers[i], _ = l.Ask(ctx, r.Client, w) }) // the answer has the error
	}
	wait.Wait()
	for i := range answers {
		a, w := &answers[i], &r.report.Witnesses[i]
		switch {
		case a.Err == nil:
			w.Size, w.Time = uint64(tree.N), a.Time
			r.report.Answered++
		case errors.Is(a.Err, seal.ErrRolledBack):
			r.report.Answered++
			w.Known, r.report.Known = a.Size, max(r.report.Known, a.Size)
			if r.report.Backup && r.Backup {
				w.Said = fmt.Sprintf("by now %d", a.Size)
				continue
			}
			w.Said = a.Err.Error()
			text := fmt.Sprintf("witness %s: %v", w.Name, a.Err)
			if r.report.Backup {
				text += "; if you made this folder yourself, as a backup of a ledger that goes on, say so (--backup)"
			}
			r.report.add(Problem{Ahead, checkpointName, -1, -1, text})
		case errors.Is(a.Err, seal.ErrRewritten):
			w.Said = a.Err.Error()
			r.report.Answered++
			r.report.add(Problem{Forked, checkpointName, -1, -1, fmt.Sprintf("witness %s: %v", w.Name, a.Err) + ": a restored copy of this ledger was recorded into as well, or a part of the record was replaced and signed anew. " +
				"If it was a copy, record into that one only, which the witness knows, and keep this folder; what it has alone goes on as a ledger of its own: ledger backup, then ledger restore --as-branch"})
		default:
			w.Said = a.Err.Error()
		}
	}
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "the beginning"
	}
	return t.UTC().Format(time.RFC3339)
}
