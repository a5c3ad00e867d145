package approval

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"chaperone/ledger/durable"
)

// Extension ends the name of every file: ID.json.
const Extension = ".json"

// maxFile bounds a file: a reason of 300 letters takes a third of it.
const maxFile = 4 << 10

// Beside gives the folder of approvals that belongs to a ledger.
func Beside(ledger string) (string, error) {
	whole, err := filepath.Abs(ledger)
	if err != nil {
		return "", fmt.Errorf("approval: %w", err)
	}
	return filepath.Join(filepath.Dir(whole), "approvals"), nil
}

// MakeFolder makes the folder, for its owner alone, when it is not there. Made by root, it is the owner's of like: the guard's.
func MakeFolder(dir, like string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("approval: %w", err)
	}
	return give(dir, like)
}

// Write puts a new approval into a folder, whole or not at all. Error: it is not right, or there is one of its id.
func Write(dir string, a Approval) error {
	a.Version = version
	if err := a.Check(); err != nil {
		return err
	}
	if _, err := os.Lstat(pathOf(dir, a.ID)); err == nil {
		return errors.New("approval: there is one of this id")
	}
	return put(dir, &a)
}

// End ends an approval now. It says false when it was ended before.
func End(dir, id string, now time.Time) (a Approval, ended bool, err error) {
	if !IsID(id) {
		return a, false, errors.New("approval: an id has 12 digits and letters a to f; chaperone approve list shows them")
	}
	if a, err = Read(dir, id+Extension); err != nil || !a.Revoked.IsZero() {
		return a, false, err
	}
	a.Revoked = now.UTC().Round(time.Second)
	return a, true, put(dir, &a)
}

func put(dir string, a *Approval) error {
	b, err := json.Marshal(a, jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("approval: %w", err)
	}
	path := pathOf(dir, a.ID)
	if err := durable.WriteFile(path, append(b, '\n')); err != nil {
		return fmt.Errorf("approval: %w", err)
	}
	return give(path, dir)
}

func pathOf(dir, id string) string { return filepath.Join(dir, id+Extension) }

// Read reads the file of that name. Errors name it and what is wrong, never what it says.
func Read(dir, name string) (Approval, error) {
	a, err := read(filepath.Join(dir, name))
	if err == nil && a.ID+Extension != name {
		err = errors.New("approval: the file is not called by its id")
	}
	if err != nil {
		return Approval{}, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}

func read(path string) (Approval, error) {
	info, err := os.Lstat(path) // before it is opened: a pipe would wait for ever
	if err != nil {
		return Approval{}, bare(err)
	}
	switch {
	case !info.Mode().IsRegular():
		return Approval{}, errors.New("approval: not a file of its own")
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0:
		return Approval{}, errors.New("approval: others may write to it: chmod 600")
	case info.Size() > maxFile:
		return Approval{}, errors.New("approval: longer than any approval")
	}
	f, err := os.Open(path)
	if err != nil {
		return Approval{}, bare(err)
	}
	defer f.Close() // it was only read
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Approval{}, bare(err)
	}
	return Parse(b)
}

// bare is an error without the path, which its reader adds.
func bare(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("approval: %w", err)
}

// Parse reads the bytes of a file in the one strict form: every key once, none that is unknown.
func Parse(b []byte) (a Approval, err error) {
	if len(b) > maxFile {
		return a, errors.New("approval: longer than any approval")
	}
	if err := json.Unmarshal(b, &a, json.RejectUnknownMembers(true)); err != nil {
		return Approval{}, errors.New("approval: not in the form that chaperone approve writes") // its error may quote
	}
	if err := a.Check(); err != nil {
		return Approval{}, err
	}
	return a, nil
}

// digest is what of an approval may not change. It is whole, so that nobody can write two reasons beforehand that have the same.
func (a *Approval) digest() string {
	fixed := *a
	fixed.Revoked = time.Time{}
	b, _ := json.Marshal(&fixed, json.Deterministic(true)) // texts were checked: it cannot fail
	sum := sha256.Sum256(bytes.TrimSpace(b))
	return hex.EncodeToString(sum[:])
}
