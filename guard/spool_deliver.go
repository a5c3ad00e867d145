package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"chaperone"
	"chaperone/guard/spool"
	"chaperone/policy"
	"chaperone/site"
)

// mostBackOff bounds how long a system that is away is not tried again.
const mostBackOff = 30 * time.Second

// delivery is the delivering of one spool: one message at a time, in their order.
type delivery struct {
	*spooler
	up *reached
	at site.Upstream // where that is
	in frames
	to *sending // of objects: the association on it
	// done is the number of a message that its receiver has and that is still in the spool, because the disk did not take it: it is
	// not sent again.
	done uint64
}

// deliverAll delivers what is kept, until the context ends.
func (k *spooler) deliverAll(ctx context.Context) {
	d := &delivery{spooler: k}
	defer d.hangUp()
	wait := time.Duration(0) // a connection that broke is made again at once, the first time
	for ctx.Err() == nil {
		kept, err := k.spool.Peek()
		if damage := new(spool.Damage); errors.As(err, &damage) {
			k.damaged(err)
			return
		}
		if err == nil && kept == nil {
			d.hangUp()
			k.ended()
			select {
			case <-ctx.Done():
			case <-k.spool.Added():
			}
			continue
		}
		if err == nil {
			err = d.deliver(ctx, kept)
		}
		if err == nil {
			wait = 0
			continue
		}
		d.hangUp()
		k.news.away.note(k, "what is kept cannot be delivered; it is tried again", err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(max(2*wait, k.guard.pace.retry), mostBackOff)
	}
}

func (d *delivery) hangUp() {
	if d.to != nil {
		d.to.end()
		d.to = nil
	}
	if d.up != nil {
		_ = d.up.Close() // nothing is owed on it
		d.up = nil
	}
}

// errElsewhere says that the listener is not there.
var errElsewhere = errors.New("the site file does not name the listener any more")

// deliver sends a message and waits for what its receiver says. Without an answer it stays where it is, and is sent again.
func (d *delivery) deliver(ctx context.Context, m *spool.Kept) error {
	if d.done == m.Number {
		return d.spool.Delivered(m.Number)
	}
	spec, isObject := d.spec(), m.Object != spool.ObjectID{}
	switch {
	case spec == nil:
		return errElsewhere
	case isObject != (spec.Protocol == site.DICOM):
		return d.reject(m, "the listener has another protocol now")
	case spec.Upstream.Party != m.To: // it was decided that another may have it
		return d.reject(m, "now for "+spec.Upstream.Party)
	}
	give := d.message
	if isObject {
		give = d.object
	}
	refused, err := give(ctx, m, spec)
	switch {
	case err != nil:
		return err
	case refused != "":
		return d.reject(m, refused)
	}
	d.done = m.Number
	return d.spool.Delivered(m.Number)
}

// message sends a message of HL7. refused is what its receiver answers, "" when it has it.
func (d *delivery) message(ctx context.Context, m *spool.Kept, spec *site.Listener) (refused string, err error) {
	if err := d.reach(ctx, spec); err != nil {
		return "", err
	}
	up := d.up
	stop := context.AfterFunc(ctx, func() { _ = up.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := d.up.SetDeadline(time.Now().Add(spec.Limits.InMessage)); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil { // its end may have come before the deadline
		return "", err
	}
	if _, err := d.up.Write(m.Message); err != nil {
		return "", fmt.Errorf("the system behind it: %w", err)
	}
	code, err := d.answer(m)
	if err != nil {
		return "", fmt.Errorf("the system behind it did not answer: %w", err)
	}
	if code == "" || code == "AA" || code == "CA" {
		return "", nil
	}
	return codeOf(code), nil
}

// answer waits until every message of a frame is answered: "" when no answer will come, else the worst of them.
func (d *delivery) answer(m *spool.Kept) (worst string, err error) {
	if !m.Awaited {
		return "", nil
	}
	owed := map[string]bool{}
	for _, id := range m.IDs {
		owed[id] = true
	}
	for len(owed) > 0 {
		list, err := d.in.next(func(bool) error { return nil })
		if err != nil {
			return "", err
		}
		for _, f := range list { // what answers nothing of it, nobody waits for here
			code, id := answerIn(f.payload)
			if code == "" || !owed[id] {
				continue
			}
			delete(owed, id)
			if worst == "" || worst == "AA" || worst == "CA" {
				worst = code
			}
		}
	}
	return worst, nil
}

// reach connects, unless there is a connection to where the site file says, and insists that who is there is still believed.
func (d *delivery) reach(ctx context.Context, spec *site.Listener) error {
	if d.at != spec.Upstream {
		d.hangUp()
	}
	if d.up == nil {
		up, err := d.guard.reach(ctx, spec, func(net.Conn) error { return nil })
		if bad := new(unproven); errors.As(err, &bad) {
			d.guard.refused.note(refusal{
				listener: d.name, word: "connection", to: chaperone.Party{Claimed: bad.party}, at: d.guard.now(),
				decision: policy.Decision{Reason: reasonOf(bad.err), Version: d.guard.rules.Load().site.Version,
					Hint: "The system behind the listener has to prove to be " + bad.party + ": see chaperone enroll list."},
			})
		}
		if err != nil {
			d.gone.note()
			return err
		}
		d.up, d.at, d.in = up, spec.Upstream, frames{from: up, limit: int(spec.Limits.Message)}
	}
	return d.believed()
}

// believed insists that the proof of who is there holds.
func (d *delivery) believed() error {
	if p := d.up.proof; p != nil {
		if _, err := d.guard.trust.Load().CheckServer(&p.state, p.party, p.host, d.guard.now()); err != nil {
			return &unproven{p.party, err}
		}
	}
	return nil
}

// reject keeps apart what its receiver does not take, so that the next ones come through.
func (d *delivery) reject(m *spool.Kept, answer string) error {
	path, err := d.spool.Reject(m.Number, answer)
	if err != nil {
		return err
	}
	d.news.rejected.Add(1)
	d.news.apart.Add(1)
	d.guard.metrics.spoolRejected(d.name)
	d.guard.log.Error("kept apart: the system behind the listener does not take it", "listener", d.name, "answer", answer, "file", path)
	return nil
}

// codeOf gives an acknowledgement code of HL7 table 0008 as it is, and none of the text that some system has in its place: it goes into
// the log.
func codeOf(code string) string {
	switch code {
	case "AE", "AR", "CE", "CR":
		return code
	}
	return "no code of HL7 table 0008"
}

// answerIn gives the code and the control ID (MSA-1 and MSA-2) of an answer, "" of another message. Old systems' answers are read too:
// whatever they pass is not passed on to anybody.
func answerIn(payload []byte) (code, id string) {
	const most = 64 << 10
	payload = payload[:min(len(payload), most)]
	if len(payload) < 4 || !bytes.HasPrefix(payload, []byte("MSH")) {
		return "", ""
	}
	for line := range bytes.FieldsFuncSeq(payload, func(c rune) bool { return c == '\r' || c == '\n' }) {
		if rest, ok := bytes.CutPrefix(line, []byte("MSA")); ok && len(rest) > 0 && rest[0] == payload[3] {
			f := strings.Split(string(rest), string(payload[3:4]))
			if len(f) > 2 {
				id = f[2]
			}
			return f[1], id
		}
	}
	return "", ""
}
