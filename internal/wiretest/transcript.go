package wiretest

import (
	"fmt"
	"strings"

	"chaperone"
	"chaperone/wire"
)

var roles = map[wire.Role]string{wire.Push: "push", wire.Query: "query", wire.Reply: "reply", wire.Move: "move", wire.Control: "control"}

// Transcript writes down what a protocol says about turns, for tables: a line for each message in the order of their
// heads, then the number of malformed events if there were any.
//
//	C-STORE push MODALITY>PACS delivered 0000: {ISSUER=NUMBER NAME}
//
// Broken promises are lines, too.
func Transcript(p wire.Protocol, midstream bool, turns ...Turn) []string {
	tr := play(p.New(wire.DefaultLimits, midstream), turns)
	var lines []string
	for seq := uint64(1); seq <= uint64(len(tr.messages)); seq++ {
		s := tr.messages[seq]
		if s == nil {
			lines = append(lines, "a number is missing")
			continue
		}
		line := fmt.Sprintf("%s %s %s>%s %s", s.last.Action, roles[s.last.Role], s.last.From, s.last.To, s.last.Outcome)
		if s.last.Status != "" {
			line += " " + s.last.Status
		}
		if s.last.Everybody {
			line += " everybody"
		}
		if len(s.records) > 0 {
			line += ":"
		}
		for _, r := range s.records {
			line += " {" + brief(r) + "}"
		}
		for _, m := range s.merges {
			line += fmt.Sprintf(" merge %d %d undo %t", len(m.Survivor), len(m.Prior), m.Undo)
		}
		lines = append(lines, line)
	}
	for _, f := range tr.facts {
		lines = append(lines, describeFacts([]wire.Fact{f}))
	}
	if tr.malformed > 0 {
		lines = append(lines, fmt.Sprintf("malformed %d", tr.malformed))
	}
	return append(lines, tr.broken...)
}

// brief shows a record: its numbers, alternates in brackets, its name. The people are invented.
func brief(r chaperone.Record) string {
	var parts []string
	number := func(id chaperone.Identifier) string {
		if a := id.Authority.Reveal(); a != "" {
			return a + "=" + id.Value.Reveal()
		}
		return id.Value.Reveal()
	}
	for _, id := range r.Identifiers {
		parts = append(parts, number(id))
	}
	for _, id := range r.Alternates {
		parts = append(parts, "("+number(id)+")")
	}
	if !r.Name.Empty() {
		parts = append(parts, r.Name.Reveal())
	}
	return strings.Join(parts, " ")
}
