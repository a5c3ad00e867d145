package post

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The ways a day is written. Days of the week in front of them do not matter.
var (
	yearFirst  = regexp.MustCompile(`\b(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})`)
	monthFirst = regexp.MustCompile(`(?i)\b([a-z]{3,9})\.?[ ]+(\d{1,2})(?:st|nd|rd|th)?,?[ ]+(\d{4})\b`)
	dayFirst   = regexp.MustCompile(`(?i)\b(\d{1,2})(?:st|nd|rd|th|\.)?[ -]+([a-zä]{3,9})\.?,?[ -]+(\d{4})\b`)
	dotted     = regexp.MustCompile(`\b(\d{1,2})\.[ ]?(\d{1,2})\.[ ]?(\d{4})\b`)
	slashed    = regexp.MustCompile(`\b(\d{1,2})/(\d{1,2})/(\d{4})\b`)
	clock      = regexp.MustCompile(`(?i)^(?:T|,?[ ]*(?:at|um|-|–)?[ ]*)(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?[ ]*(am|pm)?\b[ ]*(?:uhr)?[ ]*\(?(Z\b|[A-Z]{3,4}\b|[+-]\d{2}:?\d{2})?`)
)

// months are known by their first three letters, in English and German.
var months = map[string]time.Month{
	"jan": 1, "feb": 2, "mar": 3, "mär": 3, "apr": 4, "may": 5, "mai": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9,
	"oct": 10, "okt": 10, "nov": 11, "dec": 12, "dez": 12,
}

// zones are hours from UTC. Others are taken for UTC: a post names its day, the hour is seldom worth more.
var zones = map[string]int{
	"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "CET": 1, "CEST": 2, "MEZ": 1,
	"MESZ": 2, "BST": 1, "EET": 2, "EEST": 3, "MSK": 3,
}

// dateLine is a line that says when the text was written.
var dateLine = regexp.MustCompile(`(?i)^\W{0,6}(?:date|posted|posted[ -]on|posted[ -]at|post date|published|listed|listed on|added|sent|created|datum|gesendet|veröffentlicht)\s*[:=]\s*(.*)$`)

// postedIn is the same within a line. What will be posted, is not yet.
var postedIn = regexp.MustCompile(`(?i)(?:^|[^e] |[^ \p{L}])\b(?:posted|listed)(?:[ ]+by[ ]+\S+)?(?:[ ]+(?:on|at))?[ :,]+(.*)$`)

// headLines is how far below the beginning a line that is nothing but a date is the text's own.
const headLines = 6

// posted finds when a text was written. Dates in its sentences are of other things: deadlines, thefts.
func posted(lines []string) time.Time {
	for _, find := range []*regexp.Regexp{dateLine, postedIn} {
		for _, line := range lines {
			if at := find.FindStringSubmatch(line); at != nil {
				if when, _, rest := date(at[1]); !when.IsZero() && len(at[1])-rest < 60 {
					return when
				}
			}
		}
	}
	seen := 0
	for _, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		if seen++; seen > headLines {
			break
		}
		if when, from, rest := date(line); !when.IsZero() && len(strings.Fields(line[:from]))+len(strings.Fields(line[len(line)-rest:])) <= 2 {
			return when
		}
	}
	return time.Time{}
}

// date finds the first date in a line: it begins at from, and rest bytes are behind it. What can be read in two ways is none.
func date(line string) (when time.Time, from, rest int) {
	for _, form := range []struct {
		pattern          *regexp.Regexp
		year, month, day int // of the pattern's groups
	}{{yearFirst, 1, 2, 3}, {monthFirst, 3, 1, 2}, {dayFirst, 3, 2, 1}, {dotted, 3, 2, 1}, {slashed, 3, 1, 2}} {
		for _, at := range form.pattern.FindAllStringSubmatchIndex(line, -1) {
			part := func(i int) string { return line[at[2*i]:at[2*i+1]] }
			year, _ := strconv.Atoi(part(form.year))
			day, _ := strconv.Atoi(part(form.day))
			month := monthOf(part(form.month))
			if form.pattern == slashed {
				if month > 12 {
					month, day = time.Month(day), int(month)
				} else if day <= 12 && day != int(month) {
					continue // American or not
				}
			}
			when := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
			if year < 1990 || year > 2100 || month < 1 || when.Month() != month || when.Day() != day {
				continue
			}
			behind := line[at[1]:]
			if end, offset := timeOfDay(behind); end > 0 {
				when, behind = when.Add(offset), behind[end:]
			}
			return when, at[0], len(behind)
		}
	}
	return time.Time{}, 0, 0
}

func monthOf(text string) time.Month {
	if n, err := strconv.Atoi(text); err == nil {
		return time.Month(n)
	}
	letters := []rune(strings.ToLower(text))
	return months[string(letters[:min(3, len(letters))])]
}

// timeOfDay reads the time behind a date, as an offset from the day's beginning in UTC; end is 0 without one.
func timeOfDay(text string) (end int, offset time.Duration) {
	at := clock.FindStringSubmatch(text)
	if at == nil {
		return 0, 0
	}
	hour, _ := strconv.Atoi(at[1])
	minute, _ := strconv.Atoi(at[2])
	second, _ := strconv.Atoi(at[3])
	switch strings.ToLower(at[4]) {
	case "am":
		hour %= 12
	case "pm":
		hour = hour%12 + 12
	}
	if hour > 23 || minute > 59 || second > 60 {
		return 0, 0
	}
	offset = time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	return len(at[0]), offset - zone(at[5])
}

// zone gives how far a zone is from UTC.
func zone(name string) time.Duration {
	if name == "" || name[0] != '+' && name[0] != '-' {
		return time.Duration(zones[strings.ToUpper(name)]) * time.Hour
	}
	digits := strings.Replace(name[1:], ":", "", 1)
	hours, _ := strconv.Atoi(digits[:2])
	minutes, _ := strconv.Atoi(digits[2:])
	d := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if name[0] == '-' {
		return -d
	}
	return d
}
