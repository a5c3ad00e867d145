package witness

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"chaperone/ledger/durable"
	"chaperone/ledger/lock"
	"chaperone/ledger/seal"
)

// KeyFile is the name of the key's file in a witness's folder.
const KeyFile = "witness.key"

// NewKey makes the folder and the key of a witness with a name. It does not touch a key that is there.
func NewKey(dir, name string) error {
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // it never fails (crypto/rand)
	if _, err := seal.NewCosigner(name, seed); err != nil {
		return err
	}
	if err := ours(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, KeyFile)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(hex.EncodeToString(seed[:]) + " " + name + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return durable.SyncFolder(dir)
}

// ours refuses a folder that holds something else: a ledger's own folder must not be its witness's.
func ours(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return isFolder(dir, err)
	}
	for _, e := range entries {
		switch strings.TrimSuffix(e.Name(), ".new") {
		case KeyFile, logsFile, stateFolder, forksFolder, lock.File:
		default:
			return fmt.Errorf("witness: %s: not the folder of a witness, and not empty; name one of its own", dir)
		}
	}
	return nil
}

// isFolder gives the error of a folder, or that it is none.
func isFolder(dir string, err error) error {
	if info, gone := os.Stat(dir); gone == nil && !info.IsDir() {
		return fmt.Errorf("witness: %s: not a folder; name one for the witness", dir)
	}
	return err
}

// LoadKey reads the key of a witness that has a name, most often its address without https://. VerifierKey of the result is
// what ledgers write into their file of witnesses.
//
// Errors: the key was made for another name, by which ledgers know it; it cannot be read.
func LoadKey(dir, name string) (*seal.Cosigner, error) {
	path := filepath.Join(dir, KeyFile)
	text, err := readFile(path)
	if err != nil {
		return nil, isFolder(dir, err)
	}
	fields := append(strings.Fields(string(text)), "")
	seed, err := hex.DecodeString(fields[0])
	if err != nil || len(seed) != 32 || len(fields) > 3 {
		return nil, fmt.Errorf("witness: %s: not a key of 64 hexadecimal digits and a name", path)
	}
	if have := fields[1]; have != "" && have != name { // a key that was made by hand has none
		return nil, fmt.Errorf("witness: %s is the key of the witness %s, and ledgers know it by that name: use it under no other, or a folder of its own", path, have)
	}
	return seal.NewCosigner(name, [32]byte(seed))
}
