package seal

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// algCosignature is the signature type of Ed25519 cosignatures (C2SP tlog-cosignature).
const algCosignature = 0x04

// cosignatureSize is that of a timestamp and an Ed25519 signature.
const cosignatureSize = 8 + ed25519.SignatureSize

// cosignedMessage is what a cosigner signs: the time, and the checkpoint's text.
func cosignedMessage(seconds uint64, text []byte) []byte {
	return append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", seconds), text...)
}

func cosignerID(name string, key ed25519.PublicKey) uint32 {
	h := sha256.New()
	h.Write([]byte(name + "\n"))
	h.Write([]byte{algCosignature})
	h.Write(key)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// cosignatureVerifier checks cosignature/v1 (note.Verifier).
type cosignatureVerifier struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

// NewCosignatureVerifier reads a witness's verifier key: NAME+ID+base64 of 0x04 and an Ed25519 public key.
func NewCosignatureVerifier(vkey string) (note.Verifier, error) {
	name, rest, _ := strings.Cut(vkey, "+")
	id, key64, _ := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.DecodeString(key64)
	if err != nil || !validName(name) || len(key) != 1+ed25519.PublicKeySize {
		return nil, errors.New("seal: not a verifier key NAME+ID+KEY")
	}
	if key[0] != algCosignature {
		return nil, fmt.Errorf("seal: the verifier key has signature type %#02x, a witness's has %#02x", key[0], algCosignature)
	}
	v := &cosignatureVerifier{name, cosignerID(name, key[1:]), key[1:]}
	if got, err := strconv.ParseUint(id, 16, 32); err != nil || len(id) != 8 || uint32(got) != v.id {
		return nil, errors.New("seal: the verifier key's id does not fit its name and key")
	}
	return v, nil
}

// validName reports whether a name may stand in a signed note.
func validName(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsSpace) && !strings.Contains(name, "+")
}

func (v *cosignatureVerifier) Name() string    { return v.name }
func (v *cosignatureVerifier) KeyHash() uint32 { return v.id }

func (v *cosignatureVerifier) Verify(text, sig []byte) bool {
	if len(sig) != cosignatureSize {
		return false
	}
	seconds := binary.BigEndian.Uint64(sig)
	return seconds <= math.MaxInt64 && ed25519.Verify(v.key, cosignedMessage(seconds, text), sig[8:])
}

// cosignedAt is the time in a cosignature that was verified.
func cosignedAt(s note.Signature) time.Time {
	b, err := base64.StdEncoding.DecodeString(s.Base64)
	if err != nil || len(b) != 4+cosignatureSize {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint64(b[4:])), 0).UTC()
}

// Cosigner makes cosignature/v1 (note.Signer).
type Cosigner struct {
	Now  func() time.Time // time.Now unless a test says otherwise
	name string
	key  ed25519.PrivateKey
}

// NewCosigner makes one of a witness's name and its 32 secret bytes.
func NewCosigner(name string, seed [32]byte) (*Cosigner, error) {
	if !validName(name) {
		return nil, errors.New("seal: a witness's name has no blank and no plus sign in it")
	}
	return &Cosigner{time.Now, name, ed25519.NewKeyFromSeed(seed[:])}, nil
}

func (c *Cosigner) public() ed25519.PublicKey { return c.key.Public().(ed25519.PublicKey) }

// Name is the witness's name.
func (c *Cosigner) Name() string { return c.name }

// KeyHash is the key's id.
func (c *Cosigner) KeyHash() uint32 { return cosignerID(c.name, c.public()) }

// Sign cosigns a checkpoint's text as of now.
func (c *Cosigner) Sign(text []byte) ([]byte, error) {
	seconds := c.Now().Unix()
	if seconds < 0 {
		return nil, errors.New("seal: the clock is before 1970")
	}
	sig := binary.BigEndian.AppendUint64(nil, uint64(seconds))
	return append(sig, ed25519.Sign(c.key, cosignedMessage(uint64(seconds), text))...), nil
}

// VerifierKey is what others need to check this witness's cosignatures.
func (c *Cosigner) VerifierKey() string {
	key := append([]byte{algCosignature}, c.public()...)
	return fmt.Sprintf("%s+%08x+%s", c.name, c.KeyHash(), base64.StdEncoding.EncodeToString(key))
}

// Verifier checks this witness's cosignatures.
func (c *Cosigner) Verifier() note.Verifier {
	return &cosignatureVerifier{c.name, c.KeyHash(), c.public()}
}
