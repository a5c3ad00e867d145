package tls_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"math/big"
	"net"
	"strings"
	"time"

	"chaperone/internal/wiretest"
	"chaperone/wire"
)

// The parts of a handshake, built from the tables of RFC 8446 and RFC 5246 without the decoder's help.

func client(parts ...string) wiretest.Turn {
	return wiretest.Turn{Dir: wire.FromClient, Bytes: []byte(strings.Join(parts, ""))}
}

func server(parts ...string) wiretest.Turn {
	return wiretest.Turn{Dir: wire.FromServer, Bytes: []byte(strings.Join(parts, ""))}
}

// vector puts a length of so many bytes in front.
func vector(size int, parts ...string) string {
	body := strings.Join(parts, "")
	length := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	return string(length[4-size:]) + body
}

func record(kind byte, payload ...string) string {
	return string([]byte{kind, 3, 3}) + vector(2, payload...)
}

func handshake(messages ...string) string { return record(22, messages...) }

func message(kind byte, body ...string) string { return string(rune(kind)) + vector(3, body...) }

func number(n uint16) string { return string(binary.BigEndian.AppendUint16(nil, n)) }

func extension(kind uint16, body ...string) string { return number(kind) + vector(2, body...) }

var random = strings.Repeat("r", 32)

func clientHello(version uint16, session string, extensions ...string) string {
	hello := number(version) + random + vector(1, session) + vector(2, number(0x1301), number(0x002F)) + vector(1, "\x00")
	if len(extensions) > 0 {
		hello += vector(2, extensions...)
	}
	return message(1, hello)
}

func serverHello(version uint16, session string, extensions ...string) string {
	hello := number(version) + random + vector(1, session) + number(0x002F) + "\x00"
	if len(extensions) > 0 {
		hello += vector(2, extensions...)
	}
	return message(2, hello)
}

func serverName(name string) string { return extension(0, vector(2, "\x00", vector(2, name))) }

func offers(versions ...uint16) string {
	list := ""
	for _, v := range versions {
		list += number(v)
	}
	return extension(43, vector(1, list))
}

func certificates(chain ...string) string {
	list := ""
	for _, c := range chain {
		list += vector(3, c)
	}
	return message(11, vector(3, list))
}

var (
	helloDone    = message(14)
	keyExchange  = message(16, "a key")
	changeCipher = record(20, "\x01")
	finished     = record(22, strings.Repeat("\x02", 40)) // encrypted: it only looks like a hello
	data         = record(23, strings.Repeat("x", 40))
)

var (
	ownCert    = leaf("server.clinic.example", "server.clinic.example", "server.clinic.example", "alias.clinic.example")
	issuedCert = leaf("server.clinic.example", "Clinic Authority")
)

// leaf makes a certificate; everything in it is fixed.
func leaf(name, issuer string, dns ...string) string {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: dns,
		NotBefore: time.Unix(1.7e9, 0), NotAfter: time.Unix(1.8e9, 0),
	}
	if len(dns) > 0 {
		c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 7)}
	}
	parent := &x509.Certificate{Subject: pkix.Name{CommonName: issuer}}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), key)
	if err != nil {
		panic(err) // a mistake in the template above
	}
	return string(der)
}
