package smb_test

import (
	"slices"
	"strings"
	"testing"
)

// TestNTLM: messages that are old, cut or wrong say what they can, and nothing else.
func TestNTLM(t *testing.T) {
	text := func(values map[int][]byte, size int) []byte { return ntlmFields(3, size, 1, size-4, values) }
	names := map[int][]byte{20: zero(24), 28: []byte("CLINIC"), 36: []byte("nurse"), 44: []byte("DESK4")}
	outside := ntlmAnswer(1, utf, "CLINIC", "nurse", "DESK4")
	le.PutUint32(outside[4+28+4:], 1<<31)
	for _, test := range []struct {
		name  string
		token []byte
		want  string
	}{
		{"without flags", text(names, 56), `CLINIC\nurse@DESK4`},
		{"cut behind the names of the fields", ntlmAnswer(1, utf, "CLINIC", "nurse", "DESK4")[:4+64], `\@`},
		{"cut in the names of the fields", ntlmAnswer(1, utf, "CLINIC", "nurse", "DESK4")[:4+40], `\@`},
		{"cut in its kind", ntlmAnswer(1, utf, "CLINIC", "nurse", "DESK4")[:4+11], `\@`},
		{"a field that lies outside", outside, `\nurse@DESK4`},
		{"a long name", ntlmAnswer(1, utf, "CLINIC", strings.Repeat("n", 513), "DESK4"), `CLINIC\@DESK4`},
		{"a long name in an OEM code page", ntlmAnswer(0, bytesOf, "CLINIC", strings.Repeat("n", 1025), "DESK4"), `CLINIC\@DESK4`},
		{"half a surrogate pair", ntlmAnswer(1, func(s string) []byte { return append(utf(s), 0x00, 0xD8) }, "CLINIC", "nurse", ""), "CLINIC\uFFFD\\nurse\uFFFD@\uFFFD"},
		{"half a character", ntlmAnswer(1, func(s string) []byte { return append(utf(s), 'x') }, "CLINIC", "nurse", ""), `CLINIC\nurse@`},
		{"nothing", nil, `\@`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := told(false, exchange(1, setup, setupAsk(test.token), setupAnswer(0, nil))...)
			if want := []string{"logon 7 00000000 " + test.want + ` to \ `}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestChallenge: likewise for what the server says.
func TestChallenge(t *testing.T) {
	whole := ntlmChallenge()
	dns := ntlmFields(2, 48, 1, 20, map[int][]byte{40: slices.Concat(
		fields(uint16(4), uint16(12), utf("domain")), fields(uint16(7), uint16(8), zero(8)), fields(uint16(3), uint16(8), utf("host")), zero(4))})
	cut := ntlmFields(2, 48, 1, 20, map[int][]byte{40: slices.Concat(
		fields(uint16(1), uint16(8), utf("HOST")), fields(uint16(2), uint16(99), utf("CLINIC")))})
	for _, test := range []struct {
		name  string
		token []byte
		want  string
	}{
		{"all", whole, `CLINIC\RECORDS 10.0.17763`},
		{"names of the DNS alone, and no version", dns, `domain\host `},
		{"a name that is longer than the list", cut, `\HOST `},
		{"cut in the list", whole[:len(whole)-40], `\ 10.0.17763`},
		{"cut before the list", whole[:4+40], `\ `},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := told(false, exchange(1, setup, setupAsk(nurse), setupAnswer(0, test.token))...)
			if want := []string{`logon 7 00000000 CLINIC\nurse@DESK4 to ` + test.want}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
