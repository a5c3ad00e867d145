package hl7

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"chaperone/format"
)

// FuzzMessage reads any bytes as the payload of a frame.
func FuzzMessage(f *testing.F) {
	for _, row := range peerRows(f) {
		if b := peerFile(f, row); len(b) < 1500 {
			f.Add(b)
		}
	}
	f.Add([]byte(header + "\rPID|1||1\rPV1|1|I|W3^101~W4\rPID|2||2\rPV1|2|I|W3&x\\T\\\r"))
	f.Add([]byte("FHS|^~\\&\rBHS|^~\\&\r" + header + "\rPID|1||1\\X3132\\~\\E\\\rMRG|7\rBTS|1\r"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		messages, _ := Split(payload)
		rest := payload
		for _, raw := range messages {
			at := bytes.Index(rest, raw)
			if at < 0 {
				t.Fatal("the messages are not parts of the payload, in order")
			}
			rest = rest[at+len(raw):]
			m, err := Parse(raw)
			if err != nil {
				if !errors.Is(err, format.ErrMalformed) && !errors.Is(err, format.ErrLimit) {
					t.Fatalf("got %v, want a known error", err)
				}
				continue
			}
			checkMessage(t, &m)
		}
		if m, err := ParseFragment(payload); err == nil {
			checkMessage(t, &m)
		}
	})
}

func checkMessage(t *testing.T, m *Message) {
	pids := 0
	for _, s := range m.Segments {
		if s.Is("PID") {
			pids++
		}
		for n := 1; n < 20; n++ {
			f := s.Field(n)
			want := oracle(s, n)
			if string(f.raw) != want {
				t.Fatalf("%s-%d: got %q, want %q", s.Name, n, f.raw, want)
			}
			if f.raw == nil {
				continue
			}
			parts := strings.Split(want, string(rune(f.sep.Repetition)))
			if f.Repetitions() != len(parts) {
				t.Fatalf("%s-%d: got %d repetitions, want %d", s.Name, n, f.Repetitions(), len(parts))
			}
			for i, part := range parts {
				if got := string(f.Repetition(i).raw); got != part {
					t.Fatalf("%s-%d: got repetition %q, want %q", s.Name, n, got, part)
				}
			}
			if got := Unescape(f.raw, f.sep); len(got) > len(f.raw) {
				t.Fatalf("%s-%d: %d bytes became %d", s.Name, n, len(f.raw), len(got))
			}
		}
	}
	if wards := m.Wards(); len(wards) > pids || slices.Contains(wards, "") {
		t.Fatalf("got %d wards of %d people", len(wards), pids)
	}
	c := m.Read()
	if len(c.Records) != pids {
		t.Fatalf("got %d records of %d PIDs", len(c.Records), pids)
	}
	for _, r := range c.Records {
		if len(r.Identifiers) > 0 && len(r.Alternates) > 0 {
			t.Fatal("alternates beside identifiers")
		}
		for _, id := range append(r.Identifiers, r.Alternates...) {
			if id.Value.Empty() || strings.TrimSpace(id.Value.Reveal()) == "" { // fuzz input, compared
				t.Fatal("an identifier without a value")
			}
		}
	}
}

// oracle splits a segment in the plainest way.
func oracle(s Segment, n int) string {
	if s.Is("MSH") {
		n--
	}
	fields := strings.Split(string(s.raw), string(rune(s.sep.Field)))
	if n == 0 {
		return fields[0]
	}
	if n >= len(fields) {
		return ""
	}
	return fields[n]
}
