package ledger

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestCut: what stores keep of a text.
func TestCut(t *testing.T) {
	for _, test := range []struct {
		name string
		text string
		want int
	}{
		{"empty", "", 0},
		{"as long as may be", strings.Repeat("w", MaxText), MaxText},
		{"longer", strings.Repeat("w", MaxText+1), MaxText},
		{"within a character", "w" + strings.Repeat("ü", MaxText), MaxText - 1},
		{"no characters at all", strings.Repeat("\x80", 2*MaxText), MaxText - utf8.UTFMax},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Cut(test.text); len(got) != test.want || !strings.HasPrefix(test.text, got) {
				t.Errorf("got %d bytes, want %d", len(got), test.want)
			}
		})
	}
}
