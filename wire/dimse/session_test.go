package dimse_test

import (
	"slices"
	"strings"
	"testing"

	"chaperone"
	"chaperone/internal/wiretest"
	"chaperone/wire"
	"chaperone/wire/dimse"
)

var (
	begin  = []wiretest.Turn{client(associate(1, 1, implicit)), server(associate(2, 1, implicit))}
	store  = command(cStore, 1, true)
	stored = server(pdu(4, pdv(1, 3, command(cStore|response, 1, false, status(0)))))
	find   = client(pdu(4, pdv(1, 3, command(cFind, 2, true)), pdv(1, 2, text(0x00080052, "STUDY"))))
	found  = server(pdu(4, pdv(1, 3, command(cFind|response, 2, false, status(0)))))
	id     = cat(text(0x00100020, "1234"), text(0x0020000D, "1.22"))
)

func match(last uint16, data []byte) wiretest.Turn {
	return server(pdu(4, pdv(1, 3, command(cFind|response, 2, true, status(last))), pdv(1, 2, data)))
}

const (
	accepted = "A-ASSOCIATE control MODALITY>PACS delivered accepted"
	storedID = "C-STORE push MODALITY>PACS delivered 0000: {1234}"
)

func TestSession(t *testing.T) {
	for _, test := range []struct {
		name  string
		turns []wiretest.Turn
		want  []string
	}{
		{"store", []wiretest.Turn{client(pdu(4, pdv(1, 3, store), pdv(1, 2, id))), stored}, []string{storedID}},
		{"store in fragments, one of them empty", []wiretest.Turn{client(pdu(4, pdv(1, 1, store[:20])), pdu(4, pdv(1, 3, store[20:]), pdv(1, 0, id[:9])), pdu(4, pdv(1, 0, id[9:]), pdv(1, 2, nil))), stored}, []string{storedID}},
		{"command and data of two messages in one PDU", []wiretest.Turn{client(pdu(4, pdv(1, 3, store), pdv(1, 2, id), pdv(1, 3, command(cStore, 2, true)), pdv(1, 2, text(0x00100020, "99")))), stored},
			[]string{storedID, "C-STORE push MODALITY>PACS unknown: {99}"}},
		{"answered before its end", []wiretest.Turn{client(pdu(4, pdv(1, 3, store), pdv(1, 0, id[:12]))), stored, client(pdu(4, pdv(1, 2, id[12:])))}, []string{storedID}},
		{"a number in a sequence only", []wiretest.Turn{client(pdu(4, pdv(1, 3, store), pdv(1, 2, element(0x00101002, element(0xFFFEE000, text(0x00100020, "77")))))), stored},
			[]string{"C-STORE push MODALITY>PACS delivered 0000: {(77)}"}},
		{"nobody", []wiretest.Turn{client(pdu(4, pdv(1, 3, store), pdv(1, 2, text(0x00080060, "CT")))), stored}, []string{"C-STORE push MODALITY>PACS delivered 0000: {}"}},
		{"no data set came", []wiretest.Turn{client(pdu(4, pdv(1, 3, store)))}, []string{"C-STORE push MODALITY>PACS partial"}},
		{"aborted in the data set", []wiretest.Turn{client(pdu(4, pdv(1, 3, store), pdv(1, 0, id[:18])), pdu(7, make([]byte, 4))), stored}, []string{"C-STORE push MODALITY>PACS partial: {1234}"}},
		{"the rest is broken off, and the receiver is content", []wiretest.Turn{client(pdu(4, pdv(1, 3, store), pdv(1, 0, id[:18])), pdu(4, pdv(1, 3, command(0x30, 9, false)))), stored},
			[]string{"C-STORE push MODALITY>PACS partial 0000: {1234}", "C-ECHO control MODALITY>PACS unknown"}},
		{"find", []wiretest.Turn{find, match(0xFF00, id), match(0xFF01, text(0x00100020, "5")), found}, []string{"C-FIND query PACS>MODALITY delivered 0000 everybody: {1234} {5}"}},
		{"find by any name", []wiretest.Turn{client(pdu(4, pdv(1, 3, command(cFind, 2, true)), pdv(1, 2, cat(text(0x00080050, ""), text(0x00100010, "*"))))), found}, []string{"C-FIND query PACS>MODALITY delivered 0000 everybody"}},
		{"find by an order", []wiretest.Turn{client(pdu(4, pdv(1, 3, command(cFind, 2, true)), pdv(1, 2, cat(text(0x00080050, "A1"), text(0x00100010, "*"))))), found}, []string{"C-FIND query PACS>MODALITY delivered 0000"}},
		{"move of everything", []wiretest.Turn{client(pdu(4, pdv(1, 3, command(cMove, 3, true)), pdv(1, 2, text(0x00080052, "STUDY"))))}, []string{"C-MOVE move PACS>MODALITY partial everybody"}},
		{"move of a series", []wiretest.Turn{client(pdu(4, pdv(1, 3, command(cMove, 3, true)), pdv(1, 2, text(0x0020000E, "1.2.3"))))}, []string{"C-MOVE move PACS>MODALITY partial"}},
		{"the last answer holds a match", []wiretest.Turn{find, match(0, id)}, []string{"C-FIND query PACS>MODALITY delivered 0000 everybody: {1234}"}},
		{"the query was not seen", []wiretest.Turn{match(0xFF00, id), found}, []string{"C-FIND query PACS>MODALITY delivered 0000: {1234}"}},
		{"the query's identifier never ends", []wiretest.Turn{client(pdu(4, pdv(1, 3, command(cFind, 2, true)), pdv(1, 0, []byte{8, 0}))), match(0xFF00, id), found},
			[]string{"C-FIND query PACS>MODALITY delivered 0000: {1234}"}},
		{"an answer with the ID of another action", []wiretest.Turn{client(pdu(4, pdv(1, 3, command(cStore, 2, true)), pdv(1, 2, id))), match(0xFF00, text(0x00100020, "5"))},
			[]string{"C-STORE push MODALITY>PACS unknown: {1234}", "C-FIND query PACS>MODALITY partial: {5}"}},
		{"move", []wiretest.Turn{client(pdu(4, pdv(1, 3, command(cMove, 3, true, text(0x00000600, "ROGUE"))), pdv(1, 2, id))), server(pdu(4, pdv(1, 3, command(cMove|response, 3, false, status(0xA801)))))},
			[]string{"C-MOVE move PACS>MODALITY refused A801"}},
		{"a store that a C-GET caused", []wiretest.Turn{client(pdu(4, pdv(1, 3, command(cGet, 5, true)), pdv(1, 2, id))), server(pdu(4, pdv(1, 3, store), pdv(1, 2, id))),
			client(pdu(4, pdv(1, 3, command(cStore|response, 1, false, status(0))))), server(pdu(4, pdv(1, 3, command(cGet|response, 5, false, status(0)))))},
			[]string{"C-GET query PACS>MODALITY delivered 0000", "C-STORE reply PACS>MODALITY delivered 0000: {1234}"}},
		{"cancel", []wiretest.Turn{find, client(pdu(4, pdv(1, 3, command(cCancel, 2, false)))), server(pdu(4, pdv(1, 3, command(cFind|response, 2, false, status(0xFE00)))))},
			[]string{"C-FIND query PACS>MODALITY refused FE00 everybody", "C-CANCEL control MODALITY>PACS unknown"}},
		{"context 0", []wiretest.Turn{client(pdu(4, pdv(0, 3, store), pdv(0, 0, id[:18])))}, []string{"C-STORE push MODALITY>PACS partial: {1234}"}},
		{"fragments of two messages between each other", []wiretest.Turn{client(pdu(4, pdv(1, 3, store), pdv(3, 3, command(cStore, 2, true)), pdv(1, 0, id[:12]), pdv(3, 2, text(0x00100020, "99")), pdv(1, 2, id[12:]))), stored},
			[]string{storedID, "C-STORE push MODALITY>PACS unknown: {99}"}},
		{"PDV of length 0", []wiretest.Turn{client(pdu(4, []byte{0, 0, 0, 0, 1, 3}), pdu(4, pdv(1, 3, store), pdv(1, 2, id))), stored}, []string{storedID, "malformed 1"}},
		{"PDV of length 1", []wiretest.Turn{client(pdu(4, []byte{0, 0, 0, 1, 1, 3}), pdu(4, pdv(1, 3, store), pdv(1, 2, id))), stored}, []string{storedID, "malformed 1"}},
		{"PDV longer than its PDU", []wiretest.Turn{client(pdu(4, []byte{0, 0, 0, 9, 1, 3, 0, 0}), pdu(4, pdv(1, 3, store), pdv(1, 2, id))), stored}, []string{storedID, "malformed 1"}},
		{"PDU of 4 GB", []wiretest.Turn{client([]byte{4, 0, 0xFF, 0xFF, 0xFF, 0xFF}, pdu(4, pdv(1, 3, store), pdv(1, 2, id))), stored}, []string{storedID, "malformed 1"}},
		{"PDU of 4 GB that is not P-DATA", []wiretest.Turn{client([]byte{1, 0, 0xFF, 0xFF, 0xFF, 0xFF})}, []string{"malformed 1"}},
		{"PDU of an unknown type", []wiretest.Turn{client(pdu(9, make([]byte, 20)), pdu(4, pdv(1, 3, store), pdv(1, 2, id))), stored}, []string{storedID, "malformed 1"}},
		{"a few bytes behind the last PDV", []wiretest.Turn{client(pdu(4, pdv(1, 3, store), pdv(1, 2, id), []byte{1, 2, 3}))}, []string{"C-STORE push MODALITY>PACS unknown: {1234}", "malformed 1"}},
		{"a data set that nobody announced", []wiretest.Turn{client(pdu(4, pdv(1, 2, id)))}, []string{"? push MODALITY>PACS unknown: {1234}", "malformed 1"}},
		{"the middle of a data set that nobody announced", []wiretest.Turn{client(pdu(4, pdv(1, 2, []byte("pixels and more of them"))))}, []string{"? push MODALITY>PACS unknown: {}", "malformed 1"}},
		{"a command over its limit", []wiretest.Turn{client(pdu(4, pdv(1, 1, make([]byte, 70<<10))), pdu(4, pdv(1, 3, nil)), pdu(4, pdv(1, 3, store), pdv(1, 2, id))), stored}, []string{storedID, "malformed 1"}},
		{"a command of nonsense", []wiretest.Turn{client(pdu(4, pdv(1, 3, []byte("nonsense and more"))))}, []string{"malformed 1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			turns, want := append(slices.Clone(begin), test.turns...), append([]string{accepted}, test.want...)
			if got := wiretest.Transcript(dimse.Protocol, false, turns...); !slices.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
			}
			wiretest.Check(t, dimse.Protocol, turns, 0)
		})
	}
}

func TestGaps(t *testing.T) {
	data := cat(id, element(0x7FE00010, make([]byte, 100)))
	head := client(pdu(4, pdv(1, 3, store), pdv(1, 0, data[:60]), pdv(1, 2, data[60:])))
	cut := func(from, to int) []wiretest.Turn { // bytes of head that are not seen
		return []wiretest.Turn{client(head.Bytes[:from]), {Dir: wire.FromClient, Gap: int64(to - from)}, client(head.Bytes[to:]), stored}
	}
	n, number := len(head.Bytes), strings.Index(string(head.Bytes), "1234")
	for _, test := range []struct {
		name  string
		turns []wiretest.Turn
		want  []string
	}{
		{"in the pixels", cut(n-50, n-40), []string{storedID}},
		{"over the end of the pixels", cut(n-10, n), []string{storedID}},
		{"over the head of a fragment", cut(n-100, n-10), []string{"C-STORE push MODALITY>PACS partial 0000: {1234}"}},
		{"in the number: half a number is none", cut(number+2, number+3), []string{"C-STORE push MODALITY>PACS delivered 0000: {}"}},
		{"in the command: whose data set it is, is still read", cut(30, 33), []string{"? push MODALITY>PACS unknown: {1234}"}},
		{"a whole message", []wiretest.Turn{gap(head), stored, find, found}, []string{"C-FIND query PACS>MODALITY delivered 0000 everybody"}},
		{"in the keys of a query: whom it names is not known", []wiretest.Turn{client(find.Bytes[:len(find.Bytes)-4]), {Dir: wire.FromClient, Gap: 4}, found}, []string{"C-FIND query PACS>MODALITY delivered 0000"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			turns, want := append(slices.Clone(begin), test.turns...), append([]string{accepted}, test.want...)
			got := wiretest.Transcript(dimse.Protocol, false, turns...)
			if last := got[len(got)-1]; strings.HasPrefix(last, "malformed") {
				got = got[:len(got)-1] // what is left of a message may be
			}
			if !slices.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
			}
			wiretest.Check(t, dimse.Protocol, turns, 0)
		})
	}
}

// TestHeadDoesNotDependOnCuts stores a data set whose name stands a second time behind the identity.
func TestHeadDoesNotDependOnCuts(t *testing.T) {
	data := cat(text(0x00100010, "DOE"), text(0x00100020, "1234"), text(0x00180015, "HEAD"), text(0x00100010, "ROE"), text(0x00100020, "5678"))
	turns := append(slices.Clone(begin), client(pdu(4, pdv(1, 3, store), pdv(1, 2, data))), stored)
	want := "C-STORE push MODALITY>PACS delivered 0000: {1234 DOE} {5678 ROE}"
	if got := wiretest.Transcript(dimse.Protocol, false, turns...); len(got) != 3 || got[1] != want {
		t.Errorf("got %q, want %q", got, want)
	}
	wiretest.Check(t, dimse.Protocol, turns, 0)
}

// TestEarlyHead: a store is decided when its identity has passed, before its pixels.
func TestEarlyHead(t *testing.T) {
	s := dimse.New(wire.DefaultLimits, false)
	for _, turn := range begin {
		s.Feed(turn.Dir, turn.Bytes, chaperone.Mark{})
	}
	b := pdu(4, pdv(1, 3, store), pdv(1, 0, cat(id[:12], []byte{0x20, 0, 0x0D, 0, 4, 0, 0, 0})))
	events := s.Feed(wire.FromClient, b, chaperone.Mark{})
	if len(events) != 1 || events[0].Stage != wire.Head || len(events[0].Records) != 1 || events[0].End != int64(len(begin[0].Bytes)+len(b)) {
		t.Errorf("got %d events, want one head", len(events))
	}
}

// TestLongNames: a request that waits for its answer keeps no more of a name than an AE title can have.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("X", 60<<10)
	s := dimse.New(wire.DefaultLimits, false)
	for _, turn := range begin {
		s.Feed(turn.Dir, turn.Bytes, chaperone.Mark{})
	}
	events := s.Feed(wire.FromClient, pdu(4, pdv(1, 3, command(cMove, 1, false, text(0x00000600, long)))), chaperone.Mark{})
	if len(events) != 1 || len(events[0].Message.Retrieve.Destination) > 64 {
		t.Errorf("got %d events, or a destination that is too long", len(events))
	}
}
