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

// unnamed looks at a message that names nobody: whether it has something of a patient all the same, and whether that is only what
// answers say again, or a query for a schedule of what it asks for. Whatever is not known to be of nobody is somebody's, whoever that is: a standard with new segments,
// segments that two systems have agreed on (Z, chapter 2) and notes may say anything.
func (m *Message) unnamed(c *Content) (somebody, again bool) {
	says := Segment.repeated
	switch {
	case c.Query && c.Type == "SQM":
		says = Segment.asked
	case c.Query:
		says = Segment.nobodys
	}
	again = true
	for _, s := range m.Segments {
		if s.nobodys() {
			continue
		}
		somebody, again = true, again && says(s)
	}
	return somebody, somebody && again
}

// nobodys reports whether a segment is about no patient: envelopes and acknowledgements (chapter 2), events (3), queries (5), master
// files of staff, places, studies, prices and tests (8), of materials (17), and what machines say of themselves (13, 14).
func (s Segment) nobodys() bool {
	switch string(s.Name[:]) {
	case "MSH", "FHS", "FTS", "BHS", "BTS", "SFT", "UAC", "MSA", "ERR", "DSC", "EVN",
		"QPD", "QRD", "QRF", "QID", "QAK", "RCP", "RDF", "EQL", "ERQ", "SPR", "VTQ",
		"MFI", "MFE", "MFA", "STF", "PRA", "ORG", "AFF", "LAN", "EDU", "CER", "LOC", "LCH", "LRL", "LDP", "LCC", "CDM", "PRC",
		"OM1", "OM2", "OM3", "OM4", "OM5", "OM6", "OM7", "CM0", "CM1", "CM2", "DMI", "MCP",
		"IIM", "ITM", "VND", "STZ", "SCP", "SLT", "PKG", "PCE", "IVT", "ILT", "INV",
		"EQU", "EQP", "ISD", "ECD", "ECR", "CNS", "NDS", "TCC", "NMD", "NCK", "NST", "NSC":
		return true
	}
	return false
}

// repeated reports whether a segment is one that answers have about the message that they answer: its order, dose, blood
// product, appointment or referral again, and who of the staff has to do with it (chapters 4, 10, 11 and 12), notes, what segments of these continue with, and segments that two systems have agreed on. What is found out of a patient (OBX,
// AL1, DG1, VAR, ...) says nothing again.
func (s Segment) repeated() bool {
	switch string(s.Name[:]) {
	case "ORC", "OBR", "RQD", "RQ1", "ODS", "ODT", "TQ1", "TQ2", "BLG", "BPO", "BPX", "BTX", "SPM", "SAC", "IPC", "CTI",
		"RXO", "RXE", "RXR", "RXC", "RXD", "RXG", "RXA",
		"ARQ", "APR", "SCH", "RGS", "AIS", "AIG", "AIL", "AIP", "RF1", "PRD", "CTD", "ROL", "NTE", "ADD":
		return true
	}
	return s.Name[0] == 'Z'
}

// asked reports whether a segment is one that a query has about what it asks for: the appointment of a query for a schedule (SQM^S25,
// chapter 10.5.3). Notes, and segments that two systems have agreed on, are not: they tell whom it asks of something that it may keep.
func (s Segment) asked() bool {
	switch string(s.Name[:]) {
	case "ARQ", "APR", "RGS", "AIS", "AIG", "AIL", "AIP":
		return true
	}
	return false
}
