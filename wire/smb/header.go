package smb

import (
	"encoding/binary"

	"chaperone/wire"
)

const headerSize = 64

// Commands (MS-SMB2 section 2.2.1.2).
const (
	negotiate      = 0x00
	sessionSetup   = 0x01
	logoff         = 0x02
	treeConnect    = 0x03
	treeDisconnect = 0x04
	create         = 0x05
	closing        = 0x06
	read           = 0x08
	write          = 0x09
	lock           = 0x0A
)

// Flags of a header (MS-SMB2 section 2.2.1.2).
const (
	flagResponse = 1 << iota
	flagAsync
	flagRelated
)

// Statuses that mean something here (MS-ERREF section 2.3.1).
const (
	statusPending        = 0x00000103 // the answer comes later
	statusBufferOverflow = 0x80000005 // there is more to read
	statusMoreProcessing = 0xC0000016 // the logon goes on
)

// header is the packet header (MS-SMB2 section 2.2.1), as far as it is read.
type header struct {
	bad     bool // StructureSize is not that of a header
	status  uint32
	command uint16
	flags   uint32
	next    uint32 // NextCommand: where the next message of the chain begins
	id      uint64 // MessageId
	tree    uint32 // 0 in an asynchronous answer, which does not say
	session uint64
}

func parseHeader(b []byte) header {
	le := binary.LittleEndian
	h := header{
		bad:     le.Uint16(b[4:]) != headerSize,
		status:  le.Uint32(b[8:]),
		command: le.Uint16(b[12:]),
		flags:   le.Uint32(b[16:]),
		next:    le.Uint32(b[20:]),
		id:      le.Uint64(b[24:]),
		session: le.Uint64(b[40:]),
	}
	if h.flags&flagAsync == 0 {
		h.tree = le.Uint32(b[36:])
	}
	return h
}

func (h *header) response() bool { return h.flags&flagResponse != 0 }

// succeeded says that the body is that of the command, and not that of an error (MS-SMB2 section 2.2.2).
func (h *header) succeeded() bool {
	return h.status>>31 == 0 && h.status != statusPending || h.status == statusBufferOverflow && h.command == read ||
		h.status == statusMoreProcessing && h.command == sessionSetup
}

// isData says that the message brings a piece of a file.
func (h *header) isData() bool { return h.command == read && h.response() && h.succeeded() }

// maxBody bounds what is kept of a body that holds a name or a token: their lengths have 16 bits.
const maxBody = 66 << 10

// layout is what is read of a body: its StructureSize, which counts a byte of the variable part when it is odd, and how
// many bytes are kept.
type layout struct{ size, keep int }

// fixed is the length of the fixed part.
func (l layout) fixed() int { return l.size &^ 1 }

// layouts are the bodies that are read: requests, then answers (MS-SMB2 sections 2.2.3 to 2.2.26).
var layouts = [2]map[uint16]layout{
	{
		sessionSetup: {25, maxBody}, treeConnect: {9, maxBody}, create: {57, maxBody}, closing: {24, 24},
		read: {49, 48}, write: {49, 48}, lock: {48, 24 + maxLocks*lockSize},
	},
	{
		negotiate: {65, 64}, sessionSetup: {9, maxBody}, treeConnect: {16, 16}, create: {89, 88},
		read: {17, 16}, write: {17, 16},
	},
}

func (h *header) layout() (layout, bool) {
	if !h.response() {
		l, ok := layouts[0][h.command]
		return l, ok
	}
	l, ok := layouts[1][h.command]
	return l, ok && h.succeeded()
}

// keeps gives how many bytes of the body are kept.
func (h *header) keeps(limits wire.Limits) int {
	l, ok := h.layout()
	if !ok {
		return 0
	}
	return max(l.fixed(), min(l.keep, limits.Message))
}

// whole reports whether the fixed part of a body is there and says so itself.
func (l layout) whole(body []byte) bool {
	return len(body) >= l.fixed() && int(binary.LittleEndian.Uint16(body)) == l.size
}
