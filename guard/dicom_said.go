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
	attributeList    uint16 = 0x1005 // those that are not there, or missing
)

// said are the forms of the values that the system behind the guard may send in a command set (PS3.7 annex E.1).
var said = map[uint16]func([]byte) bool{
	0x0000: func(b []byte) bool { return len(b) == 4 },
	0x0002: isUID, 0x1000: isUID,
	0x0100: isNumber, 0x0110: isNumber, 0x0120: isNumber, 0x0700: isNumber, 0x0800: isNumber, 0x0900: isNumber,
	0x1002: isNumber, 0x1008: isNumber, 0x1020: isNumber, 0x1021: isNumber, 0x1022: isNumber, 0x1023: isNumber, 0x1031: isNumber,
	0x1030:           func(b []byte) bool { return len(b) <= 16 && (len(b) == 0 || goodTitle(title(b))) },
	offendingElement: isTags,
	attributeList:    isTags,
	errorComment:     isLine,
	errorID:          isNumber,
}

// mayHave reports whether a message of the system behind the guard may have an element (PS3.7 chapters 9.3 and 10.3, annex C). It asks for
// C-STORE and N-EVENT-REPORT only, and so never for the requested class and instance (0000,0003) and (0000,1001), which no answer has either.
func (c *command) mayHave(tag uint16) bool {
	field := c.field &^ answerBit
	switch tag {
	case 0x0000, 0x0002, 0x0100, 0x0800:
		return true
	case 0x0110:
		return !c.answer()
	case 0x0120, 0x0900, offendingElement, errorComment, errorID:
		return c.answer()
	case 0x0700, 0x1030, 0x1031:
		return c.field == fieldStore
	case 0x1000:
		return field == fieldStore || normalizes(field)
	case 0x1002:
		return field == fieldEventReport
	case attributeList:
		return c.answer() && (field == 0x0110 || field == 0x0120 || field == 0x0140)
	case 0x1008:
		return c.field == fieldAction|answerBit
	case 0x1020, 0x1021, 0x1022, 0x1023:
		return c.field == fieldGet|answerBit || c.field == fieldMove|answerBit
	}
	return false
}

// mostOffending bounds the tags of a list of elements at fault: they take as many bytes as a comment.
const mostOffending = 16

func isTags(b []byte) bool { return len(b)%4 == 0 && len(b) <= 4*mostOffending }

func isNumber(b []byte) bool { return len(b) == 2 }

func isUID(b []byte) bool {
	return len(b) <= 64 && strings.Trim(title(b), "0123456789.") == ""
}

func isLine(b []byte) bool {
	return len(b) <= 64 && !strings.ContainsFunc(title(b), unicode.IsControl)
}

// failedInstances is the list of the objects of a retrieval that did not arrive (0008,0058).
const failedInstances uint16 = 0x0058

// groupLength gives how long a group is that begins with its length, with that; 0 when it does not.
func groupLength(b []byte, group uint16) int64 {
	if len(b) < 12 || binary.LittleEndian.Uint16(b) != group || binary.LittleEndian.Uint16(b[2:]) != 0 || binary.LittleEndian.Uint32(b[4:]) != 4 {
		return 0
	}
	return 12 + int64(binary.LittleEndian.Uint32(b[8:]))
}

// listsFailed reports whether what stands behind group 0000 may be there: in an answer to a C-GET or C-MOVE, the objects that failed, with the
// length of their group or without. PS3.4 sections C.4.2.1.4.2 and C.4.3.1.3.2 want it in a data set, DCMTK's library, and so Orthanc, puts it there.
// Only the system behind the guard sends such answers: those of a client answer nothing that was asked.
func (c *command) listsFailed() bool {
	b := c.failed
	if c.field != fieldGet|answerBit && c.field != fieldMove|answerBit || c.dataSet || len(b) > mostFailed {
		return false
	}
	if n := groupLength(b, 0x0008); n > 0 {
		if n != int64(len(b)) {
			return false
		}
		b = b[12:]
	}
	if len(b) < 8 || binary.LittleEndian.Uint16(b) != 0x0008 || binary.LittleEndian.Uint16(b[2:]) != failedInstances || len(b)%2 == 1 ||
		int64(binary.LittleEndian.Uint32(b[4:])) != int64(len(b)-8) {
		return false
	}
	for uid := range strings.SplitSeq(strings.TrimSuffix(string(b[8:]), "\x00"), `\`) {
		if uid == "" || len(uid) > 64 || strings.Trim(uid, "0123456789.") != "" {
			return false
		}
	}
	return true
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

// fits reports whether a message may have an element, and in this form. Old and anonymised objects have names that are no UIDs: such an
// instance fits when the other side knows it, from what it asked for, op, or from the object that comes with it, with which push compares it.
func (c *command) fits(tag uint16, value []byte, op *operation) bool {
	instance := tag == 0x1000 && c.mayHave(tag)
	switch {
	case instance && c.answer() && op != nil && title(value) == op.instance:
		return true
	case instance && c.field == fieldStore|answerBit:
		return false // it is of what was stored, or of nothing
	case instance && c.field == fieldStore:
		return isLine(value) && !strings.Contains(c.instance, `\`)
	}
	form := said[tag]
	return form != nil && c.mayHave(tag) && form(value)
}

// keepTo leaves out of a command set of the system behind the guard what it need not say, and gives the tags of it: elements that are not
// of the message or not in their form; and what is for people, unless it tells of a failure of which nothing was held back. PS3.7 makes those optional
// everywhere, and no peer acts on them. What a request needs stays in it: where that does not fit, the request is amiss, and does not pass.
// What stays is as it came, and so is a command set that says nothing else. op is what is answered.
func (c *command) keepTo(op *operation) (out []string) {
	withheld := op != nil && op.withheld > 0
	failed := c.answer() && c.status != statusSuccess && c.status != statusCancelled && !pending(c.status)
	var kept []byte
	for rest := c.raw[:len(c.raw)-len(c.failed)]; len(rest) >= 8; {
		tag, n := binary.LittleEndian.Uint16(rest[2:]), 8+int(binary.LittleEndian.Uint32(rest[4:])) // readCommand has checked it
		fits := c.fits(tag, rest[8:n], op)
		talk := tag == offendingElement || tag == errorComment || tag == errorID || tag == attributeList
		if !fits && c.needs(tag) {
			c.amiss = fmt.Sprintf("(0000,%04X) of the command set is not of the request, or not in its form.", tag)
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
		c.raw = append(withLength(kept), c.failed...)
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
