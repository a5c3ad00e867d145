package post

import (
	"regexp"
	"strconv"
	"strings"
)

// Counts under and over these are of something else, or a slip.
const (
	fewest = 10
	most   = 20_000_000_000
)

// number is how people write one: groups of three with one mark between them, or digits and a fraction.
const number = `\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d{1,3}(?:\.\d{3})+|\d{1,3}(?:'\d{3})+|\d{1,3}(?: \d{3})+|\d+(?:[.,]\d+)?`

// scale is what multiplies it. "mil" is missing: it is a thousand to some and a million to others.
const scale = `(?:million|millionen|millions|millones|billion|bn|b|thousand|tausend|m|k|lakh|lakhs|crore|crores)\b|(?:mio|mln|tsd)\b\.?`

var (
	// figure is a number, its scale and what may stand between them. The text in front and behind decides what it counts.
	figure = regexp.MustCompile(`(?i)(` + number + `)(?:[ \t]?\+)?(?:[ \t-]?(` + scale + `))?`)
	// spelled is a number in words, which needs a scale.
	spelled = regexp.MustCompile(`(?i)\b(half a|a|one|two|three|four|five|six|seven|eight|nine|ten)[ -](million|billion)\b`)
	// word is what may follow a number on the way to what it counts.
	word = regexp.MustCompile(`^[\s"'(*\[_~+]*([\p{L}][\p{L}.'’/&-]*)`)
	// label is what stands in front of a number, with a mark between them: Patients: 48,000.
	label = regexp.MustCompile(`(?i)\b(?:(?:total|number|amount|count|anzahl|no\.|#)\s+(?:of\s+|der\s+)?)?(?:[\p{L}]+\s+){0,2}([\p{L}]+)\s*(?:count|total|affected)?\s*[:=–(-]+\s*[~≈>"'(]*\s*(?:over|about|approx\.?|more than|~|über|ca\.?)?\s*$`)
)

// count gives the largest number of people or records a text names, 0 when it names none.
func count(text string) (largest int64) {
	for _, at := range figure.FindAllStringSubmatchIndex(text, -1) {
		digits, unit := text[at[2]:at[3]], ""
		if at[4] >= 0 {
			unit = strings.ToLower(strings.TrimSuffix(text[at[4]:at[5]], "."))
		}
		n := value(digits, unit)
		if n <= largest || n < fewest || n > most || !free(text, at[0], at[1], unit != "" || strings.Contains(digits, ",")) {
			continue
		}
		after := text[at[1]:]
		if countsPeople(after) && !yearLike(digits, unit, text[:at[0]]) || labelled(text[:at[0]], after) {
			largest = n
		}
	}
	for _, at := range spelled.FindAllStringSubmatchIndex(text, -1) {
		n := value(spelledValues[strings.ToLower(text[at[2]:at[3]])], strings.ToLower(text[at[4]:at[5]]))
		if n > largest && countsPeople(text[at[1]:]) {
			largest = n
		}
	}
	return largest
}

var spelledValues = map[string]string{
	"half a": "0.5", "a": "1", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
	"eight": "8", "nine": "9", "ten": "10",
}

var scales = map[string]float64{
	"": 1, "million": 1e6, "millionen": 1e6, "millions": 1e6, "millones": 1e6, "mio": 1e6, "mil": 1e6, "mill": 1e6,
	"mln": 1e6, "mm": 1e6, "m": 1e6, "billion": 1e9, "bn": 1e9, "b": 1e9, "thousand": 1e3, "tausend": 1e3, "tsd": 1e3,
	"k": 1e3, "lakh": 1e5, "lakhs": 1e5, "crore": 1e7, "crores": 1e7,
}

// value reads a number. Marks between groups of three are no decimal ones, unless a scale says that there is a fraction: nobody
// has 9.300 patients, but one may have 9.300 million.
func value(digits, unit string) int64 {
	marks := strings.Count(digits, ".") + strings.Count(digits, ",")
	last := strings.LastIndexAny(digits, ".,")
	fraction := ""
	if last >= 0 && (len(digits)-last-1 != 3 || unit != "" && marks == 1) {
		digits, fraction = digits[:last], digits[last+1:]
	}
	digits = strings.NewReplacer(".", "", ",", "", "'", "", " ", "").Replace(digits)
	if len(digits) > 12 || len(fraction) > 6 {
		return 0
	}
	x, err := strconv.ParseFloat(digits+"."+fraction+"0", 64)
	if err != nil {
		return 0
	}
	return int64(x*scales[unit] + 0.5)
}

// free reports whether a number stands by itself: not in an amount of money, a date, a telephone number, a longer word.
// A large one, with a scale or groups, may be the end of a range.
func free(text string, from, to int, large bool) bool {
	before := strings.TrimRight(text[:from], " ~≈")
	for _, sign := range []string{"$", "€", "£", "₿", "USD", "EUR", "GBP", "CHF", "BTC", "XMR", "#", "No.", "Nr."} {
		if strings.HasSuffix(before, sign) {
			return false
		}
	}
	if from > 0 {
		c, inNumber := text[from-1], from > 1 && digit(text[from-2])
		switch {
		case letterOrDigit(c), strings.IndexByte("/_@+", c) >= 0, inNumber && strings.IndexByte(":.,", c) >= 0,
			inNumber && c == '-' && !large:
			return false
		}
	}
	if to == len(text) {
		return true
	}
	c, intoNumber := text[to], to+1 < len(text) && digit(text[to+1])
	return !letterOrDigit(c) && !(intoNumber && strings.IndexByte("-/:.,", c) >= 0)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func letterOrDigit(c byte) bool {
	return digit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// yearLike takes "in 2016 patient records" for the year.
func yearLike(digits, unit, before string) bool {
	if unit != "" || len(digits) != 4 || digits < "1900" || digits > "2099" {
		return false
	}
	words := strings.Fields(strings.ToLower(before))
	if len(words) == 0 {
		return false
	}
	last := strings.Trim(words[len(words)-1], ".,")
	return years[last] || len(last) >= 3 && months[last[:3]] > 0
}

// countsPeople walks over the words behind a number to what it counts: "unique US patient records". A word that is counted
// itself, or begins another part of the sentence, ends the walk.
func countsPeople(after string) bool {
	for range 5 {
		at := word.FindStringSubmatchIndex(after)
		if at == nil || strings.Contains(after[:at[0]+(at[2]-at[0])], "\n\n") {
			return false
		}
		w := strings.TrimRight(strings.ToLower(after[at[2]:at[3]]), ".'’-/&")
		if people(w) {
			return true
		}
		if w == "social" && securityNumbers.MatchString(after[at[2]:]) {
			return true
		}
		ends := strings.HasSuffix(after[at[2]:at[3]], ".") && !strings.Contains(w, ".") // of the sentence
		if ends || units[w] || stops[w] || strings.HasSuffix(w, "s") && !passes[w] {
			return false
		}
		after = after[at[3]:]
	}
	return false
}

var securityNumbers = regexp.MustCompile(`(?i)^social[- ]security[- ](?:numbers|nos)`)

// labelled reports whether a word in front says what the number counts. Only plurals do: "Patient: 1001" is a number of a patient.
// Behind it, there must be no unit.
func labelled(before, after string) bool {
	line := before[strings.LastIndexByte(before, '\n')+1:]
	if len(line) > 120 {
		line = line[len(line)-120:]
	}
	at := label.FindStringSubmatch(line)
	if at == nil {
		return false
	}
	if w := strings.ToLower(at[1]); strings.HasPrefix(w, "ssn") || !people(w) {
		return false
	}
	next := word.FindStringSubmatch(after)
	return (next == nil || !units[strings.ToLower(next[1])]) && !strings.HasPrefix(strings.TrimLeft(after, " "), "%")
}
