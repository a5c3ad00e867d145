package guard

import (
	"bytes"
	"errors"
	"io"
	"time"

	"chaperone/format"
	"chaperone/format/hl7"
	"chaperone/policy"
	"chaperone/site"
)

// unwelcome is why a connection is not let in: who it is. It is noted already.
type unwelcome struct {
	reason    policy.Reason
	reference string
	believed  bool // by a certificate that is believed: only who shows it is nobody here, or stands elsewhere
}

func (u *unwelcome) Error() string { return errRefused.Error() + ": " + string(u.reason) }

func (u *unwelcome) Unwrap() error { return errRefused }

// decline ends a connection of a stranger. One whose certificate is believed is told so in the protocol's words, once it has asked:
// it is somebody's device that the site file does not have yet, or that was moved. Nobody is connected to for it, and its first message
// has to be there in time; meanwhile it owes its place to whoever comes. As many are told at once as a full listener says goodbye to,
// each with no more memory than the first room of a message. One that has proved nothing finds its connection closed.
func (c *conn) decline(spec *site.Listener, why error) error {
	var u *unwelcome
	if !errors.As(why, &u) || !u.believed {
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
	answer := refusalTo(m.first, hl7.Refusal{Error: spec.Refuse == site.Fail, Reason: string(u.reason), Reference: u.reference, ID: "CHAP" + u.reference, Now: c.guard.now()})
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
