package smb

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf16"

	"chaperone"
	"chaperone/wire"
)

// all64 in a related request stands for what the one before it said (MS-SMB2 section 3.2.4.1.4).
const all64 = math.MaxUint64

// Of a LOCK request with more ranges the first ones are read.
const (
	maxLocks = 32
	lockSize = 24
	unlock   = 4 // SMB2_LOCKFLAG_UNLOCK
)

// Bounds of names in bytes of UTF-16. No program makes longer ones unless it means to; the file is then told without.
const (
	maxPath = 1 << 10 // of a share: a host name, and a share name of 80 characters
	maxName = 8 << 10
)

// request remembers a request until its answer comes.
func (s *Session) request(d wire.Dir, hd *header, body []byte, at chaperone.Mark) {
	h, le := &s.half[d], binary.LittleEndian
	r := request{id: hd.id, command: hd.command, session: hd.session, tree: hd.tree}
	related := hd.flags&flagRelated != 0
	if related {
		r.session, r.tree = h.chain.session, h.chain.tree
	}
	h.chain.session, h.chain.tree = r.session, r.tree
	switch hd.command {
	case sessionSetup: // section 2.2.5
		r.logon = s.logon(r.session)
		claim(&r.logon, s.field(d, le.Uint16(body[12:]), le.Uint16(body[14:]), at))
	case treeConnect: // section 2.2.9
		r.name = decode(s.field(d, le.Uint16(body[4:]), le.Uint16(body[6:]), at), maxPath)
	case create: // section 2.2.13
		r.name = decode(s.field(d, le.Uint16(body[44:]), le.Uint16(body[46:]), at), maxName)
		h.chain.created, h.chain.creates, h.chain.file = hd.id, true, [16]byte{}
	case closing: // section 2.2.15
		s.about(d, &r, body[8:24], related)
	case read: // section 2.2.19
		r.length, r.offset = int64(le.Uint32(body[4:])), number(body[8:])
		s.about(d, &r, body[16:32], related)
	case write: // section 2.2.21
		r.length, r.offset = int64(le.Uint32(body[4:])), number(body[8:])
		if from := int64(le.Uint16(body[2:])); r.length > 0 && (from < headerSize+48 || from+r.length > int64(h.size)) {
			s.malformed(d, at, "piece of %d bytes at %d in a message of %d bytes", r.length, from, h.size)
			return
		}
		s.about(d, &r, body[16:32], related)
	case lock: // section 2.2.26
		s.about(d, &r, body[8:24], related)
		r.locks = locks(body)
	default:
		return // its answer says all, or it is none of ours
	}
	s.pending = keep(s.pending, r, s.limits.Pending)
}

// about finds out which file a request is about.
func (s *Session) about(d wire.Dir, r *request, id []byte, related bool) {
	c := &s.half[d].chain
	copy(r.file[:], id)
	if binary.LittleEndian.Uint64(id) != all64 || binary.LittleEndian.Uint64(id[8:]) != all64 {
		c.file, c.creates = r.file, false
		return
	}
	r.file = [16]byte{}
	if related {
		r.file, r.after, r.related = c.file, c.created, c.creates
	}
}

// locks reads the ranges of a LOCK request that it locks.
func locks(body []byte) (list []span) {
	for i := range min(int(binary.LittleEndian.Uint16(body[2:])), maxLocks, (len(body)-24)/lockSize) {
		element := body[24+i*lockSize:]
		if binary.LittleEndian.Uint32(element[16:])&unlock == 0 {
			list = append(list, span{number(element), number(element[8:])})
		}
	}
	return list
}

// field gives the part of a message that lies at an offset from its header, nil when not all of it was kept. Names of no
// length lie anywhere.
func (s *Session) field(d wire.Dir, offset, length uint16, at chaperone.Mark) []byte {
	h := &s.half[d]
	from, to := int(offset), int(offset)+int(length)
	switch {
	case length == 0:
		return nil
	case from < headerSize || to > h.size:
		s.malformed(d, at, "field of %d bytes at %d in a message of %d bytes", length, offset, h.size)
		return nil
	case to > len(h.kept):
		return nil
	}
	return h.kept[from:to]
}

// number reads an offset or a length of 64 bits; none is above what int64 holds but for the ends of whole-file locks.
func number(b []byte) int64 {
	return int64(min(binary.LittleEndian.Uint64(b), math.MaxInt64))
}

// decode reads UTF-16, "" when it is longer than it may be.
func decode(b []byte, most int) string {
	if len(b) > most {
		return ""
	}
	var out strings.Builder
	for units := b; len(units) >= 2; units = units[2:] {
		r := rune(binary.LittleEndian.Uint16(units))
		if utf16.IsSurrogate(r) && len(units) >= 4 {
			if pair := utf16.DecodeRune(r, rune(binary.LittleEndian.Uint16(units[2:]))); pair != '\uFFFD' {
				r, units = pair, units[2:]
			}
		}
		out.WriteRune(r) // half a pair becomes U+FFFD
	}
	return out.String()
}
