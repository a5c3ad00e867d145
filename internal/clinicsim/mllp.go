package clinicsim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// hl7Writer writes segments; rand decides between spellings.
type hl7Writer struct {
	rand *rand.Rand
}

// outgoing is a message that is ready to be sent, and what it discloses.
type outgoing struct {
	head    Header
	bytes   []byte
	records []Record
	merges  []Merge
}

func (o outgoing) action() string {
	kind, rest, _ := strings.Cut(o.head.Type, "^")
	trigger, _, _ := strings.Cut(rest, "^")
	return kind + "^" + trigger
}

// link is one MLLP connection of the day.
type link struct {
	hl7Writer
	day            *day
	flow           *flow
	wait           func(time.Duration)
	client, server Host
	control        int
}

func (d *day) link(r *rand.Rand, wait func(time.Duration), at time.Duration, client, server Host, port uint16) *link {
	l := &link{hl7Writer: hl7Writer{r}, day: d, wait: wait, client: client, server: server}
	l.flow = d.net.open(r, at, client.Addr, server.Addr, port)
	return l
}

// until lets time pass.
func (l *link) until(t time.Duration) {
	l.flow.at(t)
	l.wait(l.flow.now)
}

// message makes a message from the client. Its head needs a type only.
func (l *link) message(h Header, segments []string, records []Record, merges []Merge) outgoing {
	h.From, h.To = l.client.Name+"|CLINIC", l.server.Name+"|CLINIC"
	h.Time = l.day.clock(l.flow.now)
	if h.Control == "" {
		if !one(l.rand, 40) { // now and then a sender uses a control ID again
			l.control++
		}
		h.Control = fmt.Sprintf("%s%05d", l.client.Name, l.control)
	}
	h.Charset = l.charset(segments)
	return outgoing{h, Message(h, segments...), records, merges}
}

func (l *link) charset(segments []string) string {
	need := widest(segments...)
	if need == Latin1 && one(l.rand, 2) {
		return UTF8
	}
	return need
}

// push sends messages from the client, together in one write, and their acknowledgements.
func (l *link) push(code string, list ...outgoing) {
	var frames []byte
	for _, o := range list {
		frames = append(frames, Frame(o.bytes)...)
	}
	l.pushed(frames, code, list)
}

// pushBatch sends messages in one frame.
func (l *link) pushBatch(code string, list ...outgoing) {
	var messages [][]byte
	for _, o := range list {
		messages = append(messages, o.bytes)
	}
	l.pushed(Frame(Batch(list[0].head, messages...)), code, list)
}

func (l *link) pushed(frames []byte, code string, list []outgoing) {
	at := l.flow.now
	l.flow.Send(FromClient, frames)
	var acks []byte
	for _, o := range list {
		l.disclosed(at, FromClient, o, outcomes[code])
		acks = append(acks, Frame(Ack(o.head, code, fmt.Sprintf("%s%s", l.server.Name, o.head.Control)))...)
		l.day.tally.truth.HL7Acks++
	}
	l.flow.Send(FromServer, acks)
	l.wait(l.flow.now)
}

var outcomes = map[string]string{"AA": "delivered", "CA": "delivered", "AE": "refused", "AR": "refused"}

// ask sends a query from the client and the response that answer makes for it.
func (l *link) ask(query outgoing, reply outgoing) {
	at := l.flow.now
	l.flow.Send(FromClient, Frame(query.bytes))
	l.disclosed(at, FromClient, query, "delivered")
	at = l.flow.now
	l.flow.Send(FromServer, Frame(reply.bytes))
	l.disclosed(at, FromServer, reply, "unknown") // nobody acknowledges a response
	l.wait(l.flow.now)
}

// disclosed enters a message into the books.
func (l *link) disclosed(at time.Duration, dir Dir, o outgoing, outcome string) {
	l.day.tally.truth.HL7Messages++
	if len(o.records) == 0 {
		return
	}
	d := Disclosure{
		Time: l.day.net.begin.Add(at), Protocol: "hl7", Action: o.action(), Outcome: outcome, Records: o.records, Merges: o.merges,
		From: l.client.Addr.String(), To: l.server.Addr.String(),
	}
	if dir == FromServer { // the client asked, and the data flows back
		d.From, d.To = d.To, d.From
		d.RequestedBy = d.To
	}
	l.day.tally.disclose(d)
}
