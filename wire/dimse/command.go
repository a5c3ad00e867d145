package dimse

import (
	"encoding/binary"
	"fmt"
	"strings"

	"chaperone/format"
)

// maxCommand bounds a command set.
const maxCommand = 64 << 10

// Command fields (PS3.7 section E.1). A response has the top bit set.
const (
	cStore   = 0x0001
	cGet     = 0x0010
	cFind    = 0x0020
	cMove    = 0x0021
	cEcho    = 0x0030
	cCancel  = 0x0FFF
	response = 0x8000
)

// Worklist is the SOP class of the Modality Worklist (PS3.4 annex K): a device goes on asking for it whoever sits at it,
// and everybody's appointments of a day are one answer.
const Worklist = "1.2.840.10008.5.1.4.31"

var commandNames = map[uint16]string{
	cStore: "C-STORE", cGet: "C-GET", cFind: "C-FIND", cMove: "C-MOVE", cEcho: "C-ECHO", cCancel: "C-CANCEL",
	0x0100: "N-EVENT-REPORT", 0x0110: "N-GET", 0x0120: "N-SET", 0x0130: "N-ACTION", 0x0140: "N-CREATE", 0x0150: "N-DELETE",
}

// noDataSet is the Command Data Set Type of a message without a data set (PS3.7 section E.1).
const noDataSet = 0x0101

// command is a DIMSE command set (PS3.7 section 6.3.1 and annex E).
type command struct {
	class       string // (0000,0002) affected SOP class UID
	field       uint16 // (0000,0100)
	id          uint16 // (0000,0110) message ID
	answers     uint16 // (0000,0120) message ID being responded to
	dataSet     bool   // (0000,0800)
	status      uint16 // (0000,0900)
	destination string // (0000,0600) move destination
	originator  string // (0000,1030) move originator AE title
	originID    uint16 // (0000,1031) move originator message ID
	completed   uint16 // (0000,1021) sub-operations
	failed      uint16 // (0000,1022)
	warning     uint16 // (0000,1023)
	counted     bool   // the sub-operation counts were there
}

// parseCommand reads a command set: implicit VR little endian, group 0000 only, no sequences.
func parseCommand(b []byte) (command, error) {
	c := command{dataSet: true}
	for at := 0; at < len(b); {
		if len(b)-at < 8 {
			return c, fmt.Errorf("dimse: command set ends inside an element at offset %d: %w", at, format.ErrMalformed)
		}
		group, element := binary.LittleEndian.Uint16(b[at:]), binary.LittleEndian.Uint16(b[at+2:])
		n := binary.LittleEndian.Uint32(b[at+4:])
		at += 8
		if group != 0 || uint64(n) > uint64(len(b)-at) {
			return c, fmt.Errorf("dimse: command set element at offset %d of %d bytes: %w", at-8, n, format.ErrMalformed)
		}
		c.set(element, b[at:at+int(n)])
		at += int(n)
	}
	if commandNames[c.field&^response] == "" {
		return c, fmt.Errorf("dimse: unknown command field %04X: %w", c.field, format.ErrMalformed)
	}
	return c, nil
}

func (c *command) set(element uint16, value []byte) {
	text := func() string { // an AE title has at most 16 characters (PS3.5 table 6.2-1)
		return strings.Trim(format.Text(value[:min(len(value), 64)], format.Latin1), " \x00")
	}
	var number uint16
	if len(value) >= 2 {
		number = binary.LittleEndian.Uint16(value)
	}
	switch element {
	case 0x0002:
		c.class = text()
	case 0x0100:
		c.field = number
	case 0x0110:
		c.id = number
	case 0x0120:
		c.answers = number
	case 0x0600:
		c.destination = text()
	case 0x0800:
		c.dataSet = number != noDataSet
	case 0x0900:
		c.status = number
	case 0x1021:
		c.completed, c.counted = number, true
	case 0x1022:
		c.failed, c.counted = number, true
	case 0x1023:
		c.warning, c.counted = number, true
	case 0x1030:
		c.originator = text()
	case 0x1031:
		c.originID = number
	}
}

// pendingStatus reports whether more responses follow (PS3.7 annex C: FF00 and FF01).
func pendingStatus(s uint16) bool { return s == 0xFF00 || s == 0xFF01 }

// succeeded reports success or warning (PS3.7 annex C: 0000, 0001, 0107, 0116, Bxxx).
func succeeded(s uint16) bool {
	return s == 0 || s == 0x0001 || s == 0x0107 || s == 0x0116 || s&0xF000 == 0xB000
}
