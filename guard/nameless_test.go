package guard

import (
	"fmt"
	"strings"
	"testing"
)

// secret stands in what these messages say of somebody without naming anybody by PID.
const secret = "QXZVSECRET"

// nameless is what they say it with.
var nameless = map[string]string{
	"an order and an allergy": "OBR|1|4711^LAB||" + secret + "\rIAM|1|DA|PEN^" + secret + "\r",
	"a dose":                  "ORC|OK|1\rRXO|" + secret + "\rRXR|PO\rRXE|^^^20260101|" + secret + "|1\r",
	"a diet and a study":      "ODS|D||1|" + secret + "\rCSR|S|||4711\r",
	"an appointment":          "SCH|1|2||||" + secret + "\r",
	"notes":                   "NTE|1||" + secret + "\r",
	"of two systems' own":     "ZPD|1|" + secret + "\r",
	"of no standard yet":      "XPD|1||4711^" + secret + "\r",
}

// TestNamelessFromClient: what calls itself an acknowledgement is one as far as it says what became of a message. With more it is decided
// as what it is, a message that brings somebody's records; without a grant none of it arrives.
func TestNamelessFromClient(t *testing.T) {
	e := newEngine(t)
	r := begin(t, fmt.Sprintf(hl7Site, e.Addr()))
	n := 0
	for what, segments := range nameless {
		for _, kind := range []string{"ACK|%s|P|2.5\rMSA|AA|1\r", "MCF|%s|P|2.5\r", "ACK^A01^ACK|%s|P|2.5\rMSA|CA|1\r"} {
			c := r.call("hl7")
			n++
			c.write("MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||" + fmt.Sprintf(kind, fmt.Sprint("c", n)) + segments)
			if got := c.send(result("LAB|NORTH", fmt.Sprint("m", n), "1")); !strings.Contains(got, fmt.Sprint("MSA|AA|m", n)) && !strings.Contains(got, fmt.Sprint("c", n)) {
				t.Errorf("%s: got %q", what, got)
			}
			_ = c.Close()
		}
	}
	plain := "MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||ACK|c0|P|2.5\rMSA|AA|plain\r"
	c := r.call("hl7")
	c.write(plain)
	c.send(result("LAB|NORTH", "last", "1"))
	if !e.has("MSA|AA|plain") {
		t.Error("an acknowledgement did not arrive")
	}
	if e.has(secret) {
		t.Error("what was granted to nobody arrived")
	}
	refused := 0
	for rule, count := range r.findings() {
		if strings.HasPrefix(rule, "refused-") {
			refused += count
		}
	}
	if refused == 0 {
		t.Error("no refusal is on record")
	}
}

// TestNamelessAnswers: the answer to a query is about somebody, whatever it says it with, and counts; what was not asked for does not
// pass; and what an answer to a message says again of that message's patients is on record with the message. With more it does not
// pass, and the sender hears that its message was taken.
func TestNamelessAnswers(t *testing.T) {
	for what, segments := range nameless {
		t.Run(what, func(t *testing.T) {
			e := newEngine(t)
			e.answer = func(payload string) string {
				switch {
				case strings.Contains(payload, "QPD|"):
					return found(controlID(payload)) + segments
				case strings.Contains(payload, "|unasked|"):
					return found("nobody asked") + segments
				case strings.Contains(payload, "|after|"):
					return ack(payload)
				}
				return ack(payload) + segments
			}
			file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "listeners:", "  - {name: questions, roles: [lab], actions: [hl7.query], to: [self], budget: {24h: 2}}\nlisteners:", 1)
			r := begin(t, file)
			c := r.call("hl7")
			for i := range 4 {
				passed := strings.Contains(c.send(ask(fmt.Sprint("q", i), "1")), secret)
				if want := i < 2; passed != want {
					t.Errorf("answer %d of a budget of 2: passed: %t", i+1, passed)
				}
			}
			if people, unidentified := r.told(); people != 0 || unidentified != 2 {
				t.Errorf("on record: %d people and %d unidentified, want 0 and 2", people, unidentified)
			}
			c = r.call("hl7")
			c.write(result("LAB|NORTH", "unasked", "7"))
			if got := c.send(result("LAB|NORTH", "after", "8")); !strings.Contains(got, "MSA|AA|after") || strings.Contains(got, secret) {
				t.Error("what nobody asked for passed")
			}
			_ = c.Close()
			c = r.call("hl7")
			again := !strings.Contains(segments, "IAM") && !strings.Contains(segments, "CSR") && !strings.Contains(segments, "XPD")
			before := len(r.rows())
			got := c.send(result("LAB|NORTH", "m1", "9"))
			if strings.Contains(got, secret) != again {
				t.Errorf("the answer to a message: got %q", got)
			}
			if !strings.Contains(got, "MSA|AA|m1\r") {
				t.Errorf("the system behind took the message, and its sender hears %q", got)
			}
			if rows := r.rows()[before:]; len(rows) != 1 || rows[0].Unidentified != 0 {
				t.Errorf("%d disclosures, want the message's, of its patient", len(rows))
			}
			_ = c.Close()
		})
	}
}
