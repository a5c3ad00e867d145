package guard

import (
	"bytes"
	"slices"
	"strings"
	"unicode"

	"chaperone"
	"chaperone/format/dicom"
)

// another reports whether somebody has come up by whom it was not decided.
func (p *push) another() bool {
	elements := p.walker.Elements
	if len(elements) == p.read {
		return false
	}
	p.read = len(elements)
	people, err := peopleIn(elements)
	return err != nil || !plain(elements, people) || slices.ContainsFunc(people, func(r chaperone.Record) bool { return !p.charged[p.token(r)] })
}

// peopleIn gives everybody whom elements show, one at least. Error: a fault.
func peopleIn(elements []dicom.Element) (people []chaperone.Record, err error) {
	err = sound(func() error { people = dicom.People(elements); return nil })
	return people, err
}

// token gives what stands for somebody on record, zero for nobody.
func (p *push) token(r chaperone.Record) chaperone.PatientToken {
	i := p.d.judge.tokens.Identify(r)
	if len(i.Numbers) > 0 {
		return i.Numbers[0]
	}
	if token, ok := p.d.judge.tokens.Alternate(r); ok {
		return token
	}
	return i.Demographic
}

// plain reports whether all receivers read the numbers of a data set alike: some end a value at a NUL, some take the first of
// several values, some leave out what switches the character set (PS3.5 section 6.1.2.5.3), and some take half a character of such
// a set for a backslash. The same goes for the name of who has no number.
func plain(elements []dicom.Element, records []chaperone.Record) bool {
	for _, r := range records {
		name := r.Name.Reveal() // looked into, and not kept
		if len(r.Identifiers)+len(r.Alternates) == 0 && (strings.ContainsFunc(name, unicode.IsControl) || strings.Contains(name, `\`)) {
			return false
		}
	}
	for _, e := range elements {
		several := e.Tag == dicom.OtherPatientIDs
		switch e.Tag {
		case dicom.PatientID, dicom.IssuerOfPatientID, dicom.OtherPatientIDs, dicom.StudyInstanceUID, dicom.SeriesInstanceUID:
		default:
			continue
		}
		value := bytes.TrimRight(e.Value, " \x00")
		foreign := bytes.ContainsFunc(value, func(r rune) bool { return r >= 0x80 })
		if bytes.ContainsFunc(value, unicode.IsControl) || bytes.IndexByte(value, '\\') >= 0 && (foreign || !several) {
			return false
		}
	}
	return true
}

// nobody reports whether a record bears no patient.
func nobody(r chaperone.Record) bool {
	return len(r.Identifiers) == 0 && len(r.Alternates) == 0 && r.Name.Empty()
}
