package hl7

import (
	"strings"
	"testing"
	"time"
)

// TestAccept: the code follows the acknowledgement mode, and who asked for no answer gets none.
func TestAccept(t *testing.T) {
	for _, test := range []struct{ name, accept, application, want string }{
		{"original mode", "", "", "MSA|AA|m1\r"}, {"enhanced", "AL", "NE", "MSA|CA|m1\r"}, {"both", "AL", "AL", "MSA|CA|m1\r"}, {"success only", "SU", "", "MSA|CA|m1\r"},
		{"application only", "NE", "AL", "MSA|AA|m1\r"}, {"application of success", "", "SU", "MSA|AA|m1\r"},
		{"errors only", "ER", "ER", ""}, {"errors, and always", "ER", "AL", "MSA|AA|m1\r"}, {"never", "NE", "NE", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := Parse([]byte("MSH|^~\\&|LAB|NORTH|EHR|SOUTH|20260301||ORU^R01^ORU_R01|m1|P|2.5|||" + test.accept + "|" + test.application + "\rPID|1||4711\r"))
			if err != nil {
				t.Fatal(err)
			}
			got := string(Accept(&m, Acceptance{ID: "CHAP1", Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}))
			if test.want == "" {
				if got != "" {
					t.Errorf("got %q, want no answer", got)
				}
				return
			}
			if want := "MSH|^~\\&|EHR|SOUTH|LAB|NORTH|20260301120000+0000||ACK^R01^ACK|CHAP1|P|2.5||||||\r" + test.want; got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			if err := Strict([]byte(strings.TrimSuffix(got, "\n"))); err != nil {
				t.Errorf("the answer is not in the strict grammar: %v", err)
			}
		})
	}
}

// TestAcknowledge: a code of somebody else's is repeated whatever the sender asked for, and nothing but a code is.
func TestAcknowledge(t *testing.T) {
	m, err := Parse([]byte("MSH|^~\\&|LAB|NORTH|EHR|SOUTH|20260301||ORU^R01^ORU_R01|m1|P|2.3|||NE|NE\r"))
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]string{
		"AA": "MSA|AA|m1\r", "AE": "MSA|AE|m1\r", "AR": "MSA|AR|m1\r", "CA": "MSA|CA|m1\r", "CE": "MSA|CE|m1\r", "CR": "MSA|CR|m1\r", "": "", "DOE": "", "aa": "",
	} {
		if want != "" {
			want = "MSH|^~\\&|EHR|SOUTH|LAB|NORTH|20260301120000+0000||ACK^R01|CHAP1|P|2.3||||||\r" + want
		}
		if got := string(Acknowledge(&m, code, Acceptance{ID: "CHAP1", Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)})); got != want {
			t.Errorf("%q: got %q, want %q", code, got, want)
		}
	}
}
