package guard

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestAcknowledgedLater: an acknowledgement is the end of its message, also a plain one: what names the message again later, with notes of
// whomever, was not asked for.
func TestAcknowledgedLater(t *testing.T) {
	const messages = 20
	e := newEngine(t)
	e.answer = func(payload string) string {
		all := ack(payload)
		if controlID(payload) == "last" {
			for i := range messages {
				all += "\x1c\r\x0b" + fmt.Sprintf("MSH|^~\\&|EHR|NORTH|LAB|NORTH|20260301||ACK|x%[1]d|P|2.5\rMSA|AA|m%[1]d\rNTE|1||%[2]s\r", i, secret)
			}
		}
		return all
	}
	r := begin(t, answering(e, "enforce"))
	c := r.call("hl7")
	for i := range messages {
		c.send(result("LAB|NORTH", fmt.Sprint("m", i), "1"))
	}
	c.write(result("LAB|NORTH", "last", "1"))
	eventually(t, "all are refused", func() bool { return r.counted("refused-unasked") == messages })
	if said, text := c.heard(1); !slices.Equal(said, []string{"AA last"}) || strings.Contains(text, secret) {
		t.Errorf("got %q", text)
	}
}

// TestAcknowledgedCommit: where the sender asks for no answer of the application (MSH-16), a commit is the end of its message, whatever
// kind of message it comes in.
func TestAcknowledgedCommit(t *testing.T) {
	for modes, want := range map[string][]string{
		"":         {"CA m1", "AA m1"}, // original mode: systems that say both say nobody has to do without
		"|||AL|AL": {"CA m1", "AA m1"},
		"||||AL":   {"CA m1", "AA m1"},
		"|||AL|NE": {"CA m1"},
		"|||AL":    {"CA m1"},
		"|||NE|NE": {"CA m1"},
	} {
		for _, kind := range []string{"ACK", "ORR^O02"} {
			e := newEngine(t)
			e.answer = func(payload string) string {
				says := strings.Replace(ack(payload), "||ACK|", "||"+kind+"|", 1)
				return strings.Replace(says, "MSA|AA", "MSA|CA", 1) + "\x1c\r\x0b" + says + "ORC|OK|1\rNTE|1||" + secret + "\r"
			}
			r := begin(t, answering(e, "enforce"))
			c := r.call("hl7")
			c.write(strings.Replace(result("LAB|NORTH", "m1", "1"), "|P|2.5\r", "|P|2.5"+modes+"\r", 1))
			said, text := c.heard(len(want))
			if !slices.Equal(said, want) || strings.Contains(text, secret) != (len(want) == 2) {
				t.Errorf("%s, %s: got %q, want %q", modes, kind, text, want)
			}
			eventually(t, "the rest is told of", func() bool { return r.counted("refused-unasked") == 2-len(want) })
			if n := len(r.rows()); n != 1 {
				t.Errorf("%s, %s: %d on record, want the message", modes, kind, n)
			}
		}
	}
}

// TestAcknowledgedMany: all messages of a long frame have their acknowledgements, and what was asked before it has its answer.
func TestAcknowledgedMany(t *testing.T) {
	const messages = 300
	e := newEngine(t)
	asked := ""
	e.answer = func(payload string) string {
		if strings.Contains(payload, "QPD|") {
			asked = found("q1", "4711")
			return "MSH|^~\\&|EHR|NORTH|LAB|NORTH|20260301||ACK|c1|P|2.5\rMSA|CA|q1\r"
		}
		var all []string
		for _, one := range strings.Split(payload, "MSH|")[1:] {
			all = append(all, ack("MSH|"+one)+"ZAK|1\r")
		}
		return strings.Join(all, "\x1c\r\x0b") + "\x1c\r\x0b" + asked
	}
	r := begin(t, answering(e, "enforce"))
	c := r.call("hl7")
	c.send(ask("q1", "4711"))
	var frame strings.Builder
	for i := range messages {
		frame.WriteString(result("LAB|NORTH", fmt.Sprint("m", i), "1"))
	}
	c.write(frame.String())
	said, _ := c.heard(messages + 1)
	if len(said) != messages+1 || said[messages-1] != fmt.Sprint("AA m", messages-1) || said[messages] != "AA q1" || len(r.findings()) > 0 {
		t.Errorf("got %d answers, at last %q, findings %v", len(said), said[max(0, len(said)-2):], r.findings())
	}
}

// TestAcknowledgedOneID: a device that gives all its messages one control ID is answered for each of them by whom that one brought.
func TestAcknowledgedOneID(t *testing.T) {
	e := newEngine(t)
	e.answer = func(payload string) string {
		if strings.Contains(payload, "4711^") {
			return ack(payload)
		}
		return ack(payload) + "PID|1||4712^^^NORTH^MR||DOE^JANE\r"
	}
	r := begin(t, answering(e, "enforce"))
	c := r.call("hl7")
	for i, number := range []string{"4711", "4712", "4712", "4711", "4712"} {
		got := c.send(result("LAB|NORTH", "1", number))
		if !slices.Equal(codesIn(got), []string{"AA 1"}) || strings.Contains(got, "DOE") != (number == "4712") {
			t.Errorf("message %d: got %q", i+1, got)
		}
	}
	if found := r.findings(); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

// TestAcknowledgedPipelined: several messages of one control ID, each taken before the first is answered: all are answered. A message is
// taken once: what says so again with notes does not pass, and does not end it.
func TestAcknowledgedPipelined(t *testing.T) {
	const messages = 3
	commits := 0
	e := newEngine(t)
	e.answer = func(payload string) string {
		commit := strings.Replace(ack(payload), "MSA|AA", "MSA|CA", 1) + "ZAK|1\r"
		if commits++; commits < messages {
			return commit
		}
		all := commit + "\x1c\r\x0b" + commit + "NTE|1||" + secret + "\r"
		for range messages {
			all += "\x1c\r\x0b" + ack(payload) + "ZAK|1\r"
		}
		return all
	}
	r := begin(t, answering(e, "enforce"))
	c := r.call("hl7")
	for range messages {
		c.write(strings.Replace(result("LAB|NORTH", "1", "1"), "|P|2.5\r", "|P|2.5|||AL|AL\r", 1))
	}
	said, text := c.heard(2 * messages)
	if want := append(slices.Repeat([]string{"CA 1"}, messages), slices.Repeat([]string{"AA 1"}, messages)...); !slices.Equal(said, want) || strings.Contains(text, secret) {
		t.Errorf("got %q in %q", said, text)
	}
	if n := r.counted("refused-unasked"); n != 1 {
		t.Errorf("%d are refused, want the commit that came once more", n)
	}
}

// TestAcknowledgedFrame: of a frame with more messages than may be unanswered each has its acknowledgement.
func TestAcknowledgedFrame(t *testing.T) {
	ids := []string{"m1", "m2", "m3"}
	e := newEngine(t)
	e.answer = func(string) (all string) {
		for _, id := range ids {
			all += "\x1c\r\x0b" + ack(result("LAB|NORTH", id, "1")) + "ZAK|1\r"
		}
		return strings.TrimPrefix(all, "\x1c\r\x0b")
	}
	r := begin(t, answering(e, "enforce")+"    limits: {pending: 1}\n")
	c := r.call("hl7")
	var frame string
	for _, id := range ids {
		frame += result("LAB|NORTH", id, "1")
	}
	c.write(frame)
	if said, _ := c.heard(len(ids)); !slices.Equal(said, []string{"AA m1", "AA m2", "AA m3"}) {
		t.Errorf("got %q", said)
	}
}

// TestAcknowledgedNobody: notes in the acknowledgement of what brought nobody are of somebody, and on record, also where a message that
// brought somebody stood beside it in the frame.
func TestAcknowledgedNobody(t *testing.T) {
	for _, beside := range []string{"", result("LAB|NORTH", "m2", "1")} {
		e := newEngine(t)
		e.answer = func(payload string) string {
			all := ack(payload) + "NTE|1||of somebody\r"
			if strings.Contains(payload, "|m2|") {
				all += ack(result("LAB|NORTH", "m2", "1")) + "NTE|1||fine\r"
			}
			return all
		}
		r := begin(t, strings.Replace(answering(e, "enforce"), "    details: [ORU^R01]\n", "", 1))
		c := r.call("hl7")
		c.write("MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||MFN^M02|m1|P|2.5\rMFI|PRA\r" + beside)
		if said, text := c.heard(1); !slices.Contains(said, "AA m1") || !strings.Contains(text, "of somebody") {
			t.Errorf("got %q", text)
		}
		if _, n := r.told(); n != 1 {
			t.Errorf("beside %q: %d are on record as somebody's, want 1", beside, n)
		}
	}
}

// TestAcknowledgedOrder: in enhanced mode the answer of the application says its order again behind the commit. In both modes that is on
// record with the message, and nothing to be found.
func TestAcknowledgedOrder(t *testing.T) {
	for _, mode := range []string{"enforce", "observe"} {
		e := newEngine(t)
		e.answer = func(payload string) string {
			order := strings.Replace(ack(payload), "||ACK|", "||ORR^O02|", 1) + "ORC|OK|1\r"
			return strings.Replace(ack(payload), "MSA|AA", "MSA|CA", 1) + "\x1c\r\x0b" + order
		}
		r := begin(t, strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    tls: none\n", "    tls: none\n    mode: "+mode+"\n", 1))
		c := r.call("hl7")
		c.write(result("LAB|NORTH", "m1", "1"))
		if said, text := c.heard(2); !slices.Equal(said, []string{"CA m1", "AA m1"}) || !strings.Contains(text, "ORC|OK|1") {
			t.Errorf("%s: got %q", mode, text)
		}
		_ = c.Close()
		eventually(t, "all of it is read", func() bool { return r.open() == 0 })
		if n, found := len(r.rows()), r.findings(); n != 1 || len(found) > 0 {
			t.Errorf("%s: %d on record, findings %v", mode, n, found)
		}
	}
}
