package guard

import (
	"slices"
	"strings"
	"unicode"

	"chaperone"
	"chaperone/format/dicom"
	"chaperone/format/hl7"
	"chaperone/site"
)

// wardsIn gives where the patients of a frame lie; nil when that of one of them is not said in one way.
func wardsIn(payload []byte) (wards []string) {
	parts, _ := hl7.Split(payload)
	for _, raw := range parts {
		m, err := hl7.Parse(raw)
		if err != nil {
			return nil
		}
		of := m.Wards()
		if of == nil {
			return nil
		}
		for _, ward := range of {
			if ward = site.WardName(ward); !slices.Contains(wards, ward) {
				wards = append(wards, ward)
			}
		}
	}
	return wards
}

// wardOf gives where the patient of a data set lies: Current Patient Location (0038,0300), whose first component is that of PV1-3
// (IHE RAD TF-2 appendix B); nil when that is not said in one way. What shows several people says it of nobody.
func wardOf(elements []dicom.Element, records []chaperone.Record) []string {
	if len(records) != 1 {
		return nil
	}
	location, said := "", 0
	for _, e := range elements {
		if e.Tag == dicom.PatientLocation {
			said++
			if text, ok := dicom.Text(elements, e.Value); ok && e.Depth == 0 {
				location = text
			}
		}
	}
	ward, _, _ := strings.Cut(location, "^")
	if ward = site.WardName(ward); said != 1 || ward == "" || ward == `""` || strings.ContainsRune(location, '\\') || strings.ContainsFunc(location, unicode.IsControl) {
		return nil
	}
	return []string{ward}
}
