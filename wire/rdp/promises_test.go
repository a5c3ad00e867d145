package rdp_test

import (
	"slices"
	"strings"
	"testing"

	"chaperone/internal/wiretest"
	"chaperone/wire"
	"chaperone/wire/rdp"
)

// TestPromises: RDP's own security, where the client says what it is.
func TestPromises(t *testing.T) { wiretest.Run(t, rdp.Protocol, plain) }

// TestSecurePromises: TLS follows.
func TestSecurePromises(t *testing.T) { wiretest.Run(t, rdp.Protocol, secure) }

// TestRealPromises: connections of real programs. They differ from the ones above in what surrounds the beginning.
func TestRealPromises(t *testing.T) {
	for _, name := range []string{"rdp-no-cookie-mstshash", "rdp-x509"} {
		t.Run(name, func(t *testing.T) {
			c := wiretest.Capture(t, "../../testdata/peer/"+name+".pcap")[0]
			c.Secrets = []string{"CLK-456040", "JOHN-PC"}
			wiretest.Run(t, rdp.Protocol, c)
		})
	}
}

var plain = wiretest.Conversation{
	Turns: []wiretest.Turn{
		client(request(user("nurse7"), correlated)),
		server(confirm(selects(0))),
		client(connect(core("FRONT-DESK", 0x409, 6000), block(0xC002, little(4, 3), little(4, 0)), network("rdpdr", "cliprdr"))),
		server(tpkt("\x02\xF0\x80\x7F\x66 and so on")),
		client(tpkt("\x02\xF0\x80\x04\x01\x00\x01\x00")),
		server("\x00\x09 fast path"),
	},
	Secrets: []string{"nurse7", "FRONT-DESK", "rdpdr", "cliprdr"},
	Floods:  floods,
}

var secure = wiretest.Conversation{
	Turns: []wiretest.Turn{
		client(request(user("nurse7"), asks(11))),
		server(confirm(selects(2))),
		client(hello(1)),
		server(hello(2), changeCipher),
		client(changeCipher, data),
		server(data),
	},
	Secrets: []string{"nurse7", "rds.example.org"},
}

var floods = []wiretest.Flood{
	again("requests", request(user("nurse7"), asks(3))),
	again("long cookies", request(user(strings.Repeat("n", 60<<10)))),
	again("many channels", connect(network(slices.Repeat([]string{"rdpdr"}, 31)...))),
	{Name: "TLS", First: secure.Turns[:2], Next: func(int) []wiretest.Turn {
		return []wiretest.Turn{client(strings.Repeat(hello(1), 100)), {Dir: wire.FromServer, Bytes: []byte(strings.Repeat(hello(2), 100))}}
	}},
}

func again(name, turn string) wiretest.Flood {
	turns := []wiretest.Turn{client(turn)}
	return wiretest.Flood{Name: name, Midstream: true, Next: func(int) []wiretest.Turn { return turns }}
}
