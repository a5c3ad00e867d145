package incident

import (
	"chaperone"
	"chaperone/patient"
)

// Prove counts the distinct people behind a claim's matches. One number may stand for two patients of the census, because
// HL7 and DICOM numbers are apart there; in a dump it is one person's.
func (c *Claim) Prove(census *patient.Census) { c.Proven = len(people(census, c.Matches)) }

// people joins matches that share a patient.
func people(census *patient.Census, matches [][]patient.Node) [][]chaperone.PatientToken {
	of := map[chaperone.PatientToken]int{} // group of a patient
	var groups [][]chaperone.PatientToken
	for _, nodes := range matches {
		into := -1
		for _, n := range nodes {
			person := census.Person(n)
			from, known := of[person]
			switch {
			case known && into < 0:
				into = from
			case known && from != into:
				for _, moved := range groups[from] {
					of[moved] = into
				}
				groups[into] = append(groups[into], groups[from]...)
				groups[from] = nil
			case !known && into < 0:
				into = len(groups)
				groups = append(groups, nil)
				fallthrough
			case !known:
				of[person] = into
				groups[into] = append(groups[into], person)
			}
		}
	}
	var found [][]chaperone.PatientToken
	for _, g := range groups {
		if len(g) > 0 {
			found = append(found, g)
		}
	}
	return found
}
