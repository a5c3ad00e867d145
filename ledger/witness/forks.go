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

// fork is one piece of evidence.
type fork struct {
	name  string    // of its file
	tree  tlog.Tree // of the checkpoint that does not continue the one that was cosigned
	proof bool      // two roots of one size: no missing proof explains that
}

// keepFork keeps a checkpoint that does not continue the latest, beside it. It is a proof when both have one size; else it
// is what somebody sent, and the log may have signed it all the same as what comes next: see withdraw.
//
// Checkpoints are public, and anybody can send one with a wrong proof: one that was cosigned, or that comes before anything
// was, contradicts nothing. Where there is no room, a proof takes the place of what is none.
func (w *Witness) keepFork(l *log, tree tlog.Tree, other *note.Note) error {
	if tree == l.tree || l.tree.N == 0 && continues(l.tree, tree, nil) {
		return nil
	}
	proof := l.signed != nil && tree.N == l.tree.N
	same := slices.IndexFunc(l.forks, func(f fork) bool { return f.tree == tree })
	if same >= 0 && (l.forks[same].proof || !proof) {
		return nil
	}
	out := same
	if out < 0 && len(l.forks) >= maxForks {
		if out = slices.IndexFunc(l.forks, func(f fork) bool { return !f.proof }); out < 0 || !proof {
			return nil
		}
	}
	signed, err := note.Sign(other)
	if err != nil {
		return err
	}
	evidence := append(append([]byte(nil), l.signed...), '\n')
	evidence = append(evidence, signed...)
	sum := sha256.Sum256(evidence)
	kept := fork{l.name() + "-" + hex.EncodeToString(sum[:8]), tree, proof}
	if err := durable.WriteFile(filepath.Join(w.dir, forksFolder, kept.name), evidence); err != nil {
		return err
	}
	if out >= 0 {
		w.remove(l, out)
	}
	l.forks = append(l.forks, kept)
	return nil
}

// withdraw takes out of the evidence what was cosigned after all: its proof was wrong, not the checkpoint. Two roots of one
// size stay whatever is cosigned.
func (w *Witness) withdraw(l *log) {
	for i := len(l.forks) - 1; i >= 0; i-- {
		if l.forks[i].tree == l.tree && !l.forks[i].proof {
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

// understand reads the two checkpoints of a piece of evidence: the second begins where the log's name comes for the last time.
func (l *log) understand(evidence []byte, f *fork) {
	at := bytes.LastIndex(evidence, []byte("\n"+l.origin+"\n"))
	if at < 0 {
		return
	}
	tree, err := seal.ParseCheckpoint(string(evidence[at+1:]), l.origin)
	if err != nil {
		return
	}
	f.tree = tree
	first, err := seal.ParseCheckpoint(string(evidence[:at]), l.origin)
	f.proof = err == nil && first.N == tree.N && first.Hash != tree.Hash
}
