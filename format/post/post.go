// Package post reads the text in which a thief offers patient records or demands a ransom for them, and finds what it claims.
// All of it is what somebody asserts; nothing of it is proven.
package post

import (
	"bytes"
	"regexp"
	"strings"
	"time"

	"chaperone/format"
)

// maxText is more than any post is long.
const maxText = 64 << 10

// Post is what an offer or a note claims.
type Post struct {
	Claimed int64     // people or records: the largest number that is named
	Price   string    // as it is written; "" without one
	Posted  time.Time // UTC; zero when the text does not say
	Place   string    // the market or forum, or the onion host; "" when the text does not say
}

// Read finds the claims in a text. ok is false when it does not read like an offer or a demand: it must name a number of
// people or records, and a price or words of a sale or a ransom that outweigh those of letters, manuals and reports.
func Read(text []byte) (post Post, ok bool) {
	if len(text) > maxText || bytes.IndexByte(text, 0) >= 0 {
		return Post{}, false
	}
	plain := format.Text(bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF")), format.Guess)
	plain = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u00a0", " ", "\u202f", " ").Replace(plain)
	lines := strings.Split(plain, "\n")
	if isLog(lines) {
		return Post{}, false
	}
	claimed := count(plain)
	if claimed == 0 {
		return Post{}, false
	}
	price, kind := price(plain)
	if weigh(plain, kind) < offered {
		return Post{}, false
	}
	return Post{Claimed: claimed, Price: price, Posted: posted(lines), Place: place(plain)}, true
}

// stamped is a line of a log: it begins with a time.
var stamped = regexp.MustCompile(`^\s*[\[<(]?(\d{4}[-/.]\d\d?[-/.]\d\d?[T ]\d\d?:|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:|\d\d?[./]\d\d?[./]\d{4},? \d\d?:|\d\d?:\d\d:\d\d|\d{10}\.\d)`)

// isLog reports whether most lines begin with a time.
func isLog(lines []string) bool {
	filled, times := 0, 0
	for _, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		filled++
		if stamped.MatchString(line) {
			times++
		}
	}
	return times >= 2 && 2*times >= filled
}
