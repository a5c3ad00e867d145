package dump

import (
	"bytes"
	"time"
)

// sample is what the values of one column look like.
type sample struct {
	filled                      int
	ssns, emails, phones, dates int
	males, females, unsaid      int
	earliest, latest            int // years of the dates
}

func (s *sample) add(value []byte) {
	if len(value) == 0 {
		return
	}
	s.filled++
	switch {
	case isSSN(value):
		s.ssns++
	case isEmail(value):
		s.emails++
	case like(value, "999-999-9999"), like(value, "(999) 999-9999"), like(value, "(999)999-9999"):
		s.phones++
	default:
		if year := yearOf(value); year > 0 {
			if s.dates++; s.dates == 1 {
				s.earliest, s.latest = year, year
			}
			s.earliest, s.latest = min(s.earliest, year), max(s.latest, year)
		}
		switch string(bytes.ToLower(value)) {
		case "m", "male":
			s.males++
		case "f", "w", "female":
			s.females++
		case "u", "o", "x", "d", "unknown", "other":
			s.unsaid++
		}
	}
}

// guess names the columns that the header leaves unknown by what is in them, where a shape leaves no doubt. Dates are births
// only without a header, and only when they go over decades: a header would have said so, and others are of visits.
func guess(columns []Column, values []sample, headed bool) {
	born := headed
	for i := range columns {
		v, column := values[i], &columns[i]
		if column.Means != Unknown || v.filled < 3 {
			continue
		}
		most := v.filled - v.filled/10
		switch {
		case v.ssns >= most:
			column.Means, column.sure = SSN, true
		case v.emails >= most:
			column.Means, column.sure = Email, true
		case headed:
		case v.phones >= most:
			column.Means = Phone
		case v.males > 0 && v.females > 0 && v.males+v.females+v.unsaid == v.filled:
			column.Means, column.sure = Sex, true
		case !born && v.dates >= most && v.earliest <= 1975 && v.latest-v.earliest >= 20:
			column.Means, column.sure, born = Birth, true, true
		}
	}
}

// isSSN asks for the dashes: nine digits are many things. Areas 000, 666 and 900 to 999, group 00 and serial 0000
// were never given out.
func isSSN(v []byte) bool {
	return like(v, "999-99-9999") && v[0] != '9' && string(v[:3]) != "000" && string(v[:3]) != "666" &&
		string(v[4:6]) != "00" && string(v[7:]) != "0000"
}

func isEmail(v []byte) bool {
	name, host, ok := bytes.Cut(v, []byte{'@'})
	return ok && len(name) > 0 && bytes.IndexByte(host, '.') > 0 && !bytes.ContainsAny(v, " \t,;") &&
		bytes.IndexByte(host, '@') < 0
}

// like compares with a pattern in which 9 stands for any digit.
func like(v []byte, pattern string) bool {
	if len(v) != len(pattern) {
		return false
	}
	for i, c := range v {
		if pattern[i] == '9' {
			if c < '0' || c > '9' {
				return false
			}
		} else if c != pattern[i] {
			return false
		}
	}
	return true
}

// dateLayouts are the ways exporters write a day.
var dateLayouts = []string{
	"2006-01-02", "2006/01/02", "20060102", "1/2/2006", "2/1/2006", "2.1.2006", "2-Jan-2006", time.DateTime,
	"2006-01-02T15:04:05",
}

// yearOf gives the year of a date, 0 when the value is none.
func yearOf(v []byte) int {
	if len(v) < 8 || len(v) > 19 || v[0] < '0' || v[0] > '9' {
		return 0
	}
	for _, layout := range dateLayouts {
		if day, err := time.Parse(layout, string(v)); err == nil && day.Year() >= 1890 && day.Year() < 2100 {
			return day.Year()
		}
	}
	return 0
}
