// Package patient holds the rule of who counts as one patient, and the counting by it.
//
// # The rule
//
// An identifier is (kind, authority, value). The authority is CX-4's namespace, else its universal id, else nothing
// (never MSH-4); in DICOM it is (0010,0021). HL7 and DICOM numbers stay apart. CX-5 is not part of the key. Values
// are trimmed, and `""` is no value.
//
// All repetitions of PID-3 in one PID name the same person, so they join. PID-2, PID-4, SSN and account numbers join
// nothing; the first of them identifies, and only when PID-3 is empty. A data set without a patient ID is the patient of
// its study, when an earlier one said who that is. A non-empty name, with birth date and sex where present, identifies
// only when there is no number at all: that is a weak patient. Anything else that bears a patient is one unidentified
// record, and is never among the patients.
//
// Merges (A18, A40, …) and un-merges (A37) are aliases that are applied when asking: Patients is merged, Unmerged
// is not. Min also joins everybody whose name, birth date and sex are all equal; Max takes every identifier for a person
// of its own.
package patient

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"chaperone"
)

// CountingRule says the rule to people: it goes with every answer.
const CountingRule = "One patient is one identifier: number and issuing authority. All numbers that one record gave to a person are one person. " +
	"HL7 and DICOM numbers stay apart. Without any number, name with birth date and sex counts as one person (known by name only). " +
	"Merges that are known are applied, whenever they were said. A record without any of these names nobody and is not among the patients. " +
	"\"At least\" also joins equal name, birth date and sex; \"at most\" takes every number that is known to be theirs for a person of its own."

// KeyFile is the name of the token key's file in the keys folder: 64 hexadecimal digits.
const KeyFile = "token.key"

// epoch is the generation of the key; it changes when the key is rotated.
const epoch = 1

// ErrNoKey says that there is no key file.
var ErrNoKey = errors.New("no token key")

// Tokenizer makes tokens with one key. It is not safe for concurrent use.
type Tokenizer struct {
	key     [32]byte
	mac     hash.Hash
	scratch []byte
	domains []chaperone.Identifier // that were met, without values
	digest  [sha256.Size]byte
}

// NewTokenizer makes one from a key of 32 bytes.
func NewTokenizer(key [32]byte) *Tokenizer {
	return &Tokenizer{key: key, mac: hmac.New(sha256.New, key[:])}
}

// Clone gives another one with the same key, for another goroutine.
func (t *Tokenizer) Clone() *Tokenizer { return NewTokenizer(t.key) }

// NewEphemeral makes one with a random key that is kept nowhere: its tokens mean nothing after the run.
func NewEphemeral() *Tokenizer {
	var key [32]byte
	_, _ = rand.Read(key[:]) // it never fails (crypto/rand)
	return NewTokenizer(key)
}

// LoadKey reads the key in a keys folder.
//
// Errors: ErrNoKey when there is none; otherwise the file cannot be read or is not 64 hexadecimal digits.
func LoadKey(dir string) (*Tokenizer, error) {
	path := filepath.Join(dir, KeyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w; make one with: (umask 077; openssl rand -hex 32 > token.key)", path, ErrNoKey)
	}
	if err != nil {
		return nil, err
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != 32 {
		return nil, fmt.Errorf("%s: not a key of 64 hexadecimal digits", path)
	}
	return NewTokenizer([32]byte(raw)), nil
}

// Token stands in for one identifier.
func (t *Tokenizer) Token(id chaperone.Identifier) chaperone.PatientToken {
	return t.token(string(id.Kind), id.Authority.Reveal(), id.Value.Reveal()) // into the keyed digest, and nowhere else
}

func (t *Tokenizer) token(kind, authority, value string) chaperone.PatientToken {
	b := append(t.scratch[:0], "chaperone/token/v1"...)
	b = binary.BigEndian.AppendUint32(b, epoch)
	for _, part := range []string{kind, authority, value} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	t.scratch = b
	return chaperone.PatientToken(t.sum(b)[:16])
}

// Digest is a keyed digest of bytes that name something other than a patient, such as a disclosure.
func (t *Tokenizer) Digest(label string, b []byte) [16]byte {
	t.scratch = append(append(t.scratch[:0], label...), b...)
	return [16]byte(t.sum(t.scratch)[:16])
}

func (t *Tokenizer) sum(b []byte) []byte {
	t.mac.Reset()
	t.mac.Write(b)
	return t.mac.Sum(t.digest[:0])
}

// Identity is what a record says about who it is, in tokens. The zero value is an unidentified record.
type Identity struct {
	Numbers     []chaperone.PatientToken // all of one person; empty for a weak or an unidentified one
	Demographic chaperone.PatientToken   // of name, birth date and sex; zero without a name
	Study       chaperone.PatientToken   // of the study; zero without one
}

// Weak reports whether only the name identifies.
func (i Identity) Weak() bool {
	return len(i.Numbers) == 0 && i.Demographic != chaperone.PatientToken{}
}

// Identify applies the rule to one record, as far as it can be without knowing others.
func (t *Tokenizer) Identify(r chaperone.Record) Identity {
	var i Identity
	for _, id := range r.Identifiers {
		t.meet(id)
		i.Numbers = append(i.Numbers, t.Token(id))
	}
	if !r.Study.Empty() {
		i.Study = t.Token(chaperone.Identifier{Kind: chaperone.StudyUID, Value: r.Study})
	}
	if name := fold(r.Name); name != "" {
		i.Demographic = t.token(string(chaperone.Demographic), "", name+"|"+fold(r.Birth)+"|"+fold(r.Sex))
	}
	return i
}

// maxDomains bounds the authorities that are remembered: senders put anything there.
const maxDomains = 256

// meet remembers who gives numbers.
func (t *Tokenizer) meet(id chaperone.Identifier) {
	authority := id.Authority.Reveal() // compared, and kept hidden
	for i := range t.domains {
		if d := &t.domains[i]; d.Kind == id.Kind && d.Authority.Reveal() == authority {
			return
		}
	}
	if len(t.domains) < maxDomains {
		t.domains = append(t.domains, chaperone.Identifier{Kind: id.Kind, Authority: id.Authority})
	}
}

// Numbers gives the tokens that a bare number may have: one for each kind and authority that was met in a record. It is
// for numbers that come without either, as those in a list that somebody else made.
func (t *Tokenizer) Numbers(value chaperone.PHI) []chaperone.PatientToken {
	var tokens []chaperone.PatientToken
	for _, d := range t.domains {
		d.Value = value
		tokens = append(tokens, t.Token(d))
	}
	return tokens
}

// Alternate gives the token of the first alternate number: it identifies when nothing better does.
func (t *Tokenizer) Alternate(r chaperone.Record) (chaperone.PatientToken, bool) {
	if len(r.Alternates) == 0 {
		return chaperone.PatientToken{}, false
	}
	return t.Token(r.Alternates[0]), true
}

// fold makes spellings equal that differ in case, in blanks and in empty parts at the end only.
func fold(p chaperone.PHI) string {
	text := p.Reveal() // into the keyed digest, and nowhere else
	out := make([]byte, 0, len(text))
	blank := false
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			blank = len(out) > 0 && out[len(out)-1] != '^'
		case r == '^':
			blank = false
			out = append(out, '^')
		default:
			if blank {
				out = append(out, ' ')
			}
			blank = false
			out = utf8.AppendRune(out, unicode.ToUpper(r))
		}
	}
	return strings.TrimRight(string(out), "^")
}
