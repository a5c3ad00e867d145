package smb_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"chaperone/internal/wiretest"
	"chaperone/wire"
)

const share = `\\records\ehr`

// logon is a session setup in two steps by session 7, and the tree connect behind it.
func logon(token []byte) []wiretest.Turn {
	return slices.Concat(
		[]wiretest.Turn{
			client(message(head{Command: setup, ID: 1}, setupAsk(ntlmFields(1, 32, 1, 12, nil)))),
			server(message(head{Command: setup, ID: 1, Flags: answer, Status: goesOn, Session: 7}, setupAnswer(0, ntlmChallenge()))),
		},
		exchange(2, setup, setupAsk(token), setupAnswer(0, nil)),
		exchange(3, treeConnect, treeAsk(share), treeAnswer(0)))
}

var nurse = ntlmAnswer(1, utf, "CLINIC", "nurse", "DESK4")

const (
	loggedOn  = `logon 7 00000000 CLINIC\nurse@DESK4 to CLINIC\RECORDS 10.0.17763`
	connected = `share 7 00000000 ` + share
)

// TestSession: what a session notes.
func TestSession(t *testing.T) {
	opens := exchange(10, create, createAsk("a.mdb"), createAnswer(file(5), 9000, 0))
	opened := `open 7/5 00000000 ` + share + ` a.mdb of 9000`
	piece := strings.Repeat("x", 4096)
	ask := client(message(head{Command: read, ID: 11, Tree: 3, Session: 7}, readAsk(file(5), 4096, 4096)))
	reply := server(message(head{Command: read, ID: 11, Tree: 3, Session: 7, Flags: answer}, readAnswer(piece)))
	part := func(t wiretest.Turn, from, to int) wiretest.Turn {
		return wiretest.Turn{Dir: t.Dir, Bytes: t.Bytes[from:to]}
	}
	gap := func(d wire.Dir, n int64) wiretest.Turn { return wiretest.Turn{Dir: d, Gap: n} }
	old := func(reply byte, words ...byte) []byte {
		b := append([]byte("\xffSMB\x72\x00\x00\x00\x00"), reply)
		return append(append(b, zero(22)...), append(words, zero(20)...)...)
	}
	for _, test := range []struct {
		name      string
		midstream bool
		turns     []wiretest.Turn
		want      []string
	}{
		{"negotiation, signing required", false, exchange(0, negotiate, fields(uint16(36), zero(40)), negotiated(0x0311, 3)), []string{"server 0311 signs"}},
		{"negotiation, signing possible", false, exchange(0, negotiate, fields(uint16(36), zero(40)), negotiated(0x0210, 1)), []string{"server 0210"}},
		{"signed messages say nothing of what the server requires", false, []wiretest.Turn{
			client(message(head{Command: negotiate, Flags: signed}, zero(36))),
			server(message(head{Command: negotiate, Flags: answer | signed}, negotiated(0x0302, 1)))}, []string{"server 0302"}},
		{"SMB1 that turns into SMB2", false, slices.Concat([]wiretest.Turn{client(old(0)),
			server(message(head{Command: negotiate, Flags: answer}, negotiated(0x02FF, 1)))},
			exchange(1, negotiate, fields(uint16(36), zero(40)), negotiated(0x0300, 1))), []string{"server 0300"}},
		{"SMB1 alone", false, []wiretest.Turn{client(old(0)), server(old(0x80, 17, 2, 0, 0x0F)), client(old(0)), server(old(0x80, 17, 2, 0, 0x0F))}, []string{"server 0001 signs"}},
		{"SMB1 that nobody speaks", false, []wiretest.Turn{client(old(0)), server(old(0x80, 1, 0xFF, 0xFF))}, nil},
		{"logon", false, logon(nurse), []string{loggedOn, connected}},
		{"logon in an OEM code page", false, logon(ntlmAnswer(0, bytesOf, "CLINIC", "nurse", "DESK\x84"))[:4],
			[]string{"logon 7 00000000 CLINIC\\nurse@DESK\uFFFD to CLINIC\\RECORDS 10.0.17763"}},
		{"logon of nobody", false, logon(ntlmAnswer(1, utf, "", "", ""))[:4], []string{`logon 7 00000000 \@ to CLINIC\RECORDS 10.0.17763 anonymous`}},
		{"logon as guest", false, exchange(1, setup, setupAsk(nurse), setupAnswer(1, nil)), []string{`logon 7 00000000 CLINIC\nurse@DESK4 to \  guest`}},
		{"logon that fails", false, []wiretest.Turn{client(message(head{Command: setup, ID: 1, Session: 7}, setupAsk(nurse))),
			server(message(head{Command: setup, ID: 1, Flags: answer, Status: badLogon}, failed()))}, []string{`logon 7 C000006D CLINIC\nurse@DESK4 to \ `}},
		{"logon with a ticket", false, exchange(1, setup, setupAsk([]byte("\x60\x20\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00ticket")), setupAnswer(0, nil)),
			[]string{`logon 7 00000000 \@ to \  kerberos`}},
		{"Kerberos among what a client could do is none", false, exchange(1, setup, setupAsk(append([]byte("\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x06"), nurse...)), setupAnswer(0, nil)),
			[]string{`logon 7 00000000 CLINIC\nurse@DESK4 to \ `}},
		{"logon whose request was not seen", true, exchange(1, setup, nil, setupAnswer(0, nil))[1:], []string{`logon 7 00000000 \@ to \ `}},
		{"share that demands encryption", false, exchange(3, treeConnect, treeAsk(share), treeAnswer(0x8000)), []string{connected + " sealed"}},
		{"share that is refused", false, []wiretest.Turn{client(message(head{Command: treeConnect, ID: 3, Session: 7}, treeAsk(share))),
			server(message(head{Command: treeConnect, ID: 3, Session: 7, Flags: answer, Status: 0xC00000CC}, failed()))}, []string{"share 7 C00000CC " + share}},
		{"a file, read, written, locked and closed", false, slices.Concat(logon(nurse), opens, []wiretest.Turn{ask, reply},
			exchange(12, write, writeAsk(file(5), 100, "new"), written(3)),
			exchange(13, lock, lockAsk(file(5), [3]uint64{1 << 28, 1, 2}, [3]uint64{1 << 28, 1, 4}, [3]uint64{1<<63 + 5, nobody, 1}), locked()),
			exchange(14, closing, closeAsk(file(5)), closed())),
			[]string{loggedOn, connected, opened, "read 7/5 4096+4096", "write 7/5 100+3", "lock 7/5 268435456+1",
				"lock 7/5 9223372036854775807+9223372036854775807", "close 7/5"}},
		{"a folder has no size", false, exchange(10, create, createAsk("x"), createAnswer(file(5), 0, 0x10)), []string{"open 7/5 00000000  x of -1"}},
		{"a name beyond the first plane", false, exchange(10, create, createAsk("Übersicht 𝄞.mdb"), createAnswer(file(5), 1, 0)), []string{"open 7/5 00000000  Übersicht 𝄞.mdb of 1"}},
		{"an open that is refused", false, []wiretest.Turn{opens[0], server(message(head{Command: create, ID: 10, Flags: answer, Status: 0xC0000022, Session: 7}, failed()))},
			[]string{"open 7/0 C0000022  a.mdb of -1"}},
		{"a tree that was disconnected", false, slices.Concat(logon(nurse), exchange(4, treeDisconnect, zero(4), zero(4)), opens),
			[]string{loggedOn, connected, strings.Replace(opened, share, "", 1)}},
		{"a session that was ended", false, slices.Concat(logon(nurse), exchange(4, logoff, zero(4), zero(4)), opens),
			[]string{loggedOn, connected, strings.Replace(opened, share, "", 1)}},
		{"a chain of CREATE, READ and CLOSE", false, []wiretest.Turn{
			client(message(head{Command: create, ID: 20, Tree: 3, Session: 7}, createAsk("a.mdb")),
				message(head{Command: read, ID: 21, Tree: 1<<32 - 1, Session: nobody, Flags: related}, readAsk(sameFile, 0, 5)),
				message(head{Command: closing, ID: 22, Tree: 1<<32 - 1, Session: nobody, Flags: related}, closeAsk(sameFile))),
			server(message(head{Command: create, ID: 20, Flags: answer, Tree: 3, Session: 7}, createAnswer(file(5), 5, 0)),
				message(head{Command: read, ID: 21, Flags: answer | related, Tree: 3, Session: 7}, readAnswer("bytes")),
				message(head{Command: closing, ID: 22, Flags: answer | related, Tree: 3, Session: 7}, closed()))},
			[]string{"open 7/5 00000000  a.mdb of 5", "read 7/5 0+5", "close 7/5"}},
		{"a chain about a file that is open", false, []wiretest.Turn{
			client(message(head{Command: read, ID: 21, Tree: 3, Session: 7}, readAsk(file(5), 0, 5)),
				message(head{Command: read, ID: 22, Tree: 3, Session: 7, Flags: related}, readAsk(sameFile, 5, 5))),
			server(message(head{Command: read, ID: 22, Flags: answer, Session: 7}, readAnswer("bytes"))),
			server(message(head{Command: read, ID: 21, Flags: answer, Session: 7}, readAnswer("bytes")))},
			[]string{"read 7/5 5+5", "read 7/5 0+5"}},
		{"a chain whose CREATE fails", false, []wiretest.Turn{
			client(message(head{Command: create, ID: 20, Session: 7}, createAsk("a.mdb")),
				message(head{Command: read, ID: 21, Session: nobody, Flags: related}, readAsk(sameFile, 0, 5))),
			server(message(head{Command: create, ID: 20, Flags: answer, Session: 7, Status: 0xC0000034}, failed()),
				message(head{Command: read, ID: 21, Flags: answer, Session: 7, Status: 0xC0000034}, failed()))},
			[]string{"open 7/0 C0000034  a.mdb of -1"}},
		{"an answer that comes later", false, slices.Concat(opens, []wiretest.Turn{ask,
			server(message(head{Command: read, ID: 11, Status: pending, Tree: 9, Session: 7, Flags: answer | async}, failed())),
			server(message(head{Command: read, ID: 11, Tree: 9, Session: 7, Flags: answer | async}, readAnswer(piece)))}),
			[]string{strings.Replace(opened, share, "", 1), "read 7/5 4096+4096"}},
		{"the end of the file is no reading", false, []wiretest.Turn{ask, server(message(head{Command: read, ID: 11, Flags: answer, Status: 0xC0000011, Session: 7}, failed()))}, nil},
		{"a piece of a message of a pipe", false, []wiretest.Turn{ask, server(message(head{Command: read, ID: 11, Flags: answer, Status: 0x80000005, Session: 7}, readAnswer(piece)))}, []string{"read 7/5 4096+4096"}},
		{"a gap in what was read", false, []wiretest.Turn{ask, part(reply, 0, 1500), gap(wire.FromServer, 1500), part(reply, 3000, len(reply.Bytes)), reply},
			[]string{"read 7/5 4096+4096", "read 7/0 -1+4096"}},
		{"a gap to the end of the frame", false, []wiretest.Turn{ask, part(reply, 0, 1500), gap(wire.FromServer, int64(len(reply.Bytes)-1500)), reply},
			[]string{"read 7/5 4096+4096", "read 7/0 -1+4096"}},
		{"a gap over more than the frame", false, []wiretest.Turn{ask, part(reply, 0, 1500), gap(wire.FromServer, 1e6), part(reply, 100, 900), reply},
			[]string{"read 7/5 4096+4096", "read 7/0 -1+4096"}},
		{"a gap in the header", false, []wiretest.Turn{ask, part(reply, 0, 40), gap(wire.FromServer, 100), part(reply, 140, len(reply.Bytes)), reply},
			[]string{"read 7/5 4096+4096"}},
		{"a gap in the request", false, []wiretest.Turn{part(ask, 0, 80), gap(wire.FromClient, 20), part(ask, 100, len(ask.Bytes)), reply}, []string{"read 7/0 -1+4096"}},
		{"the end in what was read", false, []wiretest.Turn{ask, part(reply, 0, 84+1000)}, []string{"read 7/5 4096+1000"}},
		{"the end before what was read", false, []wiretest.Turn{ask, part(reply, 0, 84)}, nil},
		{"the middle of a connection", true, []wiretest.Turn{part(reply, 500, len(reply.Bytes)), part(ask, 30, len(ask.Bytes)), ask, reply}, []string{"read 7/5 4096+4096"}},
		{"the middle of a connection whose sides were mistaken", true, []wiretest.Turn{
			{Dir: wire.FromServer, Bytes: ask.Bytes}, {Dir: wire.FromClient, Bytes: reply.Bytes}}, []string{"read 7/5 4096+4096"}},
		{"a request from the server", false, []wiretest.Turn{{Dir: wire.FromServer, Bytes: ask.Bytes}, {Dir: wire.FromClient, Bytes: reply.Bytes}}, []string{"malformed", "malformed"}},
		{"sealed messages", false, []wiretest.Turn{client([]byte("\xfdSMB" + piece)), server([]byte("\xfdSMB" + piece)), client([]byte("\xfdSMB" + piece))}, []string{"server 0000 seals"}},
		{"compressed messages", false, []wiretest.Turn{client([]byte("\xfcSMB" + piece)), ask, reply}, []string{"read 7/5 4096+4096"}},
		{"a NetBIOS session", false, []wiretest.Turn{{Bytes: append([]byte("\x81\x00\x00\x44"), zero(68)...)}, {Dir: wire.FromServer, Bytes: []byte("\x82\x00\x00\x00")}, ask,
			{Bytes: []byte("\x85\x00\x00\x00")}, reply}, []string{"read 7/5 4096+4096"}},
		{"a frame of another kind", false, []wiretest.Turn{{Bytes: []byte("\x16\x03\x01\x00\x20")}, ask, reply}, []string{"malformed", "read 7/5 4096+4096"}},
		{"a chain that leads backwards", false, []wiretest.Turn{{Bytes: chainTo(ask.Bytes, 8)}, ask, reply}, []string{"malformed", "read 7/5 4096+4096"}},
		{"a chain that leads out of the frame", false, []wiretest.Turn{{Bytes: chainTo(ask.Bytes, 1<<20)}, ask, reply}, []string{"malformed", "read 7/5 4096+4096"}},
		{"a piece that is longer than its message", false, []wiretest.Turn{ask, server(message(head{Command: read, ID: 11, Flags: answer, Session: 7}, readAnswer(piece)[:500]))}, []string{"malformed"}},
		{"a piece that begins in its header", false, []wiretest.Turn{ask, server(message(head{Command: read, ID: 11, Flags: answer, Session: 7}, bytes.Replace(readAnswer(piece), []byte{80}, []byte{8}, 1)))}, []string{"malformed"}},
		{"a written piece that is longer than its message", false, exchange(12, write, writeAsk(file(5), 0, piece)[:100], written(7)), []string{"malformed", "write 7/0 -1+7"}},
		{"a body that is too short", false, []wiretest.Turn{client(message(head{Command: create, ID: 10}, zero(20)))}, []string{"malformed"}},
		{"a name outside its message", false, exchange(10, create, createAsk("a.mdb")[:60], createAnswer(file(5), 1, 0)), []string{"malformed", "open 7/5 00000000   of 1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := told(test.midstream, test.turns...)
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// chainTo says in a frame's first header where the next one is.
func chainTo(b []byte, next uint32) []byte {
	b = bytes.Clone(b)
	le.PutUint32(b[4+20:], next)
	return b
}
