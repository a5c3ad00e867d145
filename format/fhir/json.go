package fhir

import (
	"bytes"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"chaperone/format"
)

// maxDepth bounds how deep values are nested. Extensions nest; what is deeper than this was not made by a hospital.
const maxDepth = 64

// maxNodes bounds the values of one text: a resource about a person has some hundreds.
const maxNodes = 1 << 16

// kind is what a value is.
type kind uint8

const (
	object kind = iota
	array
	text
	other // a number, true, false or null: nothing here is read from one
)

// node is one value. The values inside of another stand behind it, up to end.
type node struct {
	kind  kind
	key   []byte // decoded; nil in an array
	value []byte // of a text, decoded
	end   int    // index of the first node behind this value and all inside of it
}

// parser reads one JSON text (RFC 8259), strictly: one reading or none. It refuses a key that an object has twice, bytes
// that are not UTF-8 and half a surrogate pair; the standard library takes the last of the keys, and U+FFFD for the
// others, so that two different values become one. It is used again for the next text, whose nodes replace those before.
type parser struct {
	b      []byte
	at     int
	nodes  []node
	opened []int // nodes that are not closed, from the outermost
	room   []byte
	seen   map[string]struct{}
}

// parse reads b, whose bytes the nodes refer to. Errors: format.ErrMalformed, format.ErrLimit; they give the offset.
func (p *parser) parse(b []byte) error {
	p.b, p.at, p.nodes, p.opened, p.room = b, 0, p.nodes[:0], p.opened[:0], p.room[:0]
	if !utf8.Valid(b) {
		return fmt.Errorf("fhir: not UTF-8: %w", format.ErrMalformed)
	}
	for first := true; first || len(p.opened) > 0; first = false {
		if err := p.step(); err != nil {
			return err
		}
	}
	p.blank()
	if p.at < len(p.b) {
		return p.bad("something behind the value")
	}
	return nil
}

// step reads one value, or the beginning or the end of an object or array.
func (p *parser) step() error {
	p.blank()
	var key []byte
	if n := len(p.opened); n > 0 {
		outer := p.opened[n-1]
		empty := outer == len(p.nodes)-1
		closing := byte('}')
		if p.nodes[outer].kind == array {
			closing = ']'
		}
		if p.peek() == closing {
			p.at++
			return p.close(outer)
		}
		if !empty {
			if p.peek() != ',' {
				return p.bad("no comma")
			}
			p.at++
			p.blank()
		}
		if p.nodes[outer].kind == object {
			var err error
			if key, err = p.text(); err != nil {
				return err
			}
			if p.blank(); p.peek() != ':' {
				return p.bad("no colon")
			}
			p.at++
			p.blank()
		}
	}
	return p.value(key)
}

func (p *parser) value(key []byte) error {
	if len(p.nodes) == maxNodes {
		return fmt.Errorf("fhir: more than %d values: %w", maxNodes, format.ErrLimit)
	}
	v := node{key: key, end: len(p.nodes) + 1}
	switch c := p.peek(); {
	case c == '{' || c == '[':
		if len(p.opened) == maxDepth {
			return fmt.Errorf("fhir: offset %d: nested deeper than %d: %w", p.at, maxDepth, format.ErrLimit)
		}
		if c == '[' {
			v.kind = array
		}
		p.opened = append(p.opened, len(p.nodes))
		p.at++
	case c == '"':
		value, err := p.text()
		if err != nil {
			return err
		}
		v.kind, v.value = text, value
	default:
		v.kind = other
		if !p.literal() {
			return p.bad("no value")
		}
	}
	p.nodes = append(p.nodes, v)
	return nil
}

// close ends the innermost object or array.
func (p *parser) close(outer int) error {
	p.nodes[outer].end = len(p.nodes)
	p.opened = p.opened[:len(p.opened)-1]
	if p.nodes[outer].kind == object && !p.distinct(outer) {
		return p.bad("a key twice in the object that ends here")
	}
	return nil
}

// distinct reports whether no two keys of an object are equal.
func (p *parser) distinct(outer int) bool {
	first, count := outer+1, 0
	for i := first; i < p.nodes[outer].end; i = p.nodes[i].end {
		count++
	}
	if count > 16 { // then comparing each with each is slow
		if p.seen == nil {
			p.seen = map[string]struct{}{}
		}
		clear(p.seen)
		for i := first; i < p.nodes[outer].end; i = p.nodes[i].end {
			p.seen[string(p.nodes[i].key)] = struct{}{}
		}
		return len(p.seen) == count
	}
	for i := first; i < p.nodes[outer].end; i = p.nodes[i].end {
		for j := first; j < i; j = p.nodes[j].end {
			if bytes.Equal(p.nodes[i].key, p.nodes[j].key) {
				return false
			}
		}
	}
	return true
}

func (p *parser) bad(what string) error {
	return fmt.Errorf("fhir: offset %d: %s: %w", p.at, what, format.ErrMalformed)
}

// peek gives the next byte, 0 at the end: no JSON outside of a text has one.
func (p *parser) peek() byte {
	if p.at < len(p.b) {
		return p.b[p.at]
	}
	return 0
}

func (p *parser) blank() {
	for p.at < len(p.b) && (p.b[p.at] == ' ' || p.b[p.at] == '\t' || p.b[p.at] == '\r' || p.b[p.at] == '\n') {
		p.at++
	}
}

// text reads a string. It gives a part of the bytes where nothing is escaped, which is nearly always.
func (p *parser) text() ([]byte, error) {
	if p.peek() != '"' {
		return nil, p.bad("no text")
	}
	p.at++
	start, from := len(p.room), p.at
	for p.at < len(p.b) {
		switch c := p.b[p.at]; {
		case c == '"':
			plain := p.b[from:p.at]
			p.at++
			if len(p.room) == start {
				return plain[:len(plain):len(plain)], nil
			}
			p.room = append(p.room, plain...)
			return p.room[start:len(p.room):len(p.room)], nil
		case c < ' ':
			return nil, p.bad("a control character in a text")
		case c == '\\':
			p.room = append(p.room, p.b[from:p.at]...)
			if !p.escaped() {
				return nil, p.bad("an escape that stands for nothing")
			}
			from = p.at
		default:
			p.at++
		}
	}
	return nil, p.bad("a text without an end")
}

// escapes are the characters that one letter stands for.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escaped decodes one escape into the room.
func (p *parser) escaped() bool {
	p.at++
	if c := escapes[p.peek()]; c != 0 {
		p.room = append(p.room, c)
		p.at++
		return true
	}
	r, ok := p.unit()
	if ok && utf16.IsSurrogate(r) {
		var low rune
		if p.peek() != '\\' {
			return false
		}
		p.at++
		if low, ok = p.unit(); ok {
			r = utf16.DecodeRune(r, low)
			ok = r != utf8.RuneError
		}
	}
	p.room = utf8.AppendRune(p.room, r)
	return ok
}

// unit reads what follows a backslash: u and four digits.
func (p *parser) unit() (r rune, ok bool) {
	if p.peek() != 'u' || len(p.b)-p.at < 5 {
		return 0, false
	}
	for _, c := range p.b[p.at+1 : p.at+5] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	p.at += 5
	return r, true
}

// literal passes over a number, true, false or null.
func (p *parser) literal() bool {
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(p.b[p.at:], []byte(word)) {
			p.at += len(word)
			return true
		}
	}
	if p.peek() == '-' {
		p.at++
	}
	if p.peek() == '0' {
		p.at++
	} else if !p.digits() {
		return false
	}
	if p.peek() == '.' {
		if p.at++; !p.digits() {
			return false
		}
	}
	if p.peek() == 'e' || p.peek() == 'E' {
		if p.at++; p.peek() == '+' || p.peek() == '-' {
			p.at++
		}
		return p.digits()
	}
	return true
}

func (p *parser) digits() bool {
	start := p.at
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.at++
	}
	return p.at > start
}
