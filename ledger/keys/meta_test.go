package keys

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"chaperone/patient"
)

var (
	testID   = [16]byte{0xC0, 0xFF, 0xEE}
	testData = Data{1}
	testSeed = Seed{2}
	testTime = time.Date(2026, 11, 28, 17, 30, 0, 0, time.UTC)
)

func testTokens() *patient.Tokenizer { return patient.NewTokenizer([32]byte{3}) }

func testMeta(t *testing.T) (m Meta, s note.Signer) {
	t.Helper()
	m, err := NewMeta(testID, testTime, testData, testSeed, testTokens())
	if err != nil {
		t.Fatal(err)
	}
	if s, err = Signer(testSeed, m.Origin); err != nil {
		t.Fatal(err)
	}
	return m, s
}

// resign signs a text as the ledger would.
func resign(t *testing.T, text string) []byte {
	t.Helper()
	_, s := testMeta(t)
	b, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMeta(t *testing.T) {
	dir := t.TempDir()
	want, s := testMeta(t)
	for range 2 { // the second replaces the first
		if err := WriteMeta(dir, want, s); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadMeta(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if want.Origin != "chaperone.ledger/c0ffee0000000000" {
		t.Errorf("got origin %s", want.Origin)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("got %d files and %v, want one", len(entries), err)
	}
}

func TestReadMeta(t *testing.T) {
	m, s := testMeta(t)
	dir := t.TempDir()
	if err := WriteMeta(dir, m, s); err != nil {
		t.Fatal(err)
	}
	good := string(get(t, filepath.Join(dir, MetaFile)))
	text := good[:strings.LastIndex(good, "\n\n")+1]
	swap := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("the file does not contain %q", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	inText := func(from, to string) string { return string(resign(t, strings.Replace(text, from, to, 1))) }
	otherID := "f" + strings.Repeat("0", 31)
	for _, test := range []struct {
		name, file string
		want       error // nil: it is read
	}{
		{"as written", good, nil},
		{"with a field of a later minor version", inText("{\n", "{\n  \"colour\": [1, {\"a\": 2}],\n"), nil},
		{"missing", "-", os.ErrNotExist},
		{"empty", "", ErrDamaged},
		{"a later version", inText(`"version": 1`, `"version": 2`), ErrNewer},
		{"a later version with other fields", inText("{\n  \"version\": 1,\n  \"id\": \"", "{\n  \"version\": 2,\n  \"made\": [],\n  \"id\": \""), ErrNewer},
		{"version 0", inText(`"version": 1`, `"version": 0`), ErrDamaged},
		{"another type", inText(`"version": 1`, `"version": "1"`), ErrDamaged},
		{"version edited to a later one", swap(`"version": 1`, `"version": 3`), ErrDamaged},
		{"version flipped to one of two digits", swap(`"version": 1`, `"version":11`), ErrDamaged},
		{"a later version, edited", strings.Replace(inText(`"version": 1`, `"version": 2`), "2026-11-28", "2026-11-27", 1), ErrDamaged},
		{"a later version with another kind of key", strings.Replace(inText(`"version": 1`, `"version": 2`), m.Verifier, m.Origin+"+00000000+/wAA", 1), ErrNewer},
		{"a later version with another kind of signature", strings.Replace(inText(`"version": 1`, `"version": 2`), "\n— "+m.Origin+" ", "\n— "+m.Origin+" AAAA", 1), ErrNewer},
		{"edited id", swap("c0ffee", "c0ffef"), ErrDamaged},
		{"edited time", swap("2026-11-28", "2026-11-27"), ErrDamaged},
		{"edited key id", swap(m.DataKey.String(), Data{9}.ID().String()), ErrDamaged},
		{"edited verifier", swap(m.Verifier, m.Verifier[:len(m.Verifier)-6]+"AAAAA="), ErrDamaged},
		{"no signature", text, ErrDamaged},
		{"cut", good[:len(good)-20], ErrDamaged},
		{"something behind", good + "\n", ErrDamaged},
		{"signed twice", good + good[strings.LastIndex(good, "—"):], ErrDamaged},
		{"not JSON", inText("{", "["), ErrDamaged},
		{"origin of another id", inText(`"id": "`+strings.Repeat("c0ffee", 1), `"id": "c1ffee`), ErrDamaged},
		{"upper-case id", inText("c0ffee00000000000000000000000000", "C0FFEE00000000000000000000000000"), ErrDamaged},
		{"another id", inText("c0ffee00000000000000000000000000", otherID), ErrDamaged},
		{"another signing key's id", inText(m.SigningKey.String(), m.DataKey.String()), ErrDamaged},
		{"huge", good + strings.Repeat("x", maxMeta), ErrDamaged},
		{"bytes", "\x00\xff\n\n\x01", ErrDamaged},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, MetaFile)
			if test.file != "-" {
				put(t, path, []byte(test.file))
			}
			got, err := ReadMeta(dir)
			if test.want == nil {
				if err != nil || got != m {
					t.Errorf("got %+v and %v, want %+v", got, err, m)
				}
				return
			}
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			checkLine(t, err, path)
		})
	}
}

// TestSpelling changes the signature's and the verifier's base64 without changing what it stands for.
func TestSpelling(t *testing.T) {
	m, s := testMeta(t)
	msg, err := note.Sign(&note.Note{Text: "text\n"}, s)
	if err != nil {
		t.Fatal(err)
	}
	v, err := ParseVerifier(m.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := OpenNote(msg, v); err != nil || text != "text\n" {
		t.Fatalf("got %q and %v", text, err)
	}
	good := string(msg)
	stray := func(text string) string { // another last digit before "=" or "==": its low bits do not count
		at := strings.LastIndexByte(strings.TrimRight(text, "=\n"), text[len(strings.TrimRight(text, "=\n"))-1])
		const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		return text[:at] + string(digits[strings.IndexByte(digits, text[at])|1]) + text[at+1:]
	}
	for _, test := range []struct{ name, msg string }{
		{"stray bits", stray(good)},
		{"carriage return in base64", good[:len(good)-10] + "\r" + good[len(good)-10:]},
		{"twice", good + good[strings.Index(good, "—"):]},
		{"with another's signature", good + "— somebody " + base64.StdEncoding.EncodeToString(make([]byte, 68)) + "\n"},
		{"blank before the base64", strings.Replace(good, "000 ", "000  ", 1)},
		{"changed text", "x" + good[1:]},
		{"empty", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.msg == good {
				t.Fatal("nothing was changed")
			}
			if _, err := OpenNote([]byte(test.msg), v); !errors.Is(err, ErrSignature) {
				t.Errorf("got %v, want ErrSignature", err)
			}
		})
	}
	_, rest, _ := strings.Cut(m.Verifier, "+")
	hash, _, _ := strings.Cut(rest, "+")
	for name, text := range map[string]string{
		"stray bits": stray(m.Verifier), "line end": m.Verifier + "\n", "line end inside": m.Verifier[:len(m.Verifier)-4] + "\r\n" + m.Verifier[len(m.Verifier)-4:],
		"upper-case hash": strings.Replace(m.Verifier, hash, strings.ToUpper(hash), 1), "empty": "", "blank": " " + m.Verifier,
	} {
		if text == m.Verifier {
			continue // a hash of digits alone has one spelling
		}
		if _, err := ParseVerifier(text); err == nil {
			t.Errorf("verifier with %s: it is accepted", name)
		}
	}
}

func TestSigner(t *testing.T) {
	for _, origin := range []string{"", "a b", "a+b", "a\nb"} {
		if _, err := Signer(testSeed, origin); err == nil {
			t.Errorf("origin %q: it is accepted", origin)
		}
	}
	text, v, err := Verifier(testSeed, "a")
	if err != nil || v.Name() != "a" || !strings.HasPrefix(text, "a+") {
		t.Fatalf("got %q and %v", text, err)
	}
}

func TestCheck(t *testing.T) {
	m, _ := testMeta(t)
	data, seed, tokens := testData, testSeed, testTokens()
	otherData, otherSeed, otherTokens := Data{9}, Seed{9}, patient.NewTokenizer([32]byte{9})
	for _, test := range []struct {
		name   string
		data   *Data
		seed   *Seed
		tokens *patient.Tokenizer
		want   string // the file in the error; "" for none
	}{
		{"all right", &data, &seed, tokens, ""},
		{"data only", &data, nil, nil, ""},
		{"none", nil, nil, nil, ""},
		{"wrong data key", &otherData, &seed, tokens, DataFile},
		{"wrong signing key", &data, &otherSeed, tokens, SigningFile},
		{"wrong token key", &data, &seed, otherTokens, TokenFile},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := m.Check("folder", test.data, test.seed, test.tokens)
			if test.want == "" {
				if err != nil {
					t.Errorf("got %v, want none", err)
				}
				return
			}
			if !errors.Is(err, ErrWrongKey) {
				t.Fatalf("got %v, want ErrWrongKey", err)
			}
			checkLine(t, err, filepath.Join("folder", test.want))
		})
	}
}

// A public key in base64 may contain the plus that separates the parts of a verifier.
func TestMetaOfManyKeys(t *testing.T) {
	for i := range 200 {
		dir := t.TempDir()
		seed := Seed{byte(i), byte(i >> 8), 7}
		m, err := NewMeta([16]byte{byte(i)}, time.Unix(1, 0), Data{1}, seed, patient.NewTokenizer([32]byte{2}))
		if err != nil {
			t.Fatal(err)
		}
		signer, err := Signer(seed, m.Origin)
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteMeta(dir, m, signer); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadMeta(dir); err != nil {
			t.Fatalf("key %d: %v", i, err)
		}
	}
}
