package witness

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"chaperone/ledger/durable"
	"chaperone/ledger/seal"
)

// maxForks is how many pieces of evidence are kept of one log: one is enough, and a log must not fill the disk.
const maxForks = 16

// fork is one piece of evidence: two checkpoints that the log signed.
type fork struct {
	name   string    // of its file
	first  tlog.Tree // that of the one that was there before; of 0 batches when there was none
	tree   tlog.Tree // that of the one that came
	signed []byte    // the one that came
	proof  bool      // two roots of one size: no missing proof explains that. Else it is a suspicion
}

// keepFork keeps a checkpoint that does not continue the latest, beside it. It is a proof when both have one size, or when one of
// its size is kept already that has another root: then those two are the pair. Else it is what somebody sent, and the log may have
// signed it all the same as what comes next: see settle.
//
// Checkpoints are public, and anybody can send one with a wrong proof: one that was cosigned, or that comes before anything
// was, contradicts nothing. Where there is no room, a proof takes the place of what is none.
func (w *Witness) keepFork(l *log, tree tlog.Tree, other *note.Note) error {
	if tree == l.tree || l.tree.N == 0 && continues(l.tree, tree, nil) {
		return nil
	}
	signed, err := note.Sign(other)
	if err != nil {
		return err
	}
	f, first := fork{first: l.tree, tree: tree, signed: signed, proof: l.signed != nil && tree.N == l.tree.N}, l.signed
	out := slices.IndexFunc(l.forks, func(have fork) bool { return have.tree == tree || have.proof && have.first == tree })
	if out >= 0 && (l.forks[out].proof || !f.proof) {
		return nil
	}
	if out < 0 && !f.proof {
		out = slices.IndexFunc(l.forks, func(have fork) bool { return !have.proof && have.tree.N == tree.N })
		if out >= 0 {
			f.first, f.proof, first = l.forks[out].tree, true, l.forks[out].signed
		}
	}
	if out < 0 && len(l.forks) >= maxForks {
		if out = slices.IndexFunc(l.forks, func(have fork) bool { return !have.proof }); out < 0 || !f.proof {
			return nil
		}
	}
	return w.write(l, f, first, out)
}

// write puts a piece of evidence on disk, in the place of another if out is not below 0.
func (w *Witness) write(l *log, f fork, first []byte, out int) error {
	evidence := append(append([]byte(nil), first...), '\n')
	evidence = append(evidence, f.signed...)
	sum := sha256.Sum256(evidence)
	f.name = l.name() + "-" + hex.EncodeToString(sum[:8])
	if err := durable.WriteFile(filepath.Join(w.dir, forksFolder, f.name), evidence); err != nil {
		return err
	}
	if out >= 0 {
		w.remove(l, out)
	}
	l.forks = append(l.forks, f)
	return nil
}

// proven makes a proof of each suspicion that has the size of a checkpoint which the log signed, and another root.
func (w *Witness) proven(l *log, tree tlog.Tree, signed []byte) error {
	for i := len(l.forks) - 1; i >= 0; i-- {
		f := l.forks[i]
		if f.proof || f.tree.N != tree.N || f.tree == tree {
			continue
		}
		f.first, f.proof = tree, true
		if err := w.write(l, f, signed, i); err != nil {
			return err
		}
	}
	return nil
}

// settle takes out of the evidence what was shown to be of the log's history: its proof was wrong, not the checkpoint. Two roots of
// one size stay whatever is shown.
func (w *Witness) settle(l *log, shown func(tlog.Tree) bool) {
	for i := len(l.forks) - 1; i >= 0; i-- {
		if !l.forks[i].proof && shown(l.forks[i].tree) {
			w.remove(l, i)
		}
	}
}

// remove takes one piece out of the evidence. Where its file stays, it stays in the list.
func (w *Witness) remove(l *log, i int) {
	if durable.Remove(filepath.Join(w.dir, forksFolder, l.forks[i].name)) == nil {
		l.forks = slices.Delete(l.forks, i, i+1)
	}
}

// restoreForks reads which evidence there is. What cannot be read counts as well: it is for people to look at.
func (w *Witness) restoreForks(l *log) error {
	paths, err := filepath.Glob(filepath.Join(w.dir, forksFolder, l.name()+"-*"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if strings.HasSuffix(path, ".new") {
			continue
		}
		f := fork{name: filepath.Base(path), tree: tlog.Tree{N: -1}, proof: true}
		if evidence, err := readFile(path); err == nil {
			l.understand(evidence, &f)
		}
		l.forks = append(l.forks, f)
	}
	return nil
}

// understand reads the two checkpoints of a piece of evidence.
func (l *log) understand(evidence []byte, f *fork) {
	first, second := pair(evidence)
	tree, err := seal.ParseCheckpoint(string(second), l.origin)
	if err != nil {
		return
	}
	f.tree, f.signed = tree, second
	f.first, err = seal.ParseCheckpoint(string(first), l.origin)
	f.proof = err == nil && f.first.N == tree.N && f.first.Hash != tree.Hash
}

// pair parts the two checkpoints of a piece of evidence; the first is empty when there was none. No checkpoint that is let in
// has an empty line in its text, so that its only one is before the signatures: a log cannot move the border.
func pair(evidence []byte) (first, second []byte) {
	if second, none := bytes.CutPrefix(evidence, []byte("\n")); none {
		return nil, second
	}
	_, rest, _ := bytes.Cut(evidence, []byte("\n\n"))
	_, second, _ = bytes.Cut(rest, []byte("\n\n"))
	return evidence[:max(len(evidence)-len(second)-1, 0)], second
}
