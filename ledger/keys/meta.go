package keys

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"chaperone/patient"
)

// MetaFile is the name of the description in a ledger's folder.
const MetaFile = "ledger.json"

// Version is the format of ledgers that this program writes. It reads this one and those before it. Within one version,
// fields may be added to ledger.json: whoever does not know them passes over them.
const Version = 1

const maxMeta = 64 << 10

// Meta describes a ledger: a signed note whose text is JSON.
type Meta struct {
	Version    int
	ID         [16]byte
	Origin     string // as Origin gives it
	Made       time.Time
	DataKey    ID
	TokenKey   ID
	SigningKey ID
	Verifier   string // of its signatures; what it says of itself proves nothing to others
}

// written is Meta as JSON.
type written struct {
	Version    int       `json:"version"`
	ID         string    `json:"id"`
	Origin     string    `json:"origin"`
	Made       time.Time `json:"made"`
	DataKey    string    `json:"data_key"`
	TokenKey   string    `json:"token_key"`
	SigningKey string    `json:"signing_key"`
	Verifier   string    `json:"verifier"`
}

// NewMeta describes a new ledger that is made with these keys.
func NewMeta(id [16]byte, made time.Time, data Data, seed Seed, tokens *patient.Tokenizer) (Meta, error) {
	m := Meta{
		Version: Version, ID: id, Origin: Origin(id), Made: made.UTC().Truncate(time.Second),
		DataKey: data.ID(), TokenKey: TokenID(tokens), SigningKey: seed.ID(),
	}
	var err error
	m.Verifier, _, err = Verifier(seed, m.Origin)
	return m, err
}

// WriteMeta puts ledger.json, whole and on disk.
func WriteMeta(dir string, m Meta, signer note.Signer) error {
	text, err := json.MarshalIndent(written{
		m.Version, hex.EncodeToString(m.ID[:]), m.Origin, m.Made, m.DataKey.String(), m.TokenKey.String(), m.SigningKey.String(), m.Verifier,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	signed, err := note.Sign(&note.Note{Text: string(text) + "\n"}, signer)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	path := filepath.Join(dir, MetaFile)
	if err := replace(path, path+".new", signed); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

// ReadMeta reads ledger.json and checks that it is as the key that it names has signed it. Whether that is the right key,
// Check says.
//
// Errors: os.ErrNotExist; ErrNewer; ErrDamaged when it is not such a file or not as it was signed.
func ReadMeta(dir string) (Meta, error) {
	path := filepath.Join(dir, MetaFile)
	const advice = "restore this file from a backup of the ledger; nothing was touched"
	msg, err := readFile(path, maxMeta)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return Meta{}, fmt.Errorf("keys: %s: %w: this folder is not a ledger, or lost its description; name another folder, or %s", path, os.ErrNotExist, advice)
	case errors.Is(err, errTooLong):
		return Meta{}, fmt.Errorf("keys: %s: %w: too long; %s", path, ErrDamaged, advice)
	case err != nil:
		return Meta{}, fmt.Errorf("keys: %w; let the user who runs this program read it; nothing was touched", err)
	}
	m, err := parseMeta(msg)
	if errors.Is(err, ErrNewer) {
		return Meta{}, fmt.Errorf("keys: %s: %w; open it with that version; nothing was touched", path, err)
	}
	if err != nil {
		return Meta{}, fmt.Errorf("keys: %s: %w; %s", path, err, advice)
	}
	return m, nil
}

func parseMeta(msg []byte) (m Meta, err error) {
	end := strings.LastIndex(string(msg), "\n\n")
	if end < 0 {
		return m, fmt.Errorf("%w: no signature", ErrDamaged)
	}
	var w written
	if err := json.Unmarshal(msg[:end+1], &w); err != nil {
		// A later version may write its fields in another way: only the number has to be where it is.
		var first struct{ Version int }
		if json.Unmarshal(msg[:end+1], &first) != nil {
			return m, fmt.Errorf("%w: its text is not JSON", ErrDamaged)
		}
		w.Version = first.Version
		if w.Version <= Version {
			return m, fmt.Errorf("%w: a field has another type", ErrDamaged)
		}
	}
	if w.Version > Version {
		if broken(msg, w.Verifier) {
			return m, fmt.Errorf("%w: it was changed after it had been signed, and says format %d", ErrDamaged, w.Version)
		}
		return m, fmt.Errorf("format %d, where this version reads up to %d: %w", w.Version, Version, ErrNewer)
	}
	v, err := ParseVerifier(w.Verifier)
	if err != nil {
		return m, fmt.Errorf("%w: its verifier cannot be read", ErrDamaged)
	}
	if _, err := OpenNote(msg, v); err != nil {
		return m, fmt.Errorf("%w: it was changed after it had been signed", ErrDamaged)
	}
	m = Meta{Version: w.Version, Origin: w.Origin, Made: w.Made, Verifier: w.Verifier}
	if w.Version < 1 || !unhex(m.ID[:], w.ID) || !unhex(m.DataKey[:], w.DataKey) || !unhex(m.TokenKey[:], w.TokenKey) ||
		!unhex(m.SigningKey[:], w.SigningKey) || m.Origin != Origin(m.ID) || v.Name() != m.Origin || publicID(publicOf(w.Verifier)) != m.SigningKey {
		return Meta{}, fmt.Errorf("%w: its fields contradict each other", ErrDamaged)
	}
	return m, nil
}

// broken reports whether a file has a signature of the key that it names, and that signature does not hold. A later version may
// sign in a way that is not known here: that is not broken.
func broken(msg []byte, verifier string) bool {
	v, err := note.NewVerifier(verifier)
	if err != nil {
		return false
	}
	_, err = note.Open(msg, note.VerifierList(v))
	var invalid *note.InvalidSignatureError
	return errors.As(err, &invalid)
}

// publicOf gives the key in a verifier's text that ParseVerifier accepted.
func publicOf(verifier string) []byte {
	_, rest, _ := strings.Cut(verifier, "+") // behind the name; the key itself may contain a plus
	_, key, _ := strings.Cut(rest, "+")
	b, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(b) == 0 {
		return nil
	}
	return b[1:] // the first byte names the algorithm
}

// unhex reads lower-case digits of exactly one length.
func unhex(to []byte, text string) bool {
	if len(text) != 2*len(to) {
		return false
	}
	_, err := hex.Decode(to, []byte(text))
	return err == nil && hex.EncodeToString(to) == text
}

// Check says in one line which of the keys in a folder is not the one that the ledger was made with. A key that is nil is
// not checked. Errors: ErrWrongKey.
func (m *Meta) Check(folder string, data *Data, seed *Seed, tokens *patient.Tokenizer) error {
	wrong := func(name string, got, want ID) error {
		return fmt.Errorf("keys: %s: %w: its id is %s and this ledger's is %s; %s", filepath.Join(folder, name), ErrWrongKey, got, want, restore)
	}
	if data != nil && data.ID() != m.DataKey {
		return wrong(DataFile, data.ID(), m.DataKey)
	}
	if seed != nil && seed.ID() != m.SigningKey {
		return wrong(SigningFile, seed.ID(), m.SigningKey)
	}
	if tokens != nil && TokenID(tokens) != m.TokenKey {
		return wrong(TokenFile, TokenID(tokens), m.TokenKey)
	}
	return nil
}
