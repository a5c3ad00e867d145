package post

import (
	"regexp"
	"strings"
)

var (
	placeLine  = regexp.MustCompile(`(?im)^\W{0,6}(?:market|marketplace|forum|site|place|venue|markt|marktplatz|board)\s*[:=]\s*(\S[^\n]{0,79})$`)
	placeName  = regexp.MustCompile(`\b[Oo]n (?:the )?((?:The ?)?RealDeal|AlphaBay|Hansa|Dream Market|Agora|Evolution|Silk ?Road|RaidForums|BreachForums|Exploit(?:\.in)?|XSS|Genesis Market|Empire Market|[A-Z][\w.]*(?: [A-Z][\w.]*)?(?: [Mm]arket(?:place)?| [Ff]orums?))\b`)
	breadcrumb = regexp.MustCompile(`^\s*([\p{Lu}\d][^\n>»|]{1,60}?)\s*(?:>|»)\s*\S[^\n]{0,120}(?:\n|$)`) // the first line of a saved page: Market > Listings > Data
	onion      = regexp.MustCompile(`(?i)\b[a-z2-7]{16}(?:[a-z2-7]{40})?\.onion\b`)
)

// place finds where a text was posted: what a header says, a market that is named as such, or a hidden service's host.
func place(text string) string {
	if at := placeLine.FindStringSubmatch(text); at != nil {
		return strings.TrimSpace(at[1])
	}
	if at := breadcrumb.FindStringSubmatch(text); at != nil {
		return strings.TrimSpace(at[1])
	}
	if at := placeName.FindStringSubmatch(text); at != nil {
		return at[1]
	}
	return onion.FindString(text)
}
