package guard

import (
	"fmt"
	"strings"
	"testing"
)

// TestAskedFromBehind: what the system behind asks of the client, or sends it of nobody, is decided by what that system may ask and send, and
// in its name; that the client may ask does not let it pass. In both modes that is told alike.
func TestAskedFromBehind(t *testing.T) {
	question := fromBehind(ask("s1", "4711"))
	staff := "MSH|^~\\&|EHR|NORTH|LAB|NORTH|20260301||MFN^M02|s1|P|2.5\rMFI|PRA\r"
	const (
		client = "  - {name: x, roles: [lab], actions: [hl7.query], to: [self]}\n  - {name: y, roles: [lab], actions: [hl7.send], details: [MFN^M02]}\n"
		asks   = "  - {name: x, roles: [engine], actions: [hl7.query], details: [QBP^Q22], to: [self]}\n"
		sends  = "  - {name: x, roles: [engine], actions: [hl7.send], details: [MFN^M02], to: [lab]}\n"
	)
	for _, test := range []struct {
		name, says, grants string
		rule               string // behind refused-; "" passes
	}{
		{"the client may ask", question, client, "no-grant"},
		{"the system behind may ask", question, asks, ""},
		{"it may ask, and not so", strings.Replace(question, "QBP^Q22", "QBP^Q21", 1), asks, "detail"},
		{"it may ask, and not for everybody", strings.Replace(question, "@PID.3.1^4711", "", 1), asks, "everybody"},
		{"it may ask of its ward alone", question, strings.Replace(asks, "to: [self]", "to: [self], whose: ward", 1), "ward"},
		{"it may ask, and not in another's name", strings.Replace(question, "EHR|NORTH|LAB", "LAB|NORTH|LAB", 1), asks, "identity-application"},
		{"it may send master files, and not ask", question, sends, "no-grant"},
		{"the client may ask for master files", staff, client, "no-grant"},
		{"the system behind may ask for master files", staff, asks, "no-grant"},
		{"the system behind may send master files", staff, sends, ""},
	} {
		for _, mode := range []string{"enforce", "observe"} {
			t.Run(test.name+"/"+mode, func(t *testing.T) {
				e := engineAt(t, "127.0.0.2", func(payload string) string {
					switch {
					case strings.Contains(payload, "MSA|"):
						return ""
					case controlID(payload) == "m1":
						return ack(payload) + nextFrame + test.says
					}
					return ack(payload)
				})
				file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "listeners:\n", test.grants+"listeners:\n", 1)
				r := begin(t, strings.Replace(file, "    tls: none\n", "    tls: none\n    mode: "+mode+"\n", 1))
				c := r.call("hl7")
				c.write(result("LAB|NORTH", "m1", "1"), result("LAB|NORTH", "after", "1"))
				_, text := c.heard(2)
				if passes := test.rule == "" || mode == "observe"; strings.Contains(text, test.says) != passes {
					t.Errorf("got %q, and it passes: %t", text, passes)
				}
				_ = c.Close()
				eventually(t, "all of it is read", func() bool { return r.open() == 0 })
				refused := r.refusals()
				if want := strings.Split(strings.Split(test.says, "|")[8], "^QBP")[0] + " from 127.0.0.2 to 127.0.0.1: " + test.rule; test.rule != "" && refused[want] != 1 || len(refused) != min(1, len(test.rule)) {
					t.Errorf("got %v, want %q", refused, want)
				}
			})
		}
	}
}

// TestRepliesUnawaited: what the client answers to questions of the system behind is not answered in its turn: nothing waits behind it.
func TestRepliesUnawaited(t *testing.T) {
	e := engineAt(t, "127.0.0.2", func(payload string) string {
		if strings.Contains(payload, "MSA|") {
			return ""
		}
		return ack(payload)
	})
	file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "details: [ORU^R01]", "details: [ORU^R01, RSP^K22]", 1)
	r := begin(t, file+"    limits: {pending: 1, idle: 2s}\n")
	c := r.call("hl7")
	for i := range 3 {
		c.write(strings.Replace(found(fmt.Sprint("s", i), "4711"), "EHR|NORTH|LAB|NORTH", "LAB|NORTH|EHR|NORTH", 1))
	}
	c.write(result("LAB|NORTH", "m1", "1"))
	if said, text := c.heard(1); len(said) != 1 || said[0] != "AA m1" || len(e.frames()) != 4 || len(r.rows()) != 4 {
		t.Errorf("got %q, the system behind %d frames, and %d are on record", text, len(e.frames()), len(r.rows()))
	}
}
