package site

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

var (
	short            = regexp.MustCompile(`^[\pL\pM\pN_.@*:/^-]([\pL\pM\pN_ .@*:/^-]{0,38}[\pL\pM\pN_.@*:/^-])?$`)
	sentenceOfParser = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)
)

// reader collects what was found on the way through a file.
type reader struct {
	problems []Problem
	lines    map[any]int
}

func (r *reader) fail(line int, format string, args ...any) {
	if len(r.problems) < maxKept {
		r.problems = append(r.problems, Problem{line, Wrong, fmt.Sprintf(format, args...)})
	}
}

// document gives the root of the file's only document; nil, with problems told, when there is none that can be read.
func (r *reader) document(b []byte) *yaml.Node {
	if !r.text(b) {
		return nil
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	var doc, more yaml.Node
	err := d.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF) || err == nil && nothing(&doc):
		r.fail(1, "the file says nothing; it needs at least  site: NAME  and  inside: [NETWORK]")
		return nil
	case err != nil:
		r.syntax(err)
		return nil
	}
	if err := d.Decode(&more); err == nil {
		r.fail(more.Line, "a second document begins here; a site is one document: remove the line ---")
		return nil
	} else if !errors.Is(err, io.EOF) {
		r.syntax(err)
		return nil
	}
	if len(doc.Content) != 1 || !r.plain(doc.Content[0], 0) {
		return nil
	}
	return doc.Content[0]
}

// nothing reports whether a document is empty: the parser makes a null of it.
func nothing(doc *yaml.Node) bool {
	return len(doc.Content) == 0 || doc.Content[0].Kind == yaml.ScalarNode && doc.Content[0].Value == ""
}

// text looks at the bytes before the parser does, which says less of where they are wrong.
func (r *reader) text(b []byte) bool {
	if len(b) > maxFile {
		r.fail(0, "the file is longer than 1 MiB")
		return false
	}
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(b, []byte(mark)) {
			r.fail(1, "the file begins with a byte order mark; save it as UTF-8 without one")
			return false
		}
	}
	before := len(r.problems)
	number := 0
	for line := range bytes.Lines(b) {
		number++
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\r\n")), []byte("\n")) // a return alone is a line end only to some
		switch {
		case !utf8.Valid(line):
			r.fail(number, "a character that is not UTF-8; save the file as UTF-8")
			if bytes.IndexByte(b, 0) >= 0 {
				return false // it is no text, and each line would say so
			}
		case bytes.IndexByte(line, '\t') >= 0:
			r.fail(number, "a tab; YAML wants spaces")
		case bytes.ContainsFunc(line, func(c rune) bool {
			return c < ' ' || c >= 0x7f && c < 0xa0 || c == 0x2028 || c == 0x2029 || c == 0xfeff
		}):
			r.fail(number, "a control character")
		}
		if len(r.problems) > maxProblems {
			break
		}
	}
	return len(r.problems) == before
}

// syntax tells what the parser says. It has its own sentences, but for one that would quote the file.
func (r *reader) syntax(err error) {
	parts := sentenceOfParser.FindStringSubmatch(err.Error())
	if parts == nil {
		r.fail(0, "this is not YAML")
		return
	}
	line, _ := strconv.Atoi(parts[1])
	text := parts[2]
	if strings.HasPrefix(text, "did not find expected") {
		line++ // these count from 0; of line 0, as of line 1, nothing is said
	}
	line = max(line, 1)
	for _, known := range []struct{ parser, text string }{
		{"mapping values are not allowed", "a colon where none belongs; put the value in quotes, or look at the indent of this line and the one before"},
		{"could not find expected ':'", "a key without a colon, on this line or the one before"},
		{"did not find expected key", "in the block that begins here a later line is indented otherwise, or has no key"},
		{"did not find expected '-' indicator", "in the list that begins here a later line is indented otherwise, or has no -"},
		{"did not find expected ','", "the [ or { that opens here is not closed, or a comma is missing in it"},
		{"cannot start any token", "a character that begins nothing in YAML; put the value in quotes"},
		{"unexpected end of stream", "the file ends before a quote is closed"},
		{"anchor", tooClever},
	} {
		if strings.Contains(text, known.parser) {
			text = known.text
			break
		}
	}
	if text == tooClever { // it does not say where
		line = 0
	}
	r.fail(line, "%s", text)
}

const (
	tooClever = "anchors, aliases and merge keys (& * <<) are not taken; write the values out"
	maxDepth  = 16 // the deepest key is at 4
)

// plain makes sure that everything stands where it is written: nothing is referred to and nothing has a type of its own.
func (r *reader) plain(n *yaml.Node, depth int) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "" || n.Tag == "!!merge":
		r.fail(n.Line, tooClever)
		return false
	case n.Style&yaml.TaggedStyle != 0:
		r.fail(n.Line, "types (!) are not taken; write the plain value")
		return false
	case depth > maxDepth:
		r.fail(n.Line, "this is nested deeper than any key is")
		return false
	}
	good := true
	for _, child := range n.Content {
		good = r.plain(child, depth+1) && good
		if len(r.problems) > maxProblems {
			return false
		}
	}
	return good
}

// shaped reports whether a node is of that kind, and says what is wanted when it is not.
func (r *reader) shaped(key string, n *yaml.Node, kind yaml.Kind, want string) bool {
	found := map[yaml.Kind]string{yaml.ScalarNode: "one value", yaml.SequenceNode: "a list", yaml.MappingNode: "keys with values"}[n.Kind]
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		r.fail(n.Line, "%s: nothing is written here; wanted is %s, or leave the key out", key, want)
		return false
	}
	if n.Kind != kind {
		r.fail(n.Line, "%s: wanted is %s, not %s", key, want, found)
		return false
	}
	return true
}

// pairs gives the keys of a mapping with their values, each key once.
func (r *reader) pairs(what string, n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(k, v *yaml.Node) bool) {
		first := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			line, twice := first[k.Value]
			switch {
			case k.Kind != yaml.ScalarNode:
				r.fail(k.Line, "%s: a key is one word, not a list or keys with values", what)
			case twice:
				r.fail(k.Line, "the key %s is written twice in %s; the first is on line %d", shown(k.Value), what, line)
			default:
				first[k.Value] = k.Line
				if !yield(k, v) {
					return
				}
			}
		}
	}
}

// shown repeats what the file says where that helps and can be no secret: a short word.
func shown(text string) string {
	if short.MatchString(text) {
		return text
	}
	return "(not a name)"
}
