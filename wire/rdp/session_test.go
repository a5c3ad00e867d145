package rdp_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/internal/wiretest"
	"chaperone/wire"
	"chaperone/wire/rdp"
)

// noted plays turns, one a second, and gives the desktop; malformed counts what broke the rules.
func noted(t *testing.T, midstream bool, turns ...wiretest.Turn) (desktop wire.Desktop, malformed int) {
	t.Helper()
	s := rdp.New(wire.DefaultLimits, midstream)
	for i, turn := range turns {
		at := chaperone.Mark{Time: time.Unix(int64(i), 0).UTC()}
		events := s.Feed(turn.Dir, turn.Bytes, at)
		if turn.Gap > 0 {
			events = s.Gap(turn.Dir, turn.Gap, at)
		}
		for _, e := range events {
			if e.Stage != wire.Malformed {
				t.Errorf("got an event of stage %d before Close", e.Stage)
			}
			malformed++
		}
	}
	events := s.Close(chaperone.Mark{Time: time.Unix(1e6, 0)})
	if len(events) != 1 {
		t.Fatalf("got %d events with Close, want one", len(events))
	}
	return events[0].Fact.(wire.Desktop), malformed
}

func TestDesktop(t *testing.T) {
	type desktop = wire.Desktop
	tunnel := &wire.Tunnel{ServerName: "rds.example.org", Offered: 0x0303, Version: 0x0303, Resumed: true}
	tls := secure.Turns[2:]
	with := func(selected uint32, nla wire.NLA, d wire.Desktop) wire.Desktop {
		d.Negotiates, d.Requested, d.Answered, d.Selected, d.NLA = true, 11, true, selected, nla
		return d
	}
	begin := func(answer ...string) []wiretest.Turn {
		return []wiretest.Turn{client(request(asks(11))), server(confirm(answer...))}
	}
	cookie := func(text string) []wiretest.Turn { return []wiretest.Turn{client(request(text, asks(11)))} }
	asked := func(d wire.Desktop) wire.Desktop { d.Negotiates, d.Requested = true, 11; return d }
	initial := connect(core("FRONT-DESK", 0x409, 6000), network("rdpdr", "cliprdr"))
	for _, test := range []struct {
		name      string
		turns     []wiretest.Turn
		midstream bool
		want      wire.Desktop
		malformed int
	}{
		{"nothing", nil, false, desktop{}, 0},
		{"RDP's own security", plain.Turns, false, desktop{Cookie: "nurse7", Negotiates: true, Requested: 3, Answered: true, NLA: wire.NLAOff,
			Machine: "FRONT-DESK", Keyboard: 0x409, Build: 6000, Channels: []string{"rdpdr", "cliprdr"}}, 0},
		{"CredSSP", secure.Turns, false, with(2, wire.NLAOffered, desktop{Cookie: "nurse7", Tunnel: tunnel}), 0},
		{"CredSSP with early authorization", begin(selects(8)), false, with(8, wire.NLAOffered, desktop{}), 0},
		{"TLS", begin(selects(1)), false, with(1, wire.NLAOff, desktop{}), 0},
		{"RDSTLS proves nothing", begin(selects(4)), false, with(4, wire.NLAUnknown, desktop{}), 0},
		{"CredSSP is required", begin(refuses(5)), false, with(0, wire.NLARequired, desktop{Failure: 5}), 0},
		{"TLS is not allowed", begin(refuses(2)), false, with(0, wire.NLAUnknown, desktop{Failure: 2}), 0},
		{"a server without negotiation", []wiretest.Turn{client(request(asks(11))), server(confirm())}, false, with(0, wire.NLAOff, desktop{}), 0},
		{"neither side negotiates", []wiretest.Turn{client(request()), server(confirm()), client(initial)}, false, desktop{Answered: true, NLA: wire.NLAOff,
			Machine: "FRONT-DESK", Keyboard: 0x409, Build: 6000, Channels: []string{"rdpdr", "cliprdr"}}, 0},
		{"no answer", cookie(user("a")), false, asked(desktop{Cookie: "a"}), 0},
		{"a cookie that is filled up", cookie(user("JOHN-PC  ")), false, asked(desktop{Cookie: "JOHN-PC"}), 0},
		{"a domain", cookie(user(`FTBCO\A70`)), false, asked(desktop{Cookie: `FTBCO\A70`}), 0},
		{"an empty cookie", cookie(user("")), false, asked(desktop{}), 0},
		{"a cookie that cannot be shown", cookie(user("a\x1b[2J\xFF")), false, asked(desktop{Cookie: "a\uFFFD[2J\uFFFD"}), 0},
		{"a load balancer's cookie", cookie("Cookie: msts=3640205228.15629.0000\r\n"), false, asked(desktop{Routed: true}), 0},
		{"a broker's token", cookie("tsv://MS Terminal Services Plugin.1.Farm\r\n"), false, asked(desktop{Routed: true}), 0},
		{"some other token", cookie("token\r\n"), false, asked(desktop{}), 0},
		{"a long cookie", cookie("Cookie: msts=" + strings.Repeat("7", 499) + "\r\n"), false, asked(desktop{Routed: true}), 0},
		{"a cookie that is too long", cookie("Cookie: msts=" + strings.Repeat("7", 500) + "\r\n"), false, desktop{}, 1},
		{"a cookie without an end", []wiretest.Turn{client(request("Cookie: mstshash=nurse"))}, false, desktop{}, 1},
		{"the answer only", []wiretest.Turn{server(confirm(selects(1)))}, false, desktop{Answered: true, Selected: 1, NLA: wire.NLAOff}, 0},
		{"TLS without an answer", []wiretest.Turn{client(request(asks(11))), client(hello(1))}, false, asked(desktop{Tunnel: &wire.Tunnel{ServerName: "rds.example.org", Offered: 0x0303}}), 0},
		{"TLS in the middle", tls, true, desktop{Tunnel: tunnel}, 0},
		{"the second packet in the middle", plain.Turns[2:], true, desktop{Machine: "FRONT-DESK", Keyboard: 0x409, Build: 6000, Channels: []string{"rdpdr", "cliprdr"}}, 0},
		{"anything in the middle", []wiretest.Turn{client("GET / HTTP"), server("\x03\x00\x00\x05a")}, true, desktop{}, 0},
		{"a gap in the request", []wiretest.Turn{client(request(asks(11))[:9]), {Gap: 4}, client("\x00\x00"), server(confirm(selects(2)))}, false, desktop{Answered: true, Selected: 2, NLA: wire.NLAOffered}, 0},
		{"a gap before TLS", []wiretest.Turn{client(request(asks(11))), {Gap: 300}, server(confirm(selects(2)), hello(2), changeCipher)}, false, with(2, wire.NLAOffered, desktop{Tunnel: &wire.Tunnel{Version: 0x0303, Resumed: true}}), 0},
		{"a gap in TLS", append(begin(selects(2)), client(hello(1)), wiretest.Turn{Dir: wire.FromServer, Gap: 700}, client(changeCipher), server(hello(2))), false,
			with(2, wire.NLAOffered, desktop{Tunnel: &wire.Tunnel{ServerName: "rds.example.org", Offered: 0x0303}}), 0},
		{"not RDP", []wiretest.Turn{client("GET / HTTP/1.1\r\n"), server("HTTP/1.1 200 OK\r\n")}, false, desktop{}, 1},
		{"TLS comes first", []wiretest.Turn{client(hello(1))}, false, desktop{}, 1},
		{"a packet that is too short", []wiretest.Turn{client("\x03\x00\x00\x05a")}, false, desktop{}, 1},
		{"a packet that is too long", []wiretest.Turn{client("\x03\x00\xFF\xFFa")}, false, desktop{}, 1},
		{"a request that is too short", []wiretest.Turn{client(tpkt("\x05\xE0\x00\x00\x00\x00"))}, false, desktop{}, 1},
		{"a confirm that is too short", []wiretest.Turn{server(tpkt("\x05\xD0\x00\x00\x00\x00"))}, false, desktop{}, 1},
		{"32 channels", append(begin(selects(0)), client(connect(network(slices.Repeat([]string{"a"}, 32)...)))), false, with(0, wire.NLAOff, desktop{}), 1},
		{"the sides the other way round", []wiretest.Turn{server(request(asks(11)))}, false, desktop{}, 1},
		{"X.224 of another length", []wiretest.Turn{client(tpkt("\x0F\xE0\x00\x00\x12\x34\x00" + asks(11)))}, false, asked(desktop{}), 1},
		{"a negotiation of another length", []wiretest.Turn{client(request("\x01\x00\x09\x00\x0B\x00\x00\x00"))}, false, desktop{}, 1},
		{"half a negotiation", []wiretest.Turn{client(request(asks(11)[:6]))}, false, desktop{}, 1},
		{"bytes behind the negotiation", []wiretest.Turn{client(request(asks(11), "xx"))}, false, asked(desktop{}), 1},
		{"half a correlation", []wiretest.Turn{client(request(correlated[:30]))}, false, desktop{Negotiates: true, Requested: 3}, 1},
		{"a request in the confirm", begin(asks(1)), false, with(0, wire.NLAUnknown, desktop{}), 1},
		{"an answer of another length", begin("\x02\x03\x00\x00\x01\x00\x00\x02"), false, with(0, wire.NLAUnknown, desktop{}), 1},
		{"no Connect-Initial", append(begin(selects(0)), client(tpkt("\x02\xF0\x80\x7F\x67\x00"))), false, with(0, wire.NLAOff, desktop{}), 1},
		{"a core that is too short", append(begin(selects(0)), client(connect(block(0xC001, "short")))), false, with(0, wire.NLAOff, desktop{}), 1},
		{"a block that is too long", append(begin(selects(0)), client(connect("\x01\xC0\xFF\x00 "))), false, with(0, wire.NLAOff, desktop{}), 1},
		{"too many channels", append(begin(selects(0)), client(connect(block(0xC003, little(4, 0xFFFFFFFF), "rdpdr")))), false, with(0, wire.NLAOff, desktop{}), 1},
		{"a name of full length", append(begin(selects(0)), client(connect(core("ABCDEFGHIJKLMNOP", 0, 0), network("12345678")))), false, with(0, wire.NLAOff, desktop{Machine: "ABCDEFGHIJKLMNOP", Channels: []string{"12345678"}}), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			for i, turn := range test.turns {
				test.want.Bytes[turn.Dir] += int64(len(turn.Bytes)) + turn.Gap
				test.want.Last = time.Unix(int64(i), 0).UTC()
			}
			if len(test.turns) > 0 {
				test.want.First = time.Unix(0, 0).UTC()
			}
			got, malformed := noted(t, test.midstream, test.turns...)
			if !reflect.DeepEqual(got, test.want) || malformed != test.malformed {
				t.Errorf("got  %d malformed, %+v %+v\nwant %d malformed, %+v %+v", malformed, got, got.Tunnel, test.malformed, test.want, test.want.Tunnel)
			}
			for seed := range uint64(9) {
				wiretest.Check(t, rdp.Protocol, test.turns, seed)
			}
		})
	}
}

func TestSniff(t *testing.T) {
	// What else uses X.224: a programmable controller's connection request names its sides (RFC 1006).
	controller := x224("\xE0", "\xC0\x01\x0A\xC1\x02\x01\x00\xC2\x02\x01\x02")
	for _, test := range []struct {
		name           string
		client, server string
		want           wire.Verdict
	}{
		{"nothing", "", "", wire.Maybe},
		{"a header", request(asks(3))[:11], "", wire.Maybe},
		{"a negotiation", request(asks(3)), "", wire.Yes},
		{"the answer", "", confirm(selects(2)), wire.Yes},
		{"a refusal", "", confirm(refuses(5)), wire.Yes},
		{"the answer to another reference", "", strings.Replace(confirm(selects(2)), "\xD0\x00\x00", "\xD0\x12\x34", 1), wire.Yes},
		{"a cookie", request(user("a")), "", wire.Yes},
		{"a part of a cookie", request(user("a"))[:20], "", wire.Maybe},
		{"a load balancer's cookie", request("Cookie: msts=1.2.3\r\n", asks(1)), "", wire.Yes},
		{"an empty request", request(), "", wire.Maybe},
		{"an empty answer", request(), confirm(), wire.Maybe},
		{"an empty request and what follows", request() + connect(core("A", 0, 0)), "", wire.Yes},
		{"an empty request and something else", request() + tpkt("\x02\xF0\x80\x32\x01"), "", wire.No},
		{"a controller", controller, "", wire.No},
		{"a telephone", tpkt("\x08\x02\x00\x01\x05"), "", wire.No},
		{"a rejected association", "", "\x03\x00\x00\x00\x00\x04\x00\x01\x01\x03", wire.No},
		{"TLS", hello(1), hello(2), wire.No},
		{"in a tunnel of something else", "\x05\x01\x00" + request(asks(1)), "", wire.No},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, midstream := range []bool{false, true} {
				if got := rdp.Sniff([]byte(test.client), []byte(test.server), midstream); got != test.want {
					t.Errorf("midstream %t: got %d, want %d", midstream, got, test.want)
				}
			}
		})
	}
}

// BenchmarkData: what is encrypted costs nothing.
func BenchmarkData(b *testing.B) {
	s := rdp.New(wire.DefaultLimits, false)
	for _, turn := range secure.Turns {
		s.Feed(turn.Dir, turn.Bytes, chaperone.Mark{})
	}
	segment := make([]byte, 1460)
	b.SetBytes(int64(len(segment)))
	for b.Loop() {
		s.Feed(wire.FromServer, segment, chaperone.Mark{})
	}
}
