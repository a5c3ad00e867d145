package policy

import (
	"errors"
	"time"
)

// Hours is a part of every day, in minutes from midnight by the clocks of the site. It may go over midnight. Its zero value
// is the whole day.
type Hours struct {
	From, To int // To is the first minute that is outside
}

// ErrHours is what ParseHours and New say of hours that are none.
var ErrHours = errors.New("hours are written as 06:00-22:00")

// ParseHours reads "06:00-22:00".
func ParseHours(s string) (h Hours, err error) {
	if len(s) != len("06:00-22:00") || s[5] != '-' {
		return Hours{}, ErrHours
	}
	from, ok := minutes(s[:5])
	to, too := minutes(s[6:])
	if h = (Hours{from, to}); !ok || !too || h == (Hours{}) || !h.valid() {
		return Hours{}, ErrHours
	}
	return h, nil
}

func minutes(s string) (int, bool) {
	for i, c := range []byte(s) {
		if i == 2 && c != ':' || i != 2 && (c < '0' || c > '9') {
			return 0, false
		}
	}
	hour, minute := int(s[0]-'0')*10+int(s[1]-'0'), int(s[3]-'0')*10+int(s[4]-'0')
	return hour*60 + minute, minute < 60 && hour*60+minute <= 24*60
}

func (h Hours) valid() bool {
	const day = 24 * 60
	return h == Hours{} || h.From >= 0 && h.From < day && h.To >= 0 && h.To <= day && h.From != h.To
}

// hold reports whether a time of a day is in the hours.
func (h Hours) hold(at time.Time) bool {
	minute := at.Hour()*60 + at.Minute()
	switch {
	case h == Hours{}:
		return true
	case h.From < h.To:
		return minute >= h.From && minute < h.To
	}
	return minute >= h.From || minute < h.To
}
