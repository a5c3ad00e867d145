package guard

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// TestUnreadable: what cannot be read in one way is answered when its header can be read; else its connection ends, and the log has why, and
// a reference by which it is found.
func TestUnreadable(t *testing.T) {
	const header = "MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||ORU^R01|z1|P|2.5\r"
	for _, test := range []struct{ name, frame, answer, why string }{
		{"a NUL in a field", header + "PID|1||1\x00\r", "MSA|AR|z1", ""},
		{"a NUL before a segment", header + "\x00PID|1||1\r", "MSA|AR|z1", ""},
		{"a line that is no segment", header + "PID|1||1\rnote\r", "MSA|AR|z1", ""},
		{"a query", "MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||QBP^Q22|z1|P|2.5\r\x00QPD|Q22|t1|@PID.3.1^1\r", "MSA|AR|z1", ""},
		{"an acknowledgement", "MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||ACK|z1|P|2.5\rMSA|AA|x\r\x00PID|1||1\r", "", ""},
		{"an empty frame", "", "", "ambiguous: "},
		{"text", "hello world", "", "ambiguous: "},
		{"separators that nobody can use", "MSHAAAAALAB\r", "", "ambiguous: "},
		{"a frame in a frame", "a\x0bb", "", "mllp: a frame starts inside the frame"},
	} {
		e := newEngine(t)
		r := begin(t, fmt.Sprintf(hl7Site, e.Addr()))
		c := r.call("hl7")
		c.write(test.frame)
		if test.why != "" {
			if got := c.rest(); got != "" {
				t.Errorf("%s: got %q", test.name, got)
			}
			given := regexp.MustCompile(`msg="connection ended".*\(` + test.why + `.*reference ([0-9a-f]{12})\)`)
			eventually(t, test.name+": the end in the log, with a reference", func() bool { return given.MatchString(r.log.String()) })
			r.guard.refused.flush(r.guard.now(), true)
			if told, ok := r.toldOf(given.FindStringSubmatch(r.log.String())[1]); !ok || told.Reason != ambiguous && told.Reason != malformed {
				t.Errorf("%s: by its reference got %+v, %t", test.name, told, ok)
			}
			continue
		}
		c.write(result("LAB|NORTH", "m1", "1")) // its connection goes on
		got := c.answer()
		if test.answer != "" {
			if !strings.Contains(got, test.answer) {
				t.Errorf("%s: got %q, want %s", test.name, got, test.answer)
			}
			got = c.answer()
		}
		if !strings.Contains(got, "MSA|AA|m1") {
			t.Errorf("%s: behind it got %q", test.name, got)
		}
		if n := len(e.frames()); n != 1 {
			t.Errorf("%s: %d messages arrived, want 1", test.name, n)
		}
	}
}
