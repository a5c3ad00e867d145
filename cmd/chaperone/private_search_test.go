package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"unicode/utf16"
)

// TestSearch: what TestPrivate looks for is found wherever it hides.
func TestSearch(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(w, "some "+mark+" text")
	_ = w.Close()
	little, big := wide16(mark)
	for name, b := range map[string][]byte{
		"plain": []byte("x" + mark + "0001"), "lower case": []byte(strings.ToLower(mark)), "UTF-16LE": little, "UTF-16BE": big,
		"base64 0": []byte(base64.StdEncoding.EncodeToString([]byte(mark + "12"))), "base64 1": []byte(base64.StdEncoding.EncodeToString([]byte("a" + mark + "12"))),
		"base64 2": []byte(base64.URLEncoding.EncodeToString([]byte("ab" + mark + "12"))), "hex": []byte(hex.EncodeToString([]byte("1" + mark))),
		"gzip": append([]byte("before"), zipped.Bytes()...),
	} {
		if len(search(b)) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	if how := search([]byte("QZXV KJWY and other text")); len(how) > 0 {
		t.Errorf("found where it is not: %s", how)
	}
}

// needle is one spelling of the mark.
type needle struct {
	how  string
	text []byte
}

var needles = func() (list []needle) {
	for _, m := range []string{mark, strings.ToLower(mark), mark[:1] + strings.ToLower(mark[1:])} {
		little, big := wide16(m)
		list = append(list, needle{"as it is", []byte(m)}, needle{"UTF-16LE", little}, needle{"UTF-16BE", big},
			needle{"hexadecimal", []byte(hex.EncodeToString([]byte(m)))}, needle{"hexadecimal", []byte(strings.ToUpper(hex.EncodeToString([]byte(m))))})
		for shift := range 3 {
			b := []byte(base64.StdEncoding.EncodeToString(append(make([]byte, shift), m...)))
			from := []int{0, 2, 3}[shift] // behind it, bits are of the mark alone
			list = append(list, needle{"base64", b[from : (len(m)+shift)*8/6]})
		}
	}
	return list
}()

func wide16(text string) (little, big []byte) {
	for _, u := range utf16.Encode([]rune(text)) {
		little, big = append(little, byte(u), byte(u>>8)), append(big, byte(u>>8), byte(u))
	}
	return little, big
}

// search says how the mark is in some bytes, also inside gzip.
func search(b []byte) (how []string) {
	for _, n := range needles {
		if bytes.Contains(b, n.text) {
			how = append(how, n.how)
		}
	}
	for rest := b; ; {
		i := bytes.Index(rest, []byte{0x1f, 0x8b, 8})
		if i < 0 {
			return how
		}
		if r, err := gzip.NewReader(bytes.NewReader(rest[i:])); err == nil {
			plain, _ := io.ReadAll(io.LimitReader(r, 64<<20)) // what comes before an error counts
			for _, found := range search(plain) {
				how = append(how, "gzip, "+found)
			}
		}
		rest = rest[i+1:]
	}
}
