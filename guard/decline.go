package guard

import (
	"errors"
	"fmt"
	"time"

	"chaperone/format/hl7"
	"chaperone/policy"
	"chaperone/site"
)

// unwelcome is why a connection is not let in: who it is. It is noted already.
type unwelcome struct {
	reason    policy.Reason
	reference string
	believed  bool   // by a certificate that is believed: only who shows it is nobody here, or stands elsewhere
	who       string // whom the certificate names, "" when that is not proven
}

func (u *unwelcome) Error() string { return errRefused.Error() + ": " + string(u.reason) }

func (u *unwelcome) Unwrap() error { return errRefused }

// decline ends a connection of a stranger. One whose certificate is believed is told so in the protocol's words, once it has asked:
// it is somebody's device that the site file does not have yet, or that was moved. Nobody is connected to for it, nothing of what it
// says is kept, and its first message has to be there in time; meanwhile it owes its place to whoever comes. One that has proved
// nothing finds its connection closed.
func (c *conn) decline(spec *site.Listener, why error) error {
	var u *unwelcome
	if !errors.As(why, &u) || !u.believed {
		return why
	}
	if err := c.client.SetDeadline(time.Now().Add(spec.Limits.FirstByte)); err != nil || c.leaving.Load() {
		return why
	}
	switch spec.Protocol {
	case site.DICOM:
		_ = goodbye(c.client, rejectionOf(u.reason)) // it is over anyway
	case site.HL7:
		if c.declineHL7(spec, u) {
			return fmt.Errorf("%w, reference %s", why, u.reference)
		}
	}
	return why
}

// declineHL7 answers the first message with a refusal, as the listener's rule says: where that holds messages back, the sender keeps
// it by not being answered. It reports whether it did.
func (c *conn) declineHL7(spec *site.Listener, u *unwelcome) bool {
	if spec.Refuse == site.Hold {
		return false
	}
	in := frames{from: c.client, limit: int(spec.Limits.Message), large: &c.guard.large}
	defer in.end()
	list, err := in.next(func(bool) error { return nil })
	if err != nil {
		return false
	}
	m := parse(list[0].payload, &before{})
	if m.word == "" || m.content.Ack != "" {
		return false
	}
	answer := refusalTo(m.first, hl7.Refusal{Error: spec.Refuse == site.Fail, Reason: string(u.reason), Reference: u.reference, ID: "CHAP" + u.reference, Now: c.guard.now()})
	if answer == nil {
		return false
	}
	if _, err := c.client.Write(framed(answer)); err != nil {
		return false
	}
	linger(c.client)
	return true
}
