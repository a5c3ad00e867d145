package smb

import (
	"encoding/binary"

	"chaperone"
	"chaperone/wire"
)

const (
	anyDialect      = 0x02FF // the answer to an SMB1 negotiate that offers SMB2: the client negotiates again
	signingRequired = 2      // in SecurityMode
	isGuest         = 1      // in SessionFlags
	isNobody        = 2
	encryptsShare   = 0x8000 // in ShareFlags
	isDirectory     = 0x10   // in FileAttributes
)

// response reads an answer and notes what it makes of its request.
func (s *Session) response(d wire.Dir, hd *header, body []byte, at chaperone.Mark) {
	if hd.status == statusPending {
		return // the request stays; the answer that follows has the same MessageId
	}
	le, ok := binary.LittleEndian, hd.succeeded()
	r, asked := s.take(hd)
	switch hd.command {
	case negotiate:
		if ok {
			s.negotiated(d, body, at)
		}
	case sessionSetup:
		s.setUp(d, hd, &r, asked, body, at)
	case logoff:
		if ok {
			s.forget(r.session, 0, true)
		}
	case treeConnect:
		s.connected(d, hd, &r, asked, body, at)
	case treeDisconnect:
		if ok {
			s.forget(r.session, hd.tree, false)
		}
	case create:
		s.opened(d, hd, &r, asked, body, at)
	case closing:
		if ok && r.file != [16]byte{} {
			s.note(d, wire.FileUse{Step: wire.FileClosed, Session: r.session, ID: r.file}, at)
		}
	case read:
		if ok {
			s.passedBy(d, &r, body, at)
		}
	case write: // section 2.2.22
		if ok {
			n := int64(le.Uint32(body[4:]))
			if asked {
				n = min(n, r.length)
			}
			s.note(d, wire.FileUse{Step: wire.FileWritten, Session: r.session, ID: r.file, Offset: r.offset, Length: n}, at)
		}
	case lock:
		for _, l := range r.locks {
			if ok {
				s.note(d, wire.FileUse{Step: wire.FileLocked, Session: r.session, ID: r.file, Offset: l.offset, Length: l.length}, at)
			}
		}
	}
}

// negotiated notes what the server answers to the offer of dialects (MS-SMB2 section 2.2.4).
func (s *Session) negotiated(d wire.Dir, body []byte, at chaperone.Mark) {
	if dialect := binary.LittleEndian.Uint16(body[4:]); dialect != anyDialect {
		s.agree(d, wire.FileServer{Dialect: dialect, Signing: body[2]&signingRequired != 0, Encrypted: s.server.Encrypted}, at)
	}
}

// connected notes a tree connect (section 2.2.10).
func (s *Session) connected(d wire.Dir, hd *header, r *request, asked bool, body []byte, at chaperone.Mark) {
	share := wire.Share{Session: r.session, Status: hd.status, Path: r.name}
	if hd.succeeded() {
		share.Encrypted = binary.LittleEndian.Uint32(body[4:])&encryptsShare != 0
		s.forget(r.session, hd.tree, false)
		if asked && hd.flags&flagAsync == 0 {
			s.trees = keep(s.trees, tree{r.session, hd.tree, r.name}, s.limits.Pending)
		}
	}
	s.note(d, share, at)
}

// opened notes a CREATE (section 2.2.14), and tells those behind it in its chain which file it was.
func (s *Session) opened(d wire.Dir, hd *header, r *request, asked bool, body []byte, at chaperone.Mark) {
	use := wire.FileUse{Step: wire.FileOpened, Session: r.session, Status: hd.status, Name: r.name, Size: -1}
	use.Share = s.share(r.session, r.tree)
	if hd.succeeded() {
		if binary.LittleEndian.Uint32(body[56:])&isDirectory == 0 {
			use.Size = number(body[48:])
		}
		copy(use.ID[:], body[64:80])
		for i := range s.pending {
			if p := &s.pending[i]; p.related && p.after == hd.id && asked {
				p.file, p.related = use.ID, false
			}
		}
	}
	s.note(d, use, at)
}

// passedBy notes a piece of a file (section 2.2.20): as much of it as passed.
func (s *Session) passedBy(d wire.Dir, r *request, body []byte, at chaperone.Mark) {
	h := &s.half[d]
	from, n := int(body[2]), int(min(binary.LittleEndian.Uint32(body[4:]), 1<<24))
	if n > 0 && (from < headerSize+16 || from+n > h.size) {
		s.malformed(d, at, "piece of %d bytes at %d in a message of %d bytes", n, from, h.size)
		return
	}
	whole := h.passed == h.size
	if n = min(n, h.passed-from); n > 0 || whole {
		s.note(d, wire.FileUse{Step: wire.FileRead, Session: r.session, ID: r.file, Offset: r.offset, Length: int64(max(n, 0))}, at)
	}
}
