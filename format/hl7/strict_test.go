package hl7

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"chaperone/format"
)

const (
	usualHeader = "MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260101||ORU^R01|42|P|2.5\r"
	usualPID    = "PID|1||4711^^^CLINIC^MR||DOE^JANE||19700101|F\r"
)

func TestStrict(t *testing.T) {
	for _, test := range []struct {
		name, payload string
		ok            bool
	}{
		{"the usual message", usualHeader + usualPID, true},
		{"without a CR at its end", usualHeader + strings.TrimSuffix(usualPID, "\r"), true},
		{"with truncation", strings.Replace(usualHeader, `\&`, `\&#`, 1) + usualPID, true},
		{"a tab", usualHeader + "OBX|1|TX|||a\tb\r", true},
		{"text breaks as escapes in a report", usualHeader + usualPID + `OBX|1|TX|||a\X0D\b\.br\c` + "\r", true},
		{"a number in hexadecimal", usualHeader + `PID|1||\X3132\^^^CLINIC` + "\r", true},
		{"a separator by its name", usualHeader + `PID|1||1||DOE \T\ SONS` + "\r", true},
		{"Latin-1 text", usualHeader + "PID|1||1||CAF\xC9|\r", true},
		{"UTF-8 text", strings.TrimSuffix(usualHeader, "\r") + "||||||UNICODE UTF-8\r" + "PID|1||1||é|\r", true},
		{"a batch", "BHS|^~\\&|LAB\r" + usualHeader + usualPID + usualHeader + usualPID + "BTS|2\r", true},
		{"short separators and no &", "MSH|^~\\|LAB|NORTH|EHR|NORTH|20260101||ORU^R01|42|P|2.1\r" + usualPID, true},

		{"names in UTF-8 with a byte of NEL", usualHeader + "PID|1||1||\xC3\x85SE\r", true},
		{"an ellipsis of Windows in a text", usualHeader + "OBX|1|TX|||and so on\x85 fine\r", true},

		{"a segment behind a batch", "BHS|^~\\&|LAB\r" + usualHeader + usualPID + "BTS|1\r" + usualPID, false},
		{"a segment before a batch's message", "BHS|^~\\&|LAB\r" + usualPID + usualHeader, false},
		{"a segment behind NEL", usualHeader + "OBX|1|TX|||fine\x85PID|1||2\r", false},
		{"a segment behind NEL in UTF-8", usualHeader + "OBX|1|TX|||fine\xC2\x85PID|1||2\r", false},
		{"a segment behind LS", usualHeader + "OBX|1|TX|||fine\xE2\x80\xA8PID|1||2\r", false},
		{"a segment behind half a letter", usualHeader + "OBX|1|TX|||fine\xC3\x85PID|1||2\r", false},
		{"a number that is cut off", usualHeader + "PID|1||4\x857\r", false},
		{"a number with a line break", usualHeader + `PID|1||4\.br\7` + "\r", false},
		{"a number with an escape that does not end", usualHeader + `PID|1||4\X7` + "\r", false},
		{"a number with an escape of one's own", usualHeader + `PID|1||4\Z00\7` + "\r", false},
		{"a number in two parts", usualHeader + `PID|1||47&11` + "\r", false},
		{"a number of two character sets", usualHeader + "PID|1||4\xC3\xA97\r", false},
		{"nothing", "", false},
		{"no header", usualPID, false},
		{"a blank before", " " + usualHeader, false},
		{"a byte order mark", "\xEF\xBB\xBF" + usualHeader, false},
		{"LF ends", strings.ReplaceAll(usualHeader+usualPID, "\r", "\n"), false},
		{"CR LF ends", strings.ReplaceAll(usualHeader+usualPID, "\r", "\r\n"), false},
		{"an LF in a field", usualHeader + "PID|1||1||DOE\nPID|1||2\r", false},
		{"NUL", usualHeader + "PID|1||1\x00\r", false},
		{"an escape sequence of ISO 2022", usualHeader + "PID|1||1||\x1B$B;3ED\x1B(B\r", false},
		{"an empty line", usualHeader + "\r" + usualPID, false},
		{"a lower-case segment", usualHeader + strings.Replace(usualPID, "PID", "pid", 1), false},
		{"a line of text", usualHeader + usualPID + "and so on\r", false},
		{"other separators", strings.ReplaceAll(usualHeader, "|", "#") + strings.ReplaceAll(usualPID, "|", "#"), false},
		{"other components", strings.Replace(usualHeader, `^~\&`, `~^\&`, 1) + usualPID, false},
		{"another message with others", usualHeader + usualPID + "MSH|^~\\$|A|B|C|D|1||ADT^A01|2|P|2.5\r" + usualPID, false},
		{"short separators and &", "MSH|^~\\|LAB|NORTH|EHR|NORTH|20260101||ORU^R01|42|P|2.1\rPID|1||1&2\r", false},
		{"a hidden segment", usualHeader + `PID|1||1\X0D\PID` + "\r", false},
		{"a hidden separator", usualHeader + `PID|1||1\X7C\2` + "\r", false},
		{"another character set", usualHeader + `PID|1||1\C2842\2` + "\r", false},
		{"a hidden query", usualHeader + `QPD|Q22|1|@PID.3.1^1\X0D\2` + "\r", false},
		{"Shift-JIS whose byte looks like a separator", strings.TrimSuffix(usualHeader, "\r") + "||||||ISO IR87\r" + "PID|1||1||\x83\x5C|\r", false},
		{"no type", strings.Replace(usualHeader, "ORU^R01", "", 1) + usualPID, false},
		{"no control ID", strings.Replace(usualHeader, "|42|", "||", 1) + usualPID, false},
		{"a long control ID", strings.Replace(usualHeader, "|42|", "|"+strings.Repeat("4", 200)+"|", 1) + usualPID, false},
		{"a header that ends", "MSH", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Strict([]byte(test.payload))
			if (err == nil) != test.ok || err != nil && !errors.Is(err, format.ErrMalformed) {
				t.Errorf("got %v, want accepted %t", err, test.ok)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	const query = "QPD|Q22^Find^HL7|tag7|@PID.5.1^S*\r"
	header := func(version, accept, application string) string {
		return "MSH|^~\\&|LAB|NORTH|EHR|SOUTH|20260101||ORU^R01|42|T|" + version + "|||" + accept + "|" + application + "||8859/1\r"
	}
	const answer = "MSH|^~\\&|EHR|SOUTH|LAB|NORTH|20260301093000+0000||"
	const fault = "ERR||PID^1^3|207^Application internal error^HL70357|E|CHAP-DENY^budget-24h^99CHAP||ref 7f|Request refused; ref 7f\r"
	for _, test := range []struct {
		name, message string
		err           bool
		want          string
	}{
		{"original mode", header("2.5", "", ""), false, answer + "ACK^R01^ACK|g1|T|2.5||||||8859/1\rMSA|AR|42\r" + fault},
		{"try again", header("2.5.1", "", ""), true, answer + "ACK^R01^ACK|g1|T|2.5.1||||||8859/1\rMSA|AE|42\r" + fault},
		{"an early version", header("2.3", "", ""), false,
			answer + "ACK^R01|g1|T|2.3||||||8859/1\rMSA|AR|42|Request refused; ref 7f\rERR|PID^1^3^207&Application internal error&HL70357\r"},
		{"accept", header("2.5", "AL", "NE"), false, answer + "ACK^R01^ACK|g1|T|2.5||||||8859/1\rMSA|CR|42\r" + fault},
		{"accept, in error", header("2.5", "ER", "AL"), true, answer + "ACK^R01^ACK|g1|T|2.5||||||8859/1\rMSA|CE|42\r" + fault},
		{"application only", header("2.5", "NE", "ER"), false, answer + "ACK^R01^ACK|g1|T|2.5||||||8859/1\rMSA|AR|42\r" + fault},
		{"never", header("2.5", "NE", "NE"), false, ""},
		{"success only", header("2.5", "SU", "SU"), false, ""},
		{"a query", strings.Replace(header("2.5", "", ""), "ORU^R01", "QBP^Q22^QBP_Q21", 1) + query, false,
			answer + "RSP^K22^RSP_K22|g1|T|2.5||||||8859/1\rMSA|AR|42\r" + strings.Replace(fault, "PID", "QPD", 1) + "QAK|tag7|AR\r" + query},
		{"a query, try again", strings.Replace(header("2.5", "", ""), "ORU^R01", "QBP^Q22^QBP_Q21", 1) + query, true,
			answer + "RSP^K22^RSP_K22|g1|T|2.5||||||8859/1\rMSA|AE|42\r" + strings.Replace(fault, "PID", "QPD", 1) + "QAK|tag7|AE\r" + query},
		{"a query, accept", strings.Replace(header("2.5", "AL", "NE"), "ORU^R01", "QBP^Q22^QBP_Q21", 1) + query, false,
			answer + "RSP^K22^RSP_K22|g1|T|2.5||||||8859/1\rMSA|CR|42\r" + strings.Replace(fault, "PID", "QPD", 1) + "QAK|tag7|AR\r" + query},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := Parse([]byte(test.message + usualPID))
			if err != nil {
				t.Fatal(err)
			}
			got := Refuse(&m, Refusal{Error: test.err, Reason: "budget-24h", Reference: "7f", ID: "g1", Now: now})
			if string(got) != test.want {
				t.Errorf("got\n%s\nwant\n%s", strings.ReplaceAll(string(got), "\r", "\n"), strings.ReplaceAll(test.want, "\r", "\n"))
			}
			if got != nil {
				if err := Strict(got); err != nil {
					t.Errorf("the answer itself: %v", err)
				}
				if a, err := Parse(got); err != nil || a.Read().AckFor != "42" {
					t.Errorf("it does not answer: %v", err)
				}
			}
		})
	}
}

// TestRefuseSender: where the trouble is who sends, the answer points at who that says it is, and at nobody's PID.
func TestRefuseSender(t *testing.T) {
	for version, want := range map[string]string{"2.5": "\rERR||MSH^1^3|207^", "2.3": "\rERR|MSH^1^3^207&"} {
		for _, more := range []string{usualPID, "QPD|Q22^Find^HL7|tag7|@PID.5.1^S*\r"} {
			m, err := Parse([]byte("MSH|^~\\&|LAB|NORTH|EHR|SOUTH|20260101||QBP^Q22^QBP_Q21|42|T|" + version + "\r" + more))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(Refuse(&m, Refusal{Sender: true, Reason: "identity-address"})); !strings.Contains(got, want) || strings.Contains(got, "PID^1") || strings.Contains(got, "QPD^1") {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
}

// FuzzStrict: what passes is read alike by a receiver that splits at every line end and one that splits at CR.
func FuzzStrict(f *testing.F) {
	f.Add([]byte(usualHeader + usualPID))
	f.Add([]byte(usualHeader + `PID|1||1\X3132\^^^A` + "\r"))
	f.Add([]byte("BHS|^~\\&|LAB\r" + usualHeader + usualPID + "BTS|1\r"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if Strict(payload) != nil {
			return
		}
		if strings.ContainsAny(string(payload), "\n\x0B\x1C\x00") {
			t.Fatal("a control character passed")
		}
		messages, _ := Split(payload)
		pids := 0
		for _, raw := range messages {
			m, err := Parse(raw)
			if err != nil {
				t.Fatalf("passed, and cannot be read: %v", err)
			}
			if m.Odd != "" {
				t.Fatalf("passed, and is odd: %s", m.Odd)
			}
			pids += len(m.Read().Records)
			Refuse(&m, Refusal{})
		}
		lines := 0
		for _, line := range strings.Split(string(payload), "\r") {
			if strings.HasPrefix(line, "PID") && len(messages) > 0 {
				lines++
			}
		}
		if pids < lines && !strings.HasPrefix(string(payload), "FHS") && !strings.HasPrefix(string(payload), "BHS") {
			t.Fatalf("%d PIDs were read of %d", pids, lines)
		}
	})
}

// TestLook compares what looks at eight bytes at once with what looks at each.
func TestLook(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		b := make([]byte, dice.IntN(40))
		for i := range b {
			b[i] = byte(' ' + dice.IntN(95))
			if dice.IntN(30) == 0 {
				b[i] = byte(dice.IntN(256))
			}
		}
		ascii, clean := true, true
		for _, c := range b {
			ascii = ascii && c < 128
			clean = clean && (c > 31 || c == 9 || c == 13)
		}
		if a, c := look(b); a != ascii || c != clean {
			t.Fatalf("%q: got %t, %t, want %t, %t", b, a, c, ascii, clean)
		}
	}
}
