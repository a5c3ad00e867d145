package rdp

import (
	"strings"
	"testing"

	"chaperone/wire"
)

// TestLengths walks the forms of both encodings' lengths. "-" is a refusal.
func TestLengths(t *testing.T) {
	ber := func(b []byte) string {
		value, rest, ok := berValue(b)
		if !ok {
			return "-"
		}
		return string(value) + "|" + string(rest)
	}
	per := func(b []byte) string {
		value, ok := perValue(b)
		if !ok {
			return "-"
		}
		return string(value)
	}
	long := strings.Repeat("x", 300)
	for _, test := range []struct {
		name string
		read func([]byte) string
		in   string
		want string
	}{
		{"BER, nothing", ber, "", "-"},
		{"BER, none", ber, "\x00ab", "|ab"},
		{"BER, short", ber, "\x02abc", "ab|c"},
		{"BER, short, not whole", ber, "\x03ab", "-"},
		{"BER, one byte", ber, "\x81\x02abc", "ab|c"},
		{"BER, two bytes", ber, "\x82\x01\x2C" + long + "y", long + "|y"},
		{"BER, two bytes, not whole", ber, "\x82\x01\x2C" + long[1:], "-"},
		{"BER, half a length", ber, "\x82\x01", "-"},
		{"BER, three bytes", ber, "\x83\x00\x00\x01a", "-"},
		{"BER, indefinite", ber, "\x80ab", "-"},
		{"PER, nothing", per, "", "-"},
		{"PER, short", per, "\x02abc", "ab"},
		{"PER, short, not whole", per, "\x03ab", "-"},
		{"PER, two bytes", per, "\x81\x2C" + long + "y", long},
		{"PER, two bytes, not whole", per, "\x81\x2C" + long[1:], "-"},
		{"PER, half a length", per, "\x81", "-"},
		{"PER, in fragments", per, "\xC1" + strings.Repeat("x", 1<<16), "-"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.read([]byte(test.in)); got != test.want {
				t.Errorf("got %.20q, want %.20q", got, test.want)
			}
		})
	}
}

// TestConnectInitial leaves parts of its structure out.
func TestConnectInitial(t *testing.T) {
	const head, parameters = "\x02\xF0\x80\x7F\x65", "\x04\x01\x01\x04\x01\x01\x01\x01\xFF\x30\x00\x30\x00\x30\x00"
	const blocks = "\x04\x17" + "\x00\x05\x00\x14\x7C\x00\x01\x0F" + "\x00\x08\x00\x10\x00\x01\xC0\x00Duca" + "\x02"
	for _, test := range []struct {
		name, in string
		want     bool
	}{
		{"no blocks", head + "\x26" + parameters + "\x04\x15\x00\x05\x00\x14\x7C\x00\x01\x0D\x00\x08\x00\x10\x00\x01\xC0\x00Duca\x00", true},
		{"half a block", head + "\x28" + parameters + blocks + "\x01\x01", false},
		{"no user data", head + "\x0F" + parameters, false},
		{"no parameters", head + "\x06\x04\x01\x01\x04\x01\x01", false},
		{"no length", head, false},
		{"bytes behind it", head + "\x00x", false},
		{"another conference", head + "\x26" + parameters + "\x04\x15\x00\x05\x00\x14\x7C\x00\x01\x0D\x00\x08\x00\x10\x00\x01\xC0\x00duca\x00", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := New(wire.DefaultLimits, false).connect([]byte(test.in)); (err == nil) != test.want {
				t.Errorf("got %v, want it read %t", err, test.want)
			}
		})
	}
}
