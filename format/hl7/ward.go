package hl7

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// Wards gives the points of care at which a message's patients lie (PV1-3, chapter 3.4.3.3), each once; nil when one of them is not
// said, or not in one way: also when it has other characters than those of ASCII and it is not known how they read. Each PID has to have one visit of its own behind it. Whom an MRG names besides is said to lie nowhere.
func (m *Message) Wards() []string {
	var wards []string
	waits := false // a patient, for a visit
	for _, s := range m.Segments {
		switch string(s.Name[:]) {
		case "MRG":
			return nil
		case "PID":
			if waits {
				return nil
			}
			waits = true
		case "PV1":
			ward := m.pointOfCare(s.Field(3))
			if !waits || ward == "" {
				return nil
			}
			waits = false
			if !slices.Contains(wards, ward) {
				wards = append(wards, ward)
			}
		}
	}
	if waits {
		return nil
	}
	return wards
}

// pointOfCare gives PL-1 of a location; "" when it has several, in repetitions or as the parts of a name (an HD, since v2.7).
func (m *Message) pointOfCare(location Field) string {
	if location.Repetitions() != 1 {
		return ""
	}
	name := location.Component(1)
	if bytes.IndexByte(name, location.sep.Subcomponent) >= 0 {
		return ""
	}
	text := Unescape(name, location.sep)
	if !ascii(text) && !m.spells(text) {
		return ""
	}
	return location.Text(name, m.Charset)
}

// spells reports whether it is known how a message's text reads that is not ASCII alone: MSH-18 says nothing, or one set that is read here.
func (m *Message) spells(text []byte) bool {
	charsets := m.Segments[0].Field(18)
	if charsets.Repetitions() > 1 {
		return false
	}
	switch name := charsets.Repetition(0).Component(1); {
	case len(name) == 0, isLatin1(name):
		return true
	case bytes.EqualFold(name, []byte("UNICODE UTF-8")), bytes.EqualFold(name, []byte("UTF-8")):
		return utf8.Valid(text)
	}
	return false
}

func ascii(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r >= utf8.RuneSelf })
}
