package clinicsim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

const (
	applicationContext = "1.2.840.10008.3.1.1.1"
	implementationUID  = "2.25.302604112"
)

// Context is one presentation context (PS3.8 section 9.3.2.2).
type Context struct {
	ID       byte // odd
	Abstract string
	Offered  []string // transfer syntaxes
	Accepted string   // the one the acceptor took, "" when the context was rejected
	Reason   byte     // result of a rejected context, 3 or 4
	SCPRole  bool     // the requestor also offers to receive (C-GET)
}

// Association writes both sides of one DICOM association to a Sender.
type Association struct {
	To              Sender
	Calling, Called string
	Contexts        []Context
	MaxPDU          [2]int     // what each side is ready to receive, by the direction it sends in; 0 is no limit
	Rand            *rand.Rand // varies how messages are cut into PDUs; nil cuts as little as possible

	// Rare adds what is legal, but rare enough for Wireshark 4.0 to stumble over: a command set in two fragments, and
	// a data set that ends in an empty fragment.
	Rare bool

	lastID uint16
	held   *[]byte // collects PDUs of one direction that are to be sent at once
}

// Request sends A-ASSOCIATE-RQ.
func (a *Association) Request() {
	body := a.head()
	for _, c := range a.Contexts {
		item := append([]byte{c.ID, 0, 0, 0}, subItem(0x30, []byte(c.Abstract))...)
		for _, ts := range c.Offered {
			item = append(item, subItem(0x40, []byte(ts))...)
		}
		body = append(body, subItem(0x20, item)...)
	}
	user := a.userInfo(FromClient)
	for _, c := range a.Contexts {
		if c.SCPRole {
			role := binary.BigEndian.AppendUint16(nil, uint16(len(c.Abstract)))
			role = append(role, c.Abstract...)
			user = append(user, subItem(0x54, append(role, 0, 1))...)
		}
	}
	a.pdu(FromClient, 0x01, append(body, subItem(0x50, user)...))
}

// Accept sends A-ASSOCIATE-AC.
func (a *Association) Accept() {
	body := a.head()
	for _, c := range a.Contexts {
		ts, result := c.Accepted, byte(0)
		if ts == "" {
			ts, result = ImplicitLE, c.Reason // not significant
		}
		item := append([]byte{c.ID, 0, result, 0}, subItem(0x40, []byte(ts))...)
		body = append(body, subItem(0x21, item)...)
	}
	user := a.userInfo(FromServer)
	for _, c := range a.Contexts {
		if c.SCPRole {
			role := binary.BigEndian.AppendUint16(nil, uint16(len(c.Abstract)))
			role = append(role, c.Abstract...)
			user = append(user, subItem(0x54, append(role, 0, 1))...)
		}
	}
	a.pdu(FromServer, 0x02, append(body, subItem(0x50, user)...))
}

// Open is Request and Accept.
func (a *Association) Open() {
	a.Request()
	a.Accept()
}

// Reject sends A-ASSOCIATE-RJ (PS3.8 Table 9-21).
func (a *Association) Reject(result, source, reason byte) {
	a.pdu(FromServer, 0x03, []byte{0, result, source, reason})
}

// Release ends the association: A-RELEASE-RQ and A-RELEASE-RP.
func (a *Association) Release() {
	a.pdu(FromClient, 0x05, make([]byte, 4))
	a.pdu(FromServer, 0x06, make([]byte, 4))
}

// Abort sends A-ABORT from one side (PS3.8 Table 9-26).
func (a *Association) Abort(d Dir, source, reason byte) {
	a.pdu(d, 0x07, []byte{0, 0, source, reason})
}

// Context gives the ID of the first accepted context of an abstract syntax, and its transfer syntax. It panics when there is none.
func (a *Association) Context(abstract string) (id byte, transferSyntax string) {
	for _, c := range a.Contexts {
		if c.Abstract == abstract && c.Accepted != "" {
			return c.ID, c.Accepted
		}
	}
	panic("clinicsim: no presentation context for " + abstract)
}

// head gives the fixed part of A-ASSOCIATE-RQ and -AC and the application context item.
func (a *Association) head() []byte {
	b := []byte{0, 1, 0, 0}
	b = fmt.Appendf(b, "%-16s%-16s", a.Called, a.Calling)
	b = append(b, make([]byte, 32)...)
	return append(b, subItem(0x10, []byte(applicationContext))...)
}

func (a *Association) userInfo(d Dir) []byte {
	b := subItem(0x51, binary.BigEndian.AppendUint32(nil, uint32(a.MaxPDU[d])))
	b = append(b, subItem(0x52, []byte(implementationUID))...)
	return append(b, subItem(0x55, []byte("CLINICSIM_1"))...)
}

func (a *Association) pdu(d Dir, kind byte, body []byte) {
	b := append([]byte{kind, 0}, binary.BigEndian.AppendUint32(nil, uint32(len(body)))...)
	a.send(d, append(b, body...))
}

func (a *Association) send(d Dir, b []byte) {
	if a.held != nil {
		*a.held = append(*a.held, b...)
		return
	}
	a.To.Send(d, b)
}

// together sends all that f sends in direction d as one write.
func (a *Association) together(d Dir, f func()) {
	var all []byte
	a.held = &all
	f()
	a.held = nil
	if len(all) > 0 {
		a.To.Send(d, all)
	}
}

func subItem(kind byte, value []byte) []byte {
	b := append([]byte{kind, 0}, binary.BigEndian.AppendUint16(nil, uint16(len(value)))...)
	return append(b, value...)
}
