package guard

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Command fields (PS3.7 annex E.1). An answer has the top bit.
const (
	fieldStore       uint16 = 0x0001
	fieldGet         uint16 = 0x0010
	fieldFind        uint16 = 0x0020
	fieldMove        uint16 = 0x0021
	fieldEcho        uint16 = 0x0030
	fieldEventReport uint16 = 0x0100
	fieldAction      uint16 = 0x0130
	fieldCancel      uint16 = 0x0FFF
	answerBit        uint16 = 0x8000
)

var words = map[uint16]string{
	fieldStore: "C-STORE", fieldGet: "C-GET", fieldFind: "C-FIND", fieldMove: "C-MOVE", fieldEcho: "C-ECHO", fieldCancel: "C-CANCEL",
	fieldEventReport: "N-EVENT-REPORT", 0x0110: "N-GET", 0x0120: "N-SET", fieldAction: "N-ACTION", 0x0140: "N-CREATE", 0x0150: "N-DELETE",
}

// normalizes reports whether a request is one of the N-services.
func normalizes(field uint16) bool { return field >= fieldEventReport && field < fieldCancel }

// Statuses (PS3.7 annex C, PS3.4 annexes B, C and K).
const (
	statusSuccess      uint16 = 0x0000
	statusNotAllowed   uint16 = 0x0124 // refused: not authorized
	statusUnrecognised uint16 = 0x0211 // unrecognized operation
	statusProcessing   uint16 = 0x0110
	statusDuplicate    uint16 = 0x0111 // there is an instance of that UID
	statusResources    uint16 = 0xA700
	statusDestination  uint16 = 0xA801 // refused: move destination unknown
	statusSubs         uint16 = 0xA702 // unable to perform sub-operations
	statusMismatch     uint16 = 0xA900 // data set does not match its class
	statusCancelled    uint16 = 0xFE00
	statusPending      uint16 = 0xFF00
	statusPendingMore  uint16 = 0xFF01
)

func pending(status uint16) bool { return status == statusPending || status == statusPendingMore }

// warnsOnly reports whether a status is one of the warnings that any service may give (PS3.7 annex C.2): all was done.
func warnsOnly(status uint16) bool { return status == 0x0001 || status == 0x0107 || status == 0x0116 }

const (
	noDataSet   = 0x0101 // (0000,0800) of a message without one
	mostCommand = 64 << 10
	mostFailed  = 1 << 20 // behind it: 15,000 objects that failed
)

// command is a command set (PS3.7 section 6.3.1) with the bytes that it came in.
type command struct {
	raw         []byte
	failed      []byte // its end, behind group 0000: see listsFailed
	context     byte
	field       uint16 // (0000,0100)
	id          uint16 // (0000,0110), of an answer (0000,0120)
	class       string // (0000,0002), else (0000,0003)
	instance    string // (0000,1000), else (0000,1001)
	destination string // (0000,0600)
	status      uint16 // (0000,0900)
	counts      [subCounts]uint16
	dataSet     bool
	amiss       string // why a request of the system behind the guard cannot pass; see keepTo
}

func (c *command) answer() bool { return c.field&answerBit != 0 }

func (c *command) word() string {
	if w := words[c.field&^answerBit]; w != "" {
		return w
	}
	return fmt.Sprintf("command %04X", c.field)
}

// readCommand reads a command set in the strict grammar: implicit VR little endian, group 0000 only, ascending tags, a group
// length that is true, numbers of two bytes; behind it nothing but what listsFailed takes. Errors: a violation.
func readCommand(context byte, b []byte) (c *command, err error) {
	err = sound(func() (err error) {
		c, err = parseCommand(context, b)
		return err
	})
	return c, err
}

func parseCommand(context byte, b []byte) (*command, error) {
	c := &command{raw: b, context: context}
	if n := groupLength(b, 0); n < int64(len(b)) && n > 0 {
		b, c.failed = b[:n], b[n:]
	}
	if len(b) > mostCommand {
		return nil, invalid("command set of more than 64 KiB")
	}
	var seen []uint16
	for at, last := 0, -1; at < len(b); {
		if len(b)-at < 8 {
			return nil, invalid("command set ends inside an element")
		}
		group, element := binary.LittleEndian.Uint16(b[at:]), binary.LittleEndian.Uint16(b[at+2:])
		n := binary.LittleEndian.Uint32(b[at+4:])
		at += 8
		if group != 0 || int(element) <= last || n%2 == 1 || uint64(n) > uint64(len(b)-at) {
			return nil, invalid(fmt.Sprintf("command set element at offset %d", at-8))
		}
		value := b[at : at+int(n)]
		if element == 0 && (n != 4 || int64(binary.LittleEndian.Uint32(value)) != int64(len(b)-12)) {
			return nil, invalid("group length of a command set")
		}
		if err := c.set(element, value); err != nil {
			return nil, err
		}
		seen = append(seen, element)
		last = int(element)
		at += int(n)
	}
	if len(c.failed) > 0 && !c.listsFailed() {
		return nil, invalid("group length of a command set")
	}
	needed := []uint16{0x0000, 0x0100, 0x0110, 0x0800}
	switch {
	case c.answer():
		needed = []uint16{0x0000, 0x0100, 0x0120, 0x0800, 0x0900}
	case c.field == fieldCancel:
		needed = []uint16{0x0000, 0x0100, 0x0120, 0x0800}
	}
	for _, element := range needed {
		if !slices.Contains(seen, element) {
			return nil, invalid(fmt.Sprintf("command set without (0000,%04X)", element))
		}
	}
	return c, nil
}

func (c *command) set(element uint16, value []byte) error {
	number := func(to *uint16) error {
		if len(value) != 2 {
			return invalid(fmt.Sprintf("(0000,%04X) of %d bytes", element, len(value)))
		}
		*to = binary.LittleEndian.Uint16(value)
		return nil
	}
	text := func(to *string, most int) error {
		if len(value) > most {
			return invalid(fmt.Sprintf("(0000,%04X) of %d bytes", element, len(value)))
		}
		*to = strings.Trim(string(value), " \x00")
		return nil
	}
	switch element {
	case 0x0002:
		return text(&c.class, 64)
	case 0x0003:
		if c.class != "" {
			return invalid("command set with two classes")
		}
		return text(&c.class, 64)
	case 0x0100:
		return number(&c.field)
	case 0x0110:
		return number(&c.id)
	case 0x0120:
		if c.id != 0 {
			return invalid("command set that asks and answers")
		}
		return number(&c.id)
	case 0x0600:
		return text(&c.destination, 16)
	case 0x0800:
		var kind uint16
		err := number(&kind)
		c.dataSet = kind != noDataSet
		return err
	case 0x0900:
		return number(&c.status)
	case 0x1000:
		return text(&c.instance, 64)
	case 0x1020, 0x1021, 0x1022, 0x1023:
		return number(&c.counts[element-0x1020])
	case 0x1001:
		if c.instance != "" {
			return invalid("command set with two instances")
		}
		return text(&c.instance, 64)
	}
	return nil
}

// subCounts are how many counts an answer to a retrieval has: remaining, completed, failed, warning (0000,1020 to 1023).
const subCounts = 4

// reply is the guard's own final answer to a command; counts are of a retrieval, none when nothing of it was done.
func (c *command) reply(status uint16, comment string, counts ...uint16) []byte {
	var b []byte
	text := func(tag uint16, s string, pad string) {
		if s != "" {
			b = element(b, tag, []byte(s+pad[:len(s)%2]))
		}
	}
	number := func(tag, v uint16) { b = element(b, tag, binary.LittleEndian.AppendUint16(nil, v)) }
	text(0x0002, c.class, "\x00")
	number(0x0100, c.field|answerBit)
	number(0x0120, c.id)
	number(0x0800, noDataSet)
	number(0x0900, status)
	text(0x0902, comment, " ")
	text(0x1000, c.instance, "\x00")
	if c.field == fieldMove || c.field == fieldGet {
		counts = append(counts, 0, 0, 0, 0)
		for i := range subCounts {
			number(0x1020+uint16(i), counts[i])
		}
	}
	return withLength(b)
}

// cancel is a C-CANCEL of a command (PS3.7 section 9.3.2.3).
func (c *command) cancel() []byte {
	b := element(nil, 0x0100, binary.LittleEndian.AppendUint16(nil, fieldCancel))
	b = element(b, 0x0120, binary.LittleEndian.AppendUint16(nil, c.id))
	return withLength(element(b, 0x0800, binary.LittleEndian.AppendUint16(nil, noDataSet)))
}

// element appends an element of group 0000 in implicit VR little endian.
func element(b []byte, tag uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(append(b, 0, 0), tag)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
	return append(b, value...)
}

func withLength(b []byte) []byte {
	return append(element(nil, 0, binary.LittleEndian.AppendUint32(nil, uint32(len(b)))), b...)
}
