package tls_test

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"chaperone"
	"chaperone/internal/wiretest"
	"chaperone/wire"
	"chaperone/wire/tls"
)

// noted plays turns and gives the tunnel; malformed counts what broke the rules.
func noted(t *testing.T, midstream bool, turns ...wiretest.Turn) (tunnel wire.Tunnel, malformed int) {
	t.Helper()
	s := tls.New(wire.DefaultLimits, midstream)
	n := 0
	take := func(events []wire.Event) {
		for _, e := range events {
			switch f := e.Fact.(type) {
			case wire.Tunnel:
				tunnel, n = f, n+1
			default:
				malformed++
			}
		}
	}
	for _, turn := range turns {
		if turn.Gap > 0 {
			take(s.Gap(turn.Dir, turn.Gap, chaperone.Mark{}))
		}
		take(s.Feed(turn.Dir, turn.Bytes, chaperone.Mark{}))
	}
	if take(s.Close(chaperone.Mark{})); n != 1 {
		t.Errorf("got %d tunnels, want one", n)
	}
	return tunnel, malformed
}

func TestTunnel(t *testing.T) {
	numbered := []string{}
	for i := range 150 {
		numbered = append(numbered, fmt.Sprintf("%d.example", i))
	}
	manyNames := leaf(numbered[0], numbered[0], numbered[1:]...)
	hello := handshake(clientHello(0x0303, "", serverName("a.example")))
	offered := wire.Tunnel{ServerName: "a.example", Offered: 0x0303}
	with := func(change func(*wire.Tunnel)) wire.Tunnel {
		tunnel := offered
		change(&tunnel)
		return tunnel
	}
	own := []string{"server.clinic.example", "alias.clinic.example", "192.0.2.7"}
	long := strings.Repeat("a", 300)
	for _, test := range []struct {
		name      string
		turns     []wiretest.Turn
		midstream bool
		want      wire.Tunnel
		malformed int
	}{
		{"only a hello", []wiretest.Turn{client(hello)}, false, offered, 0},
		{"a hello without extensions", []wiretest.Turn{client(handshake(clientHello(0x0301, "")))}, false, wire.Tunnel{Offered: 0x0301}, 0},
		{"full", full.Turns, false, wire.Tunnel{ServerName: "server.clinic.example", Offered: 0x0303, Version: 0x0303,
			Names: []string{"server.clinic.example"}, Issuer: "Clinic Authority", Mutual: true, Certificate: sha256.Sum256([]byte(issuedCert))}, 0},
		{"self-signed", []wiretest.Turn{client(hello), server(handshake(serverHello(0x0303, ""), certificates(ownCert)), handshake(helloDone))}, false,
			with(func(u *wire.Tunnel) {
				u.Version, u.Names, u.Issuer, u.SelfSigned = 0x0303, own, "server.clinic.example", true
				u.Certificate = sha256.Sum256([]byte(ownCert))
			}), 0},
		{"a certificate that is none", []wiretest.Turn{client(hello), server(handshake(serverHello(0x0303, ""), certificates("DER")))}, false,
			with(func(u *wire.Tunnel) { u.Version, u.Certificate = 0x0303, sha256.Sum256([]byte("DER")) }), 0},
		{"a client without a certificate", []wiretest.Turn{client(hello, handshake(certificates(), keyExchange), changeCipher)}, false, offered, 0},
		{"1.3", modern.Turns, false, wire.Tunnel{ServerName: "server.clinic.example", Offered: 0x0304, Version: 0x0304, Resumed: true}, 0},
		{"1.3 echoes every session ID", []wiretest.Turn{client(handshake(clientHello(0x0303, "ID", offers(0x0304)))), server(handshake(serverHello(0x0303, "ID", extension(43, number(0x0304)))), changeCipher, data)}, false,
			wire.Tunnel{Offered: 0x0304, Version: 0x0304}, 0},
		{"resumed by its ID", []wiretest.Turn{client(handshake(clientHello(0x0303, "ID", serverName("a.example")))), server(handshake(serverHello(0x0303, "ID")))}, false,
			with(func(u *wire.Tunnel) { u.Version, u.Resumed = 0x0303, true }), 0},
		{"resumed by a ticket", []wiretest.Turn{client(hello), server(handshake(serverHello(0x0303, ""), message(4, "a ticket")), changeCipher, finished), client(changeCipher, finished)}, false,
			with(func(u *wire.Tunnel) { u.Version, u.Resumed = 0x0303, true }), 0},
		{"the ID is echoed and a certificate follows", []wiretest.Turn{client(handshake(clientHello(0x0303, "ID", serverName("a.example")))), server(handshake(serverHello(0x0303, "ID"), certificates(), helloDone), changeCipher)}, false,
			with(func(u *wire.Tunnel) { u.Version = 0x0303 }), 0},
		{"no certificate, and not resumed", []wiretest.Turn{client(hello), server(handshake(serverHello(0x0303, ""), message(12, "anonymous"), helloDone), changeCipher)}, false,
			with(func(u *wire.Tunnel) { u.Version = 0x0303 }), 0},
		{"a gap where the certificate was", []wiretest.Turn{client(hello), server(handshake(serverHello(0x0303, ""))), {Dir: wire.FromServer, Gap: 700}, server(changeCipher), client(changeCipher)}, false,
			with(func(u *wire.Tunnel) { u.Version = 0x0303 }), 0},
		{"the server's side only", []wiretest.Turn{server(handshake(serverHello(0x0302, "")), changeCipher)}, false, wire.Tunnel{Version: 0x0302, Resumed: true}, 0},
		{"the sides the other way round", []wiretest.Turn{server(hello), client(handshake(serverHello(0x0303, ""), certificates("DER")))}, false,
			with(func(u *wire.Tunnel) { u.Version, u.Certificate = 0x0303, sha256.Sum256([]byte("DER")) }), 0},
		{"an alert comes first", []wiretest.Turn{client(hello), server(record(21, "\x02\x28"))}, false, offered, 0},
		{"names that cannot be shown", []wiretest.Turn{client(handshake(clientHello(0x0303, "", serverName("a\x1b[2J"))))}, false, wire.Tunnel{ServerName: "a\uFFFD[2J", Offered: 0x0303}, 0},
		{"a long name", []wiretest.Turn{client(handshake(clientHello(0x0303, "", serverName(long))))}, false, wire.Tunnel{ServerName: long[:255], Offered: 0x0303}, 0},
		{"in the middle", []wiretest.Turn{client(data), server(data)}, true, wire.Tunnel{}, 0},
		{"in the middle of a record", []wiretest.Turn{client(data[9:], hello), server(flight[20:])}, true, wire.Tunnel{}, 0},
		{"behind the hellos", []wiretest.Turn{server(handshake(certificates(ownCert), helloDone)), client(handshake(keyExchange), changeCipher)}, true, wire.Tunnel{}, 0},
		{"not TLS", []wiretest.Turn{client("GET / HTTP/1.1\r\n"), server("HTTP/1.1 200 OK\r\n")}, false, wire.Tunnel{}, 1},
		{"a record that is too long", []wiretest.Turn{client("\x16\x03\x01\x49\x00" + clientHello(0x0303, ""))}, false, wire.Tunnel{}, 1},
		{"lengths in a hello", []wiretest.Turn{client(handshake(message(1, number(0x0303)+random+vector(1, "")+"\xFF")))}, false, wire.Tunnel{}, 1},
		{"an extension that is too long", []wiretest.Turn{client(handshake(clientHello(0x0303, "", number(0)+"\x00\x09abc")))}, false, wire.Tunnel{}, 1},
		{"bytes behind the extensions", []wiretest.Turn{client(handshake(message(1, number(0x0303)+random+"\x00"+vector(2, "ab")+vector(1, "a")+vector(2)+"x")))}, false, wire.Tunnel{}, 1},
		{"lengths in a certificate", []wiretest.Turn{client(hello), server(handshake(serverHello(0x0303, ""), message(11, "\x00\x00\x09\x00\x00\x0Babc")))}, false,
			with(func(u *wire.Tunnel) { u.Version = 0x0303 }), 1},
		{"a message that is too long", []wiretest.Turn{client(handshake("\x01\xFF\xFF\xFF"), strings.Repeat(handshake(strings.Repeat("x", 1<<14)), 5))}, false, wire.Tunnel{}, 1},
		{"no hello", []wiretest.Turn{client(handshake(keyExchange))}, false, wire.Tunnel{}, 1},
		{"the hellos of one side, the other way round", []wiretest.Turn{server(handshake(serverHello(0x0303, "")), hello)}, false, wire.Tunnel{Version: 0x0303}, 1},
		{"wrong behind the hello in the middle", []wiretest.Turn{client(hello, "GET / HTTP")}, true, offered, 1},
		{"a key that was shared before means nothing to 1.2", []wiretest.Turn{client(hello), server(handshake(serverHello(0x0303, "", extension(41, number(0)))))}, false,
			with(func(u *wire.Tunnel) { u.Version = 0x0303 }), 0},
		{"more names than are kept", []wiretest.Turn{server(handshake(serverHello(0x0303, ""), certificates(manyNames)))}, false,
			wire.Tunnel{Version: 0x0303, Names: numbered[:100], Issuer: "0.example", SelfSigned: true, Certificate: sha256.Sum256([]byte(manyNames))}, 0},
		{"both hellos of one side", []wiretest.Turn{client(hello, handshake(serverHello(0x0303, "")))}, false, offered, 1},
		{"both sides are wrong", []wiretest.Turn{client("GET / HTTP"), server("\x16\x03\x09abc")}, false, wire.Tunnel{}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, malformed := noted(t, test.midstream, test.turns...)
			if !reflect.DeepEqual(got, test.want) || malformed != test.malformed {
				t.Errorf("got  %d malformed, %+v\nwant %d malformed, %+v", malformed, got, test.malformed, test.want)
			}
			for seed := range uint64(9) {
				wiretest.Check(t, tls.Protocol, test.turns, seed)
			}
		})
	}
}

// TestNotedWhen: as soon as nothing more will be readable, and not before.
func TestNotedWhen(t *testing.T) {
	s := tls.New(wire.DefaultLimits, false)
	var got []int
	for i, turn := range full.Turns {
		for range s.Feed(turn.Dir, turn.Bytes, chaperone.Mark{}) {
			got = append(got, i)
		}
	}
	if events := s.Close(chaperone.Mark{}); len(got) != 1 || got[0] != 3 || len(events) > 0 {
		t.Errorf("got events of turns %v and %d with Close, want one of turn 3", got, len(events))
	}
}

func TestSniff(t *testing.T) {
	hello, answer := handshake(clientHello(0x0303, "")), handshake(serverHello(0x0303, ""))
	for _, test := range []struct {
		name           string
		client, server string
		midstream      bool
		want           wire.Verdict
	}{
		{"nothing", "", "", false, wire.Maybe},
		{"the first byte", hello[:1], "", false, wire.Maybe},
		{"a header", hello[:5], "", false, wire.Maybe},
		{"a hello", hello[:6], "", false, wire.Yes},
		{"the server's", "", answer[:6], false, wire.Yes},
		{"SSL 3.0", "\x16\x03\x00\x00\x40\x01", "", false, wire.Yes},
		{"another version", "\x16\x02", "", false, wire.No},
		{"another message", handshake(keyExchange), "", false, wire.No},
		{"another message in the middle", handshake(keyExchange), "", true, wire.Yes},
		{"data", data, "", false, wire.No},
		{"data in the middle", data, "", true, wire.Yes},
		{"data in the middle, its header only", "", data[:5], true, wire.Maybe},
		{"too long in the middle", "\x17\x03\x03\xFF\xFFx", "", true, wire.No},
		{"heartbeats in the middle", record(24, "xxxxxx"), "", true, wire.No},
		{"a greeting", "", "220 mail.example ESMTP\r\n", false, wire.No},
		{"one side only", "GET /", answer, false, wire.Yes},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := tls.Sniff([]byte(test.client), []byte(test.server), test.midstream); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

// BenchmarkData: what is encrypted costs nothing.
func BenchmarkData(b *testing.B) {
	s := tls.New(wire.DefaultLimits, false)
	for _, turn := range full.Turns {
		s.Feed(turn.Dir, turn.Bytes, chaperone.Mark{})
	}
	segment := make([]byte, 1460)
	b.SetBytes(int64(len(segment)))
	for b.Loop() {
		s.Feed(wire.FromServer, segment, chaperone.Mark{})
	}
}
