package format

import (
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for _, test := range []struct {
		name    string
		in      string
		charset Charset
		want    string
	}{
		{"ASCII", "DOE", Guess, "DOE"},
		{"UTF-8", "Müller", Guess, "Müller"},
		{"UTF-8 that is declared Latin-1", "ü", Latin1, "Ã¼"},
		{"Latin-1", "M\xFCller", Latin1, "Müller"},
		{"Windows-1252", "\x8A\x80\xFC", Guess, "Š€ü"},
		{"its holes", "\x81\x8D", Guess, "\u0081\u008D"},
		{"control characters of Latin-1", "\x8A", Latin1, "\u008A"},
		{"cut UTF-8", "M\xC3", Guess, "MÃ"},
		{"empty", "", Guess, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Text([]byte(test.in), test.charset); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestTextKeepsApart: no two single bytes give the same text, and none gives anything but UTF-8.
func TestTextKeepsApart(t *testing.T) {
	for _, charset := range []Charset{Guess, Latin1} {
		seen := map[string]bool{}
		for b := range 256 {
			text := Text([]byte{byte(b)}, charset)
			if seen[text] || !utf8.ValidString(text) {
				t.Errorf("charset %d: byte %02X gives %q", charset, b, text)
			}
			seen[text] = true
		}
	}
}
