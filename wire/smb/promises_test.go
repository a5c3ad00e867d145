package smb_test

import (
	"slices"
	"strings"
	"testing"

	"chaperone/internal/wiretest"
	"chaperone/wire"
	"chaperone/wire/smb"
)

func TestPromises(t *testing.T) {
	c := small
	c.Floods = floods
	wiretest.Run(t, smb.Protocol, c)
}

// TestPeerPromises takes what real programs said.
func TestPeerPromises(t *testing.T) {
	for _, name := range []string{"smb2-readwrite.pcap", "smb2-delete-on-close.pcap", "smb311.pcap", "smb3-sealed.pcapng"} {
		t.Run(name, func(t *testing.T) {
			c := wiretest.Capture(t, peer+name)[0]
			c.Secrets = []string{"test_dir", "pythonfile", "Ambulanz", "TINKYX390"}
			wiretest.Run(t, smb.Protocol, c)
		})
	}
}

const content = "invented content of a file"

// small holds a message of every kind.
var small = wiretest.Conversation{
	Turns: slices.Concat(
		exchange(0, negotiate, fields(uint16(36), zero(40)), negotiated(0x0311, 3)),
		logon(nurse),
		exchange(4, create, createAsk("a.mdb"), createAnswer(file(5), 26, 0)),
		exchange(5, read, readAsk(file(5), 0, 26), readAnswer(content)),
		exchange(6, write, writeAsk(file(5), 0, content), written(26)),
		exchange(7, lock, lockAsk(file(5), [3]uint64{1 << 28, 1, 2}, [3]uint64{1<<28 + 1, 1, 2}), locked()),
		exchange(8, closing, closeAsk(file(5)), closed()),
		[]wiretest.Turn{
			client(message(head{Command: create, ID: 20, Tree: 3, Session: 7}, createAsk("b.ldb")),
				message(head{Command: read, ID: 21, Session: nobody, Flags: related}, readAsk(sameFile, 0, 26)),
				message(head{Command: closing, ID: 22, Session: nobody, Flags: related}, closeAsk(sameFile))),
			server(message(head{Command: create, ID: 20, Flags: answer | async, Status: pending, Session: 7}, failed())),
			server(message(head{Command: create, ID: 20, Flags: answer, Tree: 3, Session: 7}, createAnswer(file(6), 26, 0)),
				message(head{Command: read, ID: 21, Flags: answer, Tree: 3, Session: 7}, readAnswer(content)),
				message(head{Command: closing, ID: 22, Flags: answer, Tree: 3, Session: 7}, closed())),
		},
		exchange(30, treeDisconnect, zero(4), zero(4)),
		exchange(31, logoff, zero(4), zero(4)),
		[]wiretest.Turn{client([]byte("\xfdSMB sealed")), server([]byte("\xfcSMB compressed"))},
	),
	Secrets: []string{"a.mdb", "b.ldb", "nurse", "DESK4", "CLINIC", "RECORDS", "records", content},
}

// floods leave something unfinished again and again; the numbers differ, so that nothing is answered or replaced.
var floods = []wiretest.Flood{
	each("requests without an answer", func(i uint64) []wiretest.Turn {
		return []wiretest.Turn{client(message(head{Command: read, ID: i}, readAsk(file(1), i, 1)))}
	}),
	each("opens with long names", func(i uint64) []wiretest.Turn {
		return []wiretest.Turn{client(message(head{Command: create, ID: i}, createAsk(strings.Repeat("€", 4<<10))),
			message(head{Command: create, ID: i + 1}, createAsk(strings.Repeat("€", 30<<10))))}
	}),
	each("locks of many ranges", func(i uint64) []wiretest.Turn {
		return []wiretest.Turn{client(message(head{Command: lock, ID: i}, lockAsk(file(1), make([][3]uint64, 2000)...)))}
	}),
	each("logons that do not end", func(i uint64) []wiretest.Turn {
		token := ntlmAnswer(1, utf, strings.Repeat("D", 500), strings.Repeat("U", 500), strings.Repeat("W", 500))
		return []wiretest.Turn{client(message(head{Command: setup, ID: i, Session: i}, setupAsk(token))),
			server(message(head{Command: setup, ID: i, Session: i, Flags: answer, Status: goesOn}, setupAnswer(0, ntlmChallenge())))}
	}),
	each("tree connects", func(i uint64) []wiretest.Turn {
		return []wiretest.Turn{client(message(head{Command: treeConnect, ID: i, Session: i}, treeAsk(strings.Repeat("S", 500)))),
			server(message(head{Command: treeConnect, ID: i, Session: i, Tree: uint32(i), Flags: answer}, treeAnswer(0)))}
	}),
	each("a chain without end", func(i uint64) []wiretest.Turn {
		var all [][]byte
		for n := range uint64(1000) {
			all = append(all, message(head{Command: create, ID: i<<10 + n, Flags: related}, createAsk("x")))
		}
		return []wiretest.Turn{client(all...)}
	}),
	each("a file in one piece", func(i uint64) []wiretest.Turn {
		return []wiretest.Turn{server(message(head{Command: read, ID: i, Flags: answer}, readAnswer(strings.Repeat("x", 4<<20))))}
	}),
	each("gaps in everything", func(i uint64) []wiretest.Turn {
		b := frame(message(head{Command: create, ID: i}, createAsk("x")))
		n := int(i) % len(b)
		return []wiretest.Turn{{Bytes: b[:n]}, {Gap: int64(i % 300)}, {Bytes: b[n:]}, {Gap: 1 << 40}, {Dir: wire.FromServer, Gap: 1}}
	}),
}

func each(name string, next func(i uint64) []wiretest.Turn) wiretest.Flood {
	return wiretest.Flood{Name: name, Next: func(i int) []wiretest.Turn { return next(uint64(i) + 1) }}
}
