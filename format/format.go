// Package format holds what every decoder of data at rest shares. The formats are in the folders below.
package format

import (
	"errors"
	"unicode/utf8"
)

// ErrLimit marks input that asks for more memory, depth or work than its decoder allows.
var ErrLimit = errors.New("over the limit")

// ErrMalformed marks input that breaks the rules of its format.
var ErrMalformed = errors.New("malformed")

// Charset is the little a decoder has to know about text to compare identifiers.
type Charset uint8

// Charsets. Guess tries UTF-8 and then Windows-1252; no byte sequence fails, so two different values stay different.
const (
	Guess Charset = iota
	Latin1
)

// Text decodes bytes to a Go string.
func Text(b []byte, c Charset) string {
	if ascii(b) || c == Guess && utf8.Valid(b) {
		return string(b)
	}
	runes := make([]rune, len(b))
	for i, x := range b {
		runes[i] = rune(x)
		if c == Guess && x >= 0x80 && x < 0xA0 {
			runes[i] = windows1252[x-0x80]
		}
	}
	return string(runes)
}

func ascii(b []byte) bool {
	for _, x := range b {
		if x >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// windows1252 is the code page's own range, 0x80 to 0x9F; its five holes stay as they are.
var windows1252 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8D, 'Ž', 0x8F,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9D, 'ž', 'Ÿ',
}
