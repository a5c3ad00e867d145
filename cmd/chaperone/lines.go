package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"

	"chaperone/page"
)

// jsonLine writes one line of JSON. What could steer a terminal is escaped: lines are read on one, too, and names of files
// may come from whoever was here before.
func jsonLine(out io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, r := range string(text) { // steering characters stand in strings only
		switch {
		case !page.Steers(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('\n')
	_, err = io.WriteString(out, b.String())
	return err
}
