package seal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// maxNote bounds a signed note that is read from somewhere.
const maxNote = 64 << 10

// formatCheckpoint writes a checkpoint's text (C2SP tlog-checkpoint).
func formatCheckpoint(origin string, tree tlog.Tree) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, tree.N, tree.Hash)
}

// ParseCheckpoint reads a checkpoint's text, without signatures. Lines after the third are ignored. Errors: ErrCheckpoint.
func ParseCheckpoint(text, origin string) (tlog.Tree, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 || lines[0] != origin {
		return tlog.Tree{}, fmt.Errorf("seal: a checkpoint of another log: %w", ErrCheckpoint)
	}
	n, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || n < 0 || lines[1] != strconv.FormatInt(n, 10) {
		return tlog.Tree{}, fmt.Errorf("seal: a checkpoint's size is not a number: %w", ErrCheckpoint)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil || root.String() != lines[2] {
		return tlog.Tree{}, fmt.Errorf("seal: a checkpoint's root is not a hash: %w", ErrCheckpoint)
	}
	return tlog.Tree{N: n, Hash: root}, nil
}

// ReadCheckpoint reads log/checkpoint of a ledger's folder and checks its signature.
//
// Errors: fs.ErrNotExist without one; ErrCheckpoint.
func ReadCheckpoint(dir string, v note.Verifier) (tlog.Tree, []byte, error) {
	path := filepath.Join(dir, logFolder, checkpointFile)
	tree, _, signed, err := readNote(path, v)
	return tree, signed, err
}

// readNote reads a signed checkpoint.
func readNote(path string, v note.Verifier, others ...note.Verifier) (tlog.Tree, *note.Note, []byte, error) {
	signed, err := readSmall(path)
	if err != nil {
		return tlog.Tree{}, nil, nil, err
	}
	tree, n, err := OpenCheckpoint(signed, v, others...)
	if err != nil {
		return tlog.Tree{}, nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return tree, n, signed, nil
}

// OpenCheckpoint checks a signed checkpoint: the log's signature must be there, those of others may be. Errors: ErrCheckpoint.
func OpenCheckpoint(signed []byte, v note.Verifier, others ...note.Verifier) (tlog.Tree, *note.Note, error) {
	n, err := note.Open(signed, note.VerifierList(append([]note.Verifier{v}, others...)...))
	if err != nil {
		return tlog.Tree{}, nil, fmt.Errorf("seal: %w: %w", ErrCheckpoint, plain(err))
	}
	for _, sig := range n.Sigs {
		if b, err := base64.StdEncoding.DecodeString(sig.Base64); err != nil || base64.StdEncoding.EncodeToString(b) != sig.Base64 {
			return tlog.Tree{}, nil, fmt.Errorf("seal: a signature is not written as it was: %w", ErrCheckpoint)
		}
	}
	if !signedBy(n, v) {
		return tlog.Tree{}, nil, fmt.Errorf("seal: without the log's own signature: %w", ErrCheckpoint)
	}
	tree, err := ParseCheckpoint(n.Text, v.Name())
	return tree, n, err
}

// plain drops the text of an unsigned note, which its error carries.
func plain(err error) error {
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		return errors.New("no signature of a known key")
	}
	return err
}

func signedBy(n *note.Note, v note.Verifier) bool {
	_, ok := signatureOf(n, v)
	return ok
}

func signatureOf(n *note.Note, v note.Verifier) (note.Signature, bool) {
	for _, sig := range n.Sigs {
		if sig.Name == v.Name() && sig.Hash == v.KeyHash() {
			return sig, true
		}
	}
	return note.Signature{}, false
}

// readSmall reads a file that has no reason to be large.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxNote+1))
	if err == nil && len(b) > maxNote {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("far too large")}
	}
	return b, err
}
