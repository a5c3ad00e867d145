package tls_test

import (
	"strings"
	"testing"

	"chaperone/internal/wiretest"
	"chaperone/wire/tls"
)

// TestPromises: a full handshake of TLS 1.2 with certificates of both sides, in messages that span records.
func TestPromises(t *testing.T) { wiretest.Run(t, tls.Protocol, full) }

// TestModernPromises: TLS 1.3 with a HelloRetryRequest.
func TestModernPromises(t *testing.T) { wiretest.Run(t, tls.Protocol, modern) }

// TestRealPromises: connections of real programs, from where they begin to speak TLS.
func TestRealPromises(t *testing.T) {
	for _, peer := range peers {
		t.Run(peer.file, func(t *testing.T) {
			c := peer.conversation(t)
			c.Secrets = []string{"google", "amazon", "database"}
			wiretest.Run(t, tls.Protocol, c)
		})
	}
}

var flight = serverHello(0x0303, "") + certificates(issuedCert, ownCert) + message(13, "asks") + helloDone

var full = wiretest.Conversation{
	Turns: []wiretest.Turn{
		client(handshake(clientHello(0x0303, "", serverName("server.clinic.example")))),
		server(handshake(flight[:20]), handshake(flight[20:120]), handshake(flight[120:])),
		client(handshake(certificates(ownCert), keyExchange), changeCipher, finished),
		server(changeCipher, finished),
		client(data),
		server(data),
	},
	Secrets: []string{"server.clinic.example", "alias.clinic.example", "Clinic Authority"},
	Floods:  floods,
}

var modern = wiretest.Conversation{
	Turns: []wiretest.Turn{
		client(handshake(clientHello(0x0303, "an ID", serverName("server.clinic.example"), offers(0x8A8A, 0x0304, 0x0303)))),
		server(handshake(serverHello(0x0303, "an ID", extension(43, number(0x0304)))), changeCipher),
		client(changeCipher, handshake(clientHello(0x0303, "an ID", serverName("server.clinic.example"), offers(0x0304)))),
		server(handshake(serverHello(0x0303, "an ID", extension(43, number(0x0304)), extension(41, number(0)))), data),
		client(data),
	},
	Secrets: []string{"server.clinic.example"},
}

var floods = []wiretest.Flood{
	again("hellos", handshake(clientHello(0x0303, "", serverName(strings.Repeat("a", 1000))))),
	again("requests for a hello", handshake(strings.Repeat(message(0), 1000))),
	again("records without content", strings.Repeat(handshake(), 1000)),
	again("alerts", record(21, strings.Repeat("x", 1<<14))),
	again("one message without an end", handshake("\x01\xFF\xFF\xFF"+strings.Repeat("x", 1<<14-4))),
	again("many names", handshake(clientHello(0x0303, "", extension(0, vector(2, strings.Repeat("\x00\x00\x01a", 1<<12)))))),
}

func again(name, turn string) wiretest.Flood {
	turns := []wiretest.Turn{client(turn)}
	return wiretest.Flood{Name: name, Next: func(int) []wiretest.Turn { return turns }}
}
