package site

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Hours are the times at which something may be: any of the spans. None: always.
type Hours []Span

// Span is a stretch of wall clock time on some days of the week. One that ends before it begins goes on over midnight, and
// belongs to the day on which it began.
type Span struct {
	Days       Days
	Begin, End int // minutes since midnight; End is at most 1440 and not within
}

// Days are days of the week, a bit for each, Sunday the lowest; 0: every day.
type Days uint8

// Hold reports whether a time, on the clock of its own zone, is within.
func (h Hours) Hold(t time.Time) bool {
	return len(h) == 0 || slices.ContainsFunc(h, func(s Span) bool { return s.holds(t) })
}

func (s Span) holds(t time.Time) bool {
	day, minute := t.Weekday(), t.Hour()*60+t.Minute()
	if s.Begin < s.End {
		return s.Days.hold(day) && s.Begin <= minute && minute < s.End
	}
	return s.Days.hold(day) && minute >= s.Begin || s.Days.hold((day+6)%7) && minute < s.End
}

func (d Days) hold(day time.Weekday) bool { return d == 0 || d>>day&1 == 1 }

// everyDay is written as no day at all.
const everyDay Days = 1<<7 - 1

const dayNames = "sunmontuewedthufrisat"

// String gives the span as it is written: mon-fri 07:00-19:00.
func (s Span) String() string {
	text := fmt.Sprintf("%02d:%02d-%02d:%02d", s.Begin/60, s.Begin%60, s.End/60, s.End%60)
	if s.Days == 0 {
		return text
	}
	var parts []string
	for i := 0; i < 7; i++ { // a week begins on Monday here
		first := (i + 1) % 7
		if !s.Days.hold(time.Weekday(first)) {
			continue
		}
		last := first
		for i < 6 && s.Days.hold(time.Weekday((i+2)%7)) {
			i++
			last = (i + 1) % 7
		}
		name := dayName(first)
		if last != first {
			name += "-" + dayName(last)
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ",") + " " + text
}

func dayName(day int) string { return dayNames[day*3 : day*3+3] }

var (
	errSpan = errors.New("not a range of hours; write 06:00-22:00, 22:00-06:00 (over midnight) or mon-fri 07:00-19:00")
	errDays = errors.New("not days of the week; write mon-fri 07:00-19:00 or mon,wed,sat 07:00-12:00")
)

// parseSpan reads what String writes.
func parseSpan(text string) (s Span, err error) {
	days, hours, ok := strings.Cut(strings.TrimSpace(text), " ")
	if !ok {
		days, hours = "", days
	}
	if s.Days, err = parseDays(days); err != nil {
		return Span{}, err
	}
	begin, end, ok := strings.Cut(strings.TrimSpace(hours), "-")
	if !ok {
		return Span{}, errSpan
	}
	var good [2]bool
	s.Begin, good[0] = parseMinute(begin)
	s.End, good[1] = parseMinute(end)
	switch {
	case !good[0] || !good[1] || s.Begin == 24*60:
		return Span{}, errSpan
	case s.Begin == s.End:
		return Span{}, errors.New("begins when it ends; for the whole day write 00:00-24:00, or leave hours out")
	case s.End == 0: // midnight, as the end of the day
		s.End = 24 * 60
	}
	return s, nil
}

func parseMinute(text string) (minute int, ok bool) {
	if len(text) != 5 || text[2] != ':' {
		return 0, false
	}
	for _, i := range []int{0, 1, 3, 4} {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
	}
	hour := int(text[0]-'0')*10 + int(text[1]-'0')
	minute = int(text[3]-'0')*10 + int(text[4]-'0')
	return hour*60 + minute, minute < 60 && hour*60+minute <= 24*60
}

func parseDays(text string) (Days, error) {
	if text == "" {
		return 0, nil
	}
	var days Days
	for _, part := range strings.Split(strings.ToLower(text), ",") {
		from, to, span := strings.Cut(part, "-")
		first, ok := dayOf(from)
		last := first
		if span && ok {
			last, ok = dayOf(to)
		}
		if !ok {
			return 0, errDays
		}
		for d := first; ; d = (d + 1) % 7 {
			days |= 1 << d
			if d == last {
				break
			}
		}
	}
	if days == everyDay {
		return 0, nil
	}
	return days, nil
}

func dayOf(name string) (day int, ok bool) {
	for day := range 7 {
		if dayName(day) == name {
			return day, true
		}
	}
	return 0, false
}
