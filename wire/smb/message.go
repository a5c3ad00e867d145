package smb

import (
	"encoding/binary"
	"slices"

	"chaperone"
	"chaperone/wire"
)

// smb1Kept is what is kept of an SMB1 message: its header, and the first words of a negotiate response (MS-SMB section
// 2.2.4.5.2.1: WordCount, DialectIndex, SecurityMode).
const (
	smb1Kept      = 36
	smb1Header    = 32
	smb1Negotiate = 0x72
	smb1Reply     = 0x80 // in Flags, at offset 9
)

// message reads what was kept of a message when it is over, or when no more of it will come.
func (s *Session) message(d wire.Dir, at chaperone.Mark) {
	h := &s.half[d]
	if h.kept[0] == smb1 {
		s.old(d, h.kept, at)
		return
	}
	hd, body := &h.header, h.kept[headerSize:]
	asked := d
	if hd.response() {
		asked = d.Other()
	}
	if !s.known {
		s.asks, s.known = asked, true
	}
	if asked != s.asks {
		s.malformed(d, at, "message at offset %d in the direction of the others", h.offset-int64(h.passed))
		h.chain = chain{}
		return
	}
	if l, ok := hd.layout(); ok && !l.whole(body) {
		s.malformed(d, at, "body of %d bytes of a message of command %d at offset %d", h.size-headerSize, hd.command, h.offset-int64(h.passed))
		h.chain = chain{}
		return
	}
	if hd.response() {
		s.response(d, hd, body, at)
	} else {
		s.request(d, hd, body, at)
	}
}

// old notes a server that speaks SMB1. A client's negotiate alone does not say so: it may offer SMB2 in it (MS-SMB2
// section 3.2.4.2.2.1).
func (s *Session) old(d wire.Dir, b []byte, at chaperone.Mark) {
	if len(b) < smb1Kept || s.server.Dialect > 1 {
		return
	}
	server := s.server
	if b[4] == smb1Negotiate {
		reply := b[9]&smb1Reply != 0
		words, index := b[smb1Header], binary.LittleEndian.Uint16(b[smb1Header+1:])
		if !reply || words == 0 || index == 0xFFFF {
			return // nothing is agreed on
		}
		server.Signing = words >= 17 && b[smb1Header+3]&8 != 0 // NEGOTIATE_SECURITY_SIGNATURES_REQUIRED
	}
	server.Dialect = 1
	s.agree(d, server, at)
}

// request is what is remembered of a request until its answer comes.
type request struct {
	id      uint64 // MessageId
	command uint16
	session uint64
	tree    uint32
	file    [16]byte // zero when it is not known
	after   uint64   // MessageId of the CREATE in its chain whose file it is about, with related
	related bool
	name    string // of a CREATE and a TREE_CONNECT
	offset  int64
	length  int64
	locks   []span
	logon   wire.Logon
}

// span is a locked range.
type span struct{ offset, length int64 }

// chain is what the messages of a compound request share (MS-SMB2 section 3.3.5.2.7.2).
type chain struct {
	session uint64
	tree    uint32
	file    [16]byte
	created uint64 // MessageId of its CREATE, with creates
	creates bool
}

// tree is a tree connect that succeeded.
type tree struct {
	session uint64
	id      uint32
	path    string
}

// keep adds to a bounded list; the oldest element makes room.
func keep[T any](list []T, v T, most int) []T {
	list = append(list, v)
	if len(list) > most {
		list = slices.Delete(list, 0, 1)
	}
	return list
}

// take gives the request that an answer names.
func (s *Session) take(hd *header) (request, bool) {
	i := slices.IndexFunc(s.pending, func(r request) bool { return r.id == hd.id && r.command == hd.command })
	if i < 0 {
		return request{session: hd.session, tree: hd.tree, offset: -1, length: -1}, false
	}
	r := s.pending[i]
	s.pending = slices.Delete(s.pending, i, i+1)
	if hd.session != 0 && hd.session != all64 {
		r.session = hd.session
	}
	if r.tree == 0 {
		r.tree = hd.tree
	}
	return r, true
}

// share gives the path of a tree connect, "" when it was not seen.
func (s *Session) share(session uint64, id uint32) string {
	for i := len(s.trees) - 1; i >= 0; i-- {
		if t := &s.trees[i]; t.session == session && t.id == id {
			return t.path
		}
	}
	return ""
}

// forget drops tree connects: all of a session, or one.
func (s *Session) forget(session uint64, id uint32, all bool) {
	s.trees = slices.DeleteFunc(s.trees, func(t tree) bool { return t.session == session && (all || t.id == id) })
}
