package roster

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// days are the ways in which tables write a day, by the first character that is no digit ('a' for any letter, 0 for none).
// What can be read in two ways is read in the first; day first, in the last.
var days = map[byte][]string{
	0:   {"20060102"},
	'-': {"2006-1-2", "2-Jan-2006", "1-2-2006", "2-1-2006"},
	'/': {"2006/1/2", "1/2/2006", "2/1/2006"},
	'.': {"2.1.2006"},
	' ': {"2 Jan 2006", "2 January 2006"},
	'a': {"Jan 2, 2006", "January 2, 2006"},
}

// birth gives a date as messages write it, YYYYMMDD. What is no day stays as it is: it must not equal "no date".
func birth(text string, dayFirst bool) string {
	text = strings.TrimSpace(text)
	day := text
	if cut := strings.IndexAny(day, "T "); cut >= 8 && strings.Contains(day[cut:], ":") {
		day = day[:cut] // a time behind it
	}
	shape := byte(0)
	if rest := strings.TrimLeft(day, "0123456789"); rest != "" {
		if shape = rest[0]; unicode.IsLetter(rune(shape)) {
			shape = 'a'
		}
	}
	layouts := days[shape]
	for i := range layouts {
		if dayFirst {
			i = len(layouts) - 1 - i
		}
		if t, err := time.Parse(layouts[i], day); err == nil {
			return t.Format("20060102")
		}
	}
	return text
}

// sex gives the letter that messages write (HL7 table 0001).
func sex(text string) string {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "m", "male", "man", "männlich", "maennlich":
		return "M"
	case "f", "female", "woman", "w", "weiblich":
		return "F"
	case "o", "other", "x", "d", "divers":
		return "O"
	case "u", "unknown":
		return "U"
	}
	return strings.TrimSpace(text)
}

// maxState bounds a state that is none of the United States, in bytes.
const maxState = 40

// state gives the code of a state, or the beginning of what else was given.
func state(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	key := strings.ToUpper(strings.Trim(text, "."))
	if _, ok := stateNames[key]; ok {
		return key
	}
	if code, ok := stateCodes[key]; ok {
		return code
	}
	clean := strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return -1
		}
		return c
	}, text)
	for len(clean) > maxState {
		_, size := utf8.DecodeLastRuneInString(clean)
		clean = clean[:len(clean)-size]
	}
	return clean
}

// stateNames are the states in the sense of 45 CFR 160.103: also the District of Columbia and the territories.
var stateNames = map[string]string{
	"AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
	"CT": "Connecticut", "DE": "Delaware", "DC": "District of Columbia", "FL": "Florida", "GA": "Georgia", "HI": "Hawaii",
	"ID": "Idaho", "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana",
	"ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota", "MS": "Mississippi",
	"MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire", "NJ": "New Jersey",
	"NM": "New Mexico", "NY": "New York", "NC": "North Carolina", "ND": "North Dakota", "OH": "Ohio", "OK": "Oklahoma",
	"OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island", "SC": "South Carolina", "SD": "South Dakota",
	"TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont", "VA": "Virginia", "WA": "Washington",
	"WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming", "PR": "Puerto Rico", "VI": "U.S. Virgin Islands",
	"GU": "Guam", "AS": "American Samoa", "MP": "Northern Mariana Islands",
}

// stateCodes are the codes by name, in capitals.
var stateCodes = func() map[string]string {
	codes := map[string]string{"WASHINGTON DC": "DC", "WASHINGTON, DC": "DC", "VIRGIN ISLANDS": "VI"}
	for code, name := range stateNames {
		codes[strings.ToUpper(name)] = code
	}
	return codes
}()
