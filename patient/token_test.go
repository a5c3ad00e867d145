package patient

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chaperone"
)

func id(kind chaperone.IdentifierKind, authority, value string) chaperone.Identifier {
	return chaperone.Identifier{Kind: kind, Authority: chaperone.NewPHI(authority), Value: chaperone.NewPHI(value)}
}

func TestToken(t *testing.T) {
	base := id(chaperone.HL7PatientID, "CLINIC", "123")
	tokens := NewTokenizer([32]byte{1})
	for _, test := range []struct {
		name  string
		other chaperone.Identifier
		equal bool
	}{
		{"the same", id(chaperone.HL7PatientID, "CLINIC", "123"), true},
		{"another value", id(chaperone.HL7PatientID, "CLINIC", "124"), false},
		{"another authority", id(chaperone.HL7PatientID, "LAB", "123"), false},
		{"no authority", id(chaperone.HL7PatientID, "", "123"), false},
		{"HL7 and DICOM stay apart", id(chaperone.DICOMPatientID, "CLINIC", "123"), false},
		{"PID-2 is another kind", id(chaperone.HL7ExternalID, "CLINIC", "123"), false},
		{"the border between authority and value", id(chaperone.HL7PatientID, "CLINIC1", "23"), false},
		{"case of a number", id(chaperone.HL7PatientID, "clinic", "123"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := tokens.Token(test.other) == tokens.Token(base); got != test.equal {
				t.Errorf("got equal %t, want %t", got, test.equal)
			}
			if NewTokenizer([32]byte{2}).Token(test.other) == tokens.Token(base) {
				t.Error("another key gives the same token")
			}
		})
	}
	one, two := NewEphemeral(), NewEphemeral()
	if one.Token(base) == two.Token(base) {
		t.Error("two random keys give the same token")
	}
	if tokens.Digest("a", []byte("bc")) == tokens.Digest("x", []byte("bc")) {
		t.Error("the label is not part of a digest")
	}
}

func TestIdentify(t *testing.T) {
	tokens := NewTokenizer([32]byte{1})
	number, second := id(chaperone.HL7PatientID, "H", "1"), id(chaperone.HL7PatientID, "H", "2")
	record := func(name, birth, sex string, ids ...chaperone.Identifier) chaperone.Record {
		return chaperone.Record{Identifiers: ids, Name: chaperone.NewPHI(name), Birth: chaperone.NewPHI(birth), Sex: chaperone.NewPHI(sex)}
	}
	usual := tokens.Identify(record("DOE^JOHN", "1970", "M"))
	for _, test := range []struct {
		name    string
		record  chaperone.Record
		numbers int
		weak    bool
		alike   bool // to usual
	}{
		{"a number", record("", "", "", number), 1, false, false},
		{"two numbers", record("", "", "", number, second), 2, false, false},
		{"a number and a name", record("DOE^JOHN", "1970", "M", number), 1, false, true},
		{"a name", record("DOE^JOHN", "1970", "M"), 0, true, true},
		{"case and blanks of a name", record(" Doe ^ John^", "1970", "m"), 0, true, true},
		{"another birth date", record("DOE^JOHN", "1971", "M"), 0, true, false},
		{"no birth date", record("DOE^JOHN", "", "M"), 0, true, false},
		{"another sex", record("DOE^JOHN", "1970", "F"), 0, true, false},
		{"a name of carets", record("^^", "1970", "M"), 0, false, false},
		{"birth date and sex without a name", record("", "1970", "M"), 0, false, false},
		{"nothing", record("", "", ""), 0, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := tokens.Identify(test.record)
			if len(got.Numbers) != test.numbers || got.Weak() != test.weak {
				t.Errorf("got %d numbers, weak %t, want %d, %t", len(got.Numbers), got.Weak(), test.numbers, test.weak)
			}
			if alike := got.Demographic == usual.Demographic; alike != test.alike {
				t.Errorf("got alike %t, want %t", alike, test.alike)
			}
		})
	}
}

func TestAlternate(t *testing.T) {
	tokens := NewTokenizer([32]byte{1})
	first, second := id(chaperone.HL7ExternalID, "", "2"), id(chaperone.SSN, "", "3")
	if _, ok := tokens.Alternate(chaperone.Record{Identifiers: []chaperone.Identifier{first}}); ok {
		t.Error("a record without alternates has one")
	}
	got, ok := tokens.Alternate(chaperone.Record{Alternates: []chaperone.Identifier{first, second}})
	if !ok || got != tokens.Token(first) {
		t.Errorf("got %s and %t, want the first", got, ok)
	}
	if len(tokens.Identify(chaperone.Record{Alternates: []chaperone.Identifier{first}}).Numbers) > 0 {
		t.Error("an alternate joins the numbers")
	}
}

func TestLoadKey(t *testing.T) {
	good := strings.Repeat("ab", 32)
	for _, test := range []struct {
		name, text string
		ok         bool
	}{
		{"key", good, true}, {"with a line end", good + "\r\n", true}, {"short", good[2:], false}, {"long", good + "ab", false},
		{"not hexadecimal", "x" + good[1:], false}, {"empty", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, KeyFile), []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			tokens, err := LoadKey(dir)
			if (err == nil) != test.ok {
				t.Fatalf("got %v, want ok %t", err, test.ok)
			}
			if err != nil && (errors.Is(err, ErrNoKey) || strings.Contains(err.Error(), "abab")) {
				t.Errorf("got %v, which says that there is none or shows it", err)
			}
			number := id(chaperone.HL7PatientID, "", "1")
			if test.ok && tokens.Token(number) != NewTokenizer([32]byte(bytes.Repeat([]byte{0xAB}, 32))).Token(number) {
				t.Error("got the tokens of another key")
			}
		})
	}
	if _, err := LoadKey(t.TempDir()); !errors.Is(err, ErrNoKey) {
		t.Errorf("an empty folder: got %v, want ErrNoKey", err)
	}
}
