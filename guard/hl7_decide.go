package guard

import (
	"bytes"
	"time"

	"chaperone/policy"
	"chaperone/wire"
)

// Commit acknowledgements of MLLP release 2 are one byte, and carry nothing.
const (
	commitACK = 0x06
	commitNAK = 0x15
)

func isCommit(payload []byte) bool {
	return len(payload) == 1 && (payload[0] == commitACK || payload[0] == commitNAK)
}

// decide judges one frame of a direction, which came at a time.
func (h *hl7Conn) decide(j *judge, f frame, d wire.Dir, now time.Time) (verdict, *message) {
	if isCommit(f.payload) {
		return verdict{Decision: policy.Decision{Permit: true, Reason: control}}, nil
	}
	m := parse(f.payload, &j.before)
	if d == wire.FromServer {
		h.asked.answeredBy(m)
	}
	r := h.guard.rules.Load()
	var x struct { // one piece of memory
		wish
		client, from, to side
		claim            [1]string
	}
	x.client = h.from.in(r)
	x.from, x.to = x.client, h.to.in(r)
	if d == wire.FromServer {
		x.from, x.to = x.to, x.from
	}
	x.from.claimed, x.to.claimed = m.content.From, m.content.To
	w := &x.wish
	*w = wish{
		action: policy.Send, word: m.word, detail: m.word, client: &x.client, from: &x.from, to: &x.to,
		records: m.content.Records, merges: m.content.Merges, bytes: int64(len(f.raw)), offset: f.offset,
	}
	x.claim[0] = m.content.From
	if m.bears() && m.err == nil && r.policy.AsksWards() {
		if sound(func() error { w.wards = wardsIn(f.payload); return nil }) != nil {
			w.wards = nil
		}
	}
	if m.err != nil {
		if harmless(f.payload) {
			return verdict{Decision: policy.Decision{Permit: true, Reason: control}}, m
		}
		if m.word == "" && d == wire.FromClient {
			w.word = connection // which ends with it
		}
		return j.refuse(r, w, policy.Decision{Reason: ambiguous, Hint: m.err.Error()}), m
	}
	switch {
	case !m.bears() && (m.role == wire.Control || m.role == wire.Reply && d == wire.FromServer):
		return verdict{Decision: policy.Decision{Permit: true, Reason: control}}, m
	case d == wire.FromServer && !m.bears():
		w.client, w.claims = &x.from, x.claim[:] // who acts is the system behind the guard
		if m.query {                             // whom the answer shows is not decided by what that may see: no right for a ward is enough
			w.action, w.asked, w.from, w.to = policy.Ask, true, &x.to, &x.from
			w.everybody = m.nobody
		}
	case d == wire.FromServer:
		w.action, w.asked = policy.Ask, true
		q, fresh := together(m)
		if q == nil {
			w.action = policy.Send // it is the system behind the guard that sends it
			return j.refuse(r, w, policy.Decision{Reason: unasked, Hint: "Only what was asked for on the same connection is passed on, once."}), m
		}
		if fresh == 0 { // of whom the messages brought, and on record with them
			return verdict{Decision: policy.Decision{Permit: true, Reason: control}}, m
		}
		if m.again { // each has one record, of somebody
			w.records = w.records[:fresh]
		}
		if q.push {
			w.action = policy.Send
		}
		w.detail, w.most, w.echo, w.again = q.word, q.named, q.echo(), m.again
	case m.query:
		w.records = nil // of whom it asks for: the answer brings them
		w.action, w.asked, w.from, w.to = policy.Ask, true, &x.to, &x.from
		w.everybody, w.later = m.nobody, true
		w.claims = x.claim[:]
	default:
		w.claims = x.claim[:]
	}
	return j.decide(r, w, now), m
}

// harmless reports whether an answer of an old system, which is not in the strict grammar, can bear no patient: there are only
// segments that say what became of a message.
func harmless(payload []byte) bool {
	const most = 4 << 10
	if len(payload) > most || !bytes.HasPrefix(payload, []byte("MSH")) {
		return false
	}
	answers := false
	for line := range bytes.FieldsFuncSeq(payload, func(c rune) bool { return c == '\r' || c == '\n' }) {
		name := string(line[:min(3, len(line))])
		switch {
		case len(line) > 3 && alphanumeric(line[3]):
			return false
		case name == "MSA":
			answers = true
		case name != "MSH" && name != "ERR" && name != "SFT":
			return false
		}
	}
	for _, name := range []string{"PID", "MRG"} {
		if bytes.Contains(bytes.ToUpper(payload), []byte(name)) {
			return false
		}
	}
	return answers
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
