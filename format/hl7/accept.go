package hl7

import (
	"bytes"
	"strings"
	"time"
)

// Acceptance is what a receiver that takes a message says to its sender, before or instead of whom it is for.
type Acceptance struct {
	ID  string // control ID of the answer
	Now time.Time
}

// Accept writes the positive answer to a message: MSH and MSA, AA in original mode and CA in enhanced mode (chapter 2, tables 0008,
// 0103 and 0155). It is nil when the sender asked for none. The message must pass Strict.
func Accept(m *Message, a Acceptance) []byte {
	header, ok := m.Header()
	if !ok {
		return nil
	}
	f := header.fields()
	code, wanted := acceptCode(string(f.raw[15]), string(f.raw[16]))
	if !wanted {
		return nil
	}
	return acknowledge(&f, code, a)
}

// Acknowledge writes an answer to a message that says no more than a code of table 0008, which somebody else has given: MSH and MSA. It
// is nil for any other text.
func Acknowledge(m *Message, code string, a Acceptance) []byte {
	header, ok := m.Header()
	switch code {
	case "AA", "AE", "AR", "CA", "CE", "CR":
	default:
		ok = false
	}
	if !ok {
		return nil
	}
	f := header.fields()
	return acknowledge(&f, code, a)
}

func acknowledge(f *fields, code string, a Acceptance) []byte {
	var b bytes.Buffer
	writeHeader(&b, f, acknowledgement(f), a.ID, a.Now)
	b.WriteString("MSA|" + code + "|" + string(f.raw[10]) + "\r")
	return b.Bytes()
}

// acceptCode gives MSA-1 by the acknowledgement mode: MSH-15 is about taking the message, MSH-16 about what comes of it.
func acceptCode(accept, application string) (code string, wanted bool) {
	on := func(condition string) bool { return condition == "AL" || condition == "SU" }
	switch {
	case accept == "" && application == "":
		return "AA", true
	case on(accept):
		return "CA", true
	case on(application):
		return "AA", true
	}
	return "", false
}

// acknowledgement gives MSH-9 of the answer to a message.
func acknowledgement(f *fields) string {
	kind := f.at(9)
	ack, trigger := "ACK", string(kind.Component(2))
	if trigger != "" {
		ack += "^" + trigger
		if !early(f.raw[12]) {
			ack += "^ACK"
		}
	}
	return ack
}

// writeHeader writes the MSH of an answer: to the message's sender, from its receiver.
func writeHeader(b *bytes.Buffer, f *fields, ack, id string, now time.Time) {
	field := func(n int) string { return string(f.raw[n]) }
	b.WriteString(strings.Join([]string{`MSH|^~\&`, field(5), field(6), field(3), field(4), now.Format("20060102150405-0700"), "", ack, id, field(11), field(12),
		"", "", "", "", "", field(18)}, "|") + "\r")
}
