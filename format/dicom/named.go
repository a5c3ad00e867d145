package dicom

import (
	"bytes"
	"strings"
)

// Asking reports whether an element says whom a query or a retrieval is about, or whose a data set is.
func Asking(t Tag) bool { return Identifying(t) || names(t) }

// names reports whether a key says who is asked for: a patient, an order, a study or a part of it.
func names(t Tag) bool {
	switch t {
	case PatientID, PatientName, AccessionNumber, StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID:
		return true
	}
	return false
}

// NamesAnybody reports whether keys say who is asked for: a patient, an order, a study, without wildcards (PS3.4 section C.2.2.2).
func NamesAnybody(keys []Element) bool {
	for _, e := range keys {
		if e.Depth == 0 && names(e.Tag) && Single(string(bytes.Trim(e.Value, " \x00"))) {
			return true
		}
	}
	return false
}

// Single reports whether a key is matched by value: it says something, and has no wildcard.
func Single(key string) bool {
	return !strings.ContainsAny(key, "*?") && strings.ContainsFunc(key, func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r > '~'
	})
}
