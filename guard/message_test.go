package guard

import (
	"testing"
)

// TestBearing: a message without a PID bears somebody when it has anything that is about a patient.
func TestBearing(t *testing.T) {
	for _, test := range []struct {
		name, segments string
		want           bool
	}{
		{"nothing", "", false},
		{"an event", "EVN|A01|20260301\r", false},
		{"a master file", "MFI|PRA|||\rMFE|MAD|||1\r", false},
		{"a visit", "PV1|1|I|4711\r", true},
		{"a result", "OBX|1|TX|A||fine\r", true},
		{"an order", "OBR|1|4711\r", true},
		{"a charge", "FT1|1|||20260301||CG|1\r", true},
		{"a dose dispensed", "RXD|1|1\r", true},
		{"a dose given", "RXG|1|1\r", true},
		{"a problem", "PRB|AD|20260301|1\r", true},
		{"of two systems' own", "ZPV|1|4711\r", true},
		{"an answer", "MSA|AA|1\r", false},
		{"an answer that names the order", "MSA|AA|1\rOBR|1|4711\r", false},
		{"an answer with a segment of its system's own", "MSA|AA|1\rZAK|ok\r", false},
		{"an answer with a result", "MSA|AA|1\rOBX|1|TX|A||fine\r", true},
	} {
		m := parse([]byte("MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||ORU^R01|1|P|2.5\r"+test.segments), &before{})
		if m.err != nil || m.bears() != test.want {
			t.Errorf("%s: got %t and %v, want %t", test.name, m.bears(), m.err, test.want)
		}
	}
}
