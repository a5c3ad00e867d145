package keys

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// ErrSignature says that a note was not signed by the key that was to sign it, or was changed afterwards.
var ErrSignature = errors.New("the signature is not right")

// Origin is the name of a ledger in its log and under its signatures.
func Origin(id [16]byte) string { return "chaperone.ledger/" + hex.EncodeToString(id[:8]) }

type signer struct {
	note.Verifier
	key ed25519.PrivateKey
}

func (s *signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// Signer signs notes in the name of an origin. Errors: a name with blanks or a plus.
func Signer(seed Seed, origin string) (note.Signer, error) {
	_, v, err := Verifier(seed, origin)
	if err != nil {
		return nil, err
	}
	return &signer{v, ed25519.NewKeyFromSeed(seed[:])}, nil
}

// Verifier gives the public side of Signer, also as the text that is handed to others (C2SP signed-note).
func Verifier(seed Seed, origin string) (text string, v note.Verifier, err error) {
	text, err = note.NewEd25519VerifierKey(origin, seed.public())
	if err != nil {
		return "", nil, fmt.Errorf("keys: %w", err)
	}
	v, err = ParseVerifier(text)
	return text, v, err
}

// ParseVerifier reads a verifier's text: NAME+HASH+KEY. It accepts one spelling of each, where the parser of package note
// accepts several.
func ParseVerifier(text string) (note.Verifier, error) {
	v, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("keys: verifier: %w", err)
	}
	_, rest, _ := strings.Cut(text, "+")
	hash, key, _ := strings.Cut(rest, "+")
	if hash != fmt.Sprintf("%08x", v.KeyHash()) || !isBase64(key) {
		return nil, errors.New("keys: verifier: not in its usual spelling")
	}
	return v, nil
}

// OpenNote gives the text of a note that one key signed, and nobody else. It accepts exactly the bytes that signing gives.
// Errors: ErrSignature.
func OpenNote(msg []byte, v note.Verifier) (text string, err error) {
	n, err := note.Open(msg, note.VerifierList(v))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if len(n.Sigs) != 1 || !isBase64(n.Sigs[0].Base64) ||
		string(msg) != n.Text+"\n— "+n.Sigs[0].Name+" "+n.Sigs[0].Base64+"\n" {
		return "", fmt.Errorf("%w: it is not in its usual spelling", ErrSignature)
	}
	return n.Text, nil
}

// isBase64 reports whether a text is the one spelling that encoding gives: the decoder also takes line ends and stray bits.
func isBase64(text string) bool {
	b, err := base64.StdEncoding.DecodeString(text)
	return err == nil && base64.StdEncoding.EncodeToString(b) == text
}
