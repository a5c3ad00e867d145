package chaperone

import (
	"fmt"
	"io"
)

// PHI is one piece of protected health information (45 CFR 160.103): a patient's number, name or birth date.
//
// It cannot print itself: fmt, slog, encoding/json and errors all show "[PHI]". The text lies behind a pointer
// because fmt and slog read unexported string fields whatever methods the type has. The zero value is "no value".
type PHI struct{ text *string }

const hidden = "[PHI]"

// NewPHI hides text. An empty text gives the zero value.
func NewPHI(text string) PHI {
	if text == "" {
		return PHI{}
	}
	return PHI{&text}
}

// Reveal is the only way to the text. Each call says in a comment why it is needed.
func (p PHI) Reveal() string {
	if p.text == nil {
		return ""
	}
	return *p.text
}

// Empty reports whether there is no value.
func (p PHI) Empty() bool { return p.text == nil }

// String hides the value.
func (p PHI) String() string { return hidden }

// Format hides the value from every verb of fmt, %#v and %x included.
func (p PHI) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText hides the value from JSON, XML and slog.
func (p PHI) MarshalText() ([]byte, error) { return []byte(hidden), nil }
