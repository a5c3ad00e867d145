package hl7

import (
	"slices"
	"testing"
)

// TestWards: where patients lie is known when each has one visit with one point of care.
func TestWards(t *testing.T) {
	const head = "MSH|^~\\&|EHR|NORTH|LAB|NORTH|20260301||ADR^A19|1|P|2.5\r"
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"one", head + "PID|1||1\rPV1|1|I|W3^101^1^CLINIC\r", []string{"W3"}},
		{"no visit", head + "PID|1||1\r", nil},
		{"no patient", head + "PV1|1|I|W3\r", nil},
		{"no place", head + "PID|1||1\rPV1|1|I\r", nil},
		{"a null", head + "PID|1||1\rPV1|1|I|\"\"^101\r", nil},
		{"a room without a ward", head + "PID|1||1\rPV1|1|I|^101\r", nil},
		{"where it was before is not where it is", head + "PID|1||1\rPV1|1|I|||||W3\r", nil},
		{"two on one", head + "PID|1||1\rPV1|1|I|W3^1\rPID|2||2\rPV1|1|I|W3^2\r", []string{"W3"}},
		{"two on two", head + "PID|1||1\rPV1|1|I|W3\rPID|2||2\rPV1|1|I|W4\r", []string{"W3", "W4"}},
		{"the first of two says nothing", head + "PID|1||1\rPID|2||2\rPV1|1|I|W3\r", nil},
		{"the last of two says nothing", head + "PID|1||1\rPV1|1|I|W3\rPID|2||2\r", nil},
		{"a visit before its patient", head + "PV1|1|I|W3\rPID|1||1\rPV1|1|I|W3\r", nil},
		{"two visits", head + "PID|1||1\rPV1|1|I|W3\rPV1|2|I|W4\r", nil},
		{"twice the same visit", head + "PID|1||1\rPV1|1|I|W3\rPV1|2|I|W3\r", nil},
		{"two places", head + "PID|1||1\rPV1|1|I|W3~W4\r", nil},
		{"a name in parts", head + "PID|1||1\rPV1|1|I|W3&1.2.3&ISO^101\r", nil},
		{"somebody who is merged", head + "PID|1||1\rMRG|2\rPV1|1|I|W3\r", nil},
		{"other separators", "MSH#!@$%#EHR#NORTH#LAB#NORTH#20260301##ADR!A19#1#P#2.5\rPID#1##1\rPV1#1#I#W3!101!1\r", []string{"W3"}},
		{"other separators, and the usual ones in a name", "MSH#!@$%#EHR#NORTH#LAB#NORTH#20260301##ADR!A19#1#P#2.5\rPID#1##1\rPV1#1#I#W3^101~W4&x\r", []string{"W3^101~W4&x"}},
		{"escaped", head + "PID|1||1\rPV1|1|I|W\\T\\3\r", []string{"W&3"}},
		{"blanks around", head + "PID|1||1\rPV1|1|I| W3 ^1\r", []string{"W3"}},
	} {
		m, err := Parse([]byte(test.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Wards(); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
