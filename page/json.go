package page

import (
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// JSONLine writes one line of JSON, with EscapeJSON.
func JSONLine(out io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = out.Write(append(EscapeJSON(b), '\n'))
	return err
}

// EscapeJSON escapes in JSON that is made already what could steer a terminal: lines are read on one, too, and names may come
// from whoever was here before. Outside of JSON's strings there is none of it.
func EscapeJSON(b []byte) []byte {
	plain := true
	for _, c := range b {
		plain = plain && c < 0x7f
	}
	if plain { // json.Marshal has escaped the controls
		return b
	}
	out := make([]byte, 0, len(b)+32)
	for _, r := range string(b) {
		switch {
		case !Steers(r):
			out = utf8.AppendRune(out, r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
