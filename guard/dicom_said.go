package guard

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"
)

// Elements of a command set that only tell a person or a log what went wrong (PS3.7 annex C.4).
const (
	offendingElement uint16 = 0x0901
	errorComment     uint16 = 0x0902
	errorID          uint16 = 0x0903
)

// said are the elements that the system behind the guard may send in a command set, with the form of their values (PS3.7 annex E.1).
// It asks for C-STORE and N-EVENT-REPORT only; what belongs to other requests is not among them, and neither is what was retired.
var said = map[uint16]func([]byte) bool{
	0x0000: func(b []byte) bool { return len(b) == 4 },
	0x0002: isUID, 0x0003: isUID, 0x1000: isUID, 0x1001: isUID,
	0x0100: isNumber, 0x0110: isNumber, 0x0120: isNumber, 0x0700: isNumber, 0x0800: isNumber, 0x0900: isNumber,
	0x1002: isNumber, 0x1008: isNumber, 0x1020: isNumber, 0x1021: isNumber, 0x1022: isNumber, 0x1023: isNumber, 0x1031: isNumber,
	0x1030:           func(b []byte) bool { return len(b) <= 16 && (len(b) == 0 || goodTitle(title(b))) },
	offendingElement: func(b []byte) bool { return len(b)%4 == 0 && len(b) <= 4*mostOffending },
	errorComment:     isLine,
	errorID:          isNumber,
}

// mostOffending bounds the tags of a list of offending elements: they take as many bytes as a comment.
const mostOffending = 16

func isNumber(b []byte) bool { return len(b) == 2 }

func isUID(b []byte) bool {
	return len(b) <= 64 && strings.Trim(title(b), "0123456789.") == ""
}

func isLine(b []byte) bool {
	return len(b) <= 64 && !strings.ContainsFunc(title(b), unicode.IsControl)
}

// needs reports whether a request is none, or another one, without an element (PS3.7 tables 9.3-1 and 10.3-1). The rest of what a request
// needs was read with it.
func (c *command) needs(tag uint16) bool {
	switch tag {
	case 0x0002, 0x0003, 0x1000, 0x1001:
		return !c.answer()
	case 0x0700:
		return c.field == fieldStore
	case 0x1002:
		return c.field == fieldEventReport
	}
	return false
}

// fits reports whether an element has its form. Old and anonymised objects have names that are no UIDs: such an instance fits when the other
// side knows it, from what it asked for, op, or from the object that comes with it, with which push compares it.
func (c *command) fits(tag uint16, value []byte, op *operation) bool {
	form := said[tag]
	switch {
	case form == nil || form(value):
		return form != nil
	case tag == 0x1000 && c.field == fieldStore:
		return isLine(value) && !strings.Contains(c.instance, `\`)
	case tag == 0x1000 && c.field == fieldStore|answerBit:
		return op != nil && title(value) == op.instance
	}
	return false
}

// keepTo leaves out of a command set of the system behind the guard what it need not say, and gives the tags of it: elements that are not
// said or not in their form; and what is for people, unless it tells of a failure of which nothing was held back. PS3.7 makes those optional
// everywhere, and no peer acts on them. What a request needs stays in it: where that is not in its form, the request is amiss, and does not pass.
// What stays is as it came, and so is a command set that says nothing else. op is what is answered.
func (c *command) keepTo(op *operation) (out []string) {
	withheld := op != nil && op.withheld > 0
	failed := c.answer() && c.status != statusSuccess && c.status != statusCancelled && !pending(c.status)
	var kept []byte
	for rest := c.raw; len(rest) >= 8; {
		tag, n := binary.LittleEndian.Uint16(rest[2:]), 8+int(binary.LittleEndian.Uint32(rest[4:])) // readCommand has checked it
		fits := c.fits(tag, rest[8:n], op)
		talk := tag == offendingElement || tag == errorComment || tag == errorID
		if !fits && c.needs(tag) {
			c.amiss = fmt.Sprintf("(0000,%04X) of the command set is not in its form.", tag)
			fits = true
		}
		switch {
		case !fits, talk && (!failed || withheld):
			out = append(out, fmt.Sprintf("(0000,%04X)", tag))
		case tag != 0:
			kept = append(kept, rest[:n]...)
		}
		rest = rest[n:]
	}
	if len(out) > 0 {
		c.raw = withLength(kept)
	}
	return out
}

// bounded keeps a command set of the system behind the guard to what it may say. Of what was left out, each connection says so once.
func (d *dicomConn) bounded(c *command) {
	out := c.keepTo(d.op)
	if len(out) == 0 || d.bounds {
		return
	}
	d.bounds = true
	d.guard.log.Warn("a command set said more than is passed on: that was left out", "listener", d.listener.name, "command", c.word(), "elements", strings.Join(out[:min(len(out), 16)], " "))
}
