package guard

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// answering is hl7Site where the laboratory may send, and ask for itself.
func answering(e *engine, mode string) string {
	file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "listeners:", "  - {name: questions, roles: [lab], actions: [hl7.query], to: [self]}\nlisteners:", 1)
	return strings.Replace(file, "    tls: none\n", "    tls: none\n    mode: "+mode+"\n", 1)
}

// codesIn gives MSA-1 and MSA-2 of all answers in what came, and whether they were the guard's own.
func codesIn(payload string) (said []string) {
	own := ""
	for line := range strings.SplitSeq(strings.TrimPrefix(payload, "\x0b"), "\r") {
		switch f := strings.Split(line, "|"); f[0] {
		case "MSH":
			if own = ""; strings.HasPrefix(f[9], "CHAP") {
				own = ", by the guard"
			}
		case "MSA":
			said = append(said, f[1]+" "+f[2]+own)
		}
	}
	return said
}

// heard reads frames until as many answers came as are wanted.
func (c *caller) heard(want int) (said []string, text string) {
	c.t.Helper()
	for len(said) < want {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		b, err := readFrame(c.in)
		if err != nil {
			c.t.Errorf("after %q: %v", said, err)
			break
		}
		text += string(b)
		said = append(said, codesIn(string(b))...)
	}
	return said, text
}

// acknowledgement is what a system behind says of what it was sent.
type acknowledgement struct {
	name   string
	answer string   // to each message of a frame, all of them in one frame
	frame  string   // the messages in it, by their control IDs
	want   []string // what the sender hears
}

// frames gives what the client sends, and what is said of it.
func (a acknowledgement) frames() (message, answer string) {
	for _, id := range strings.Fields(a.frame) {
		message += strings.Replace(result("LAB|NORTH", id, "4711"), "|P|2.5\r", "|P|2.5|||AL|AL\r", 1)
		answer += strings.ReplaceAll(a.answer, "%[1]s", id)
	}
	return message, strings.TrimSuffix(answer, nextFrame)
}

// nextFrame ends a frame and begins another.
const nextFrame = "\x1c\r\x0b"

// acknowledgements are all kinds of them. %[1]s is the message's control ID.
func acknowledgements() []acknowledgement {
	const head, more = "MSH|^~\\&|EHR|NORTH|LAB|NORTH|20260301||ACK|a%[1]s|P|2.5\r", nextFrame
	const allergy = "IAM|1|DA|PEN^" + secret + "\r"
	return []acknowledgement{
		{"plain", head + "MSA|AA|%[1]s\r", "m1", []string{"AA m1"}},
		{"a segment of two systems' own", head + "MSA|AA|%[1]s\rZAK|1\r", "m1", []string{"AA m1"}},
		{"blood (BRP)", head + "MSA|AA|%[1]s\rORC|OK|1\rBPO|1|RBC\rBPX|1|RL\r", "m1", []string{"AA m1"}},
		{"blood (BRT)", head + "MSA|AA|%[1]s\rORC|OK|1\rBPO|1|RBC\rBTX|1\r", "m1", []string{"AA m1"}},
		{"a segment that goes on", head + "MSA|AA|%[1]s\rORC|OK|1\rOBR|1\rADD|more\r", "m1", []string{"AA m1"}},
		{"who has to do with it", head + "MSA|AA|%[1]s\rORC|OK|1\rROL|1|AD|OP\r", "m1", []string{"AA m1"}},
		{"its own patient", head + "MSA|AA|%[1]s\rPID|1||4711^^^NORTH^MR||DOE^JANE\r", "m1", []string{"AA m1"}},
		{"somebody else", head + "MSA|AA|%[1]s\rPID|1||4712^^^NORTH^MR||" + secret + "\r", "m1", []string{"AA m1, by the guard"}},
		{"an allergy", head + "MSA|AA|%[1]s\r" + allergy, "m1", []string{"AA m1, by the guard"}},
		{"an allergy, and a rejection", head + "MSA|AR|%[1]s\r" + allergy, "m1", []string{"AR m1, by the guard"}},
		{"an allergy, and no code", head + "MSA|" + secret + "|%[1]s\r" + allergy, "m1", []string{"CE m1, by the guard"}},
		{"an allergy, and two codes", head + "MSA|AE|%[1]s\r" + allergy + "MSA|AA|%[1]s\r", "m1", []string{"CE m1, by the guard"}},
		{"notes, and two codes", head + "MSA|AA|%[1]s\rNTE|1||x\rMSA|AE|%[1]s\r", "m1", []string{"CE m1, by the guard"}},
		{"a line feed", head + "MSA|AA|%[1]s\rZAK|1\n", "m1", []string{"AA m1, by the guard"}},
		{"line feeds, and a patient", strings.ReplaceAll(head+"MSA|AE|%[1]s\rPID|1||4712\r", "\r", "\n"), "m1", []string{"AE m1, by the guard"}},
		{"a line feed behind its MSA", head + "MSA|AA|%[1]s\nZAK|" + secret + "\r", "m1", []string{"AA m1, by the guard"}},
		{"a segment within another", head + "MSA|AA|%[1]s\r" + allergy + "NTE|1||a\nPID|1\r", "m1", []string{"AA m1, by the guard"}},
		{"a control character", head + "MSA|AA|%[1]s\rNTE|1||a\x01b\r", "m1", []string{"AA m1, by the guard"}},
		{"an empty line", head + "MSA|AA|%[1]s\r\rNTE|1||x\r", "m1", []string{"AA m1, by the guard"}},
		{"a blank at the end", head + "MSA|AA|%[1]s\rNTE|1||x\r ", "m1", []string{"AA m1, by the guard"}},
		{"a segment in small letters", head + "MSA|AA|%[1]s\rnte|1||x\r", "m1", []string{"AA m1, by the guard"}},
		{"what nobody asked for in its frame", head + "MSA|AA|%[1]s\rZAK|1\r" + fromBehind(result("LAB|NORTH", "u1", "1")), "m1", []string{"AA m1, by the guard"}},
		{"the answer of another system in its frame", head + "MSA|AA|%[1]s\rZAK|1\rMSH|^~\\&|X|Y|LAB|NORTH|20260301||ACK|z|P|2.5\rMSA|AE|m0\rZAK|1\r", "m1", []string{"AA m1, by the guard"}},
		{"taken, with a blank at the end", head + "MSA|CA|%[1]s\rNTE|1||x\r " + more + head + "MSA|AA|%[1]s\rZAK|1\r", "m1", []string{"CA m1, by the guard", "AA m1"}},
		{"two codes behind a line feed", head + "MSA|AA|%[1]s\rNTE|1||a\nMSA|AE|%[1]s\r", "m1", []string{"CE m1, by the guard"}},
		{"two codes in small letters", head + "MSA|AA|%[1]s\rmsa|AE|%[1]s\r\r", "m1", []string{"CE m1, by the guard"}},
		{"two codes, and a blank at the end", head + "MSA|AA|%[1]s\rMSA|AE|%[1]s\r ", "m1", []string{"CE m1, by the guard"}},
		{"a header that is not read alike", strings.Replace(head, "EHR|", "EHR\x01|", 1) + "MSA|AA|%[1]s\rZAK|1\r", "m1", []string{"CE m1, by the guard"}},
		{"a code in which a line ends", head + "MSA|A\nA|%[1]s\rNTE|1||x\rMSA|AA|%[1]s\r", "m1", []string{"CE m1, by the guard"}},
		{"of five times the same, one with notes", strings.Repeat(head+"MSA|AA|%[1]s\r", 4) + head + "MSA|AA|%[1]s\rNTE|1||" + secret + "\r", "m1", []string{"AA m1, by the guard"}},
		{"plain, and then notes", head + "MSA|AA|%[1]s\r" + more + head + "MSA|AA|%[1]s\rNTE|1||" + secret + "\r", "m1", []string{"AA m1"}},
		{"enhanced", head + "MSA|CA|%[1]s\r" + more + head + "MSA|AA|%[1]s\r", "m1", []string{"CA m1", "AA m1"}},
		{"enhanced, of two systems' own", head + "MSA|CA|%[1]s\rZAK|1\r" + more + head + "MSA|AA|%[1]s\rZAK|1\r", "m1", []string{"CA m1", "AA m1"}},
		{"enhanced, its own patient", head + "MSA|CA|%[1]s\rPID|1||4711^^^NORTH^MR\r" + more + head + "MSA|AA|%[1]s\rPID|1||4711^^^NORTH^MR\r", "m1", []string{"CA m1", "AA m1"}},
		{"enhanced, an allergy", head + "MSA|CA|%[1]s\r" + allergy + more + head + "MSA|AA|%[1]s\r" + allergy, "m1", []string{"CA m1, by the guard", "AA m1, by the guard"}},
		{"enhanced, in one frame", head + "MSA|CA|%[1]s\rZAK|1\r" + head + "MSA|AA|%[1]s\rZAK|1\r", "m1", []string{"CA m1", "AA m1"}},
		{"two, plain", head + "MSA|AA|%[1]s\r", "m1 m2", []string{"AA m1", "AA m2"}},
		{"two, of two systems' own", head + "MSA|AA|%[1]s\rZAK|1\r", "m1 m2", []string{"AA m1", "AA m2"}},
		{"two, each in a frame", head + "MSA|AA|%[1]s\rZAK|1\r" + more, "m1 m2", []string{"AA m1", "AA m2"}},
		{"two, and allergies", head + "MSA|AA|%[1]s\r" + allergy, "m1 m2", []string{"AA m1, by the guard", "AA m2, by the guard"}},
	}
}

// TestAcknowledged: the sender of a message that the system behind took hears what that said of it, whatever stands beside that: it says
// again what the message said, and passes as it came; else the guard repeats the code alone. That a message was refused it never hears
// of one that arrived.
func TestAcknowledged(t *testing.T) {
	for _, test := range acknowledgements() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			message, answer := test.frames()
			e := newEngine(t)
			e.answer = func(payload string) string {
				if controlID(payload) == "after" {
					return ack(payload)
				}
				return answer
			}
			r := begin(t, answering(e, "enforce"))
			c := r.call("hl7")
			c.write(message)
			said, text := c.heard(len(test.want))
			if !slices.Equal(said, test.want) || strings.Contains(text, secret) {
				t.Errorf("got %q, want %q in %q", said, test.want, text)
			}
			if n, want := len(r.rows()), 1+strings.Count(test.answer, "PID|1||4711"); n != want {
				t.Errorf("got %d disclosures, want the message's and those of answers that name its patient: %d", n, want)
			}
			if got := c.send(result("LAB|NORTH", "after", "4711")); answered(got) != "AA after" {
				t.Errorf("then it got %q", got)
			}
		})
	}
}

// TestAcknowledgedQuery: notes beside the acceptance of a query do not take its answer's place.
func TestAcknowledgedQuery(t *testing.T) {
	e := newEngine(t)
	e.answer = func(payload string) string {
		return strings.Replace(ack(payload), "MSA|AA", "MSA|CA", 1) + "NTE|1||queued\r\x1c\r\x0b" + found(controlID(payload), "9")
	}
	r := begin(t, answering(e, "enforce"))
	c := r.call("hl7")
	c.write(ask("q1", "9"))
	said, text := c.heard(2)
	if !slices.Equal(said, []string{"CA q1", "AA q1"}) || !strings.Contains(text, "DOE") {
		t.Errorf("got %q in %q", said, text)
	}
}

// TestAcknowledgedOnce: what says a message again passes once beside its commit, once beside its answer, and never unasked.
func TestAcknowledgedOnce(t *testing.T) {
	e := newEngine(t)
	e.answer = func(payload string) string {
		if controlID(payload) == "after" {
			return ack(payload)
		}
		const more, notes = "\x1c\r\x0b", "NTE|1||" + secret + "\r"
		answer := ack(payload)
		commit := strings.Replace(answer, "MSA|AA", "MSA|CA", 1)
		unasked := commit + notes + more + strings.Replace(answer, "|m1", "|m7", 1) + notes
		return commit + "ZAK|1\r" + more + unasked + more + answer + "ZAK|1\r" + more + answer + notes
	}
	r := begin(t, answering(e, "enforce"))
	c := r.call("hl7")
	c.write(result("LAB|NORTH", "m1", "1"))
	said, text := c.heard(2)
	if got := c.send(result("LAB|NORTH", "after", "1")); strings.Contains(text+got, secret) || answered(got) != "AA after" {
		t.Errorf("got %q, then %q", said, got)
	}
	if n := r.counted("refused-unasked"); n != 3 {
		t.Errorf("%d are refused", n)
	}
}

// TestAcknowledgedMixed: an allergy in the first answer of a frame is not said again because the second has only notes, and the other
// way round.
func TestAcknowledgedMixed(t *testing.T) {
	segments := []string{"IAM|1|DA|PEN^" + secret + "\r", "NTE|1||fine\r"}
	for range 2 {
		e := newEngine(t)
		e.answer = func(payload string) string {
			return ack(payload) + segments[0] + strings.Replace(ack(payload), "|am", "|bm", 1) + segments[1]
		}
		r := begin(t, answering(e, "enforce"))
		if got := r.call("hl7").send(result("LAB|NORTH", "m1", "1")); strings.Contains(got, secret) || !strings.Contains(got, "MSA|AA|m1") {
			t.Errorf("got %q", got)
		}
		slices.Reverse(segments)
	}
}

// TestAcknowledgedBudget: acknowledgements tell their sender of nobody whom it has not told of itself: they take nothing of the budget for
// what it asks, and are no disclosures of their own. That is so in both modes.
func TestAcknowledgedBudget(t *testing.T) {
	for _, mode := range []string{"enforce", "observe"} {
		for _, segments := range []string{"", "ZAK|1\r", "NTE|1||filed\r"} {
			e := newEngine(t)
			e.answer = func(payload string) string {
				if strings.Contains(payload, "QPD") {
					return found(controlID(payload), "9")
				}
				return ack(payload) + segments
			}
			r := begin(t, strings.Replace(answering(e, mode), "    role: lab\n", "    role: lab\n    budget: {24h: 3}\n", 1))
			c := r.call("hl7")
			for i := range 4 {
				c.send(result("LAB|NORTH", fmt.Sprint("m", i), fmt.Sprint(i+1)))
			}
			if got := c.send(ask("q1", "9")); !strings.Contains(got, "DOE") {
				t.Errorf("%s, acknowledged with %q: its query got %q", mode, segments, got)
			}
			_ = c.Close()
			eventually(t, "all of it is read", func() bool { return r.open() == 0 })
			if n := len(r.rows()); n != 5 || len(r.findings()) > 0 {
				t.Errorf("%s, acknowledged with %q: %d disclosures and findings %v, want 4 messages and the answer", mode, segments, n, r.findings())
			}
		}
	}
}

// TestAcknowledgedUnrecorded: when the record fails between a message and its acknowledgement, the sender hears of the message what the
// system behind said of it. What the acknowledgement tells beside that, and is not on record, does not pass.
func TestAcknowledgedUnrecorded(t *testing.T) {
	for segments, passes := range map[string]bool{"NTE|1||filed\r": true, "PID|1||1^^^NORTH^MR||" + secret + "\r": false} {
		s := newSick(t, "enforce", "")
		s.engine.answer = func(payload string) string {
			s.ledger.set(func(f *faulty) { f.record = errors.New("no disk") })
			return ack(payload) + segments
		}
		got := s.call("hl7").send(result("LAB|NORTH", "m1", "1"))
		if answered(got) != "AA m1" || strings.Contains(got, segments) != passes {
			t.Errorf("%.3s: got %q", segments, got)
		}
	}
}

// TestAskedBeside: a query that says something of the appointments that it asks for asks and brings nothing. In both modes it passes, and
// when it finds nobody there is nothing on record. What brings more, be it notes, does not pass with the right to ask.
func TestAskedBeside(t *testing.T) {
	schedule := strings.Replace(ask("q1", "1"), "QBP^Q22^QBP_Q21", "SQM^S25^SQM_S25", 1)
	schedule = schedule[:strings.Index(schedule, "QPD|")] + "QRD|20260301|R|I|1|||1^RD|4711^^^^^^^^NORTH|SCH\r"
	for name, test := range map[string]struct {
		query string
		asks  bool
	}{
		"alone":                    {ask("q1", "4711"), true},
		"notes":                    {ask("q1", "4711") + "NTE|1||" + secret + "\r", false},
		"a segment of two systems": {ask("q1", "4711") + "ZPD|1|4712^^^NORTH^MR||" + secret + "\r", false},
		"an order":                 {ask("q1", "4711") + "ORC|NW|1\rRXO|" + secret + "\r", false},
		"a dose":                   {ask("q1", "4711") + "RXA|0|1|20260301||" + secret + "\r", false},
		"blood, and a referral":    {ask("q1", "4711") + "BTX|1\rRF1|A\r", false},
		"the appointments of one":  {ask("q1", "4711") + "ARQ|1||" + secret + "\rAIS|1||CT\r", false},
		"a schedule":               {schedule + "ARQ|1\rRGS|1\rAIS|1||CT\r", true},
		"an allergy":               {ask("q1", "4711") + "IAM|1|DA|PEN^" + secret + "\r", false},
		"somebody's result":        {ask("q1", "4711") + "PID|1||4712^^^NORTH^MR\r", false},
		"a schedule, and a visit":  {schedule + "ARQ|1\rRGS|1\rPV1|1|I\r", false},
		"a schedule, and notes":    {schedule + "ARQ|1\rRGS|1\rNTE|1||" + secret + "\r", false},
	} {
		for _, mode := range []string{"enforce", "observe"} {
			if mode == "observe" && !test.asks {
				continue
			}
			e := newEngine(t)
			e.answer = func(payload string) string { return found(controlID(payload)) }
			r := begin(t, answering(e, mode))
			c := r.call("hl7")
			got := c.send(test.query)
			if strings.Contains(got, "ambiguous") == test.asks || e.has("|q1|") != test.asks {
				t.Errorf("%s, %s: got %q", name, mode, got)
			}
			_ = c.Close()
			eventually(t, "all of it is read", func() bool { return r.open() == 0 })
			if n, found := len(r.rows()), r.findings(); n != 0 || test.asks == (len(found) > 0) {
				t.Errorf("%s, %s: %d on record, findings %v", name, mode, n, found)
			}
		}
	}
}
