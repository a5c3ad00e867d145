package ask

import (
	"strings"

	"chaperone"
	"chaperone/page"
)

// meaning is a kind of message in plain words.
type meaning struct {
	what  string // that passed
	serve string // what such messages are for
}

// hl7 is by message code, MSH-9.1 (HL7 table 0076).
var hl7 = map[string]meaning{
	"ACK": {"an acknowledgement that names the patient", "confirming a message"},
	"ADR": {"an answer to a query about a patient", "answering a query"},
	"ADT": {"registration data: name, birth date, address, stay", "keeping another system's list of patients up to date"},
	"BAR": {"billing account data", "keeping accounts"},
	"DFT": {"charges", "billing"},
	"MDM": {"a document, or what is known of one", "passing on documents"},
	"OMG": {"an order", "ordering examinations or treatment"},
	"OMI": {"an order for imaging", "ordering examinations"},
	"OML": {"an order to a laboratory", "ordering examinations"},
	"OMP": {"an order for medication", "ordering medication"},
	"ORM": {"an order", "ordering examinations or treatment"},
	"ORU": {"results or a report", "reporting results"},
	"OUL": {"laboratory results", "reporting results"},
	"PPR": {"a problem or diagnosis", "keeping another system's record up to date"},
	"RAS": {"medication that was given", "recording treatment"},
	"RDE": {"a prescription", "passing on prescriptions"},
	"RDS": {"medication that was dispensed", "passing on prescriptions"},
	"RSP": {"an answer to a query", "answering a query"},
	"SIU": {"an appointment", "scheduling"},
	"VXQ": {"a query for vaccinations", "asking for vaccinations"},
	"VXU": {"vaccinations", "reporting vaccinations"},
}

// dicom is by DIMSE service, PS3.7 9.1 and 10.1.
var dicom = map[string]meaning{
	"C-STORE":  {"images or other objects of an examination", "sending an examination to be kept or read"},
	"C-GET":    {"images or other objects that were retrieved", "answering a retrieval"},
	"C-MOVE":   {"images or other objects that were retrieved", "answering a retrieval"},
	"C-FIND":   {"an answer to a search: name, numbers, dates", "answering a search"},
	"N-CREATE": {"the state of an examination", "following an examination"},
	"N-SET":    {"the state of an examination", "following an examination"},
}

func meaningOf(p chaperone.Protocol, action string) (meaning, bool) {
	switch p {
	case chaperone.HL7:
		code, _, _ := strings.Cut(action, "^")
		m, ok := hl7[code]
		return m, ok
	case chaperone.DICOM:
		m, ok := dicom[action]
		return m, ok
	case chaperone.SMB:
		return meaning{"a file with patient data on a shared folder", "working with shared files"}, true
	}
	return meaning{}, false
}

// What describes in plain words what passed, with the protocol's own word.
func What(p chaperone.Protocol, action string) string {
	own := strings.ToUpper(page.Clean(string(p), 20)) + " " + page.Clean(action, 40)
	if m, ok := meaningOf(p, action); ok {
		return m.what + " (" + own + ")"
	}
	return "patient data (" + own + ")"
}

// Purpose says what can be known of a purpose from the kind of message alone, which is little.
func Purpose(p chaperone.Protocol, action string) string {
	if m, ok := meaningOf(p, action); ok {
		return "not on record; messages of this kind serve for " + m.serve
	}
	return "not on record"
}
