// Package page writes for people: lines that fit a terminal, amounts as they are said, and text from outside that cannot
// steer anything.
package page

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// Width is what a report may use of a line.
const Width = 100

// Writer writes lines. It keeps the first error.
type Writer struct {
	Out io.Writer
	Err error
}

// Line writes one line.
func (p *Writer) Line(format string, args ...any) {
	if p.Err == nil {
		_, p.Err = fmt.Fprintln(p.Out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

// Wrap writes text with a hanging indent. A word that is too long for a line is cut into several.
func (p *Writer) Wrap(indent, text string) {
	blank := strings.Repeat(" ", runewidth.StringWidth(indent))
	line, used := indent, len(blank)
	for _, word := range strings.Fields(text) {
		for {
			w := runewidth.StringWidth(word)
			if used+w <= Width {
				line, used = line+word+" ", used+w+1
				break
			}
			if used > len(blank) {
				p.Line("%s", line)
				line, used = blank, len(blank)
				continue
			}
			part := runewidth.Truncate(word, Width-used, "")
			p.Line("%s", line+part)
			line, word = blank, word[len(part):]
		}
	}
	p.Line("%s", line)
}

// Cell fills text up to n columns.
func Cell(s string, n int) string { return runewidth.FillRight(s, n) }

// Middle shortens ASCII text in the middle.
func Middle(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:(n-1)/2] + "…" + s[len(s)-n/2:]
}

// Clean makes text from outside safe for a terminal, and at most n columns wide.
func Clean(s string, n int) string {
	return runewidth.Truncate(strings.ReplaceAll(Printable(s), "\n", "?"), max(n, 1), "…")
}

// Printable replaces what could steer a terminal; line ends stay.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && Steers(r) {
			return '?'
		}
		return r
	}, s)
}

// Steers reports whether a character can change what others look like: controls, and those that steer direction and joining.
func Steers(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) || r == unicode.ReplacementChar
}

// Count gives a number with its noun.
func Count(n int, one string, many ...string) string {
	word := one + "s"
	if len(many) > 0 {
		word = many[0]
	}
	if n == 1 {
		word = one
	}
	return Number(n) + " " + word
}

// People says whose records.
func People(n int) string {
	if n == 1 {
		return "the records of 1 patient"
	}
	return "the records of " + Number(n) + " patients"
}

// Times says how often.
func Times(n int) string {
	if n == 1 {
		return "once"
	}
	return Number(n) + " times"
}

// Share says how many of all.
func Share(part, whole int) string {
	switch part {
	case 0:
		return "none"
	case whole:
		return "all"
	}
	return Number(part)
}

// Number groups thousands.
func Number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Size gives an amount of bytes.
func Size(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	v := float64(n)
	for _, u := range units {
		if v < 999.5 || u == "TB" { // more is rounded to 1000, which is one of the next
			if u == "B" || v >= 99.95 {
				return fmt.Sprintf("%.0f %s", v, u)
			}
			return fmt.Sprintf("%.1f %s", v, u)
		}
		v /= 1000
	}
	return ""
}

// Span gives a length of time.
func Span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1f seconds", d.Seconds())
	case d < 90*time.Second:
		return "1 minute"
	case d.Minutes() < 59.5:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f hours", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}
