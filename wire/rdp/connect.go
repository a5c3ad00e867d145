package rdp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"

	"chaperone/format"
)

// Tags of MCS Connect-Initial (T.125 section 7, encoded by X.690): two selectors, a flag, three sets of parameters, and
// the user data.
var connectTags = []byte{0x04, 0x04, 0x01, 0x30, 0x30, 0x30, 0x04}

// What T.124 section 8.7 puts around the client's blocks (X.691): the key of T.124 and a length; a conference create
// request with the key "Duca" and a length.
var (
	gccKey    = []byte{0x00, 0x05, 0x00, 0x14, 0x7C, 0x00, 0x01}
	gccCreate = []byte{0x00, 0x08, 0x00, 0x10, 0x00, 0x01, 0xC0, 0x00, 'D', 'u', 'c', 'a'}
)

// Blocks of the client (MS-RDPBCGR section 2.2.1.3.1): type and length of the whole block, little endian.
const (
	blockCore    = 0xC001
	blockNetwork = 0xC003
)

const maxChannels = 31 // MS-RDPBCGR section 2.2.1.3.4

// connect reads an MCS Connect-Initial.
func (s *Session) connect(x []byte) error {
	b, ok := bytes.CutPrefix(x, []byte{2, codeData, 0x80, 0x7F, 0x65})
	if ok {
		b, ok = userData(b)
	}
	if ok {
		b, ok = clientBlocks(b)
	}
	for ok && len(b) > 0 {
		if len(b) < 4 {
			ok = false
			break
		}
		kind, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			ok = false
			break
		}
		switch kind {
		case blockCore:
			ok = s.core(b[4:n])
		case blockNetwork:
			ok = s.network(b[4:n])
		}
		b = b[n:]
	}
	if !ok {
		return fmt.Errorf("rdp: lengths in the MCS Connect-Initial of %d bytes: %w", len(x), format.ErrMalformed)
	}
	return nil
}

// userData finds the user data in a Connect-Initial, from the length behind its tag on.
func userData(b []byte) ([]byte, bool) {
	b, rest, ok := berValue(b)
	if !ok || len(rest) > 0 {
		return nil, false
	}
	var value []byte
	for _, tag := range connectTags {
		if len(b) == 0 || b[0] != tag {
			return nil, false
		}
		if value, b, ok = berValue(b[1:]); !ok {
			return nil, false
		}
	}
	return value, true
}

// berValue takes a length of X.690 section 8.1.3 and so many bytes.
func berValue(b []byte) (value, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	n, b := int(b[0]), b[1:]
	if n > 0x80 {
		size := n & 0x7F
		if size > 2 || size > len(b) {
			return nil, nil, false
		}
		n = 0
		for _, c := range b[:size] {
			n = n<<8 | int(c)
		}
		b = b[size:]
	}
	if n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// clientBlocks takes off what T.124 puts around them.
func clientBlocks(b []byte) ([]byte, bool) {
	for _, prefix := range [][]byte{gccKey, gccCreate} {
		rest, ok := bytes.CutPrefix(b, prefix)
		if !ok {
			return nil, false
		}
		if b, ok = perValue(rest); !ok {
			return nil, false
		}
	}
	return b, true
}

// perValue takes a length of X.691 section 10.9 and so many bytes, which must be there.
func perValue(b []byte) ([]byte, bool) {
	if len(b) == 0 {
		return nil, false
	}
	n, b := int(b[0]), b[1:]
	if n >= 0x80 {
		if n >= 0xC0 || len(b) == 0 {
			return nil, false
		}
		n, b = (n&0x3F)<<8|int(b[0]), b[1:]
	}
	if n > len(b) {
		return nil, false
	}
	return b[:n], true
}

// core reads a block in which the client says what it is (MS-RDPBCGR section 2.2.1.3.2).
func (s *Session) core(b []byte) bool {
	const (
		keyboard = 12
		build    = 16
		name     = 20
		nameEnd  = name + 32
	)
	if len(b) < nameEnd {
		return false
	}
	s.desktop.Keyboard, s.desktop.Build = binary.LittleEndian.Uint32(b[keyboard:]), binary.LittleEndian.Uint32(b[build:])
	var units []uint16
	for b := b[name:nameEnd]; len(b) > 0; b = b[2:] {
		unit := binary.LittleEndian.Uint16(b)
		if unit == 0 {
			break
		}
		units = append(units, unit)
	}
	s.desktop.Machine = shown(string(utf16.Decode(units)))
	return true
}

// network reads a block with the names of virtual channels (MS-RDPBCGR section 2.2.1.3.4).
func (s *Session) network(b []byte) bool {
	const entry, nameLength = 12, 8
	if len(b) < 4 {
		return false
	}
	n := binary.LittleEndian.Uint32(b)
	if b = b[4:]; n > maxChannels || int(n)*entry > len(b) {
		return false
	}
	s.desktop.Channels = nil
	for range n {
		name, _, _ := bytes.Cut(b[:nameLength], []byte{0})
		s.desktop.Channels = append(s.desktop.Channels, shown(string(name)))
		b = b[entry:]
	}
	return true
}

// shown makes a name that somebody else chose fit to be shown.
func shown(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, name)
}
