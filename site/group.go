package site

import (
	"errors"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// WardName gives the name by which a ward is compared with groups: as a message says it, letter for letter, without blanks around it and in
// Unicode's composed form (NFC, UAX #15), in which two texts that are the same have the same bytes. Capitals and signs are its own:
// no two wards become one.
func WardName(text string) string { return norm.NFC.String(strings.TrimSpace(text)) }

// groupName are the characters of a group: what a ward may be called. PS3.5 section 6.2 gives an LO 64 characters, and neither it nor
// HL7 has separators within a name.
var groupName = regexp.MustCompile(`^[^|^~\\\pC\pZ\x{FFFD}]([^|^~\\\pC\pZ\x{FFFD}]| ){0,63}$`)

// group reads the name of a group.
var group = codec[string]{func(text string) (string, error) {
	switch {
	case !groupName.MatchString(text) || strings.HasSuffix(text, " "):
		return "", errors.New("not a group; a group has up to 64 characters, blanks within, and none of | ^ ~ \\: radiology, Intensiv/Süd")
	case WardName(text) != text:
		return "", errors.New("its letters are not composed (Unicode NFC), so that it would be the same ward as a group that looks alike; type it anew, ü as one letter")
	}
	return text, nil
}, func(s string) string { return s }}

// shownGroup repeats the name of a group where that can be no secret, which is longer.
func shownGroup(name string) string {
	if utf8.RuneCountInString(name) > 40 {
		return "(a long name)"
	}
	return name
}

// alike gives what two groups have in common that people take for one: capitals, blanks and signs aside.
func alike(group string) string {
	words := strings.FieldsFunc(strings.ToLower(norm.NFKC.String(group)), func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !unicode.IsMark(c)
	})
	return strings.Join(words, " ")
}
