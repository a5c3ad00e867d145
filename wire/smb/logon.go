package smb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"chaperone"
	"chaperone/wire"
)

// logon gives what the steps so far of a session's logon have said.
func (s *Session) logon(session uint64) wire.Logon {
	for _, l := range s.logons {
		if l.Session == session && session != 0 {
			return l
		}
	}
	return wire.Logon{}
}

// setUp takes the answer to a session setup (MS-SMB2 section 2.2.6): a step of the logon, or its end.
func (s *Session) setUp(d wire.Dir, hd *header, r *request, asked bool, body []byte, at chaperone.Mark) {
	l := r.logon
	if !asked {
		l = s.logon(r.session)
	}
	l.Session, l.Status = r.session, hd.status
	s.logons = slices.DeleteFunc(s.logons, func(o wire.Logon) bool { return o.Session == r.session })
	if hd.succeeded() {
		le := binary.LittleEndian
		challenge(&l, s.field(d, le.Uint16(body[4:]), le.Uint16(body[6:]), at))
		flags := le.Uint16(body[2:])
		l.Guest = flags&(isGuest|isNobody) != 0
		l.Anonymous = l.Anonymous || flags&isNobody != 0
	}
	if hd.status == statusMoreProcessing {
		s.logons = keep(s.logons, l, s.limits.Pending)
		return
	}
	s.note(d, l, at)
}

// NTLMSSP messages (MS-NLMP section 2.2.1). They lie somewhere in an SPNEGO token; their signature tells where.
var ntlmssp = []byte("NTLMSSP\x00")

const (
	ntlmChallenge     = 2
	ntlmAuthenticate  = 3
	negotiateUnicode  = 1 << 0 // flags: MS-NLMP section 2.2.2.5
	negotiateNobody   = 1 << 11
	negotiateVersion  = 1 << 25
	maxAccount        = 1 << 10 // bytes of the name of an account, a domain or a machine
	flagsOfOld        = 64      // an authenticate message whose data begin before has no flags
	nameOfComputer    = 1       // AvId: MS-NLMP section 2.2.2.1
	nameOfDomain      = 2
	dnsNameOfComputer = 3
	dnsNameOfDomain   = 4
)

// apReq begins a Kerberos token that holds a ticket (RFC 4121 section 4.1; the OID is 1.2.840.113554.1.2.2). The OID alone
// is in every client's list of what it could do.
var apReq = []byte{0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 0x01, 0x02, 0x02, 0x01, 0x00}

// ntlm gives the NTLMSSP message in a token, cut where the token ends; nil without one.
func ntlm(token []byte) []byte {
	i := bytes.Index(token, ntlmssp)
	if i < 0 || len(token)-i < 12 {
		return nil
	}
	return token[i:]
}

// claim reads what the client's token says of it (MS-NLMP section 2.2.1.3).
func claim(l *wire.Logon, token []byte) {
	m := ntlm(token)
	if m == nil {
		l.Kerberos = l.Kerberos || bytes.Contains(token, apReq)
		return
	}
	l.Kerberos = false
	if binary.LittleEndian.Uint32(m[8:]) != ntlmAuthenticate || len(m) < 52 {
		return
	}
	var flags uint32
	if len(m) >= flagsOfOld && !slices.ContainsFunc([]int{12, 20, 28, 36, 44}, func(i int) bool {
		n, at := binary.LittleEndian.Uint16(m[i:]), binary.LittleEndian.Uint32(m[i+4:])
		return n > 0 && at < flagsOfOld
	}) {
		flags = binary.LittleEndian.Uint32(m[60:])
	}
	text := oem
	if flags&negotiateUnicode != 0 {
		text = unicode
	}
	l.Domain, l.Account, l.Workstation = text(payload(m, 28)), text(payload(m, 36)), text(payload(m, 44))
	answer, user := binary.LittleEndian.Uint16(m[20:]), binary.LittleEndian.Uint16(m[36:])
	l.Anonymous = flags&negotiateNobody != 0 || answer == 0 && user == 0
}

// challenge reads what the server's token says of it (MS-NLMP section 2.2.1.2).
func challenge(l *wire.Logon, token []byte) {
	m := ntlm(token)
	if len(m) < 48 || binary.LittleEndian.Uint32(m[8:]) != ntlmChallenge {
		return
	}
	names := map[uint16]string{}
	for pairs := payload(m, 40); len(pairs) >= 4; {
		id, n := binary.LittleEndian.Uint16(pairs), int(binary.LittleEndian.Uint16(pairs[2:]))
		if id == 0 || n > len(pairs)-4 {
			break
		}
		if id <= dnsNameOfDomain {
			names[id] = unicode(pairs[4 : 4+n])
		}
		pairs = pairs[4+n:]
	}
	l.Server, l.ServerDomain = names[nameOfComputer], names[nameOfDomain]
	if l.Server == "" {
		l.Server = names[dnsNameOfComputer]
	}
	if l.ServerDomain == "" {
		l.ServerDomain = names[dnsNameOfDomain]
	}
	if len(m) >= 56 && binary.LittleEndian.Uint32(m[20:])&negotiateVersion != 0 {
		l.Build = fmt.Sprintf("%d.%d.%d", m[48], m[49], binary.LittleEndian.Uint16(m[50:]))
	}
}

// payload gives the data that a field of an NTLMSSP message points at (length, room, offset), nil when it points outside.
func payload(m []byte, field int) []byte {
	n, at := int(binary.LittleEndian.Uint16(m[field:])), int64(binary.LittleEndian.Uint32(m[field+4:]))
	if at+int64(n) > int64(len(m)) {
		return nil
	}
	return m[at : at+int64(n)]
}

func unicode(b []byte) string { return decode(b, maxAccount) }

// oem reads text in the client's own code page, of which only ASCII is known.
func oem(b []byte) string {
	if len(b) > maxAccount {
		return ""
	}
	text := make([]rune, len(b))
	for i, c := range b {
		if text[i] = rune(c); c > '~' {
			text[i] = '\uFFFD'
		}
	}
	return string(text)
}
