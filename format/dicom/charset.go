package dicom

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"chaperone/format"
)

// Text reads a value of a data set as text; false when it is not known how: it has other characters than those of ASCII, and the data set
// says that they are in a set (0008,0005) that is not read here, or in UTF-8 when they are not.
func Text(elements []Element, value []byte) (text string, ok bool) {
	value = bytes.TrimRight(value, "\x00 ")
	ascii := !bytes.ContainsFunc(value, func(r rune) bool { return r >= utf8.RuneSelf })
	charset := format.Guess
	for _, e := range elements {
		if e.Tag != SpecificCharacterSet || e.Depth > 0 || ascii {
			continue
		}
		switch string(bytes.TrimRight(e.Value, " \x00")) {
		case "", "ISO_IR 6": // nothing is said of others: they are what they look like
		case "ISO_IR 100":
			charset = format.Latin1
		case "ISO_IR 192":
			if !utf8.Valid(value) {
				return "", false
			}
		default:
			return "", false
		}
	}
	return strings.TrimSpace(format.Text(value, charset)), true
}
