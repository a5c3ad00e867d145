package clinicsim

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

const portShares = 445

// Commands and statuses of SMB2 (MS-SMB2 section 2.2.1, MS-ERREF section 2.3).
const (
	smbNegotiate = iota
	smbSetup
	smbLogoff
	smbTree
	smbTreeOff
	smbCreate
	smbClose
	smbFlush
	smbRead
	smbWrite
	smbLock

	smbList = 0x0E

	statusMore    = 0xC0000016
	statusNoLogon = 0xC000006D
)

// share is one SMB2 connection with one session and one tree. All are in the clear.
type share struct {
	*flow
	client, server Host
	dialect        uint16
	message        uint64
	session        uint64
	tree           uint32
	account        string
	logonID        string // of the server's log
}

// shares opens a connection and agrees on a dialect.
func (w *week) shares(r *rand.Rand, at time.Duration, client, server Host) *share {
	s := &share{flow: w.net.open(r, at, client.Addr, server.Addr, portShares), client: client, server: server, dialect: 0x0302}
	if device(server.Addr) || device(client.Addr) {
		s.dialect = 0x0210 // consoles run an older Windows
	}
	le := binary.LittleEndian
	dialects := []uint16{0x0202, 0x0210, 0x0300, 0x0302}
	if s.dialect == 0x0210 {
		dialects = dialects[:2]
	}
	request := le.AppendUint16([]byte{36, 0}, uint16(len(dialects)))
	request = append(request, 1, 0, 0, 0)
	request = le.AppendUint32(request, s.capabilities())
	request = append(append(request, random(r, 16)...), make([]byte, 8)...)
	for _, d := range dialects {
		request = le.AppendUint16(request, d)
	}
	token := spnegoOffer(nil)
	answer := le.AppendUint16([]byte{65, 0, 1, 0}, s.dialect)
	answer = append(append(answer, 0, 0), random(r, 16)...)
	answer = le.AppendUint32(answer, s.capabilities())
	for range 3 { // largest transaction, read, write
		answer = le.AppendUint32(answer, 1<<20)
	}
	answer = le.AppendUint64(answer, filetime(w.time(s.now)))
	answer = le.AppendUint64(answer, 0)
	answer = le.AppendUint16(answer, 128)
	answer = le.AppendUint16(answer, uint16(len(token)))
	s.call(smbNegotiate, 0, request, append(append(answer, 0, 0, 0, 0), token...))
	return s
}

func (s *share) capabilities() uint32 {
	if s.dialect >= 0x0300 {
		return 0x7F & ^uint32(0x40) // all but encryption
	}
	return 0x07
}

// setup proves an account by NTLM; join is 1 when the connection is to be another one of a session.
func (s *share) setup(account string, good bool, join byte) {
	le := binary.LittleEndian
	request := func(token []byte) []byte {
		b := append([]byte{25, 0, join, 1}, make([]byte, 8)...)
		b = le.AppendUint16(b, 88)
		b = le.AppendUint16(b, uint16(len(token)))
		return append(append(b, make([]byte, 8)...), token...)
	}
	answer := func(token []byte) []byte {
		b := le.AppendUint16([]byte{9, 0, 0, 0}, 72)
		return append(le.AppendUint16(b, uint16(len(token))), token...)
	}
	at := s.net.begin.Add(s.now)
	named := s.session
	if named == 0 {
		named = 0x0000_0400_0000_0001 | uint64(s.rand.Uint32()&0xFFFF)<<4
	}
	hello := s.frame(smbSetup, 0, 0, request(spnegoOffer(ntlmNegotiate())))
	s.session = named
	s.Send(FromClient, hello)
	s.Send(FromServer, s.frame(smbSetup, statusMore, 1, answer(spnegoAnswer(1, ntlmChallenge(s.rand, s.server, at)))))
	s.message++
	proof := request(spnegoAnswer(-1, ntlmAuthenticate(s.rand, "CLINIC", account, s.client.Name, at)))
	if !good {
		s.call(smbSetup, statusNoLogon, proof, refusal)
		s.session = 0
		return
	}
	s.call(smbSetup, 0, proof, answer(spnegoAnswer(0, nil)))
}

// refusal is the body of an answer that is an error (section 2.2.2).
var refusal = []byte{9, 0, 0, 0, 0, 0, 0, 0, 0}

// connect opens a tree.
func (s *share) connect(path string) {
	name := utf16le(path)
	request := binary.LittleEndian.AppendUint16([]byte{9, 0, 0, 0, 72, 0}, uint16(len(name)))
	s.tree = 0
	s.Send(FromClient, s.frame(smbTree, 0, 0, append(request, name...)))
	s.tree = uint32(1 + s.rand.IntN(8)*4)
	s.Send(FromServer, s.frame(smbTree, 0, 1, []byte{16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0x01, 0x1F, 0}))
	s.message++
}

// hangUp ends tree, session and connection.
func (s *share) hangUp() {
	s.call(smbTreeOff, 0, []byte{4, 0, 0, 0}, []byte{4, 0, 0, 0})
	s.call(smbLogoff, 0, []byte{4, 0, 0, 0}, []byte{4, 0, 0, 0})
	s.close(FromClient)
}

// call is a request and its answer.
func (s *share) call(command uint16, status uint32, request, answer []byte) {
	s.Send(FromClient, s.frame(command, 0, 0, request))
	s.Send(FromServer, s.frame(command, status, 1, answer))
	s.message++
}

// frame puts the transport's length and the header before a body (section 2.2.1.2).
func (s *share) frame(command uint16, status, flags uint32, body []byte) []byte {
	le := binary.LittleEndian
	b := binary.BigEndian.AppendUint32(nil, uint32(64+len(body)))
	b = append(b, 0xFE, 'S', 'M', 'B', 64, 0, byte(min(s.message, 1)), 0)
	b = le.AppendUint32(b, status)
	b = le.AppendUint16(b, command)
	b = le.AppendUint16(b, 31) // credits
	b = le.AppendUint32(b, flags)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, s.message)
	b = le.AppendUint32(b, 0xFEFF)
	b = le.AppendUint32(b, s.tree)
	b = le.AppendUint64(b, s.session)
	b = append(b, make([]byte, 16)...)
	return append(b, body...)
}
