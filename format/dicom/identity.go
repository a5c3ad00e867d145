package dicom

import (
	"bytes"
	"strings"

	"chaperone"
	"chaperone/format"
)

// Identifying reports whether an element says whose a data set is, or how to read the elements that do.
func Identifying(t Tag) bool {
	switch t {
	case SpecificCharacterSet, QueryRetrieveLevel, PatientName, PatientID, IssuerOfPatientID, PatientBirthDate, PatientSex,
		OtherPatientIDs, StudyInstanceUID:
		return true
	}
	return false
}

// Records reads who a data set is about. Usually that is one record; a data set whose patient ID stands there twice
// with different values gives one for each, because receivers differ in which they take.
//
// A number inside a sequence (other patient IDs, the attributes before coercion) identifies only when the data set
// itself has none.
func Records(elements []Element) []chaperone.Record {
	charset := charsetOf(elements)
	text := func(b []byte) string { return strings.TrimSpace(format.Text(bytes.TrimRight(b, "\x00 "), charset)) }
	var r chaperone.Record
	var issuer, nestedIssuer chaperone.PHI
	var numbers, nested []chaperone.PHI
	for _, e := range elements {
		if len(e.Value) == 0 {
			continue
		}
		value := text(e.Value)
		if value == `""` { // some archives answer with the explicit null of HL7
			value = ""
		}
		hidden := chaperone.NewPHI(value)
		switch {
		case hidden.Empty():
		case e.Tag == PatientID && e.Depth == 0:
			numbers = appendNew(numbers, hidden)
		case e.Tag == PatientID:
			nested = append(nested, hidden)
		case e.Tag == OtherPatientIDs:
			for _, one := range strings.Split(value, `\`) {
				if one = strings.TrimSpace(one); one != "" {
					nested = append(nested, chaperone.NewPHI(one))
				}
			}
		case e.Tag == IssuerOfPatientID && e.Depth == 0:
			issuer = hidden
		case e.Tag == IssuerOfPatientID:
			nestedIssuer = hidden
		case e.Depth > 0:
		case e.Tag == PatientName:
			r.Name = personName(value)
		case e.Tag == PatientBirthDate:
			r.Birth = hidden
		case e.Tag == PatientSex:
			r.Sex = hidden
		case e.Tag == StudyInstanceUID:
			r.Study = hidden
		}
	}
	if len(numbers) == 0 {
		for _, n := range nested {
			r.Alternates = append(r.Alternates, chaperone.Identifier{Kind: chaperone.DICOMPatientID, Authority: nestedIssuer, Value: n})
		}
		return []chaperone.Record{r}
	}
	records := make([]chaperone.Record, 0, 1)
	for _, n := range numbers {
		r.Identifiers = []chaperone.Identifier{{Kind: chaperone.DICOMPatientID, Authority: issuer, Value: n}}
		records = append(records, r)
	}
	return records
}

// MaxKeys bounds the study UIDs of one retrieve.
const MaxKeys = 1024

// IsQuery reports whether a data set is about a query: its keys, or a match (PS3.4 section C.4.1.1.3).
func IsQuery(elements []Element) bool {
	for _, e := range elements {
		if e.Tag == QueryRetrieveLevel && e.Depth == 0 {
			return true
		}
	}
	return false
}

// Keys reads what a retrieve asks for: its patient ID and each study UID of the list (PS3.4 annex C).
func Keys(elements []Element) []chaperone.Record {
	var keys []chaperone.Record
	for _, r := range Records(elements) {
		if r.Study.Empty() {
			keys = append(keys, r)
			continue
		}
		for uid := range strings.SplitSeq(r.Study.Reveal(), `\`) { // split here, and hidden again at once
			if uid = strings.Trim(uid, " \x00"); uid != "" && len(keys) < MaxKeys {
				r.Study = chaperone.NewPHI(strings.Clone(uid)) // without the rest of the list
				keys = append(keys, r)
			}
		}
	}
	return keys
}

func appendNew(list []chaperone.PHI, v chaperone.PHI) []chaperone.PHI {
	for _, have := range list {
		if have.Reveal() == v.Reveal() { // compared, not shown
			return list
		}
	}
	return append(list, v)
}

// personName gives family^given^middle of the alphabetic group (PS3.5 section 6.2.1).
func personName(pn string) chaperone.PHI {
	alphabetic, _, _ := strings.Cut(pn, "=")
	parts := strings.SplitN(alphabetic, "^", 4)
	parts = parts[:min(len(parts), 3)]
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return chaperone.NewPHI(strings.TrimRight(strings.Join(parts, "^"), "^"))
}

func charsetOf(elements []Element) format.Charset {
	for _, e := range elements {
		if e.Tag == SpecificCharacterSet && e.Depth == 0 {
			if string(bytes.TrimRight(e.Value, " \x00")) == "ISO_IR 100" {
				return format.Latin1
			}
			break
		}
	}
	return format.Guess
}
