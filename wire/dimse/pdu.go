package dimse

import (
	"bytes"
	"encoding/binary"
	"strings"

	"chaperone/format"
)

// PDU types (PS3.8 section 9.3.1).
const (
	associateRQ byte = 1
	associateAC byte = 2
	associateRJ byte = 3
	pData       byte = 4
	releaseRQ   byte = 5
	releaseRP   byte = 6
	abort       byte = 7
)

// Bounds. P-DATA is streamed, so its bound only tells a PDU from garbage.
const (
	maxPDU     = 128 << 20
	maxControl = 1 << 20 // an association request with 128 contexts has some 30 KB
)

// Items of A-ASSOCIATE (PS3.8 section 9.3.2 and 9.3.3).
const (
	itemContextRQ   = 0x20
	itemContextAC   = 0x21
	itemAbstract    = 0x30
	itemTransfer    = 0x40
	itemUser        = 0x50
	itemClassUID    = 0x52 // PS3.7 annex D.3.3.2
	itemVersionName = 0x55
)

// contextAccepted is the result of an accepted presentation context (PS3.8 table 9-18).
const contextAccepted = 0

// context is a presentation context: what is exchanged, and how it is encoded.
type context struct {
	abstract string
	transfer string // the accepted transfer syntax, "" until it is known
	offered  string // the only transfer syntax that was offered, "" when there were several
}

// titles reads the AE titles: bytes 4–19 called, 20–35 calling, of the PDU body (PS3.8 section 9.3.2).
// Blanks and NULs around them do not count.
func titles(body []byte) (calling, called string, ok bool) {
	if len(body) < 68 {
		return "", "", false
	}
	trim := func(b []byte) string { return strings.Trim(format.Text(b, format.Latin1), " \x00") }
	return trim(body[20:36]), trim(body[4:20]), true
}

// eachItem walks type(1) reserved(1) length(2) items and reports whether they fill b exactly.
func eachItem(b []byte, visit func(kind byte, value []byte)) bool {
	for len(b) >= 4 {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if len(b) < 4+n {
			return false
		}
		visit(b[0], b[4:4+n])
		b = b[4+n:]
	}
	return len(b) == 0
}

// readContexts adds what the items of an A-ASSOCIATE-RQ or -AC say about presentation contexts.
func readContexts(body []byte, contexts map[byte]context) bool {
	if len(body) < 68 {
		return false
	}
	return eachItem(body[68:], func(kind byte, value []byte) {
		if kind != itemContextRQ && kind != itemContextAC || len(value) < 4 {
			return
		}
		id := value[0]
		c := contexts[id]
		if kind == itemContextAC && value[2] != contextAccepted {
			return // its transfer syntax is not significant and may be anything
		}
		offers := 0
		eachItem(value[4:], func(sub byte, uid []byte) {
			name := strings.TrimRight(string(uid), " \x00")
			switch {
			case sub == itemAbstract:
				c.abstract = name
			case sub == itemTransfer && kind == itemContextAC:
				c.transfer = name
			case sub == itemTransfer:
				offers++
				c.offered = name
			}
		})
		if offers > 1 {
			c.offered = ""
		}
		contexts[id] = c
	})
}

// readSoftware gives what the user information of an A-ASSOCIATE-RQ or -AC says about the program (PS3.7 annex D.3.3.2).
func readSoftware(body []byte) (class, version string) {
	if len(body) < 68 {
		return "", ""
	}
	text := func(b []byte) string {
		return strings.Trim(format.Text(b[:min(len(b), 64)], format.Latin1), " \x00")
	}
	eachItem(body[68:], func(kind byte, value []byte) {
		if kind != itemUser {
			return
		}
		eachItem(value, func(sub byte, value []byte) {
			switch sub {
			case itemClassUID:
				class = text(value)
			case itemVersionName:
				version = text(value)
			}
		})
	})
	return class, version
}

// CallingAENotRecognised is the status of an association that was rejected because the called side does not know
// who calls.
const CallingAENotRecognised = "calling AE title not recognised"

// rejection gives the reason of an A-ASSOCIATE-RJ in words (PS3.8 table 9-21).
func rejection(body []byte) string {
	if len(body) < 4 {
		return "rejected"
	}
	switch [2]byte{body[2], body[3]} {
	case [2]byte{1, 2}:
		return "application context not supported"
	case [2]byte{1, 3}:
		return CallingAENotRecognised
	case [2]byte{1, 7}:
		return "called AE title not recognised"
	case [2]byte{2, 2}:
		return "protocol version not supported"
	case [2]byte{3, 1}:
		return "temporary congestion"
	case [2]byte{3, 2}:
		return "local limit exceeded"
	}
	return "no reason given"
}

// plausible reports whether b begins like a PDU, strictly enough to find one in the middle of a stream. more says
// that b is too short to tell.
func plausible(b []byte) (ok, more bool) {
	if b[0] < associateRQ || b[0] > abort || len(b) > 1 && b[1] != 0 {
		return false, false
	}
	if len(b) < 18 {
		return false, true
	}
	length := binary.BigEndian.Uint32(b[2:])
	switch b[0] {
	case pData:
		pdv := binary.BigEndian.Uint32(b[6:])
		if length > maxPDU || pdv < 2 || uint64(pdv)+4 > uint64(length) || b[10]%2 == 0 || b[11] > 3 {
			return false, false
		}
		command := b[11]&1 == 1 && bytes.HasPrefix(b[12:], []byte{0, 0, 0, 0, 4, 0}) // (0000,0000), four bytes
		return command || b[11]&1 == 0 && pdv+4 == length, false
	case associateRQ, associateAC:
		return length >= 68 && length <= maxControl && b[6] == 0 && b[7]&1 == 1 && b[8] == 0 && b[9] == 0, false
	case releaseRQ, releaseRP:
		return length == 4 && bytes.Equal(b[6:10], []byte{0, 0, 0, 0}), false
	}
	return false, false
}
