package witness

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"chaperone/ledger/durable"
	"chaperone/ledger/seal"
)

// KeyFile is the name of the key's file in a witness's folder.
const KeyFile = "witness.key"

// NewKey makes a witness's folder and key. It does not touch a key that is there.
func NewKey(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, KeyFile)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // it never fails (crypto/rand)
	_, err = f.WriteString(hex.EncodeToString(seed[:]) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return durable.SyncFolder(dir)
}

// LoadKey reads the key of a witness that has a name, most often its address without https://. VerifierKey of the result is
// what ledgers write into their file of witnesses.
func LoadKey(dir, name string) (*seal.Cosigner, error) {
	path := filepath.Join(dir, KeyFile)
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != 32 {
		return nil, fmt.Errorf("witness: %s: not a key of 64 hexadecimal digits", path)
	}
	return seal.NewCosigner(name, [32]byte(seed))
}
