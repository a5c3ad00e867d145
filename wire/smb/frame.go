package smb

import (
	"bytes"

	"chaperone"
	"chaperone/wire"
)

// First bytes of the messages that a frame holds; each is followed by "SMB".
const (
	smb1       = 0xFF
	smb2       = 0xFE
	sealed     = 0xFD // SMB2 TRANSFORM_HEADER
	compressed = 0xFC // SMB2 COMPRESSION_TRANSFORM_HEADER
)

func isProtocol(b []byte) bool {
	return b[0] >= compressed && string(b[1:4]) == "SMB"
}

// NetBIOS session packets (RFC 1002 section 4.3.1). Over TCP without NetBIOS there is only the first, and its length has
// 24 bits (MS-SMB2 section 2.1).
const (
	sessionMessage = 0x00
	sessionRequest = 0x81
	keepAlive      = 0x85
	maxControl     = 512 // bytes of any but the first
)

// control reports whether the header of a frame is that of a NetBIOS packet that holds no message.
func control(head []byte) bool {
	return head[0] >= sessionRequest && head[0] <= keepAlive && length(head) <= maxControl
}

// length reads the 24 bits behind the type of a frame.
func length(head []byte) int { return int(head[1])<<16 | int(head[2])<<8 | int(head[3]) }

// frame reads the header of a frame.
func (s *Session) frame(d wire.Dir, p []byte, at chaperone.Mark) []byte {
	h := &s.half[d]
	n := copy(h.head[h.have:], p)
	h.have += n
	h.offset += int64(n)
	if h.have < len(h.head) {
		return nil
	}
	h.have = 0
	h.left = length(h.head[:])
	h.chain = chain{}
	h.begin()
	switch {
	case control(h.head[:]):
		h.skip()
	case h.head[0] != sessionMessage:
		s.malformed(d, at, "frame of type %d at offset %d", h.head[0], h.offset-4)
		h.lose()
	case h.left > 0 && h.left < 4:
		s.malformed(d, at, "frame of %d bytes at offset %d", h.left, h.offset-4)
		h.skip()
	}
	return p[n:]
}

// signature is how many bytes of a frame are looked at to recognise it: its header and the beginning of its message.
const signature = 10

// begins reports whether a frame with a message begins with these bytes.
func begins(b []byte) bool {
	if b[0] != sessionMessage || !isProtocol(b[4:]) {
		return false
	}
	if b[4] == smb2 {
		return b[8] == headerSize && b[9] == 0 && length(b) >= headerSize
	}
	return length(b) >= 35 // MS-CIFS section 2.2.3: a header, no words, no bytes
}

// locate gives the place of the first frame in b, -1 without one.
func locate(b []byte) int {
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte("SMB"))
		if i < 0 {
			return -1
		}
		i += from
		if i >= 5 && len(b)-i+5 >= signature && begins(b[i-5:]) {
			return i - 5
		}
		from = i + 3
	}
}

// find looks for the next frame and returns the bytes from there on. The bytes that wait in scan are not counted in
// offset: no event covers them.
func (h *half) find(p []byte) []byte {
	b := p
	if len(h.scan) > 0 {
		b = append(h.scan, p...)
		h.scan = nil
	}
	if i := locate(b); i >= 0 {
		h.offset += int64(i)
		h.lost = false
		return b[i:]
	}
	n := max(0, len(b)-signature+1)
	h.offset += int64(n)
	h.scan = bytes.Clone(b[n:])
	return nil
}

// window is how far into the middle of a connection a frame is looked for: behind the rest of a piece of a file.
const window = 64 << 10

// Sniff looks for a frame with a message: at the beginning of each side, or in the middle of a connection anywhere.
func Sniff(client, server []byte, midstream bool) wire.Verdict {
	if midstream {
		if locate(client) >= 0 || locate(server) >= 0 {
			return wire.Yes
		}
		if len(client) > window || len(server) > window {
			return wire.No
		}
		return wire.Maybe
	}
	a, b := opening(client), opening(server)
	switch {
	case a == wire.No || b == wire.No:
		return wire.No
	case a == wire.Yes || b == wire.Yes:
		return wire.Yes
	}
	return wire.Maybe
}

// opening judges the first bytes of a side. On NetBIOS sessions a request, or its answer, comes before the first message.
func opening(b []byte) wire.Verdict {
	for range 3 {
		if len(b) < 4 || !control(b) {
			break
		}
		b = b[min(len(b), 4+length(b)):]
	}
	if len(b) >= signature {
		if begins(b) && b[4] >= smb2 {
			return wire.Yes
		}
		return wire.No
	}
	if len(b) > 0 && b[0] != sessionMessage && (len(b) >= 4 || b[0] < sessionRequest || b[0] > keepAlive) ||
		len(b) > 4 && b[4] < smb2 || len(b) > 5 && !bytes.HasPrefix([]byte("SMB"), b[5:min(len(b), 8)]) {
		return wire.No
	}
	return wire.Maybe
}
