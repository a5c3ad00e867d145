package hl7

import "testing"

// TestBearing: a message that names nobody is about somebody when it has anything that is about a patient, and else about nobody.
func TestBearing(t *testing.T) {
	for _, test := range []struct {
		name, segments string
		want           int
	}{
		{"nothing", "", 0},
		{"an event", "EVN|A01|20260301\r", 0},
		{"a master file", "MFI|PRA|||\rMFE|MAD|||1\rSTF|1|4711\rPRA|1\r", 0},
		{"a query", "QPD|Q22|T|@PID.3^4711\rRCP|I\r", 0},
		{"an old query", "QRD|20260301|R|I|1|||1^RD|4711|DEM\rQRF|LAB\r", 0},
		{"an appointment", "SCH|1|2\rRGS|1\rAIS|1|A|MRI\rAIL|1|A|ROOM1\rAIP|1|A|4711\r", 0},
		{"an appointment and a visit", "SCH|1|2\rPV1|1|O\rRGS|1\r", 1},
		{"a patient", "PID|1||4711\rPV1|1|I\r", 1},
		{"two patients", "PID|1||4711\rOBX|1\rPID|2||4712\r", 2},
		{"a patient without identity", "PID|1\rOBX|1|TX|A||fine\r", 1},
		{"whom MRG names", "MRG|4711\r", 1},
		{"a patient and another whom MRG names", "PID|1||4711\rMRG|4712\r", 2},
		{"a visit", "PV1|1|I|4711\r", 1},
		{"a result", "OBX|1|TX|A||fine\r", 1},
		{"many results", "OBR|1|4711\rOBX|1|TX|A||fine\rOBX|2|TX|B||fine\r", 1},
		{"an order", "OBR|1|4711\r", 1},
		{"a charge", "FT1|1|||20260301||CG|1\r", 1},
		{"a dose dispensed", "RXD|1|1\r", 1},
		{"a dose given", "RXG|1|1\r", 1},
		{"a problem", "PRB|AD|20260301|1\r", 1},
		{"of two systems' own", "ZPV|1|4711\r", 1},
		{"an answer", "MSA|AA|1\r", 0},
		{"an answer that names the order", "MSA|AA|1\rOBR|1|4711\r", 0},
		{"an answer with a segment of its system's own", "MSA|AA|1\rZAK|ok\r", 0},
		{"an answer with a result", "MSA|AA|1\rOBX|1|TX|A||fine\r", 1},
	} {
		m, err := Parse([]byte("MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||ORU^R01|1|P|2.5\r" + test.segments))
		if err != nil {
			t.Fatal(err)
		}
		if c := m.Read(); len(c.Bearing()) != test.want {
			t.Errorf("%s: got %d records, want %d", test.name, len(c.Bearing()), test.want)
		}
	}
}
