package site

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// writer carries the comments to what they are about.
type writer struct{ comments map[string]string }

// Write writes a file that Load would read as the same site, with Comments and without what is the default anyway.
func (s *Site) Write(out io.Writer) error {
	head := s.Comments[""]
	if head == "" {
		head = "The site file of " + s.Name + "."
	}
	b := bytes.NewBufferString(comment(head) + "\n")
	e := yaml.NewEncoder(b)
	e.SetIndent(2)
	if root := s.block().node(&writer{s.Comments}, ""); root != nil {
		if err := e.Encode(root); err != nil {
			return fmt.Errorf("site: %w", err)
		}
	}
	if err := e.Close(); err != nil {
		return fmt.Errorf("site: %w", err)
	}
	for line := range bytes.Lines(b.Bytes()) { // the encoder indents blank lines; no value ends with a blank
		if _, err := out.Write(append(bytes.TrimRight(line, " \n"), '\n')); err != nil {
			return fmt.Errorf("site: %w", err)
		}
	}
	return nil
}

// key writes a key with the comment that is about it.
func (w *writer) key(text, path string) *yaml.Node {
	n := plain(text)
	n.HeadComment = comment(w.comments[path])
	return n
}

// plain makes a scalar, in quotes where it would be read as something that it is not.
func plain(text string) *yaml.Node {
	tag := "!!str"
	switch _, err := strconv.ParseUint(text, 10, 63); {
	case err == nil && (text == "0" || text[0] != '0'):
		tag = "!!int"
	case text == "true" || text == "false":
		tag = "!!bool"
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
}

// comment makes comment lines of a text. What could end a comment, or steer a terminal, does not pass.
func comment(text string) string {
	if text == "" {
		return ""
	}
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.Map(func(c rune) rune {
			if unicode.IsPrint(c) {
				return c
			}
			return '?'
		}, line)
		lines = append(lines, strings.TrimRight("# "+line, " "))
	}
	return strings.Join(lines, "\n")
}

// joined puts one comment below another.
func joined(above, below string) string {
	if below == "" {
		return above
	}
	return above + "\n" + below
}
