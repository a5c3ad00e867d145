package hl7

import (
	"bytes"
	"strings"
	"testing"

	"chaperone/format"
)

func TestSplit(t *testing.T) {
	one, two := header+"\rPID|1||1\r", header+"\rPID|1||2\r"
	for _, test := range []struct {
		name, payload string
		want          []string
	}{
		{"one", one, []string{one}},
		{"two without a batch", one + two, []string{one, two}},
		{"batch", "FHS|^~\\&\rBHS|^~\\&\r" + one + two + "BTS|2\rFTS|1\r", []string{one, two}},
		{"batch without messages", "BHS|^~\\&\rBTS|0\r", nil},
		{"one and a trailer", one + "BTS|1\r", []string{one}},
		{"MSH in a text", header + "\rOBX|1|TX|||see MSH|^~\\&\r", []string{header + "\rOBX|1|TX|||see MSH|^~\\&\r"}},
		{"line feeds", strings.ReplaceAll(one+two, "\r", "\n"), []string{strings.ReplaceAll(one, "\r", "\n"), strings.ReplaceAll(two, "\r", "\n")}},
		{"garbage in front", "garbage\r" + one, []string{one}},
		{"no message", "garbage\rPID|1||1", nil},
		{"empty", "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			messages, more := Split([]byte(test.payload))
			if len(messages) != len(test.want) || more {
				t.Fatalf("got %d messages and more %t, want %d", len(messages), more, len(test.want))
			}
			for i, m := range messages {
				if string(m) != test.want[i] {
					t.Errorf("message %d: got %q, want %q", i, m, test.want[i])
				}
			}
		})
	}
}

// TestBatchOf500: one frame with five hundred messages.
func TestBatchOf500(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("BHS|^~\\&\r")
	for i := range 500 {
		b.WriteString(header + "\rPID|1||" + strings.Repeat("1", i+1) + "\r")
	}
	b.WriteString("BTS|500\r")
	messages, _ := Split(b.Bytes())
	if len(messages) != 500 {
		t.Fatalf("got %d messages, want 500", len(messages))
	}
	for i, raw := range messages {
		m, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if r := m.Read().Records; len(r) != 1 || len(r[0].Identifiers[0].Value.Reveal()) != i+1 { // an invented number
			t.Fatalf("message %d: got %d records or the wrong one", i, len(r))
		}
	}
}

// TestFragment reads what is left of a message without its beginning.
func TestFragment(t *testing.T) {
	m, err := ParseFragment([]byte("||cut^off\rPID|1||7\rOBX|1"))
	if err != nil {
		t.Fatal(err)
	}
	if r := m.Read().Records; len(r) != 1 || show(r[0]) != "PID-3@=7" || m.Odd == "" {
		t.Errorf("got %d records, odd %q", len(r), m.Odd)
	}
	if m, err := ParseFragment([]byte("PID|1||7")); err != nil || len(m.Segments) != 0 {
		t.Errorf("the rest of one line: got %d segments and %v", len(m.Segments), err)
	}
}

// TestFloods are fields that are large enough not to come to an end where reading is not linear, and the bounds of
// what is read.
func TestFloods(t *testing.T) {
	const n = 4 << 20
	for _, test := range []struct {
		name, segment string
		identifiers   int
		odd           bool
	}{
		{"empty repetitions", "PID|1||" + strings.Repeat("~", n), 0, false},
		{"repetitions", "PID|1||" + strings.Repeat("1~", n/2), maxIdentifiers, true},
		{"patients", strings.Repeat("PID|1||1~2\r", 60_000), maxIdentifiers, true},
		{"components", "PID|1||1" + strings.Repeat("^", n), 1, false},
		{"fields", "PID|1||1" + strings.Repeat("|", n), 1, false},
		{"escapes", "PID|1||" + strings.Repeat(`\E\`, n/3), 1, false},
		{"escape characters", "PID|1||" + strings.Repeat(`\`, n), 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := Parse([]byte(header + "\r" + test.segment))
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			for _, r := range m.Read().Records {
				got += len(r.Identifiers)
			}
			if got != test.identifiers || test.odd != (m.Odd != "") {
				t.Errorf("got %d identifiers, odd %q, want %d", got, m.Odd, test.identifiers)
			}
		})
	}
}

func TestHeaderIsClipped(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	m, err := Parse([]byte("MSH|^~\\&|" + long + "|" + long + "|B|C|2025||" + long + "^" + long + "|" + long + "\rMSA|" + long + "|" + long))
	if err != nil {
		t.Fatal(err)
	}
	c := m.Read()
	for _, s := range []string{c.Type, c.Event, c.ControlID, c.Ack, c.AckFor} {
		if len(s) != maxName {
			t.Errorf("got %d bytes, want %d", len(s), maxName)
		}
	}
	if len(c.From) > 2*maxName+1 || m.Charset != format.Guess {
		t.Errorf("got a sender of %d bytes", len(c.From))
	}
}
