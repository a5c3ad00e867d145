package clinicsim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// noise plays what is not clinical: web pages, encrypted connections, names being looked up.
func (d *day) noise() {
	r := d.net.random("noise")
	for i := range 9 + len(d.people)/20 {
		at := d.between(r, 0.01, 0.97)
		own := rand.New(rand.NewPCG(r.Uint64(), r.Uint64()))
		d.net.actor(at, func(wait func(time.Duration)) {
			client := pick(own, office, office2)
			switch i % 3 {
			case 0:
				d.lookup(own, at, client, "www.invented.example", outsideWeb)
				d.secure(own, at+20*time.Millisecond, client, outsideWeb, portHTTPS, "www.invented.example")
			case 1:
				d.lookup(own, at, client, "intranet.clinic.example", intranet)
				d.page(own, at+20*time.Millisecond, client)
			default: // encrypted HL7: nobody can read along
				d.secure(own, at, outsideLab, records, portHL7TLS, "ehr.clinic.example")
			}
		})
	}
}

// lookup is one DNS question over UDP and its answer (RFC 1035 section 4).
func (d *day) lookup(r *rand.Rand, at time.Duration, client Host, name string, address Host) {
	port := uint16(49152 + r.IntN(16384))
	id := uint16(r.Uint32())
	message := func(flags uint16, answers uint16) []byte {
		b := binary.BigEndian.AppendUint16(nil, id)
		for _, v := range []uint16{flags, 1, answers, 0, 0} {
			b = binary.BigEndian.AppendUint16(b, v)
		}
		for label := range strings.SplitSeq(name, ".") {
			b = append(append(b, byte(len(label))), label...)
		}
		return append(b, 0, 0, 1, 0, 1)
	}
	udp := func(at time.Duration, from, to netip.Addr, source, target uint16, payload []byte) {
		d.net.emit(at, from, to, protocolUDP, 6, udpDatagram(source, target, payload))
	}
	udp(at, client.Addr, resolver.Addr, port, portDNS, message(0x0100, 0))
	reply := append(message(0x8180, 1), 0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 0x2C, 0, 4)
	ip := address.Addr.As4()
	udp(at+2*time.Millisecond, resolver.Addr, client.Addr, portDNS, port, append(reply, ip[:]...))
}

// page is one HTTP exchange.
func (d *day) page(r *rand.Rand, at time.Duration, client Host) {
	f := d.net.open(r, at, client.Addr, intranet.Addr, portHTTP)
	for range 1 + r.IntN(3) {
		f.Send(FromClient, fmt.Appendf(nil, "GET /menu/%d HTTP/1.1\r\nHost: intranet.clinic.example\r\nUser-Agent: clinicsim\r\n\r\n", r.IntN(30)))
		body := "<!doctype html><title>Menu</title>" + strings.Repeat("<p>Soup of the day.</p>\n", 20+r.IntN(150))
		f.Send(FromServer, fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	}
	f.close(FromServer)
}

// secure is a TLS 1.3 connection: two plausible hellos, then records of random bytes (RFC 8446 section 5.1).
func (d *day) secure(r *rand.Rand, at time.Duration, client, server Host, port uint16, name string) {
	f := d.greet(r, at, client, server, port, name)
	for range 1 + r.IntN(4) {
		f.Send(FromClient, tlsRecord(23, 0x0303, random(r, 60+r.IntN(700))))
		f.Send(FromServer, tlsRecord(23, 0x0303, random(r, 100+r.IntN(4000))))
	}
	if one(r, 3) {
		f.reset(FromClient)
		return
	}
	f.close(FromClient)
}

// greet opens a TLS 1.3 connection and gets through its handshake.
func (d *day) greet(r *rand.Rand, at time.Duration, client, server Host, port uint16, name string) *flow {
	f := d.net.open(r, at, client.Addr, server.Addr, port)
	f.Send(FromClient, tlsRecord(22, 0x0301, clientHello(r, name)))
	hello := tlsRecord(22, 0x0303, serverHello(r))
	hello = append(hello, tlsRecord(20, 0x0303, []byte{1})...)
	f.Send(FromServer, append(hello, tlsRecord(23, 0x0303, random(r, 900+r.IntN(1500)))...))
	f.Send(FromClient, append(tlsRecord(20, 0x0303, []byte{1}), tlsRecord(23, 0x0303, random(r, 53))...))
	return f
}

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func tlsRecord(kind byte, version uint16, body []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{kind}, version)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return append(b, body...)
}

func handshake(kind byte, body []byte) []byte {
	return append([]byte{kind, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}

func extension(b []byte, kind uint16, body []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return append(b, body...)
}

// serverName is the extension that says whom the client wants (RFC 6066 section 3), nothing when it does not say.
func serverName(name string) []byte {
	n := len(name)
	if n == 0 {
		return nil
	}
	return extension(nil, 0, append([]byte{byte((n + 3) >> 8), byte(n + 3), 0, byte(n >> 8), byte(n)}, name...))
}

func clientHello(r *rand.Rand, name string) []byte {
	b := append([]byte{3, 3}, random(r, 32)...)
	b = append(append(b, 32), random(r, 32)...)
	b = append(b, 0, 6, 0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 1, 0)
	e := extension(serverName(name), 10, []byte{0, 4, 0, 29, 0, 23})
	e = extension(e, 13, []byte{0, 6, 4, 3, 8, 4, 4, 1})
	e = extension(e, 43, []byte{4, 3, 4, 3, 3})
	e = extension(e, 51, append([]byte{0, 36, 0, 29, 0, 32}, random(r, 32)...))
	b = binary.BigEndian.AppendUint16(b, uint16(len(e)))
	return handshake(1, append(b, e...))
}

func serverHello(r *rand.Rand) []byte {
	b := append([]byte{3, 3}, random(r, 32)...)
	b = append(append(b, 32), random(r, 32)...)
	b = append(b, 0x13, 0x01, 0)
	e := extension(nil, 43, []byte{3, 4})
	e = extension(e, 51, append([]byte{0, 29, 0, 32}, random(r, 32)...))
	b = binary.BigEndian.AppendUint16(b, uint16(len(e)))
	return handshake(2, append(b, e...))
}
