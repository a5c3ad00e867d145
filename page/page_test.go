package page

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
)

func TestWrap(t *testing.T) {
	words := strings.TrimSpace(strings.Repeat("nine char ", 12))
	for _, test := range []struct {
		name, indent, text, want string
	}{
		{"short", "  ", "one two", "  one two\n"},
		{"nothing", "  ", "", "\n"},
		{"blanks and lines of others", "", " one \n two\tthree ", "one two three\n"},
		{"two lines, the second indented", "  - ", words,
			"  - " + strings.TrimSpace(strings.Repeat("nine char ", 9)) + " nine\n    char nine char nine char\n"},
		{"just a line", "", strings.Repeat("a", Width), strings.Repeat("a", Width) + "\n"},
		{"just a line of two words", "", strings.Repeat("a", 50) + " " + strings.Repeat("b", 49), strings.Repeat("a", 50) + " " + strings.Repeat("b", 49) + "\n"},
		{"one column more", "", strings.Repeat("a", 50) + " " + strings.Repeat("b", 50), strings.Repeat("a", 50) + "\n" + strings.Repeat("b", 50) + "\n"},
		{"a word longer than a line", ". ", strings.Repeat("a", 200), ". " + strings.Repeat("a", 98) + "\n  " + strings.Repeat("a", 98) + "\n  aaaa\n"},
		{"a long word after a short one", "", "b " + strings.Repeat("a", 101) + " c", "b\n" + strings.Repeat("a", 100) + "\na c\n"},
		{"wide characters", "", strings.Repeat("診", 51), strings.Repeat("診", 50) + "\n診\n"},
		{"a wide indent", "診 ", strings.Repeat("a", 98), "診 " + strings.Repeat("a", 97) + "\n   a\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			p := &Writer{Out: &out}
			p.Wrap(test.indent, test.text)
			if out.String() != test.want || p.Err != nil {
				t.Errorf("got  %q\nwant %q", out.String(), test.want)
			}
			for _, line := range strings.Split(out.String(), "\n") {
				if n := runewidth.StringWidth(line); n > Width {
					t.Errorf("a line has %d columns, want at most %d", n, Width)
				}
			}
		})
	}
}

// broken fails from the second line on.
type broken struct{ lines int }

func (b *broken) Write(p []byte) (int, error) {
	if b.lines++; b.lines > 1 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

// TestErr: the first error stays, and nothing is written after it.
func TestErr(t *testing.T) {
	b := &broken{}
	p := &Writer{Out: b}
	for range 5 {
		p.Line("%d", 1)
	}
	if p.Err == nil || b.lines != 2 {
		t.Errorf("got error %v after %d writes, want one after 2", p.Err, b.lines)
	}
}

// TestClean: text from outside cannot steer a terminal.
func TestClean(t *testing.T) {
	for _, test := range []struct {
		name, text string
		n          int
		want       string
	}{
		{"plain", "PACS-1 µ 診", 20, "PACS-1 µ 診"},
		{"escape", "a\x1b[2Jb", 20, "a?[2Jb"},
		{"line ends", "a\nb\r\nc", 20, "a?b??c"},
		{"null and tab", "a\x00b\tc", 20, "a?b?c"},
		{"control of the upper half", "a\u009bb", 20, "a?b"},
		{"direction", "a\u202egnp.exe", 20, "a?gnp.exe"},
		{"isolates", "a\u2066b\u2069", 20, "a?b?"},
		{"joiner", "a\u200db", 20, "a?b"},
		{"byte order mark", "\ufeffa", 20, "?a"},
		{"line and paragraph separators", "a\u2028b\u2029c", 20, "a?b?c"},
		{"private use", "a\ue000b", 20, "a?b"},
		{"no UTF-8", "a\xffb", 20, "a?b"},
		{"just fits", "abcdef", 6, "abcdef"},
		{"too long", "abcdefg", 6, "abcde…"},
		{"wide characters, too long", "診診診診", 6, "診診…"},
		{"no room", "abc", 0, "…"},
		{"less than no room", "abc", -5, "…"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Clean(test.text, test.n)
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if n := runewidth.StringWidth(got); n > max(test.n, 1) {
				t.Errorf("got %d columns, want at most %d", n, test.n)
			}
		})
	}
	if got, want := Printable("a\nb\x1bc\r"), "a\nb?c?"; got != want {
		t.Errorf("got %q, want line ends kept: %q", got, want)
	}
}

func TestAmounts(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{Size(0), "0 B"},
		{Size(999), "999 B"},
		{Size(1000), "1.0 kB"},
		{Size(12_345), "12.3 kB"},
		{Size(123_456), "123 kB"},
		{Size(2_540_000), "2.5 MB"},
		{Size(1_000_000_000), "1.0 GB"},
		{Size(7_000_000_000_000), "7.0 TB"},
		{Size(7_000_000_000_000_000), "7000 TB"},
		{Number(0), "0"},
		{Number(999), "999"},
		{Number(1000), "1,000"},
		{Number(1_234_567), "1,234,567"},
		{Count(0, "finding"), "0 findings"},
		{Count(1, "finding"), "1 finding"},
		{Count(2000, "finding"), "2,000 findings"},
		{Count(1, "address", "addresses"), "1 address"},
		{Count(2, "address", "addresses"), "2 addresses"},
		{People(0), "the records of 0 patients"},
		{People(1), "the records of 1 patient"},
		{People(1200), "the records of 1,200 patients"},
		{Times(1), "once"},
		{Times(2), "2 times"},
		{Times(1000), "1,000 times"},
		{Share(0, 9), "none"},
		{Share(9, 9), "all"},
		{Share(1000, 9999), "1,000"},
		{Share(0, 0), "none"},
		{Span(1500 * time.Millisecond), "1.5 seconds"},
		{Span(59 * time.Minute), "59 minutes"},
		{Span(90 * time.Minute), "1.5 hours"},
		{Span(47 * time.Hour), "47.0 hours"},
		{Span(72 * time.Hour), "3 days"},
		{Cell("ab", 4), "ab  "},
		{Cell("診", 4), "診  "},
		{Cell("abcdef", 4), "abcdef"},
		{Middle("abcdef", 6), "abcdef"},
		{Middle("abcdefg", 6), "ab…efg"},
		{Middle("abcdefg", 5), "ab…fg"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

// TestSizeBorder: what rounds up to the next unit is told in it.
func TestSizeBorder(t *testing.T) {
	for n, want := range map[int64]string{99_960: "100 kB", 999_600: "1.0 MB", 999_999_999: "1.0 GB"} {
		if got := Size(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

// TestSpanOne: one minute is no minutes.
func TestSpanOne(t *testing.T) {
	if got := Span(time.Minute); got != "1 minute" {
		t.Errorf("got %s, want 1 minute", got)
	}
}
