package guard

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestAnsweredOnce: a query has one answer that shows anybody, or one refusal, however the system behind puts it. TestAcknowledgedQuery has
// the commit that leaves it its answer.
func TestAnsweredOnce(t *testing.T) {
	const more, notes = "\x1c\r\x0b", "NTE|1||" + secret + "\r"
	commit := strings.Replace(ack(ask("q1", "9")), "MSA|AA", "MSA|CA", 1)
	plain := ack(ask("q1", "9"))
	of := func(id string) string { return ack(result("LAB|NORTH", id, "1")) }
	for _, test := range []struct {
		name   string
		sent   []string // the system behind answers the last
		answer string
		ill    bool     // nothing comes on record from then on
		want   []string // what the client hears
		rule   string
	}{
		{"a commit that names whom, and an answer", []string{ask("q1", "9")}, commit + "PID|1||9^^^NORTH^MR\r" + more + found("q1", "9") + "NTE|1||" + secret + "\r", false,
			[]string{"CA q1"}, "unasked"},
		{"a commit that is not on record, and an answer", []string{ask("q1", "9")}, commit + notes + more + found("q1", "9"), true,
			[]string{"AE q1, by the guard"}, "unasked"},
		{"two answers in a frame that show too many", []string{ask("q1", "9")}, found("q1", "9") + found("q1", "8") + notes, false,
			[]string{"AR q1, by the guard"}, "more-than-asked"},
		{"answers to two queries in a frame", []string{ask("q1", "9"), ask("q2", "8")}, plain + notes + of("q2") + notes, false,
			[]string{"AR q1, by the guard", "AR q2, by the guard"}, "unasked"},
		{"answers to a query and a message in a frame", []string{ask("q1", "9"), result("LAB|NORTH", "m1", "1")}, plain + notes + of("m1") + notes, false,
			[]string{"AR q1, by the guard", "AA m1, by the guard"}, "unasked"},
		{"answers to a message and a query in a frame", []string{ask("q1", "9"), result("LAB|NORTH", "m1", "1")}, of("m1") + notes + plain + notes, false,
			[]string{"AA m1, by the guard", "AR q1, by the guard"}, "unasked"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSick(t, "enforce", "")
			s.engine.answer = func(payload string) string {
				switch controlID(payload) {
				case "after":
					return ack(payload)
				case controlID(test.sent[len(test.sent)-1]):
					if test.ill {
						s.ledger.set(func(f *faulty) { f.record = errors.New("no disk") })
					}
					return test.answer
				}
				return ""
			}
			c := s.call("hl7")
			for _, message := range test.sent {
				c.write(message)
			}
			said, text := c.heard(len(test.want))
			eventually(t, "it is refused", func() bool { return s.counted(RefusedRule+test.rule) == 1 })
			s.ledger.set(func(f *faulty) { f.record = nil })
			after := c.send(result("LAB|NORTH", "after", "1"))
			if !slices.Equal(said, test.want) || answered(after) != "AA after" || strings.Contains(text, secret) {
				t.Errorf("got %q in %q, then %q", said, text, after)
			}
		})
	}
}

// TestAnsweredWithError: a query that is answered with an error, and nothing else, has its answer: the next of the same control ID is held
// against what it asked itself.
func TestAnsweredWithError(t *testing.T) {
	for _, code := range []string{"AE", "AR"} {
		e := newEngine(t)
		asked := 0
		e.answer = func(payload string) string {
			if asked++; asked == 1 {
				return strings.Replace(ack(payload), "MSA|AA", "MSA|"+code, 1)
			}
			return found("1", "4711", "4712", "4713")
		}
		r := begin(t, answering(e, "enforce"))
		c := r.call("hl7")
		byName := strings.Replace(ask("1", "4711"), "@PID.3.1^4711", "@PID.5.1^DOE", 1)
		if got := c.send(byName); !strings.Contains(got, "MSA|"+code+"|1") {
			t.Errorf("%s: got %q", code, got)
		}
		if got := c.send(ask("1", "4711")); !strings.Contains(got, "more-than-asked") || r.counted("refused-more-than-asked") != 1 {
			t.Errorf("%s: got %q", code, got)
		}
	}
}
