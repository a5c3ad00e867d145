package hl7

import (
	"strings"
	"testing"
)

// TestBearing: a message that names nobody is about somebody when it has anything that is about a patient, and else about nobody.
func TestBearing(t *testing.T) {
	for _, test := range []struct {
		name, segments string
		want           int
		again          bool
	}{
		{"nothing", "", 0, false},
		{"an event", "EVN|A01|20260301\r", 0, false},
		{"a master file", "MFI|PRA|||\rMFE|MAD|||1\rSTF|1|4711\rPRA|1\r", 0, false},
		{"a query", "QPD|Q22|T|@PID.3^4711\rRCP|I\r", 0, false},
		{"an old query", "QRD|20260301|R|I|1|||1^RD|4711|DEM\rQRF|LAB\r", 0, false},
		{"an appointment", "SCH|1|2\rRGS|1\rAIS|1|A|MRI\rAIL|1|A|ROOM1\rAIP|1|A|4711\r", 1, true},
		{"an appointment and a visit", "SCH|1|2\rPV1|1|O\rRGS|1\r", 1, false},
		{"a patient", "PID|1||4711\rPV1|1|I\r", 1, false},
		{"two patients", "PID|1||4711\rOBX|1\rPID|2||4712\r", 2, false},
		{"a patient without identity", "PID|1\rOBX|1|TX|A||fine\r", 1, false},
		{"whom MRG names", "MRG|4711\r", 1, false},
		{"a patient and another whom MRG names", "PID|1||4711\rMRG|4712\r", 2, false},
		{"a visit", "PV1|1|I|4711\r", 1, false},
		{"a result", "OBX|1|TX|A||fine\r", 1, false},
		{"many results", "OBR|1|4711\rOBX|1|TX|A||fine\rOBX|2|TX|B||fine\r", 1, false},
		{"an order", "OBR|1|4711\r", 1, true},
		{"a charge", "FT1|1|||20260301||CG|1\r", 1, false},
		{"a dose dispensed", "RXD|1|1\r", 1, true},
		{"a dose given", "RXG|1|1\r", 1, true},
		{"an answer with a blood product", "MSA|AA|1\rORC|OK|1\rBPO|1|RBC\rBPX|1|RL\r", 1, true},
		{"an answer with a transfusion", "MSA|AA|1\rORC|OK|1\rBPO|1|RBC\rBTX|1\r", 1, true},
		{"an answer with who has to do with it", "MSA|AA|1\rORC|OK|1\rROL|1|AD|OP\rCTD|PR\r", 1, true},
		{"an answer with a referral", "MSA|AA|1\rRF1|A\rPRD|RP\r", 1, true},
		{"an order that goes on", "MSA|AA|1\rORC|OK|1\rOBR|1|1\rADD|more\r", 1, true},
		{"an allergy that goes on", "MSA|AA|1\rIAM|1|DA|PEN\rADD|more\r", 1, false},
		{"an answer with a variance", "MSA|AA|1\rVAR|1|20260301\r", 1, false},
		{"a query with notes", "QPD|Q22|T|@PID.3^4711\rNTE|1||urgent\r", 1, false},
		{"a query of two systems' own", "QPD|Q22|T|@PID.3^4711\rZPD|1|4712\r", 1, false},
		{"a query with an order", "QPD|Q22|T|@PID.3^4711\rORC|NW|1\rRXO|1\r", 1, false},
		{"a query with a dose", "QPD|Q22|T|@PID.3^4711\rRXA|0|1|20260301\r", 1, false},
		{"a query with blood and a referral", "QPD|Q22|T|@PID.3^4711\rBTX|1\rRF1|A\r", 1, false},
		{"a query for appointments, with notes", "QRD|20260301|R|I|1|||1^RD|4711|SCH\rARQ|1\rNTE|1||urgent\r", 1, false},
		{"what calls itself an answer to a query for orders", "MSA|AA|1\rQPD|Q22|T\rORC|OK|1\r", 1, true},
		{"another query, with appointments", "QRD|20260301|R|I|1|||1^RD|4711|DEM\rARQ|1\rRGS|1\r", 1, false},
		{"a query for appointments", "QRD|20260301|R|I|1|||1^RD|4711|SCH\rARQ|1\rRGS|1\rAIS|1||CT\r", 1, true},
		{"a query with an allergy", "QPD|Q22|T|@PID.3^4711\rIAM|1|DA|PEN\r", 1, false},
		{"a problem", "PRB|AD|20260301|1\r", 1, false},
		{"of two systems' own", "ZPV|1|4711\r", 1, true},
		{"an answer", "MSA|AA|1\r", 0, false},
		{"an answer that names the order", "MSA|AA|1\rORC|OK|1\rOBR|1|4711\r", 1, true},
		{"an answer with a segment of its system's own", "MSA|AA|1\rZAK|ok\r", 1, true},
		{"an answer with an error", "MSA|AE|1\rERR||PID^1|101|E\r", 0, false},
		{"an answer that found nobody", "MSA|AA|1\rQAK|T|NF\rQPD|Q22|T|@PID.3^4711\r", 0, false},
		{"notes", "NTE|1||DOE JOHN\r", 1, true},
		{"an answer with notes", "MSA|AA|1\rNTE|1||fine\r", 1, true},
		{"an answer with the dose of an order", "MSA|AA|1\rORC|OK\rRXO|1\rRXR|PO\r", 1, true},
		{"an allergy", "IAM|1|DA|PEN\r", 1, false},
		{"a diet", "ODS|D|1|LOW\r", 1, true},
		{"a study", "CSR|S|||4711\r", 1, false},
		{"a goal", "GOL|AD|20260301|1\r", 1, false},
		{"an answer with an allergy", "MSA|AA|1\rIAM|1|DA|PEN\r", 1, false},
		{"an answer with an allergy beside its order", "MSA|AA|1\rORC|OK\rIAM|1|DA|PEN\r", 1, false},
		{"a segment that no standard has yet", "XPD|1||4711^DOE\r", 1, false},
		{"a cell washer's state", "EQU|1|20260301|OP\rISD|1|AC\r", 0, false},
		{"a network's state", "NMD|20260301\rNST|Y\r", 0, false},
		{"a price list", "MFI|CDM|||\rMFE|MAD|||1\rCDM|1\rPRC|1\rMFA|MAD|1|20260301|S\r", 0, false},
		{"an answer with a result", "MSA|AA|1\rOBX|1|TX|A||fine\r", 1, false},
	} {
		kind := "ORU^R01"
		if strings.HasPrefix(test.name, "a query for appointments") {
			kind = "SQM^S25"
		}
		m, err := Parse([]byte("MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||" + kind + "|1|P|2.5\r" + test.segments))
		if err != nil {
			t.Fatal(err)
		}
		if c := m.Read(); len(c.Bearing()) != test.want || c.Again != test.again {
			t.Errorf("%s: got %d records, only again: %t; want %d, %t", test.name, len(c.Bearing()), c.Again, test.want, test.again)
		}
	}
}
