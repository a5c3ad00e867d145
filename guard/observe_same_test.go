package guard

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"
)

// exchange is what a client sends, frame by frame, and what the system behind says to each; where that is less, it acknowledges.
type exchange struct {
	name string
	sent []string
	says []string
}

func exchanges() (all []exchange) {
	const notes = "NTE|1||" + secret + "\r"
	of, q1 := result("LAB|NORTH", "m1", "4711"), ask("q1", "9")
	enhanced := strings.Replace(of, "|P|2.5\r", "|P|2.5|||AL|AL\r", 1)
	plain := ack(of)
	taken := strings.Replace(plain, "MSA|AA", "MSA|CA", 1)
	orr := strings.Replace(plain, "||ACK|", "||ORR^O02|", 1) + "ORC|OK|1\r"
	orl := strings.Replace(plain, "||ACK|", "||ORL^O22|", 1) + "PID|1||4711^^^NORTH^MR\rORC|OK|1\r"
	kind := func(message, of string) string { return strings.Replace(message, "ORU^R01^ORU_R01", of, 1) }
	all = []exchange{
		{"a result", []string{of}, nil},
		{"a kind that is not granted", []string{kind(of, "ADT^A08")}, nil},
		{"a kind that is not granted, said again", []string{kind(of, "ADT^A08")}, []string{plain + "ORC|OK|1\r"}},
		{"a kind that is not granted, of somebody else", []string{kind(of, "ADT^A08")}, []string{plain}},
		{"master files that are not granted", []string{"MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||MFN^M02|m1|P|2.5\rMFI|PRA\r"}, nil},
		{"another's name", []string{result("EVIL|SOUTH", "m1", "1")}, nil},
		{"a query in another's name", []string{strings.Replace(q1, "LAB|NORTH", "EHR|SOUTH", 1)}, nil},
		{"a query that is not granted", []string{strings.Replace(q1, "QBP^Q22", "QBP^Q21", 1)}, nil},
		{"a query that is not granted, answered", []string{strings.Replace(q1, "QBP^Q22", "QBP^Q21", 1)}, []string{found("q1", "9")}},
		{"a query in another's name, answered", []string{strings.Replace(q1, "LAB|NORTH", "EHR|SOUTH", 1)}, []string{found("q1", "9")}},
		{"a query that asks twice, answered", []string{q1 + "QPD|Q22|t|@PID.3.1^5\r"}, []string{found("q1", "9", "8")}},
		{"a query that brings notes", []string{q1 + notes}, nil},
		{"a query that brings notes, answered", []string{q1 + notes}, []string{found("q1", "9")}},
		{"a blank at the end", []string{of + " "}, nil},
		{"a blank at the end, said again", []string{of + " "}, []string{plain + "ORC|OK|1\r"}},
		{"a line feed, said again", []string{of + "NTE|1||a\nb\r"}, []string{plain + "ORC|OK|1\r"}},
		{"a query with a blank at the end", []string{q1 + " "}, []string{found("q1", "9")}},
		{"two kinds in a frame", []string{of + kind(of, "ADT^A08")}, nil},
		{"two of a kind in a frame", []string{of + strings.ReplaceAll(of, "|m1|", "|m2|")}, nil},
		{"a commit of one byte", []string{of}, []string{"\x06" + nextFrame + plain}},
		{"a frame that is not ended", []string{of + "\x0b" + of}, nil},
		{"noise in front of a frame", []string{of + "\x1c\rnoise" + "\x0b" + of}, nil},

		{"a query", []string{q1}, []string{found("q1", "9")}},
		{"a query that finds nobody", []string{q1}, []string{found("q1")}},
		{"a query, two patients", []string{q1}, []string{found("q1", "9", "8")}},
		{"a query, answered twice", []string{q1}, []string{found("q1", "9") + nextFrame + found("q1", "9")}},
		{"a query, taken and answered", []string{q1}, []string{strings.Replace(ack(q1), "MSA|AA", "MSA|CA", 1) + "NTE|1||queued\r" + nextFrame + found("q1", "9")}},
		{"a query, an error and an answer", []string{q1}, []string{strings.Replace(ack(q1), "MSA|AA", "MSA|AE", 1) + nextFrame + found("q1", "9")}},
		{"two queries of one id", []string{q1, ask("q1", "8")}, []string{found("q1", "9"), found("q1", "8")}},
		{"one that is not granted nor answered, and one of its id", []string{strings.Replace(q1, "QBP^Q22", "QBP^Q21", 1), q1}, []string{"", found("q1", "9", "8", "7")}},
		{"another's query", []string{q1}, []string{found("q1", "9") + nextFrame + found("q7", "9")}},
		{"two queries over the budget", []string{q1, ask("q2", "8"), ask("q3", "7")}, []string{found("q1", "9"), found("q2", "8"), found("q3", "7")}},

		{"taken, then its order", []string{enhanced}, []string{taken + nextFrame + orr}},
		{"taken, then its order and patient", []string{enhanced}, []string{taken + nextFrame + orl}},
		{"taken, then its order twice", []string{enhanced}, []string{taken + nextFrame + orr + nextFrame + orr}},
		{"acknowledged, then its order", []string{enhanced}, []string{plain + nextFrame + orr}},
		{"acknowledged, then its order and patient", []string{of}, []string{plain + nextFrame + orl}},
		{"acknowledged twice", []string{of}, []string{plain + nextFrame + plain}},
		{"what was sent twice is acknowledged twice", []string{of, of}, []string{plain + notes, plain + notes}},

		{"a result that nobody asked for", []string{of}, []string{plain + nextFrame + fromBehind(of)}},
		{"an answer that is no HL7", []string{of}, []string{"what?"}},
		{"noise behind an answer", []string{of}, []string{plain + "\x1c\rnoise" + "\x0b" + plain}},
		{"a result in an acknowledgement of nothing", []string{of}, []string{plain + nextFrame + strings.Replace(plain, "|m1\r", "|m7\r", 1) + "PID|1||4711\r"}},
	}
	for _, a := range acknowledgements() {
		message, answer := a.frames()
		all = append(all, exchange{"acknowledged: " + a.name, []string{message}, []string{answer}})
	}
	return all
}

// TestObserveSame: a listener that observes tells of what one that enforces refuses, by the same rule and of the same sides, and of
// nothing else; and what passes both is on record alike.
func TestObserveSame(t *testing.T) {
	for _, x := range exchanges() {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			withheld, refused, people := x.in(t, "enforce")
			passed, told, seen := x.in(t, "observe")
			if passed != 0 {
				t.Errorf("%d frames do not pass where it only observes", passed)
			}
			n := 0
			for _, count := range refused {
				n += count
			}
			ended := refused["connection from 127.0.0.1 to 127.0.0.2: malformed"]+refused["connection from 127.0.0.2 to 127.0.0.1: malformed"] > 0 // and what comes then does not pass, either
			if n != withheld && (!ended || n > withheld) {
				t.Errorf("%d frames do not pass where it enforces, and refused are %v", withheld, refused)
			}
			if !maps.Equal(told, refused) {
				t.Errorf("observed are %v, refused %v", told, refused)
			}
			if withheld == 0 && seen != people {
				t.Errorf("on record are %v where it observes, and %v", seen, people)
			}
		})
	}
}

// in runs an exchange in a mode. It gives how many frames did not pass, what was refused, and what is on record: how many disclosures, of
// how many people, and of nobody.
func (x exchange) in(t *testing.T, mode string) (withheld int, refused map[string]int, record [3]int) {
	t.Helper()
	frame := func(text string) string { return "\x0b" + text + "\x1c\r" }
	after := result("LAB|NORTH", "after", "4711")
	said, says := "", map[string][]string{}
	for i, text := range append(x.sent, after) {
		says[text] = append(says[text], ack(text))
		if i < len(x.says) {
			says[text][len(says[text])-1] = x.says[i]
		}
	}
	e := engineAt(t, "127.0.0.2", func(payload string) (answer string) {
		if strings.Contains(payload, "\rMSA|") {
			return "" // the guard's refusal of what it sent
		}
		if answer = ack(payload); len(says[payload]) > 0 {
			answer, says[payload] = says[payload][0], says[payload][1:]
		}
		if answer != "" {
			said += frame(answer)
		}
		return answer
	})
	file := strings.Replace(answering(e, mode), "    role: lab\n", "    role: lab\n    budget: {24h: 2}\n", 1)
	r := begin(t, strings.Replace(file, "actions: [hl7.query]", "actions: [hl7.query], details: [QBP^Q22]", 1)+"    limits: {in_message: 2s}\n", func(o *Options) { o.pace = quick })
	c := r.call("hl7")
	c.write(x.sent...)
	c.write(after)
	heard := ""
	for !strings.Contains(heard, "MSA|AA|after") {
		answer, err := readFrame(c.in)
		if heard += string(answer); err != nil {
			break // the connection ended
		}
	}
	_ = c.Close()
	eventually(t, "all of it is read", func() bool { return r.open() == 0 })
	arrived := string(bytes.Join(e.frames(), nil))
	missing := func(sent, came string) (n int) {
		for one := range strings.SplitAfterSeq(sent, "\x1c\r") {
			if at := strings.Index(came, one); at >= 0 {
				came = came[:at] + came[at+len(one):]
			} else {
				n++
			}
		}
		return n
	}
	sent := ""
	for _, text := range x.sent {
		sent += frame(text)
	}
	e.mu.Lock()
	withheld = missing(sent, arrived) + missing(said, heard)
	e.mu.Unlock()
	people, nobody := r.told()
	return withheld, r.refusals(), [3]int{len(r.rows()), people, nobody}
}

// refusals counts what was refused, or would have been: of what kind, from whom to whom and by which rule.
func (r *rig) refusals() map[string]int {
	r.guard.refused.mu.Lock()
	defer r.guard.refused.mu.Unlock()
	refused := map[string]int{}
	for kind, have := range r.guard.refused.kinds {
		refused[fmt.Sprint(kind.word, " from ", kind.from, " to ", kind.to, ": ", kind.reason)] += 1 + have.count
	}
	return refused
}

// engineAt is a system that takes HL7 messages, at an address of its own.
func engineAt(t *testing.T, host string, answer func(payload string) string) *engine {
	t.Helper()
	e := &engine{host: host, answer: answer}
	e.listen(t, func(l net.Listener) net.Listener { return l })
	return e
}
