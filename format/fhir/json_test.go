package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"chaperone/format"
)

func TestParser(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	many := func(n int, last string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"k%d":0,`, i)
		}
		return "{" + b.String() + `"` + last + `":0}`
	}
	for _, test := range []struct {
		name, text string
		want       error // nil: it is read
	}{
		{"object", `{"a":[1,-2.5e+3,true,false,null,"x"],"b":{}}`, nil},
		{"blanks", " \t\r\n{ \"a\" : [ ] , \"b\" : 0 } ", nil},
		{"escapes", `"\"\\\/\b\f\n\r\tA\ud83d\ude00é"`, nil},
		{"number alone", "0", nil},
		{"deepest", deep(maxDepth), nil},
		{"too deep", deep(maxDepth + 1), format.ErrLimit},
		{"far too deep", strings.Repeat(`{"a":`, 1<<20), format.ErrLimit},
		{"too many values", "[" + strings.Repeat("0,", maxNodes) + "0]", format.ErrLimit},
		{"a key twice", `{"a":0,"b":{},"a":0}`, format.ErrMalformed},
		{"a key twice in other spelling", `{"a":0,"\u0061":0}`, format.ErrMalformed},
		{"a key twice further inside", `[{"x":{"a":0,"a":0}}]`, format.ErrMalformed},
		{"one key in two objects", `[{"a":0},{"a":0,"b":{"a":0}}]`, nil},
		{"case of keys", `{"a":0,"A":0}`, nil},
		{"many keys", many(40, "other"), nil},
		{"many keys, one twice", many(40, "k7"), format.ErrMalformed},
		{"empty", "", format.ErrMalformed},
		{"not UTF-8", "\"\xff\"", format.ErrMalformed},
		{"half a pair", `"\ud83d"`, format.ErrMalformed},
		{"half a pair and another", `"\ud83dA"`, format.ErrMalformed},
		{"second half", `"\ude00"`, format.ErrMalformed},
		{"control character", "\"a\nb\"", format.ErrMalformed},
		{"unknown escape", `"\x"`, format.ErrMalformed},
		{"short escape", `"\u00"`, format.ErrMalformed},
		{"no end", `"abc`, format.ErrMalformed},
		{"escape at the end", `"\`, format.ErrMalformed},
		{"not closed", `{"a":[0`, format.ErrMalformed},
		{"closed by the other", `{"a":0]`, format.ErrMalformed},
		{"comma at the end", `[0,]`, format.ErrMalformed},
		{"comma at the end of an object", `{"a":0,}`, format.ErrMalformed},
		{"no comma", `[0 0]`, format.ErrMalformed},
		{"no colon", `{"a" 0}`, format.ErrMalformed},
		{"no key", `{0:0}`, format.ErrMalformed},
		{"leading zero", `01`, format.ErrMalformed},
		{"no digits", `-`, format.ErrMalformed},
		{"no fraction", `1.`, format.ErrMalformed},
		{"no exponent", `1e`, format.ErrMalformed},
		{"word", `nul`, format.ErrMalformed},
		{"two values", `{} {}`, format.ErrMalformed},
		{"zero byte behind", "{}\x00", format.ErrMalformed},
		{"comment", `{} // x`, format.ErrMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p parser
			if err := p.parse([]byte(test.text)); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// rebuild gives the value of a node as the standard library does; other values are nil.
func (p *parser) rebuild(i int) any {
	switch n := p.nodes[i]; n.kind {
	case object:
		out := map[string]any{}
		for at := i + 1; at < n.end; at = p.nodes[at].end {
			out[string(p.nodes[at].key)] = p.rebuild(at)
		}
		return out
	case array:
		out := []any{}
		for at := i + 1; at < n.end; at = p.nodes[at].end {
			out = append(out, p.rebuild(at))
		}
		return out
	case text:
		return string(n.value)
	}
	return nil
}

// plain makes nil of everything that is no text, object or array.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = plain(v[key])
		}
		return v
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
		return v
	case string:
		return v
	}
	return nil
}

// FuzzParse compares with the standard library: what is read here is the same there; what is refused here is refused there,
// or is one of the things that have two readings.
func FuzzParse(f *testing.F) {
	f.Add([]byte(erika))
	for _, seed := range []string{`{"a":[1,-2.5e+3,true,null,"x\n"],"b":{}}`, `{"a":0,"\u0061":1}`, `[1e999]`, `"\ud83d\ude00"`, `[[[[]]],{"":""}]`, "[1,2"} {
		f.Add([]byte(seed))
	}
	var p parser
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, parsed := Parse(b)
		if parsed != nil && !errors.Is(parsed, format.ErrMalformed) && !errors.Is(parsed, format.ErrLimit) {
			t.Errorf("got %v, want a known error", parsed)
		}
		err := p.parse(b)
		if err != nil {
			if json.Valid(b) && utf8.Valid(b) && errors.Is(err, format.ErrMalformed) && !ambiguous(b) {
				t.Fatalf("got %v for a text with one reading", err)
			}
			return
		}
		if !json.Valid(b) {
			t.Fatal("read, but the standard library refuses it")
		}
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber() // a number too large for a float64 is still a number
		var want any
		if err := d.Decode(&want); err != nil {
			t.Fatalf("read, but the standard library refuses it: %v", err)
		}
		if got := p.rebuild(0); !reflect.DeepEqual(got, plain(want)) {
			t.Fatal("got other values than the standard library")
		}
	})
}

// ambiguous reports whether a valid JSON text has a key twice in one object, or half a surrogate pair.
func ambiguous(b []byte) bool {
	if bytes.ContainsRune(b, utf8.RuneError) {
		return true // the text may say so itself: not worth telling apart
	}
	d := json.NewDecoder(bytes.NewReader(b))
	var keys []map[string]bool // nil for an array
	key := false
	for {
		token, err := d.Token()
		if err != nil {
			return !errors.Is(err, io.EOF)
		}
		inside := len(keys) > 0 && keys[len(keys)-1] != nil
		switch v := token.(type) {
		case json.Delim:
			if v == '}' || v == ']' {
				keys = keys[:len(keys)-1]
			} else if v == '{' {
				keys = append(keys, map[string]bool{})
				key = true
				continue
			} else {
				keys = append(keys, nil)
			}
		case string:
			if strings.ContainsRune(v, utf8.RuneError) {
				return true
			}
			if inside && key {
				if keys[len(keys)-1][v] {
					return true
				}
				keys[len(keys)-1][v] = true
				key = false
				continue
			}
		}
		key = len(keys) > 0 && keys[len(keys)-1] != nil
	}
}
