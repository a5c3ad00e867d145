package hl7

import (
	"bytes"
	"strings"
	"time"
)

// Refusal is what a receiver that does not take a message says to its sender. Nothing of it bears patient data.
type Refusal struct {
	Error     bool   // AE or CE: it may be sent again. Else AR or CR: it must not
	Sender    bool   // the trouble is who sends it, ERR-2; else whose the record is, or who was asked for
	Reason    string // stable code, ERR-5
	Reference string // what the sender's operator can ask about, ERR-7 and ERR-8
	ID        string // control ID of the answer
	Now       time.Time
}

// Refuse writes the answer to a message: MSH, MSA and ERR, of a query QAK and QPD too (chapter 2, acknowledgements, and
// chapter 5). It is nil when the sender asked for none (enhanced mode, MSH-15 and MSH-16). The message must pass Strict.
func Refuse(m *Message, r Refusal) []byte {
	header, ok := m.Header()
	if !ok {
		return nil
	}
	f := header.fields()
	code, wanted := answerCode(f.raw[15], f.raw[16], r.Error)
	if !wanted {
		return nil
	}
	field := func(n int) string { return string(f.raw[n]) }
	kind, modern := f.at(9), !early(f.raw[12])
	ack := acknowledgement(&f)
	text := "Request refused; ref " + r.Reference
	var query []byte
	for _, s := range m.Segments {
		if s.Is("QPD") {
			query = s.raw
			if reply := responseOf(&kind); reply != "" {
				ack = reply
			}
		}
	}
	at := errorAt(r.Sender, query)
	var b bytes.Buffer
	segment := func(fields ...string) { b.WriteString(strings.Join(fields, "|") + "\r") }
	writeHeader(&b, &f, ack, r.ID, r.Now)
	if modern {
		segment("MSA", code, field(10))
		segment("ERR", "", at, "207^Application internal error^HL70357", "E", "CHAP-DENY^"+r.Reason+"^99CHAP", "", "ref "+r.Reference, text)
	} else {
		segment("MSA", code, field(10), text)
		segment("ERR", at+"^207&Application internal error&HL70357")
	}
	if query != nil {
		tag := Segment{raw: query, sep: DefaultSeparators}.Field(2)
		segment("QAK", string(tag.raw), "A"+code[1:]) // table 0208 has no CE and CR
		b.Write(query)                                // the asker's own words
		b.WriteByte('\r')
	}
	return b.Bytes()
}

// errorAt says where the trouble is (ERL): who sends, who was asked for, or whose the record is.
func errorAt(sender bool, query []byte) string {
	switch {
	case sender:
		return "MSH^1^3"
	case query != nil:
		return "QPD^1^3"
	}
	return "PID^1^3"
}

// answerCode gives MSA-1 by the acknowledgement mode (chapter 2; tables 0008 and 0155). What is no condition is none: of a message
// whose lines end in another way, MSH-15 may be anything, and its sender waits for an answer.
func answerCode(accept, application []byte, err bool) (code string, wanted bool) {
	for _, condition := range []*[]byte{&accept, &application} {
		switch string(*condition) {
		case "AL", "NE", "ER", "SU":
		default:
			*condition = nil
		}
	}
	reject := map[bool][2]string{false: {"AR", "CR"}, true: {"AE", "CE"}}[err]
	on := func(condition []byte) bool { return string(condition) == "AL" || string(condition) == "ER" }
	switch {
	case len(accept) == 0 && len(application) == 0:
		return reject[0], true
	case on(accept):
		return reject[1], true
	case on(application):
		return reject[0], true
	}
	return "", false
}

// early reports whether a version is before 2.5, by MSH-12.
func early(version []byte) bool {
	return bytes.HasPrefix(version, []byte("2.")) && len(version) > 2 && version[2] < '5'
}

// responseOf gives what a query is answered with: the structure names it (QBP_Q21 is answered as RSP^K21^RSP_K21).
func responseOf(kind *Field) string {
	trigger := string(kind.Component(2))
	if string(kind.Component(1)) != "QBP" || len(trigger) != 3 || trigger[0] != 'Q' {
		return ""
	}
	return "RSP^K" + trigger[1:] + "^RSP_K" + trigger[1:]
}
