package wiretest

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"chaperone"
	"chaperone/internal/clinicsim"
	"chaperone/wire"
)

// opening is how a conversation of some protocol begins.
type opening struct {
	name           string
	protocol       chaperone.Protocol // of those that are decoded here
	client, server string
	begins         bool // in the middle of a connection it may be anything
}

// openings are first bytes as they are on the wire; \x escapes where they are binary.
var openings = []opening{
	{name: "HTTP", client: "GET /fhir/Patient?name=a HTTP/1.1\r\nHost: a.example\r\n\r\n", server: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"},
	{name: "HTTP with HL7 inside", client: "POST /hl7 HTTP/1.1\r\nContent-Length: 30\r\n\r\nMSH|^~\\&|A|B|C|D|2025||ADT^A01\r"},
	{name: "HTTP with a frame inside", client: "POST /hl7 HTTP/1.1\r\n\r\n\x0bMSH|^~\\&|A|B|C|D|2025||ADT^A01\r\x1c\r", begins: true},
	{name: "HTTP/2", client: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x12\x04\x00\x00\x00\x00\x00", server: "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"},
	{name: "TLS", protocol: chaperone.SSL, client: unhex("16030100c8010000c40303") + strings.Repeat("r", 32), server: unhex("160303007a020000760303") + strings.Repeat("s", 32)},
	{name: "TLS in the middle", protocol: chaperone.SSL, client: unhex("1703030040") + strings.Repeat("\x04\x00\x8b", 21), server: unhex("1703030020") + strings.Repeat("x", 32)},
	{name: "SSH", client: "SSH-2.0-OpenSSH_9.6\r\n", server: "SSH-2.0-OpenSSH_9.6\r\n\x00\x00\x04\x5c\x08\x14"},
	{name: "SMB", protocol: chaperone.SMB, client: unhex("00000085ff534d4272000000001853c8"), server: unhex("000000aefe534d4240000000000000000000")},
	{name: "SMB2", protocol: chaperone.SMB, client: unhex("000000e8fe534d42400001000000000000000100")},
	{name: "RDP", protocol: chaperone.RDP, client: unhex("030000130ee000000000000100080003000000"), server: unhex("030000130ed000001234000200080002000000")},
	{name: "RDP with a cookie", protocol: chaperone.RDP, client: "\x03\x00\x00\x2f\x2a\xe0\x00\x00\x00\x00\x00Cookie: mstshash=nurse\r\n\x01\x00\x08\x00\x03\x00\x00\x00"},
	{name: "PostgreSQL", client: unhex("0000000804d2162f"), server: "S"},
	{name: "PostgreSQL start", client: "\x00\x00\x00\x29\x00\x03\x00\x00user\x00emr\x00database\x00emr\x00\x00", server: "R\x00\x00\x00\x0c\x00\x00\x00\x05abcd"},
	{name: "TDS", client: unhex("1201002f0000010000001a00060100200001020021000103002200040400260001ff"), server: unhex("0401002b00000100000000001a000601")},
	{name: "MySQL", client: unhex("200000018da6ff09000000012d00000000000000"), server: "\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00abcdefgh\x00"},
	{name: "SMTP", client: "EHLO clinic.example\r\nMAIL FROM:<a@clinic.example>\r\n", server: "220 mail.example ESMTP\r\n250 OK\r\n"},
	{name: "FTP", client: "USER a\r\n", server: "220 ready\r\n"},
	{name: "LDAP", client: unhex("300c020101600702010304008000"), server: unhex("300c02010161070a010004000400")},
	{name: "DNS over TCP", client: unhex("001d1a2b01000001000000000000076578616d706c6503636f6d0000010001")},
	{name: "Kerberos", client: unhex("0000010a6a82010630820102a103020105a20302010a")},
	{name: "Java serialisation", client: unhex("aced0005737200116a6176612e7574696c2e48617368")},
	{name: "XML", client: "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>"},
	{name: "HLLP", client: "\x0bD23MSH|^~\\&|A|B|C|D\r00123\x1c\r"},
	{name: "zeros", client: strings.Repeat("\x00", 256), server: strings.Repeat("\x00", 256)},
	{name: "ones", client: strings.Repeat("\x01", 256), server: strings.Repeat("\x02", 256)},
}

func unhex(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err) // a typing error in the table above
	}
	return string(b)
}

// decoded adds the protocols that this program decodes: none may take another's conversation for its own.
func decoded() []opening {
	var list []opening
	for protocol, s := range map[chaperone.Protocol]*clinicsim.Sample{
		chaperone.HL7: clinicsim.MLLPSample(1), chaperone.DICOM: clinicsim.DICOMSample(1, 256),
	} {
		list = append(list, opening{name: string(protocol), protocol: protocol, client: string(s.Bytes(clinicsim.FromClient)), server: string(s.Bytes(clinicsim.FromServer))})
	}
	return list
}

// foreign: other protocols are refused, and the protocol's own conversation is recognised.
func foreign(t *testing.T, p wire.Protocol, c Conversation) {
	for _, o := range append(decoded(), openings...) {
		if o.protocol == p.Name {
			continue
		}
		for _, seen := range []struct{ what, client, server string }{
			{"both sides", o.client, o.server}, {"client", o.client, ""}, {"server", "", o.server},
		} {
			for _, midstream := range []bool{false, true} {
				if o.begins && midstream {
					continue
				}
				if p.Sniff([]byte(seen.client), []byte(seen.server), midstream) == wire.Yes {
					t.Errorf("%s, %s, midstream %t: got Yes", o.name, seen.what, midstream)
				}
			}
		}
	}
	var side [2][]byte
	got := wire.Maybe
	for _, turn := range c.Turns {
		for _, b := range turn.Bytes {
			if got == wire.Yes {
				break
			}
			side[turn.Dir] = append(side[turn.Dir], b)
			got = p.Sniff(side[0], side[1], false)
			if got == wire.No {
				t.Fatalf("its own conversation: got No after %d and %d bytes", len(side[0]), len(side[1]))
			}
		}
	}
	if got != wire.Yes {
		t.Errorf("its own conversation: got %s, want Yes", fmt.Sprint(got))
	}
}
