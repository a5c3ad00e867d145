package hl7

import "chaperone"

// Bearing gives the records that a message bears: of everybody whom PID and MRG name; where they name nobody and there is something
// of a patient all the same, one that is somebody's, and nobody knows whose. Merges are apart from that.
func (c *Content) Bearing() []chaperone.Record {
	if c.Nobody {
		return []chaperone.Record{{}}
	}
	return append(c.Records, c.Others...)
}

// clinical reports whether a message has something of a patient beside PID: results, a visit, lines of a display or rows of a
// table (HL7 v2.5 chapter 5, DSP and RDT), a charge, a dose, a problem, or what two systems have agreed on (Z segments: chapter 2).
// An answer says again which order it answers, and systems add segments of their own to their acknowledgements.
func (m *Message) clinical(answer bool) bool {
	for _, s := range m.Segments {
		if s.Name[0] == 'Z' && !answer {
			return true
		}
		switch string(s.Name[:]) {
		case "FT1", "RXD", "RXG", "PRB", "PD1", "NK1", "GT1", "IN1", "IN2", "IN3", "PV1", "PV2", "OBX", "TXA", "DSP", "RDT", "AL1", "DG1", "PR1", "RXA", "MRG":
			return true
		case "OBR", "RXE", "RXO":
			if !answer {
				return true
			}
		}
	}
	return false
}

// Free reports whether a message has notes (NTE) or segments of two systems' own (Z): words that anything may stand in. An
// acknowledgement may have them too; what answers a query with nothing else answers it with them.
func (m *Message) Free() bool {
	for _, s := range m.Segments {
		if s.Name[0] == 'Z' || s.Is("NTE") {
			return true
		}
	}
	return false
}
