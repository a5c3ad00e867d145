package investigate

import (
	"math"
	"strings"

	"chaperone/page"
)

// bold is how much wider bold letters are.
const bold = 1.13

// textWidth guesses how wide a text of a size is; every sans-serif type is a little different, so it guesses high.
func textWidth(s string, size int) float64 {
	w := 0.0
	for _, r := range s {
		switch {
		case strings.ContainsRune("iljtfrI.,:;'|!()[] ·", r):
			w += 0.36
		case strings.ContainsRune("mwMWQGO@%", r):
			w += 0.95
		case r >= 'A' && r <= 'Z':
			w += 0.73
		case r < 0x250:
			w += 0.6
		default:
			w += 1.05
		}
	}
	return w * float64(size)
}

// fit cuts a text that is too wide for its room.
func fit(s string, room float64, size int) string {
	for n := len([]rune(s)); textWidth(s, size) > room && n > 1; n-- {
		s = page.Clean(s, n-1)
	}
	return s
}

// fitMiddle does so for an address, whose ends say most.
func fitMiddle(s string, room float64, size int) string {
	for n := len(s); textWidth(s, size) > room && n > 4; n-- {
		s = page.Middle(strings.ReplaceAll(s, "…", ""), n-1)
	}
	return s
}

func round(f float64) int { return int(math.Round(f)) }
