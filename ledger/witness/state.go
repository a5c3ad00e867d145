package witness

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"chaperone/ledger/durable"
	"chaperone/ledger/lock"
	"chaperone/ledger/seal"
)

// Names in a witness's folder.
const (
	logsFile    = "logs"
	stateFolder = "state"
	forksFolder = "forks"
)

// maxFile bounds a file that is read as a whole.
const maxFile = 1 << 20

// hold takes a witness's folder for this process alone.
func hold(dir string) (*os.File, error) {
	f, err := lock.Take(filepath.Join(dir, lock.File), false)
	if errors.Is(err, lock.ErrHeld) {
		return nil, fmt.Errorf("witness: %s: another process is the witness of this folder; two of them could cosign what contradicts each other", dir)
	}
	return f, err
}

// Open reads a witness's folder, and keeps it from other processes until Close. Every state is checked with the witness's own
// key.
//
// Errors: another process has it; a log's line or state that cannot be read. Nothing is ever begun anew instead: that would be
// forgetting.
func Open(dir string, signer *seal.Cosigner) (*Witness, error) {
	held, err := hold(dir)
	if err != nil {
		return nil, err
	}
	w := &Witness{dir: dir, signer: signer, logs: map[string]*log{}, held: held}
	if err := w.read(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Close lets go of the folder. Nobody may be answered any more.
func (w *Witness) Close() error { return w.held.Close() }

// read reads which logs there are, and what was cosigned of them.
func (w *Witness) read() error {
	dir := w.dir
	text, err := readFile(filepath.Join(dir, logsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := w.know(line); err != nil {
			return fmt.Errorf("witness: %s: line %d: %w", filepath.Join(dir, logsFile), i+1, err)
		}
	}
	for _, folder := range []string{stateFolder, forksFolder} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			return err
		}
	}
	if err := durable.SyncFolder(dir); err != nil {
		return err
	}
	for _, l := range w.logs {
		if err := w.restore(l); err != nil {
			return err
		}
	}
	return nil
}

// know adds the log of a line "ORIGIN VKEY", or "VKEY" when the key's name is the origin.
func (w *Witness) know(line string) error {
	origin, vkey := "", line
	if i := strings.LastIndexByte(line, ' '); i >= 0 {
		origin, vkey = strings.TrimSpace(line[:i]), line[i+1:]
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return fmt.Errorf("not ORIGIN and a verifier key: %w", err)
	}
	if origin == "" {
		origin = v.Name()
	}
	l := w.logs[origin]
	if l == nil {
		l = &log{origin: origin}
		w.logs[origin] = l
	}
	for _, have := range l.keys {
		if have.Name() == v.Name() && have.KeyHash() == v.KeyHash() {
			return errors.New("this key is there twice")
		}
	}
	l.keys = append(l.keys, v)
	return nil
}

// AddLog makes a witness that is not running know a log, whose origin is the name of its verifier key.
func AddLog(dir, vkey string) error {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return fmt.Errorf("witness: not the public key of a log, as ledger status prints it: %w", err)
	}
	held, err := hold(dir)
	if err != nil {
		return err
	}
	defer held.Close() // it was only held
	path := filepath.Join(dir, logsFile)
	text, err := readFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	line := v.Name() + " " + vkey
	for _, have := range strings.Split(string(text), "\n") {
		if strings.TrimSpace(have) == line {
			return nil
		}
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	return durable.WriteFile(path, append(text, line+"\n"...))
}

// name is what a log's files are called.
func (l *log) name() string {
	sum := sha256.Sum256([]byte(l.origin))
	return hex.EncodeToString(sum[:])
}

// restore reads what was cosigned before.
func (w *Witness) restore(l *log) error {
	if err := w.restoreForks(l); err != nil {
		return err
	}
	path := filepath.Join(w.dir, stateFolder, l.name())
	signed, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	n, err := note.Open(signed, note.VerifierList(w.signer.Verifier()))
	if err == nil {
		l.tree, err = seal.ParseCheckpoint(n.Text, l.origin)
	}
	if err == nil && !l.signedAll(signed, w.signer.Verifier()) {
		return fmt.Errorf("witness: %s: a signature of the ledger in it was changed, or its key is no longer in %s: put back that key, or the file from a backup; without it a fork could not be proven: %w",
			path, filepath.Join(w.dir, logsFile), seal.ErrCheckpoint)
	}
	if err != nil {
		return fmt.Errorf("witness: %s is not what this witness cosigned, with this name and key: it must not start without it: %w", path, seal.ErrCheckpoint)
	}
	l.signed = signed
	w.settle(l, func(t tlog.Tree) bool { return t == l.tree }) // a kill may have been between the two
	return w.proven(l, l.tree, signed)
}

// signedAll reports whether a state is, to the byte, a checkpoint with signatures of the log's known keys and the witness's own, and
// with nothing else. The witness's own says what was cosigned; the log's are what proves a fork to others.
func (l *log) signedAll(signed []byte, own note.Verifier) bool {
	n, err := note.Open(signed, note.VerifierList(append([]note.Verifier{own}, l.keys...)...))
	if err != nil || len(n.UnverifiedSigs) > 0 || len(n.Sigs) < 2 {
		return false
	}
	for _, sig := range n.Sigs {
		if _, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil {
			return false
		}
	}
	again, err := note.Sign(n)
	return err == nil && bytes.Equal(again, signed)
}

// keep makes a cosigned checkpoint the latest.
func (w *Witness) keep(l *log, signed []byte) error {
	return durable.WriteFile(filepath.Join(w.dir, stateFolder, l.name()), signed)
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("witness: %s is far too large", path)
	}
	return os.ReadFile(path)
}
