package guard

import (
	"slices"

	"chaperone"
	"chaperone/format/dicom"
)

// mostNamed gives how many patients keys can lead to that name one by number, or studies by their UIDs; 0: any number.
func mostNamed(keys []dicom.Element) int {
	if exact(text(keys, dicom.PatientID)) {
		return 1
	}
	if studies, ok := list(text(keys, dicom.StudyInstanceUID)); ok {
		return len(studies)
	}
	return 0
}

// others reports whether a match is of somebody beyond those whom the keys name: an archive that does not look at a key answers with
// everybody, and who may ask for one patient need not be somebody who may ask for all.
func (d *dicomConn) others(op *operation, records []chaperone.Record) bool {
	if op.most == 0 {
		return false
	}
	for _, r := range records {
		o, ok := d.ownerOf(r)
		if !ok && !r.Study.Empty() {
			o, ok = d.guard.studies.owner(d.study(chaperone.StudyUID, r.Study), false)
		}
		if !ok || slices.ContainsFunc(op.matched, o.is) {
			continue
		}
		if len(op.matched) == op.most {
			return true
		}
		op.matched = append(op.matched, o)
	}
	return false
}
