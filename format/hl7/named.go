package hl7

import "strings"

// Asks reports whether a segment says whom a query is about: QPD, or QRD of older versions (v2.5 chapter 5).
func (s Segment) Asks() bool { return s.Is("QPD") || s.Is("QRD") }

// Named counts whom a segment that asks is about: identifiers, and names without a wildcard (HL7 v2.5 chapter 5, QPD-3 and QRD-8;
// chapter 3.3.57 and 3.3.58 for their parameters).
func (s Segment) Named() (numbers, names int) {
	if s.Is("QRD") {
		who := s.Field(8)
		for i := range who.Repetitions() {
			if specific(string(who.Repetition(i).Component(1))) {
				numbers++
			}
		}
		return numbers, 0
	}
	field := s.Field(3)
	for i := range field.Repetitions() {
		one := field.Repetition(i)
		name, value := string(one.Component(1)), string(one.Component(2))
		if !strings.HasPrefix(name, "@") {
			if specific(name) { // a CX: PIX queries (Q23)
				numbers++
			}
			continue
		}
		if !specific(value) {
			continue
		}
		switch name { // not its authority, nor the kind of a name: those are everybody's
		case "@PID.3", "@PID.3.1", "@PID.18", "@PID.18.1":
			numbers++
		case "@PID.5", "@PID.5.1", "@PID.5.1.1":
			if len(value) > 1 { // one letter is nobody's name
				names++
			}
		}
	}
	return numbers, names
}

func specific(value string) bool {
	return value != "" && value != `""` && !strings.ContainsAny(value, "*?%")
}

// Everybody reports whether a query names nobody: by wildcards, or not at all. One that does not say whom it asks for is not meant.
func (m *Message) Everybody() bool {
	asks := false
	for _, s := range m.Segments {
		if !s.Asks() {
			continue
		}
		if numbers, names := s.Named(); numbers+names > 0 {
			return false
		}
		asks = true
	}
	return asks
}
