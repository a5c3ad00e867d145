package evtx

import (
	"strings"
	"testing"
)

func TestValues(t *testing.T) {
	for _, test := range []struct {
		name string
		kind byte
		b    string
		want string
	}{
		{"string", kindString, "a\x00\xE4\x00\x3E\xD8\x7A\xDE", "aä🩺"},
		{"string that ends with NUL", kindString, "a\x00b\x00\x00\x00\x00\x00", "ab"},
		{"half a pair", kindString, "\x3E\xD8a\x00", "\uFFFDa"},
		{"half a unit", kindString, "a\x00b", "a"},
		{"ANSI", kindANSI, "M\xDCLLER\x00", "MÜLLER"},
		{"int8", kindInt8, "\xFF", "-1"},
		{"uint8", kindUint8, "\xFF", "255"},
		{"int16", kindInt16, "\xFE\xFF", "-2"},
		{"uint16", kindUint16, "\xFE\xFF", "65534"},
		{"int32", kindInt32, "\x00\x00\x00\x80", "-2147483648"},
		{"uint32", kindUint32, "\x00\x00\x00\x80", "2147483648"},
		{"int64", kindInt64, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "-1"},
		{"uint64", kindUint64, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "18446744073709551615"},
		{"number of 3 bytes", kindUint32, "\x01\x02\x03", "010203"},
		{"float", kindFloat, "\x00\x00\x20\x40", "2.5"},
		{"double", kindDouble, "\x00\x00\x00\x00\x00\x00\x04\xC0", "-2.5"},
		{"true", kindBool, "\x01\x00\x00\x00", "true"},
		{"false", kindBool, "\x00\x00\x00\x00", "false"},
		{"binary", kindBinary, "\xDE\xAD", "DEAD"},
		{"GUID", kindGUID, "\x25\x96\x84\x54\x78\x54\x94\x49\xA5\xBA\x3E\x3B\x03\x28\xC3\x0D", "{54849625-5478-4994-A5BA-3E3B0328C30D}"},
		{"short GUID", kindGUID, "\x25\x96", "2596"},
		{"pointer", kindSize, "\xE7\x03\x00\x00", "0x3e7"},
		{"hex 32", kindHex32, "\x6D\x00\x00\xC0", "0xc000006d"},
		{"hex 64", kindHex64, "\xE7\x03\x00\x00\x00\x00\x00\x00", "0x3e7"},
		{"time", kindFiletime, "\x00\x80\x3E\xD5\xDE\xB1\x9D\x01", "1970-01-01T00:00:00.0000000Z"},
		{"system time", kindSystemtime, "\xEA\x07\x0B\x00\x00\x00\x08\x00\x01\x00\x02\x00\x03\x00\x04\x00", "2026-11-08T01:02:03.004Z"},
		{"SID", kindSID, "\x01\x02\x00\x00\x00\x00\x00\x05\x20\x00\x00\x00\x20\x02\x00\x00", "S-1-5-32-544"},
		{"cut SID", kindSID, "\x01\x02\x00\x00\x00\x00\x00\x05\x20\x00\x00\x00", "010200000000000520000000"},
		{"unknown kind", 0x7E, "\x01", "01"},
		{"nothing", kindUint32, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := string(appendValue(nil, test.kind, []byte(test.b))); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestItems cuts arrays of every kind: each step takes something.
func TestItems(t *testing.T) {
	for _, test := range []struct {
		name string
		kind byte
		b    string
		want string
	}{
		{"strings", kindString, "a\x00\x00\x00\x00\x00b\x00", "4 2 2"},
		{"ANSI", kindANSI, "ab\x00c\x00", "3 2"},
		{"bytes", kindUint8, "abc", "1 1 1"},
		{"times and a rest", kindFiletime, "0123456789", "8 2"},
		{"GUIDs", kindGUID, strings.Repeat("0", 32), "16 16"},
		{"SIDs", kindSID, "\x01\x00\x00\x00\x00\x00\x00\x05\x01\x01\x00\x00\x00\x00\x00\x05\x12\x00\x00\x00", "8 12"},
		{"no SID", kindSID, "\x02\x00\x00", "3"},
		{"unknown", 0x7E, "abc", "3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var sizes []string
			for b := []byte(test.b); len(b) > 0; {
				n := itemSize(test.kind, b)
				sizes = append(sizes, string(appendValue(nil, kindUint8, []byte{byte(n)})))
				b = b[n:]
			}
			if got := strings.Join(sizes, " "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	for kind := range 256 {
		for _, b := range []string{"\x00", "\x01\x0F\x00", strings.Repeat("\xFF", 40), strings.Repeat("\x00", 40)} {
			if n := itemSize(byte(kind), []byte(b)); n <= 0 || n > len(b) {
				t.Errorf("kind %#x: got %d of %d bytes", kind, n, len(b))
			}
		}
	}
}
