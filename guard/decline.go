package guard

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"time"

	"chaperone"
	"chaperone/format"
	"chaperone/format/hl7"
	"chaperone/policy"
	"chaperone/site"
)

// unwelcome is why a connection is not let in: who it is. It is noted already.
type unwelcome struct {
	reason    policy.Reason
	reference string
	believed  bool   // by a certificate that is believed: only who shows it is nobody here, or stands elsewhere
	observed  bool   // the listener only observes: it is let in all the same
	who       string // whom the certificate names; one that is not believed, only if the site's own authority signed it
}

// unwelcome notes that who connects is not let in, or would not be.
func (c *conn) unwelcome(reason policy.Reason, hint string, from chaperone.Party, believed bool) error {
	u := &unwelcome{reason: reason, believed: believed, observed: c.observes && (believed || !c.secured), who: cmp.Or(from.Proven, from.Claimed)}
	u.reference = c.guard.refused.note(refusal{
		listener: c.listener.name, word: connection, from: from, to: c.to.record(), at: c.guard.now(), said: believed, quiet: believed, observed: u.observed,
		decision: policy.Decision{Reason: reason, Version: c.guard.rules.Load().site.Version, Hint: hint},
	})
	return u
}

func (u *unwelcome) Error() string { return errRefused.Error() + ": " + string(u.reason) }

func (u *unwelcome) Unwrap() error { return errRefused }

// decline ends a connection of a stranger. One whose certificate is believed is told so in the protocol's words, once it has asked:
// it is somebody's device that the site file does not have yet, or that was moved. Nobody is connected to for it, and its first message
// has to be there in time; meanwhile it owes its place to whoever comes. As many are told at once as a full listener says goodbye to,
// each with no more memory than the first room of a message. One that has proved nothing finds its connection closed.
func (c *conn) decline(spec *site.Listener, why error) error {
	var u *unwelcome
	if !errors.As(why, &u) {
		return why
	}
	if c.secured && !u.believed {
		c.guard.metrics.handshake(c.listener.name)
		return why
	}
	if c.guard.metrics.stranger(c.listener.name); !u.believed {
		return why
	}
	defer c.listener.goodbyes.Add(-1)
	if c.listener.goodbyes.Add(1) > mostGoodbyes {
		return why
	}
	if err := c.client.SetDeadline(time.Now().Add(spec.Limits.FirstByte)); err != nil || c.leaving.Load() {
		return why
	}
	switch spec.Protocol {
	case site.DICOM:
		_ = goodbye(c.client, rejectionOf(u.reason)) // it is over anyway
	case site.HL7:
		c.declineHL7(spec, u)
	}
	return why
}

// declineHL7 answers the first message with a refusal, as the listener's rule says: where that holds messages back, the sender keeps
// it by not being answered.
func (c *conn) declineHL7(spec *site.Listener, u *unwelcome) {
	if spec.Refuse == site.Hold {
		return
	}
	message, err := opening(c.client)
	if err != nil {
		return
	}
	m := parse(message, &before{})
	if m.word == "" || m.content.Ack != "" {
		return
	}
	answer := refusalTo(m.first, hl7.Refusal{Error: spec.Refuse == site.Fail, Sender: true, Reason: string(u.reason), Reference: u.reference, ID: "CHAP" + u.reference, Now: c.guard.now()})
	if answer == nil {
		return
	}
	if _, err := c.client.Write(framed(answer)); err == nil {
		linger(c.client)
	}
}

// opening reads a message, of a longer one than the first room holds the segments that are whole in it: who sends it, and what is to be
// answered, stands in its first ones.
func opening(from io.Reader) ([]byte, error) {
	in := frames{from: from, limit: firstRoom}
	list, err := in.next(func(bool) error { return nil })
	if errors.Is(err, format.ErrLimit) {
		begun := bytes.TrimLeft(in.buffer[:in.have], "\r\x0b")
		return begun[:bytes.LastIndexByte(begun, carriage)+1], nil
	}
	if err != nil {
		return nil, err
	}
	return list[0].payload, nil
}
