package clinicsim

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"time"
)

// Object identifiers in DER: SPNEGO (RFC 4178) and NTLMSSP (MS-NLMP).
var (
	oidSPNEGO = []byte{6, 6, 0x2B, 6, 1, 5, 5, 2}
	oidNTLM   = []byte{6, 10, 0x2B, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 10}
)

// der is one element: tag, length, content.
func der(tag byte, parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	n := len(body)
	switch {
	case n < 128:
		return append([]byte{tag, byte(n)}, body...)
	case n < 256:
		return append([]byte{tag, 0x81, byte(n)}, body...)
	}
	return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
}

// spnegoOffer is what the server says it understands, and with a token how the client begins (RFC 4178 section 4.2.1).
func spnegoOffer(token []byte) []byte {
	parts := [][]byte{der(0xA0, der(0x30, oidNTLM))}
	if token != nil {
		parts = append(parts, der(0xA2, der(4, token)))
	}
	return der(0x60, oidSPNEGO, der(0xA0, der(0x30, parts...)))
}

// spnegoAnswer carries a token on; a state below 0 is left out (section 4.2.2).
func spnegoAnswer(state int, token []byte) []byte {
	var parts [][]byte
	if state >= 0 {
		parts = append(parts, der(0xA0, []byte{10, 1, byte(state)}))
	}
	if state == 1 {
		parts = append(parts, der(0xA1, oidNTLM))
	}
	if token != nil {
		parts = append(parts, der(0xA2, der(4, token)))
	}
	return der(0xA1, der(0x30, parts...))
}

const ntlmFlags = 0xE2898215 // Unicode, extended session security, version, target information, 128 bits

// ntlmVersion is a version of Windows (MS-NLMP section 2.2.2.10).
var ntlmVersion = []byte{6, 3, 0x80, 0x25, 0, 0, 0, 15}

// ntlmNegotiate is the first message (section 2.2.1.1).
func ntlmNegotiate() []byte {
	b := ntlmHead(1)
	b = binary.LittleEndian.AppendUint32(b, 0xE2088297)
	b = append(b, make([]byte, 16)...) // neither domain nor workstation
	return append(b, ntlmVersion...)
}

// ntlmChallenge is the server's answer, with its names (section 2.2.1.2).
func ntlmChallenge(r *rand.Rand, server Host, at time.Time) []byte {
	target := utf16le("CLINIC")
	info := avPair(nil, 2, target)
	info = avPair(info, 1, utf16le(server.Name))
	info = avPair(info, 4, utf16le(windowsDomain))
	info = avPair(info, 3, utf16le(computer(server)))
	info = avPair(info, 7, binary.LittleEndian.AppendUint64(nil, filetime(at)))
	info = avPair(info, 0, nil)
	b := ntlmHead(2)
	b = ntlmField(b, 56, len(target))
	b = binary.LittleEndian.AppendUint32(b, ntlmFlags)
	b = append(b, random(r, 8)...)
	b = append(b, make([]byte, 8)...)
	b = ntlmField(b, 56+len(target), len(info))
	b = append(b, ntlmVersion...)
	return append(append(b, target...), info...)
}

// ntlmAuthenticate is the client's proof, with the account that it claims (section 2.2.1.3).
func ntlmAuthenticate(r *rand.Rand, domain, account, workstation string, at time.Time) []byte {
	proof := random(r, 16)
	proof = append(proof, 1, 1, 0, 0, 0, 0, 0, 0)
	proof = binary.LittleEndian.AppendUint64(proof, filetime(at))
	proof = append(append(proof, random(r, 8)...), 0, 0, 0, 0)
	proof = append(avPair(avPair(proof, 2, utf16le("CLINIC")), 0, nil), 0, 0, 0, 0)
	values := [][]byte{make([]byte, 24), proof, utf16le(domain), utf16le(account), utf16le(workstation), random(r, 16)}
	order := []int{2, 3, 4, 0, 1, 5} // names stand first
	at88, offsets := 88, make([]int, len(values))
	var payload []byte
	for _, i := range order {
		offsets[i] = at88
		at88 += len(values[i])
		payload = append(payload, values[i]...)
	}
	b := ntlmHead(3)
	for i, v := range values {
		b = ntlmField(b, offsets[i], len(v))
	}
	b = binary.LittleEndian.AppendUint32(b, ntlmFlags)
	b = append(b, ntlmVersion...)
	b = append(b, random(r, 16)...) // integrity code
	return append(b, payload...)
}

func ntlmHead(kind uint32) []byte {
	return binary.LittleEndian.AppendUint32([]byte("NTLMSSP\x00"), kind)
}

func ntlmField(b []byte, offset, length int) []byte {
	le := binary.LittleEndian
	b = le.AppendUint16(le.AppendUint16(b, uint16(length)), uint16(length))
	return le.AppendUint32(b, uint32(offset))
}

func avPair(b []byte, kind uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, kind)
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(value))), value...)
}

// windowsDomain is the domain of the clinic's Windows computers.
const windowsDomain = "clinic.example"

// computer gives the full name of a Windows computer.
func computer(h Host) string { return strings.ToUpper(h.Name) + "." + windowsDomain }
