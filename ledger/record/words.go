package record

import (
	"chaperone"
	"chaperone/ledger"
)

// The functions of this file turn texts into words and back. word gives the number of a text, which is neither empty nor
// longer than a word may be; words gives the text of a number above 0, and "" of an unknown one.

// WayOf gives the way of a disclosure, which Fits.
func WayOf(d *chaperone.Disclosure, word func(string) uint32) Way {
	w := Way{
		From:       sideOf(&d.From, word),
		To:         sideOf(&d.To, word),
		Protocol:   wordOf(string(d.Protocol), word),
		Action:     wordOf(d.Action, word),
		Protection: uint8(max(index(protections[:], d.Protection), 0)),
	}
	if d.RequestedBy != nil {
		w.Requested, w.Requester = true, sideOf(d.RequestedBy, word)
	}
	return w
}

// DisclosureOf gives what is to be recorded of a disclosure. numbers are strictly ascending and are not copied.
func DisclosureOf(d *chaperone.Disclosure, way uint32, numbers []ledger.Number, word func(string) uint32) Disclosure {
	r := Disclosure{
		ID: d.ID, Time: d.Time, Way: way,
		FromPort: d.From.Port, ToPort: d.To.Port,
		Outcome: d.Outcome, Unseen: d.Unseen,
		Unidentified: d.Unidentified, Records: d.Records, Bytes: d.Bytes,
		Evidence: evidenceOf(&d.Evidence, word), Numbers: numbers,
	}
	if d.RequestedBy != nil {
		r.RequesterPort = d.RequestedBy.Port
	}
	return r
}

// Spell gives the disclosure with its words written out, without patients.
func (d *Disclosure) Spell(w *Way, words func(uint32) string) chaperone.Disclosure {
	s := chaperone.Disclosure{
		ID: d.ID, Time: d.Time,
		Protocol: chaperone.Protocol(text(w.Protocol, words)), Action: text(w.Action, words),
		From: w.From.Spell(d.FromPort, words), To: w.To.Spell(d.ToPort, words),
		Unidentified: d.Unidentified, Records: d.Records, Bytes: d.Bytes,
		Protection: w.Protected(), Outcome: d.Outcome, Unseen: d.Unseen,
		Evidence: d.Evidence.Spell(words),
	}
	if w.Requested {
		requester := w.Requester.Spell(d.RequesterPort, words)
		s.RequestedBy = &requester
	}
	return s
}

// Protected gives how the exchanges of a way are protected.
func (w *Way) Protected() chaperone.Protection {
	if int(w.Protection) < len(protections) {
		return protections[w.Protection]
	}
	return ""
}

// FindingOf gives what is to be recorded of a finding.
func FindingOf(f *chaperone.Finding, word func(string) uint32) Finding {
	return Finding{
		Rule: wordOf(f.Rule, word), Technique: wordOf(f.Technique, word), Title: wordOf(f.Title, word),
		Advice: wordOf(f.Advice, word), Account: wordOf(f.Account, word),
		Severity: f.Severity,
		From:     sideOf(&f.From, word), To: sideOf(&f.To, word), FromPort: f.From.Port, ToPort: f.To.Port,
		First: f.First, Last: f.Last, Count: f.Count, Bytes: f.Bytes, Evidence: evidenceOf(&f.Evidence, word),
	}
}

// Spell gives the finding with its words written out.
func (f *Finding) Spell(words func(uint32) string) chaperone.Finding {
	return chaperone.Finding{
		Rule: text(f.Rule, words), Severity: f.Severity, Technique: text(f.Technique, words),
		Title: text(f.Title, words), Advice: text(f.Advice, words),
		From: f.From.Spell(f.FromPort, words), To: f.To.Spell(f.ToPort, words), Account: text(f.Account, words),
		First: f.First, Last: f.Last, Count: f.Count, Bytes: f.Bytes, Evidence: f.Evidence.Spell(words),
	}
}

// NoteOf gives what is to be recorded of a note.
func NoteOf(n *ledger.Note, word func(string) uint32) Note {
	return Note{ID: n.ID, Kind: n.Kind, At: n.At, Text: wordOf(n.Text, word), Seen: n.Seen, Day: n.Day}
}

// Spell gives the note with its text written out.
func (n *Note) Spell(words func(uint32) string) ledger.Note {
	return ledger.Note{ID: n.ID, Kind: n.Kind, At: n.At, Text: text(n.Text, words), Seen: n.Seen, Day: n.Day}
}

// Spell gives the party behind a side, with a port.
func (s *Side) Spell(port uint16, words func(uint32) string) chaperone.Party {
	return chaperone.Party{
		Proven: text(s.Proven, words), Addr: s.Addr, Port: port, Claimed: text(s.Claimed, words),
	}
}

// Spell gives the evidence with its file's name.
func (e *Evidence) Spell(words func(uint32) string) chaperone.Evidence {
	return chaperone.Evidence{File: text(e.File, words), Packet: e.Packet, Record: e.Record, Offset: e.Offset}
}

func sideOf(p *chaperone.Party, word func(string) uint32) Side {
	return Side{Proven: wordOf(p.Proven, word), Claimed: wordOf(p.Claimed, word), Addr: p.Addr}
}

func evidenceOf(e *chaperone.Evidence, word func(string) uint32) Evidence {
	return Evidence{File: wordOf(e.File, word), Packet: e.Packet, Record: e.Record, Offset: e.Offset}
}

func wordOf(s string, word func(string) uint32) uint32 {
	if s == "" {
		return 0
	}
	return word(ledger.Cut(s))
}

func text(n uint32, words func(uint32) string) string {
	if n == 0 {
		return ""
	}
	return words(n)
}
