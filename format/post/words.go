package post

import (
	"strings"
	"unicode"
)

// people reports whether a word, in lower case, is what posts count: people, or records of them.
func people(w string) bool {
	if counted[w] {
		return true
	}
	for _, stem := range []string{"patientend", "patientena", "datensätz", "datensaetz", "identit", "krankenakte"} {
		if strings.HasPrefix(w, stem) {
			return true
		}
	}
	return false
}

var (
	counted = set(`patients patienten patientinnen records record people persons personen individuals ssn ssns ss#s customers
		clients members victims profiles citizens americans users rows entries fullz ehrs emrs charts lives menschen kunden
		versicherte versicherten bürger pacientes personas registros dossiers personnes identities adults children
		subscribers insureds beneficiaries residents policyholders`)
	// units measure what is no person.
	units = set(`b kb mb gb tb pb gib tib mib kib gigabyte gigabytes terabyte terabytes megabyte megabytes byte bytes bit bits
		usd eur gbp chf cad aud btc xbt xmr eth ltc bitcoin bitcoins monero dollar dollars euro euros pounds franken bucks cents
		second seconds minute minutes min hour hours day days week weeks month months year years tage stunden wochen jahre
		monate uhr am pm percent prozent mg ml kg cm mm km miles times x mil hz mhz ghz rpm`)
	// stops begin another part of the sentence, or are counted themselves.
	stops = set(`and or und oder for from in on at to by with without per each every who which that whose where when while
		is are was were be been has have had will can could should may must do does did not no as if than then but so because
		für von vom mit ohne aus bei bis ist sind war waren hat haben wird werden die der das den dem we you they he she i it
		wir sie ich file files image images document documents page pages server computer hospital clinic employee doctor
		physician nurse staff case version`)
	// passes are plural or look so, and still lead on to what is counted.
	passes = set(`us u.s patients patient's patients' americans address addresses customers previous various numerous anonymous
		clients plus individuals'`)
	years = set(`in since of from until before after year for and jahr seit im`)
)

// offered is the weight from which a text is an offer.
const offered = 3

// The words that weigh. Each counts once.
var (
	// sales are what sellers and blackmailers write, and hardly anybody else does: 3.
	sales = phrases(`for sale|selling|will sell|i sell|we sell|to sell|sell it|sell them|selling it|sold once|sold to|wts|
		zu verkaufen|verkaufe|verkaufen|à vendre|en venta|se vende|vendo|продам|продаю|ransom|lösegeld|rançon|escrow|auction|
		highest bidder|serious buyers|serious buyer|buyers only|one buyer|single buyer|exclusive copy|pay us|do not pay|
		don t pay|unless you pay|unless we are paid|refuse to pay|failure to pay|if you pay|pay or|wenn sie nicht zahlen|
		will be published|will publish|will leak|will be leaked|will release|will be released|will be sold|
		werden veröffentlicht|veröffentlichen wir|your network has been|your data has been|we have your|we hacked|we breached|
		we stole|we have stolen|we have taken|we exfiltrated|pm me|dm me|pm for|make an offer|make offer|best offer|
		open to offers|offers accepted|contact for price|proof of hack`)
	// hints are of the trade, and of others: 1, and no more than maxHints together.
	hints = phrases(`price|asking|offer|offers|offering|buy|buyer|buyers|sell|seller|vendor|bid|pay|payment|bitcoin|bitcoins|btc|
		monero|xmr|dump|dumps|dumped|fullz|hacked|stolen|leak|leaked|breached|exfiltrated|database|samples|ssn|ssns|darknet|
		onion|jabber|deadline|preis|angebot|käufer|zahlung|gestohlen|prix|precio|verkauf|sale`)
	// others are what letters, bills, reports, manuals and news write: as much against as sales are for.
	others = phrases(`dear patient|dear patients|dear mr|dear mrs|dear ms|dear valued|dear parent|dear parents|dear customer|
		dear colleague|dear colleagues|dear member|sehr geehrte|sehr geehrter|sincerely|kind regards|yours faithfully|
		mit freundlichen grüßen|mit freundlichen grüssen|freundliche grüsse|appointment|appointments|your visit|your doctor|
		our clinic|our hospital|our patients|our staff|we are writing to|writing to inform|notify you|inform you|
		notice of data breach|credit monitoring|we regret|we apologize|invoice|amount due|balance due|rechnung|
		annual report|fiscal year|budget|grant|donation|donations|fundraising|insurance claim|according to|
		spokesperson|spokesman|spokeswoman|reported that|reporters|researchers|investigators|in a statement|study|cohort|
		clinical trial|participants|synthetic|simulated|test data|fake data|install|installation|usage|mit license|licensed under|readme|
		github|changelog|copyright|docker|benchmark|throughput|per second|api|unit tests|release notes|contributing|
		hipaa training|training|agenda|minutes of|meeting|func|struct|nil|printf|println|stdout|localhost|config`)
)

// maxHints keeps a long text from being an offer by its length.
const maxHints = 3

// weigh gives what the words and the price say for an offer, less what they say against it.
func weigh(text string, price pricing) int {
	text = words(text)
	return int(price) + 3*among(text, sales) + min(maxHints, among(text, hints)) - 3*among(text, others)
}

// words makes a text letters and single blanks.
func words(text string) string {
	var b strings.Builder
	b.WriteByte(' ')
	blank := true
	for _, c := range text {
		if unicode.IsLetter(c) {
			b.WriteRune(unicode.ToLower(c))
			blank = false
		} else if !blank {
			b.WriteByte(' ')
			blank = true
		}
	}
	b.WriteByte(' ')
	return b.String()
}

func among(text string, phrases []string) (n int) {
	for _, phrase := range phrases {
		if strings.Contains(text, phrase) {
			n++
		}
	}
	return n
}

func set(list string) map[string]bool {
	all := map[string]bool{}
	for _, w := range strings.Fields(list) {
		all[w] = true
	}
	return all
}

func phrases(list string) []string {
	var all []string
	for phrase := range strings.SplitSeq(list, "|") {
		all = append(all, " "+strings.TrimSpace(phrase)+" ")
	}
	return all
}
