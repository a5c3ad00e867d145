package hl7

import (
	"bytes"
	"strings"

	"chaperone"
	"chaperone/format"
)

// Content is what a message says about patients and about itself.
type Content struct {
	Type, Event string // MSH-9-1 and MSH-9-2
	ControlID   string // MSH-10
	From, To    string // MSH-3/MSH-4 and MSH-5/MSH-6
	Wanted      Wanted
	Ack         string // MSA-1, "" for a message that answers nothing
	AckFor      string // MSA-2
	Query       bool   // it has QRD or QPD and answers nothing
	Records     []chaperone.Record
	Merges      []chaperone.Merge
	Others      []chaperone.Record // whom MRG names in an event that merges nobody
	Nobody      bool               // it names nobody, and yet has something of a patient
	Again       bool               // and that is only what an answer says again of the message that it answers, or a query for a schedule of the appointments that it asks for
}

// Wanted is which answers a message asks for: of taking it (MSH-15) and of what comes of it (MSH-16), by the conditions of table 0155. Both
// are empty in original mode (HL7 v2.5 section 2.9).
type Wanted struct{ Accept, Application string }

// mergeEvents are the triggers whose MRG names the same person as the PID before it (chapter 3: merge, and change of
// identifier). Moves of an account or a visit from one patient to another (A43–A45) are not among them.
var mergeEvents = map[string]bool{
	"A18": true, "A30": true, "A34": true, "A35": true, "A36": true, "A39": true, "A40": true, "A41": true, "A42": true,
	"A46": true, "A47": true, "A48": true, "A49": true, "A50": true, "A51": true,
}

// Read collects a message's content. NK1, GT1, IN1 are other people and are not read.
func (m *Message) Read() Content {
	var c Content
	if header, ok := m.Header(); ok {
		f := header.fields()
		kind := f.at(9)
		c.Type, c.Event = clip(kind.Component(1)), clip(kind.Component(2))
		c.ControlID = clip(f.raw[10])
		c.From, c.To = m.claims(&f)
		c.Wanted = Wanted{clip(f.at(15).Component(1)), clip(f.at(16).Component(1))}
	}
	var last []chaperone.Identifier
	for _, s := range m.Segments {
		switch string(s.Name[:]) {
		case "PID":
			f := s.fields()
			record := m.record(&f)
			last = record.Identifiers
			c.Records = append(c.Records, record)
		case "MRG":
			prior := m.identifiers(s.Field(1), chaperone.HL7PatientID)
			if len(prior) == 0 {
				prior = m.identifiers(s.Field(4), chaperone.HL7PatientID)
			}
			if mergeEvents[c.Event] && len(prior) > 0 {
				c.Merges = append(c.Merges, chaperone.Merge{Survivor: last, Prior: prior})
			} else if len(prior) > 0 {
				c.Others = append(c.Others, chaperone.Record{Identifiers: prior})
			}
		case "MSA":
			c.Ack, c.AckFor = clip(s.Field(1).raw), clip(s.Field(2).raw)
		case "QRD", "QPD":
			c.Query = true
		}
	}
	c.Query = c.Query && c.Ack == ""
	if len(c.Records) == 2 && (c.Event == "A24" || c.Event == "A37") { // link and unlink name both people in full
		c.Merges = append(c.Merges, chaperone.Merge{
			Survivor: c.Records[0].Identifiers, Prior: c.Records[1].Identifiers, Undo: c.Event == "A37"})
	}
	if len(c.Records)+len(c.Merges)+len(c.Others) == 0 {
		c.Nobody, c.Again = m.unnamed(&c)
	}
	return c
}

// Claims remember what the message before called its sides: a connection says nearly always the same.
type Claims struct {
	raw      []byte // MSH-3 to MSH-6
	charset  format.Charset
	from, to string
}

// claims gives MSH-3/MSH-4 and MSH-5/MSH-6.
func (m *Message) claims(f *fields) (from, to string) {
	size := len(f.raw[3]) + len(f.raw[4]) + len(f.raw[5]) + len(f.raw[6]) + 3
	if f.raw[6] == nil || m.Claims == nil {
		return m.claim(f.at(3), f.at(4)), m.claim(f.at(5), f.at(6))
	}
	raw := f.raw[3][:size] // the four stand behind each other, separators between them
	if c := m.Claims; c.charset != m.Charset || !bytes.Equal(c.raw, raw) {
		c.from, c.to = m.claim(f.at(3), f.at(4)), m.claim(f.at(5), f.at(6))
		c.raw, c.charset = append(c.raw[:0], raw[:min(size, 4*maxName)]...), m.Charset
	}
	return m.Claims.from, m.Claims.to
}

// claim joins application and facility: "LAB@CLINIC".
func (m *Message) claim(application, facility Field) string {
	name := application.Text(short(application.Subcomponent(1, 1)), m.Charset)
	if at := facility.Text(short(facility.Subcomponent(1, 1)), m.Charset); at != "" {
		name += "@" + at
	}
	return name
}

// maxName bounds what a message says about itself: names and control ID are kept until it is answered. The standard
// allows 227 characters (MSH-3 to MSH-6), and 199 for MSH-10.
const maxName = 255

func clip(b []byte) string { return string(short(b)) }

func short(b []byte) []byte { return b[:min(len(b), maxName)] }

func (m *Message) record(pid *fields) chaperone.Record {
	r := chaperone.Record{
		Identifiers: m.identifiers(pid.at(3), chaperone.HL7PatientID),
		Birth:       m.date(pid.at(7)),
		Sex:         m.value(pid.at(8)),
		Name:        m.name(pid.at(5)),
	}
	if len(r.Identifiers) == 0 {
		r.Alternates = m.identifiers(pid.at(2), chaperone.HL7ExternalID)
		r.Alternates = append(r.Alternates, m.identifiers(pid.at(4), chaperone.HL7AlternateID)...)
		if ssn := pid.at(19); len(ssn.raw) > 0 {
			digits := strings.ReplaceAll(ssn.Text(ssn.Component(1), m.Charset), "-", "")
			if digits != "" {
				r.Alternates = append(r.Alternates, chaperone.Identifier{Kind: chaperone.SSN, Value: chaperone.NewPHI(digits)})
			}
		}
		r.Alternates = append(r.Alternates, m.identifiers(pid.at(18), chaperone.HL7Account)...)
	}
	return r
}

// identifiers reads every repetition of a CX field. The authority is CX-4's namespace, else its universal id; CX-5
// is not part of the key, and MSH-4 never is: a registration and a laboratory would make two patients of one number.
func (m *Message) identifiers(f Field, kind chaperone.IdentifierKind) []chaperone.Identifier {
	var ids []chaperone.Identifier
	for rest := f.raw; rest != nil && m.room(); {
		cx := Field{head(rest, f.sep.Repetition), f.sep}
		if rest = rest[len(cx.raw):]; len(rest) > 0 {
			rest = rest[1:]
		} else {
			rest = nil
		}
		value := cx.PHI(cx.Component(1), m.Charset)
		if value.Empty() {
			continue
		}
		authority := cx.PHI(cx.Subcomponent(4, 1), m.Charset)
		if authority.Empty() {
			authority = cx.PHI(cx.Subcomponent(4, 2), m.Charset)
		}
		ids = append(ids, chaperone.Identifier{Kind: kind, Authority: authority, Value: value})
		m.identified++
	}
	return ids
}

// room reports whether another identifier is read.
func (m *Message) room() bool {
	if m.identified == maxIdentifiers {
		m.Odd = "more identifiers than are read"
		return false
	}
	return true
}

// name gives family^given^middle of the first repetition of an XPN field.
func (m *Message) name(f Field) chaperone.PHI {
	if len(f.raw) == 0 {
		return chaperone.PHI{}
	}
	family := f.Text(f.Subcomponent(1, 1), m.Charset)
	given := f.Text(f.Component(2), m.Charset)
	middle := f.Text(f.Component(3), m.Charset)
	return chaperone.NewPHI(strings.TrimRight(family+"^"+given+"^"+middle, "^"))
}

func (m *Message) value(f Field) chaperone.PHI {
	if len(f.raw) == 0 {
		return chaperone.PHI{}
	}
	return f.PHI(f.Component(1), m.Charset)
}

// date cuts a time stamp to the day.
func (m *Message) date(f Field) chaperone.PHI {
	text := m.value(f).Reveal() // cut here, and hidden again at once
	return chaperone.NewPHI(text[:min(len(text), 8)])
}
