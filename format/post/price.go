package post

import (
	"regexp"
	"strings"
)

// pricing says how much a price tells about a text being an offer.
type pricing int

const (
	unpriced pricing = iota
	amount           // some sum of money is named
	priced           // words in front of it say that it is a price
	coins            // it is to be paid as thieves are
)

const (
	sum      = `(?:\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d+)?)(?: ?(?:million|mio\.?|thousand|k|m)\b)?`
	coinCode = `(?:BTC|XBT|XMR|ETH|LTC|BCH|USDT|bitcoins?|monero|ethereum|ether|litecoins?)`
	code     = `(?:USD|EUR|GBP|CHF|CAD|AUD|` + coinCode + `)`
	unitName = `(?:US ?dollars?|dollars?|euros?|francs?|franken|pounds?|bucks)`
	money    = `(?:(?:US|CA|AU)?[$€£₿] ?` + sum + `(?: ?` + code + `\b)?|` + code + ` ?` + sum + `\b|` +
		sum + ` ?(?:` + code + `\b|` + unitName + `\b|[$€£₿]))`
)

var (
	// moneyText is a sum, and the same in another currency.
	moneyText = regexp.MustCompile(`(?i)[~≈]?` + money + `(?: ?\([^()\n]{0,12}` + money + `[^()\n]{0,20}\)| ?(?:/|=|≈|~|or|oder) ?[~≈]?` + money + `)?`)
	coinText  = regexp.MustCompile(`(?i)` + coinCode + `|₿`)
	// asked is what stands in front of a price.
	asked = regexp.MustCompile(`(?i)\b(?:price[ds]?|asking|ask|for|sell(?:ing)?|sold|pay|payment|ransom|demand(?:ing)?|want|bid|buy(?: it)? now|cost[s]?|preis|kostet|für|zahlen|send|transfer|prix|precio)\b[^.!?\n]{0,40}$`)
	// priceLine is a header that says it without a currency.
	priceLine = regexp.MustCompile(`(?im)^\W{0,6}(?:asking |starting )?(?:price|preis|ransom|buy it now|cost|bid|prix|precio)\s*[:=]\s*([^\n]{0,79}\d[^\n]{0,79})$`)
)

// price finds what is asked, as it is written: the sum that most looks like a price, and of those the first.
func price(text string) (best string, kind pricing) {
	for _, at := range moneyText.FindAllStringIndex(text, -1) {
		found := text[at[0]:at[1]]
		if at[0] > 0 && (letterOrDigit(text[at[0]-1]) || strings.IndexByte(".,-/", text[at[0]-1]) >= 0 && digit(found[0])) {
			continue // inside of something else
		}
		k := amount
		front := text[max(0, at[0]-60):at[0]]
		if asked.MatchString(front) || strings.HasPrefix(text[at[1]:], " for ") {
			k = priced
		}
		if coinText.MatchString(found) {
			k++
			k = max(k, priced)
		}
		k = min(k, coins)
		if k > kind {
			best, kind = found, k
		}
	}
	if kind < priced {
		if line := priceLine.FindStringSubmatch(text); line != nil {
			return strings.TrimSpace(line[1]), priced
		}
	}
	return strings.TrimSpace(best), kind
}
