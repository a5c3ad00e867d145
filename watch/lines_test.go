package watch

import (
	"chaperone/page"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// TestText: what systems claim comes out of JSON as it went in, and steers no terminal.
func TestText(t *testing.T) {
	for _, want := range []string{"", "PACS", `a"b\\c`, "Jürgen", "日本", "\x1b[31mred", "\x7f\u009b31m", "\u202egnp.exe", "a\u2028b", "\U000e0041tag", "<&>", "\x00\t\n"} {
		line := text(nil, want)
		var got string
		if err := json.Unmarshal(line, &got); err != nil || got != want {
			t.Errorf("%+q: got %+q, %v", want, got, err)
		}
		if strings.ContainsFunc(string(line), func(r rune) bool { return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || r == '\u2028' }) {
			t.Errorf("%+q: the line has a character that steers", want)
		}
	}
}

// TestClean: the report shows at most so many columns of anything, and nothing that steers.
func TestClean(t *testing.T) {
	for _, test := range []struct {
		in   string
		n    int
		want string
	}{
		{"PACS", 10, "PACS"}, {"PACS-ARCHIVE", 6, "PACS-…"}, {"\x1b[31mred", 20, "?[31mred"}, {"a\u202eb\u061cc", 20, "a?b?c"}, {"日本語日本語", 7, "日本語…"},
	} {
		if got := page.Clean(test.in, test.n); got != test.want {
			t.Errorf("%+q in %d: got %q, want %q", test.in, test.n, got, test.want)
		}
	}
}
