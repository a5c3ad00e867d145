package clinicsim

import (
	"fmt"
	"strings"
)

// Charsets of MSH-18 that this package writes (HL7 table 0211). The empty one is ASCII.
const (
	Latin1 = "8859/1"
	UTF8   = "UNICODE UTF-8"
)

// Header is the MSH segment of a message. The zero value of a field leaves it empty.
type Header struct {
	From, To  string // application and facility: REG|CLINIC
	Time      string // MSH-7
	Type      string // MSH-9: ADT^A01^ADT_A01
	Control   string // MSH-10
	Version   string // MSH-12, 2.5 when empty
	AcceptAck string // MSH-15
	AppAck    string // MSH-16
	Charset   string // MSH-18, and the encoding of the whole message
}

func (h Header) segment() string {
	version := h.Version
	if version == "" {
		version = "2.5"
	}
	from, to := h.From, h.To
	if from == "" {
		from = "|"
	}
	if to == "" {
		to = "|"
	}
	s := `MSH|^~\&|` + strings.Join([]string{from, to, h.Time, "", h.Type, h.Control, "P", version,
		"", "", h.AcceptAck, h.AppAck, "", h.Charset}, "|")
	return strings.TrimRight(s, "|")
}

// Message gives the bytes of one HL7 v2 message: each segment is ended by a carriage return.
func Message(h Header, segments ...string) []byte {
	var b strings.Builder
	b.WriteString(h.segment())
	b.WriteByte('\r')
	for _, s := range segments {
		b.WriteString(s)
		b.WriteByte('\r')
	}
	return encode(b.String(), h.Charset)
}

// Ack gives the answer to a message: code is AA, AE, AR, CA, CE or CR.
func Ack(h Header, code, control string) []byte {
	_, trigger, _ := strings.Cut(h.Type, "^")
	trigger, _, _ = strings.Cut(trigger, "^")
	kind := "ACK"
	if trigger != "" && h.Version != "2.3.1" {
		kind = "ACK^" + trigger + "^ACK"
	}
	segments := []string{"MSA|" + code + "|" + h.Control}
	switch code {
	case "AE", "CE":
		segments = append(segments, "ERR||PID^1^5|101^Required field missing^HL70357|E")
	case "AR", "CR":
		segments = append(segments, "ERR||MSH^1^9|200^Unsupported message type^HL70357|E")
	}
	return Message(Header{From: h.To, To: h.From, Time: h.Time, Type: kind, Control: control, Version: h.Version}, segments...)
}

// Batch gives several messages as one HL7 file with one batch (FHS BHS … BTS FTS).
func Batch(h Header, messages ...[]byte) []byte {
	from, to := h.From, h.To
	b := []byte(`FHS|^~\&|` + from + "|" + to + "|" + h.Time + "\r" + `BHS|^~\&|` + from + "|" + to + "|" + h.Time + "\r")
	for _, m := range messages {
		b = append(b, m...)
	}
	return fmt.Appendf(b, "BTS|%d\rFTS|1\r", len(messages))
}

// Frame wraps a message in MLLP release 1: VT, message, FS, CR.
func Frame(message []byte) []byte {
	b := make([]byte, 0, len(message)+3)
	b = append(b, 0x0b)
	b = append(b, message...)
	return append(b, 0x1c, '\r')
}

var escaper = strings.NewReplacer(`\`, `\E\`, `|`, `\F\`, `^`, `\S\`, `&`, `\T\`, `~`, `\R\`)

// escape makes a value fit to stand in a field (HL7 v2.5 section 2.7.1).
func escape(s string) string { return escaper.Replace(s) }

// hexEscape writes one character of the value as \Xhh\, which means the same value.
func hexEscape(s string) string {
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			return escape(s[:i]) + fmt.Sprintf(`\X%02X\`, s[i]) + escape(s[i+1:])
		}
	}
	return escape(s)
}

// fields joins a segment: fields[0] is its name, fields[n] is SEG-n.
func fields(f ...string) string { return strings.TrimRight(strings.Join(f, "|"), "|") }

// encode turns text into the bytes of a character set. In Latin1 every rune MUST be below 256.
func encode(s, charset string) []byte {
	if charset != Latin1 {
		return []byte(s)
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}

// widest says what a text needs: ASCII, Latin1 or UTF8.
func widest(texts ...string) string {
	need := ""
	for _, s := range texts {
		for _, r := range s {
			if r > 255 {
				return UTF8
			}
			if r > 127 {
				need = Latin1
			}
		}
	}
	return need
}
