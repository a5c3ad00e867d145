package wiretest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"chaperone"
	"chaperone/wire"
)

// seen is everything a session said about one message, however its bytes were cut: all but the Body events and where
// events lie. Two sessions said the same when their seens are equal.
type seen struct {
	head    fixed
	stages  string // H, T, A
	last    wire.Message
	records []chaperone.Record
	merges  []chaperone.Merge
}

// fixed is what a message says of itself from Head on.
type fixed struct {
	Seq                 uint64
	Action              string
	Role                wire.Role
	Dir, Data           wire.Dir
	From, To, Requester string
	Everybody           bool
	Start, Turn         int64
}

func (s *seen) String() string {
	m := s.last
	out := fmt.Sprintf("%+v %s bytes %d ended %t %s %q study %q digest %x", s.head, s.stages, m.Bytes, m.Ended, m.Outcome, m.Status,
		m.Study.Reveal(), m.Digest[:4])
	if r := m.Retrieve; r != nil {
		out += fmt.Sprintf(" retrieve %d %q %q %d %d keys %s", r.ID, r.Originator, r.Destination, r.Completed, r.Failed, describe(r.Keys))
	}
	return out + "\n\trecords " + describe(s.records) + "\n\tmerges " + describeMerges(s.merges)
}

// same compares without writing anything down: it is what the suite does most.
func (s *seen) same(o *seen) bool {
	a, b := s.last, o.last
	if s.head != o.head || s.stages != o.stages || a.Bytes != b.Bytes || a.Ended != b.Ended || a.Outcome != b.Outcome || a.Status != b.Status ||
		a.Study.Reveal() != b.Study.Reveal() || a.Digest != b.Digest || (a.Retrieve == nil) != (b.Retrieve == nil) {
		return false
	}
	if r, q := a.Retrieve, b.Retrieve; r != nil && (r.ID != q.ID || r.Originator != q.Originator || r.Destination != q.Destination ||
		r.Completed != q.Completed || r.Failed != q.Failed || !slices.EqualFunc(r.Keys, q.Keys, sameRecord)) {
		return false
	}
	return slices.EqualFunc(s.records, o.records, sameRecord) && slices.EqualFunc(s.merges, o.merges, func(a, b chaperone.Merge) bool {
		return slices.EqualFunc(a.Survivor, b.Survivor, sameIdentifier) && slices.EqualFunc(a.Prior, b.Prior, sameIdentifier) && a.Undo == b.Undo
	})
}

func sameRecord(a, b chaperone.Record) bool {
	return a.Name.Reveal() == b.Name.Reveal() && a.Birth.Reveal() == b.Birth.Reveal() && a.Sex.Reveal() == b.Sex.Reveal() &&
		a.Study.Reveal() == b.Study.Reveal() && slices.EqualFunc(a.Identifiers, b.Identifiers, sameIdentifier) &&
		slices.EqualFunc(a.Alternates, b.Alternates, sameIdentifier)
}

func sameIdentifier(a, b chaperone.Identifier) bool {
	return a.Kind == b.Kind && a.Authority.Reveal() == b.Authority.Reveal() && a.Value.Reveal() == b.Value.Reveal()
}

// trace collects what a session says and checks the promises that hold for every event.
type trace struct {
	messages  map[uint64]*seen
	facts     []wire.Fact
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
	c.errs, c.broken, c.facts = slices.Clone(t.errs), slices.Clone(t.broken), slices.Clone(t.facts)
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
		if m.head.Role == wire.Control {
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
		if e.Stage == wire.Noted {
			t.facts = append(t.facts, e.Fact)
			if e.Fact == nil || e.Message != nil {
				t.breaks("a noted event has a message or no fact")
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
	head := fixed{m.Seq, m.Action, m.Role, m.Dir, m.Data, m.From, m.To, m.Requester, m.Everybody, m.Start, m.At.Packet}
	s := t.messages[m.Seq]
	if s == nil {
		s = &seen{head: head}
		t.messages[m.Seq] = s
	}
	if s.head != head {
		t.breaks("message changed behind its head: from %+v to %+v", s.head, head)
	}
	s.stage(t, e.Stage)
	s.records = append(s.records, e.Records...)
	s.merges = append(s.merges, e.Merges...)
	s.last = *m
	if m.Retrieve != nil {
		retrieve := *m.Retrieve
		s.last.Retrieve = &retrieve
	}
}

// stage checks the order Head, Body*, Tail, at most one Answer.
func (s *seen) stage(t *trace, stage wire.Stage) {
	want, next := "H", "H"
	switch stage {
	case wire.Head:
		want = ""
	case wire.Tail:
		next = "HT"
	case wire.Answer:
		want, next = "HT", "HTA"
	}
	if s.stages != want {
		t.breaks("message %+v: stage %d came after %q", s.head, stage, s.stages)
	}
	if len(next) > len(s.stages) {
		s.stages = next
	}
}

// describeFacts shows the first few facts.
func describeFacts(facts []wire.Fact) string {
	var b strings.Builder
	for _, f := range facts[:min(3, len(facts))] {
		text, _ := json.Marshal(f)
		fmt.Fprintf(&b, "%T%s; ", f, text)
	}
	return b.String()
}

// describe reveals records: the conversations are invented, and equal records must be seen to be equal.
func describe(records []chaperone.Record) string {
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "%s alt %s name %q birth %q sex %q study %q; ", identifiers(r.Identifiers), identifiers(r.Alternates),
			r.Name.Reveal(), r.Birth.Reveal(), r.Sex.Reveal(), r.Study.Reveal())
	}
	return b.String()
}

func describeMerges(merges []chaperone.Merge) string {
	var b strings.Builder
	for _, m := range merges {
		fmt.Fprintf(&b, "%s and %s undo %t; ", identifiers(m.Survivor), identifiers(m.Prior), m.Undo)
	}
	return b.String()
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
	for i := range max(len(t.facts), len(want.facts)) {
		if i >= len(t.facts) || i >= len(want.facts) || !reflect.DeepEqual(t.facts[i], want.facts[i]) {
			return fmt.Sprintf("fact %d differs\ngot  %s\nwant %s", i, describeFacts(t.facts[min(i, len(t.facts)):]), describeFacts(want.facts[min(i, len(want.facts)):]))
		}
	}
	for seq := uint64(1); seq <= uint64(len(want.messages)); seq++ { // numbered from 1, without holes
		if want.messages[seq] == nil {
			return fmt.Sprintf("no message %d among %d", seq, len(want.messages))
		}
		if t.messages[seq] == nil {
			return fmt.Sprintf("no message %d, want %s", seq, want.messages[seq])
		}
		if got, want := t.messages[seq], want.messages[seq]; !got.same(want) {
			return fmt.Sprintf("got  %s\nwant %s", got, want)
		}
	}
	if len(t.messages) != len(want.messages) {
		return fmt.Sprintf("got %d messages, want %d", len(t.messages), len(want.messages))
	}
	return ""
}
