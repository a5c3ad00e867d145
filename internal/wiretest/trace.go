package wiretest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"chaperone"
	"chaperone/wire"
)

// seen is everything a session said about one message, however its bytes were cut: all but the Body events and where
// events lie. Two sessions said the same when their seens are equal.
type seen struct {
	fixed   string // from Head on: what it is, between whom, where it starts
	stages  string // H, T, A
	final   string // as of the last event
	records []string
	merges  []string
	role    wire.Role
	dir     wire.Dir
	start   int64
}

func (s seen) String() string {
	return fmt.Sprintf("%s %s %s\n\trecords %s\n\tmerges %s", s.fixed, s.stages, s.final, strings.Join(s.records, "; "), strings.Join(s.merges, "; "))
}

// trace collects what a session says and checks the promises that hold for every event.
type trace struct {
	messages  map[uint64]*seen
	malformed int
	errs      []error // of malformed events
	fed, end  [2]int64
	broken    []string // promises that were broken, the first few
	watch     func(wire.Event)
}

func newTrace() *trace { return &trace{messages: map[uint64]*seen{}} }

func (t *trace) clone() *trace {
	c := *t
	c.messages = map[uint64]*seen{}
	for seq, m := range t.messages {
		copied := *m
		copied.records, copied.merges = slices.Clone(m.records), slices.Clone(m.merges)
		c.messages[seq] = &copied
	}
	c.errs, c.broken = slices.Clone(t.errs), slices.Clone(t.broken)
	return &c
}

func (t *trace) feed(s wire.Session, turn Turn, at chaperone.Mark) {
	if turn.Gap > 0 {
		t.fed[turn.Dir] += turn.Gap
		t.take(s.Gap(turn.Dir, turn.Gap, at))
		return
	}
	t.fed[turn.Dir] += int64(len(turn.Bytes))
	t.take(s.Feed(turn.Dir, turn.Bytes, at))
}

func (t *trace) close(s wire.Session, at chaperone.Mark) {
	t.take(s.Close(at))
	for seq, m := range t.messages {
		want := "HTA"
		if m.role == wire.Control {
			want = "HT"
		}
		if !strings.HasPrefix(m.stages, want) {
			t.breaks("message %d passed the stages %s until Close, want %s", seq, m.stages, want)
		}
	}
}

func (t *trace) breaks(format string, args ...any) {
	if len(t.broken) < 3 {
		t.broken = append(t.broken, fmt.Sprintf(format, args...))
	}
}

// report fails a test for the promises that were broken; how says what was done to the conversation.
func (t *trace) report(tb testing.TB, how string) bool {
	for _, b := range t.broken {
		tb.Errorf("%s: %s", how, b)
	}
	return len(t.broken) == 0
}

func (t *trace) take(events []wire.Event) {
	for _, e := range events {
		if e.End > t.fed[e.Dir] || e.End < t.end[e.Dir] {
			t.breaks("event of stage %d ends at %d, want it between %d and %d", e.Stage, e.End, t.end[e.Dir], t.fed[e.Dir])
		}
		t.end[e.Dir] = max(t.end[e.Dir], e.End)
		if t.watch != nil {
			t.watch(e)
		}
		if e.Stage == wire.Malformed {
			t.malformed++
			t.errs = append(t.errs, e.Err)
			if e.Err == nil {
				t.breaks("a malformed event without an error")
			}
			continue
		}
		t.message(e)
	}
}

func (t *trace) message(e wire.Event) {
	m := e.Message
	if m == nil {
		t.breaks("event of stage %d without a message", e.Stage)
		return
	}
	fixed := fmt.Sprintf("%d %s role %d dir %d data %d from %q to %q for %q start %d in turn %d", m.Seq, m.Action, m.Role, m.Dir, m.Data,
		m.From, m.To, m.Requester, m.Start, m.At.Packet)
	s := t.messages[m.Seq]
	if s == nil {
		s = &seen{fixed: fixed, role: m.Role, dir: m.Dir, start: m.Start}
		t.messages[m.Seq] = s
	}
	if s.fixed != fixed {
		t.breaks("message changed behind its head: from %s to %s", s.fixed, fixed)
	}
	s.stage(t, m.Seq, e.Stage)
	for _, r := range e.Records {
		s.records = append(s.records, describe(r))
	}
	for _, merge := range e.Merges {
		s.merges = append(s.merges, fmt.Sprint(identifiers(merge.Survivor), identifiers(merge.Prior), merge.Undo))
	}
	s.final = fmt.Sprintf("bytes %d ended %t %s %q study %q digest %x", m.Bytes, m.Ended, m.Outcome, m.Status, m.Study.Reveal(), m.Digest[:4])
	if r := m.Retrieve; r != nil {
		s.final += fmt.Sprintf(" retrieve %d %q %q %d %d", r.ID, r.Originator, r.Destination, r.Completed, r.Failed)
		for _, k := range r.Keys {
			s.final += " " + describe(k)
		}
	}
}

// stage checks the order Head, Body*, Tail, at most one Answer.
func (s *seen) stage(t *trace, seq uint64, stage wire.Stage) {
	letter := map[wire.Stage]string{wire.Head: "H", wire.Body: "", wire.Tail: "T", wire.Answer: "A"}[stage]
	want := map[string]string{"H": "", "": "H", "T": "H", "A": "HT"}[letter]
	if s.stages != want {
		t.breaks("message %d (%s): stage %d came after %q", seq, s.fixed, stage, s.stages)
	}
	s.stages += letter
}

// describe reveals a record: the conversations are invented, and equal records must be seen to be equal.
func describe(r chaperone.Record) string {
	return fmt.Sprintf("%s alt %s name %q birth %q sex %q study %q", identifiers(r.Identifiers), identifiers(r.Alternates),
		r.Name.Reveal(), r.Birth.Reveal(), r.Sex.Reveal(), r.Study.Reveal())
}

func identifiers(list []chaperone.Identifier) string {
	var b strings.Builder
	for _, id := range list {
		fmt.Fprintf(&b, "{%s %q %q}", id.Kind, id.Authority.Reveal(), id.Value.Reveal())
	}
	return b.String()
}

// differs says in which message two traces differ first, "" when they are the same.
func (t *trace) differs(want *trace) string {
	if t.malformed != want.malformed {
		return fmt.Sprintf("got %d malformed events, want %d\ngot  %v\nwant %v", t.malformed, want.malformed, t.errs, want.errs)
	}
	for _, seq := range slices.Sorted(maps.Keys(want.messages)) {
		if t.messages[seq] == nil {
			return fmt.Sprintf("no message %d, want %s", seq, want.messages[seq])
		}
		if got, want := t.messages[seq].String(), want.messages[seq].String(); got != want {
			return fmt.Sprintf("got  %s\nwant %s", got, want)
		}
	}
	if len(t.messages) != len(want.messages) {
		return fmt.Sprintf("got %d messages, want %d", len(t.messages), len(want.messages))
	}
	return ""
}
