package guard

import (
	"slices"
	"strings"
	"testing"
)

// fromBehind turns a message of the laboratory round: the system behind the guard sends it.
func fromBehind(message string) string {
	return strings.Replace(message, "LAB|NORTH|EHR|NORTH", "EHR|NORTH|LAB|NORTH", 1)
}

// TestUnaskedQuery: what the system behind sends without having been asked, and calls a query, brings what it has of somebody: that the
// client may ask does not let it pass. Where the guard only observes it is on record as somebody's.
func TestUnaskedQuery(t *testing.T) {
	for name, segments := range map[string]string{
		"notes":                    "NTE|1||" + secret + "\r",
		"an appointment":           "ARQ|1||||||" + secret + "\r",
		"a segment of two systems": "ZPD|1|4712^^^NORTH^MR||" + secret + "\r",
		"a dose":                   "ORC|RE|1\rRXA|0|1|20260301||" + secret + "\r",
	} {
		for _, mode := range []string{"enforce", "observe"} {
			e := newEngine(t)
			e.answer = func(payload string) string {
				switch {
				case strings.Contains(payload, "MSA|"):
					return ""
				case controlID(payload) == "after":
					return ack(payload)
				}
				return ack(payload) + "\x1c\r\x0b" + fromBehind(ask("s1", "1")) + segments
			}
			r := begin(t, answering(e, mode))
			c := r.call("hl7")
			c.write(result("LAB|NORTH", "m1", "1"))
			if mode == "enforce" {
				eventually(t, "it is refused", func() bool { return r.counted("refused-unasked")+r.counted("refused-ambiguous") == 1 })
			}
			c.write(result("LAB|NORTH", "after", "1"))
			said, text := c.heard(2)
			if !slices.Equal(said, []string{"AA m1", "AA after"}) || mode == "enforce" && strings.Contains(text, secret) {
				t.Errorf("%s, %s: got %q", name, mode, text)
			}
			_ = c.Close()
			eventually(t, "all of it is read", func() bool { return r.open() == 0 })
			if _, unidentified := r.told(); unidentified != map[string]int{"observe": 1}[mode] {
				t.Errorf("%s, %s: %d are on record as somebody's", name, mode, unidentified)
			}
		}
	}
}
