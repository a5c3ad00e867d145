// Package keys holds a ledger's keys and its description: three secrets in a folder of their own, one key for each day,
// and ledger.json, which says which of them belong to it.
//
//	token.key    makes the stand-ins of patients' numbers; only recording, and asking by number, needs it
//	signing.key  the Ed25519 seed that signs what the ledger promises
//	data.key     opens the ledger: everything else that is secret is derived from it, or wrapped under it
//
// Each is a file of 64 hexadecimal digits. They are backed up apart from the ledger: who has both can read everything, and
// without data.key nobody can read anything. All derivations are HMAC-SHA-256 over a label that is used once.
package keys

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"chaperone/patient"
)

// Names of the files in the keys folder.
const (
	TokenFile   = patient.KeyFile
	SigningFile = "signing.key"
	DataFile    = "data.key"
)

// Errors that callers tell apart. Each comes with the file that it is about, and with what to do.
var (
	ErrNoKey    = errors.New("there is no such key")
	ErrWrongKey = errors.New("the key of another ledger")
	ErrDamaged  = errors.New("damaged")
	ErrPurged   = errors.New("the day was purged: its key is destroyed for good")
	ErrNewer    = errors.New("made by a later version of this program")
)

// What to do about a key that is not usable, or that cannot be read.
const (
	restore = "restore it from the backup of the keys; the ledger itself was not touched"
	access  = "let the user who runs this program read it; the ledger itself was not touched"
)

// Data is the data key.
type Data [32]byte

// Seed is the signing key: an Ed25519 seed (RFC 8032, 5.1.5).
type Seed [32]byte

// ID recognises a key and says nothing about it.
type ID [8]byte

func (i ID) String() string { return hex.EncodeToString(i[:]) }

// Format hides the key from every verb of fmt.
func (d Data) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[key]") }

// Format hides the key from every verb of fmt.
func (s Seed) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[key]") }

// DefaultFolder is where the keys are when nobody says otherwise: /etc/chaperone/keys for root, else a folder of the user;
// "" when the user has none.
func DefaultFolder() string {
	if os.Geteuid() == 0 {
		return "/etc/chaperone/keys"
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(config, "chaperone", "keys")
}

// Make makes the folder and those of the three keys that are missing, and gives the paths of those it made. They are on disk
// when it returns. It is for the making of a ledger only: in the place of a key that a ledger was made with and that is lost,
// a new one opens nothing.
func Make(dir string) (made []string, err error) {
	if err := makeFolder(dir); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	for _, name := range []string{TokenFile, SigningFile, DataFile} {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		var key [32]byte
		_, _ = rand.Read(key[:]) // it never fails (crypto/rand)
		err := writeNew(path, append(hex.AppendEncode(nil, key[:]), '\n'))
		if errors.Is(err, os.ErrExist) {
			continue // somebody else made it just now
		}
		if err != nil {
			return made, fmt.Errorf("keys: %w", err)
		}
		made = append(made, path)
	}
	return made, nil
}

// Private reports the first key of a folder that others than its owner may read or write. On Windows mode bits do not show it.
func Private(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	for _, name := range []string{TokenFile, SigningFile, DataFile} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			return fmt.Errorf("keys: others may read or write %s; chmod 600 %s", path, path)
		}
	}
	return nil
}

// LoadData reads the data key. Errors: ErrNoKey, or the file cannot be read or is not a key.
func LoadData(dir string) (Data, error) {
	key, err := load(dir, DataFile)
	return Data(key), err
}

// LoadSigning reads the signing key. Errors: ErrNoKey, or the file cannot be read or is not a key.
func LoadSigning(dir string) (Seed, error) {
	key, err := load(dir, SigningFile)
	return Seed(key), err
}

// LoadToken reads the token key. Errors: ErrNoKey, or the file cannot be read or is not a key.
func LoadToken(dir string) (*patient.Tokenizer, error) {
	t, err := patient.LoadKey(dir)
	var unread *os.PathError
	switch {
	case errors.Is(err, patient.ErrNoKey): // its advice is to make one: right for a run of its own, wrong for a ledger
		return nil, fmt.Errorf("keys: %s: %w; %s", filepath.Join(dir, TokenFile), ErrNoKey, restore)
	case errors.As(err, &unread):
		return nil, fmt.Errorf("keys: %w; %s", err, access)
	case err != nil:
		return nil, fmt.Errorf("keys: %w; %s", err, restore)
	}
	return t, nil
}

// maxKeyFile bounds a key's file: digits, and the line ends and blanks that an editor leaves.
const maxKeyFile = 256

func load(dir, name string) (key [32]byte, err error) {
	path := filepath.Join(dir, name)
	text, err := readFile(path, maxKeyFile)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return key, fmt.Errorf("keys: %s: %w; %s", path, ErrNoKey, restore)
	case errors.Is(err, errTooLong):
		return key, fmt.Errorf("keys: %s: longer than a key of 64 hexadecimal digits; %s", path, restore)
	case err != nil:
		return key, fmt.Errorf("keys: %w; %s", err, access)
	}
	digits := strings.TrimSpace(string(text))
	if len(digits) != 64 {
		return key, fmt.Errorf("keys: %s: %d characters, where a key has 64 hexadecimal digits; %s", path, len(digits), restore)
	}
	if _, err := hex.Decode(key[:], []byte(digits)); err != nil {
		return [32]byte{}, fmt.Errorf("keys: %s: not a key of 64 hexadecimal digits; %s", path, restore)
	}
	return key, nil
}

// ID recognises the data key.
func (d Data) ID() ID {
	sum := d.derive("chaperone/key-id/data/v1")
	return ID(sum[:8])
}

// ID recognises the signing key. It is made of the public key.
func (s Seed) ID() ID { return publicID(s.public()) }

// TokenID recognises the token key.
func TokenID(t *patient.Tokenizer) ID {
	sum := t.Digest("chaperone/key-id/token/v1", nil)
	return ID(sum[:8])
}

func (s Seed) public() ed25519.PublicKey {
	return ed25519.NewKeyFromSeed(s[:]).Public().(ed25519.PublicKey)
}

func publicID(key ed25519.PublicKey) ID {
	sum := sha256.Sum256(append([]byte("chaperone/key-id/signing/v1"), key...))
	return ID(sum[:8])
}

// Dictionary gives the key of the dictionary's parts.
func (d Data) Dictionary() [32]byte { return d.derive("chaperone/dictionary/v1") }

// Spool gives the key of one file in which a guard keeps messages; id is the file's own.
func (d Data) Spool(id [16]byte) [32]byte { return d.derive("chaperone/spool/v1", id[:]...) }

// derive makes a key for one use. No label is the beginning of another, and all ids behind them have one length.
func (d Data) derive(label string, more ...byte) (key [32]byte) {
	mac := hmac.New(sha256.New, d[:])
	mac.Write([]byte(label))
	mac.Write(more)
	mac.Sum(key[:0])
	return key
}
