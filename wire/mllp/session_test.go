package mllp_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chaperone/internal/wiretest"
	"chaperone/wire"
	"chaperone/wire/mllp"
)

// from makes a header: its action, and its control ID.
func from(action, id string) string { return `MSH|^~\&|A|B|C|D|2025||` + action + `|` + id + `|P|2.5` }

func ack(code, id string) string {
	return frame(`MSH|^~\&|C|D|A|B|2025||ACK|9|P|2.5`, "MSA|"+code+"|"+id)
}

const acked = "ACK control C@D>A@B unknown"

func TestSession(t *testing.T) {
	admit := frame(from("ADT^A01", "1"), "PID|1||123^^^H||DOE^J")
	for _, test := range []struct {
		name  string
		turns []wiretest.Turn
		want  []string
	}{
		{"two repetitions of PID-3", []wiretest.Turn{client(frame(from("ADT^A01", "1"), `PID|1||123^^^H^MR~99^^^X&1.2.3&ISO^PI||DOE^J||19700101|M`)), server(ack("AA", "1"))},
			[]string{"ADT^A01 push A@B>C@D delivered AA: {H=123 X=99 DOE^J}", acked}},
		{"1C 41 in a frame", []wiretest.Turn{client("\x0b" + from("ADT^A01", "1") + "\rPID|1||1\rOBX|1||\x1cA\rPID|2||2\r\x1c\r")},
			[]string{"ADT^A01 push A@B>C@D unknown: {1} {2}", "malformed 1"}},
		{"a start block in a frame", []wiretest.Turn{client("\x0b" + from("ADT^A01", "1") + "\rPID|1||1\r\x0b" + from("ADT^A02", "2") + "\rPID|1||2\r\x1c\r")},
			[]string{"ADT^A01 push A@B>C@D partial: {1}", "ADT^A02 push A@B>C@D unknown: {2}", "malformed 1"}},
		{"merge", []wiretest.Turn{client(frame(from("ADT^A40", "1"), "PID|1||123", "MRG|77")), server(ack("CA", "1"))},
			[]string{"ADT^A40 push A@B>C@D delivered CA: {123} merge 1 1 undo false", acked}},
		{"end block without CR", []wiretest.Turn{client("\x0b" + from("ADT^A01", "1") + "\rPID|1||1\r\x1c" + admit)},
			[]string{"ADT^A01 push A@B>C@D unknown: {1}", "ADT^A01 push A@B>C@D unknown: {H=123 DOE^J}", "malformed 1"}},
		{"CR between frames", []wiretest.Turn{client("\r\r" + admit + "\r\r" + admit)},
			[]string{"ADT^A01 push A@B>C@D unknown: {H=123 DOE^J}", "ADT^A01 push A@B>C@D unknown: {H=123 DOE^J}"}},
		{"garbage before a frame", []wiretest.Turn{client("garbage\n" + admit)}, []string{"ADT^A01 push A@B>C@D unknown: {H=123 DOE^J}", "malformed 1"}},
		{"commit acknowledgement of release 2", []wiretest.Turn{client(admit), server("\x0b\x06\x1c\r\x0b\x15\x1c\r" + ack("AA", "1"))},
			[]string{"ADT^A01 push A@B>C@D delivered AA: {H=123 DOE^J}", acked}},
		{"not HL7", []wiretest.Turn{client("\x0bhello\x1c\r")}, []string{"malformed 1"}},
		{"HLLP", []wiretest.Turn{client("\x0bD23" + from("ADT^A01", "1") + "\r00123\x1c\r")}, []string{"malformed 1"}},
		{"answers by ID, not by order", []wiretest.Turn{client(admit + frame(from("ADT^A02", "2"), "PID|1||2")), server(ack("AR", "2") + ack("AA", "1"))},
			[]string{"ADT^A01 push A@B>C@D delivered AA: {H=123 DOE^J}", "ADT^A02 push A@B>C@D refused AR: {2}", acked, acked}},
		{"an answer to another message", []wiretest.Turn{client(admit), server(ack("AA", "0"))}, []string{"ADT^A01 push A@B>C@D unknown: {H=123 DOE^J}", acked}},
		{"an answer that names none", []wiretest.Turn{client(admit), server(ack("AE", ""))}, []string{"ADT^A01 push A@B>C@D refused AE: {H=123 DOE^J}", acked}},
		{"a query and its answer", []wiretest.Turn{client(frame(from("QBP^Q22", "5"), "QPD|Q22|T")), server(frame(`MSH|^~\&|C|D|A|B|2025||RSP^K22|9`, "MSA|AA|5", "PID|1||7"))},
			[]string{"QBP^Q22 query C@D>A@B delivered AA everybody", "RSP^K22 reply C@D>A@B delivered: {7}"}},
		{"queries, of whom", []wiretest.Turn{client(frame(from("QBP^Q22", "5"), "QPD|Q22|T|@PID.5.1^D*") + frame(from("QBP^Q22", "6"), "QPD|Q22|T|@PID.5.1^DOE") +
			frame(from("QRY^A19", "7"), "QRD|2025|R|I|1|||1^RD|%|DEM") + frame(from("QRY^A19", "8"), "QRD|2025|R|I|1|||1^RD|4711|DEM"))},
			[]string{"QBP^Q22 query C@D>A@B unknown everybody", "QBP^Q22 query C@D>A@B unknown", "QRY^A19 query C@D>A@B unknown everybody", "QRY^A19 query C@D>A@B unknown"}},
		{"a result without PID", []wiretest.Turn{client(frame(from("ORU^R01", "1"), "OBX|1|TX|A||fine")), server(ack("AA", "1"))},
			[]string{"ORU^R01 push A@B>C@D delivered AA: {}", acked}},
		{"a master file", []wiretest.Turn{client(frame(from("MFN^M02", "1"), "MFI|PRA", "MFE|MAD|||1", "STF|1|4711")), server(ack("AA", "1"))},
			[]string{"MFN^M02 push A@B>C@D delivered AA", acked}},
		{"a patient is moved from another's account", []wiretest.Turn{client(frame(from("ADT^A43", "1"), "PID|1||123", "MRG|77")), server(ack("AA", "1"))},
			[]string{"ADT^A43 push A@B>C@D delivered AA: {123} {77}", acked}},
		{"an answer to a query that names nobody", []wiretest.Turn{client(frame(from("QBP^Q22", "5"), "QPD|Q22|T")), server(frame(`MSH|^~\&|C|D|A|B|2025||RSP^K22|9`, "MSA|AA|5", "OBX|1|TX|A||fine"))},
			[]string{"QBP^Q22 query C@D>A@B delivered AA everybody", "RSP^K22 reply C@D>A@B delivered: {}"}},
		{"a query that is answered in notes", []wiretest.Turn{client(frame(from("QBP^Q22", "5"), "QPD|Q22|T")), server(frame(`MSH|^~\&|C|D|A|B|2025||RSP^K22|9`, "MSA|AA|5", "NTE|1||DOE^JANE"))},
			[]string{"QBP^Q22 query C@D>A@B delivered AA everybody", "RSP^K22 reply C@D>A@B delivered: {}"}},
		{"notes in an acknowledgement", []wiretest.Turn{client(admit), server(frame(`MSH|^~\&|C|D|A|B|2025||ACK|9|P|2.5`, "MSA|AA|1", "NTE|1||well"))},
			[]string{"ADT^A01 push A@B>C@D delivered AA: {H=123 DOE^J}", acked}},
		{"enhanced mode, and its order again", []wiretest.Turn{client(admit), server(ack("CA", "1") + frame(`MSH|^~\&|C|D|A|B|2025||ORR^O02|9|P|2.5`, "MSA|AA|1", "ORC|OK|1"))},
			[]string{"ADT^A01 push A@B>C@D delivered CA: {H=123 DOE^J}", acked, "ORR^O02 reply C@D>A@B delivered"}},
		{"enhanced mode, and an order twice", []wiretest.Turn{client(admit), server(ack("CA", "1") + strings.Repeat(frame(`MSH|^~\&|C|D|A|B|2025||ORR^O02|9|P|2.5`, "MSA|AA|1", "ORC|OK|1"), 2))},
			[]string{"ADT^A01 push A@B>C@D delivered CA: {H=123 DOE^J}", acked, "ORR^O02 reply C@D>A@B delivered", "ORR^O02 reply C@D>A@B delivered: {}"}},
		{"enhanced mode, and an order of what brought nobody", []wiretest.Turn{client(frame(from("MFN^M02", "1"), "MFI|PRA")), server(ack("CA", "1") + frame(`MSH|^~\&|C|D|A|B|2025||ORR^O02|9|P|2.5`, "MSA|AA|1", "ORC|OK|1"))},
			[]string{"MFN^M02 push A@B>C@D delivered CA", acked, "ORR^O02 reply C@D>A@B delivered: {}"}},
		{"enhanced mode, two of one ID", []wiretest.Turn{client(admit + frame(from("MFN^M02", "1"), "MFI|PRA")), server(ack("CA", "1") + ack("CA", "1") + strings.Repeat(frame(`MSH|^~\&|C|D|A|B|2025||ORR^O02|9|P|2.5`, "MSA|AA|1", "ORC|OK|1"), 2))},
			[]string{"ADT^A01 push A@B>C@D delivered CA: {H=123 DOE^J}", "MFN^M02 push A@B>C@D delivered CA", acked, acked, "ORR^O02 reply C@D>A@B delivered", "ORR^O02 reply C@D>A@B delivered: {}"}},
		{"notes in an acknowledgement of what brought nobody", []wiretest.Turn{client(frame(from("MFN^M02", "1"), "MFI|PRA", "MFE|MAD|||1", "STF|1|4711")), server(frame(`MSH|^~\&|C|D|A|B|2025||ACK|9|P|2.5`, "MSA|AA|1", "NTE|1||well"))},
			[]string{"MFN^M02 push A@B>C@D delivered AA", acked + ": {}"}},
		{"notes in a query", []wiretest.Turn{client(frame(from("QBP^Q22", "5"), "QPD|Q22|T", "NTE|1||urgent")), server(frame(`MSH|^~\&|C|D|A|B|2025||RSP^K22|9`, "MSA|AA|5", "QAK|T|NF"))},
			[]string{"QBP^Q22 query C@D>A@B delivered AA everybody: {}", "RSP^K22 reply C@D>A@B delivered"}},
		{"a query for appointments", []wiretest.Turn{client(frame(from("SQM^S25", "5"), "QRD|2025|R|I|1|||1^RD|4711|SCH", "ARQ|1", "RGS|1", "AIS|1||CT")), server(ack("AA", "5"))},
			[]string{"SQM^S25 query C@D>A@B delivered AA", acked}},
		{"a query of the server's, for appointments", []wiretest.Turn{server(frame(from("SQM^S25", "5"), "QRD|2025|R|I|1|||1^RD|4711|SCH", "ARQ|1", "RGS|1", "AIS|1||CT"))},
			[]string{"SQM^S25 query C@D>A@B unknown: {}"}},
		{"a query that brings a result", []wiretest.Turn{client(frame(from("QBP^Q22", "5"), "QPD|Q22|T", "OBX|1|TX|A||fine")), server(ack("AA", "5"))},
			[]string{"QBP^Q22 query C@D>A@B delivered AA everybody: {}", acked}},
		{"a gap that hides the beginning of a result", []wiretest.Turn{{Gap: 9}, client("|2\rOBX|1|TX|A||fine\r\x1c\r" + admit)},
			[]string{"? push > unknown: {}", "ADT^A01 push A@B>C@D unknown: {H=123 DOE^J}"}},
		{"a gap in the message", []wiretest.Turn{client("\x0b" + from("ADT^A01", "1") + "\rPID|1||1"), {Gap: 9}, client("|2\rPID|2||3\r\x1c\r")},
			[]string{"ADT^A01 push A@B>C@D unknown: {3}"}},
		{"a gap that hides the beginning", []wiretest.Turn{{Gap: 9}, client("|2\rPID|2||3\r\x1c\r" + admit)},
			[]string{"? push > unknown: {3}", "ADT^A01 push A@B>C@D unknown: {H=123 DOE^J}"}},
		{"the end is missing", []wiretest.Turn{client("\x0b" + from("ADT^A01", "1") + "\rPID|1||1\rPID|2||2")},
			[]string{"ADT^A01 push A@B>C@D partial: {1} {}"}},
		{"the end is missing behind a number", []wiretest.Turn{client("\x0b" + from("ADT^A01", "1") + "\rPID|1||1\rPID|2||2|" + "1815")},
			[]string{"ADT^A01 push A@B>C@D partial: {1} {2}"}},
		{"all but half the header is missing", []wiretest.Turn{client("\x0b" + from("ADT^A01", "1")[:12])}, []string{"? push > partial: {}"}},
		{"half a header behind a blank line", []wiretest.Turn{client("\x0b\r" + from("ADT^A01", "1")[:12])}, []string{"? push > partial: {}"}},
		{"half a header behind that of a batch", []wiretest.Turn{client("\x0bFHS|^~\\&\r" + from("ADT^A01", "1")[:12])}, []string{"? push > partial: {}"}},
		{"half a header behind a message", []wiretest.Turn{client("\x0b" + from("ADT^A01", "1") + "\rPID|1||1\r" + from("ADT^A01", "2")[:12])},
			[]string{"ADT^A01 push A@B>C@D partial: {1}"}},
		{"the end is missing, and the separator is another", []wiretest.Turn{client("\x0b\r" + strings.ReplaceAll(from("ADT^A01", "1"), "|", "#") + "\rPID#1##18|15")},
			[]string{"ADT^A01 push A@B>C@D partial: {}"}},
		{"the end is missing behind a line feed", []wiretest.Turn{client("\x0b" + from("ADT^A01", "1") + "\rPID|1||18\n15")},
			[]string{"ADT^A01 push A@B>C@D partial: {}"}},
		{"the end is missing, and another message begins", []wiretest.Turn{client("\x0b" + from("ADT^A01", "1") + "\rPID|1||18" + "\x0b" + from("ADT^A01", "2") + "\rPID|1||7\r\x1c\r")},
			[]string{"ADT^A01 push A@B>C@D partial: {}", "ADT^A01 push A@B>C@D unknown: {7}", "malformed 1"}},
		{"a message without a type", []wiretest.Turn{client("\x0b" + from("", "1") + "\rPID|1||1\r\x1c\r")}, []string{"? push A@B>C@D unknown: {1}"}},
		{"a tail of NULs", []wiretest.Turn{client("\x0b" + from("ADT^A01", "1") + "\rPID|1||1\r\x00\x00\x1c\r")}, []string{"ADT^A01 push A@B>C@D unknown: {1}", "malformed 1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := wiretest.Transcript(mllp.Protocol, false, test.turns...); !slices.Equal(got, test.want) {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
			}
			wiretest.Check(t, mllp.Protocol, test.turns, 0)
		})
	}
}

// TestBatchOf500: one frame with five hundred messages.
func TestBatchOf500(t *testing.T) {
	body := []string{"FHS|^~\\&", "BHS|^~\\&"}
	var acks string
	for i := range 500 {
		body = append(body, from("ADT^A01", fmt.Sprint(i)), fmt.Sprintf("PID|1||%d", 1000+i))
		acks += ack("AA", fmt.Sprint(i))
	}
	got := wiretest.Transcript(mllp.Protocol, false, client(frame(append(body, "BTS|500", "FTS|1")...)), server(acks))
	if len(got) != 1000 {
		t.Fatalf("got %d lines, want 500 messages and 500 answers", len(got))
	}
	for i := range 500 { // only so many may wait for an answer
		outcome := "delivered AA"
		if i < 500-wire.DefaultLimits.Pending {
			outcome = "unknown"
		}
		if want := fmt.Sprintf("ADT^A01 push A@B>C@D %s: {%d}", outcome, 1000+i); got[i] != want {
			t.Fatalf("got %s, want %s", got[i], want)
		}
	}
}

// TestPendingOverflow: the oldest message gives up its answer, and no other does.
func TestPendingOverflow(t *testing.T) {
	s := mllp.New(wire.Limits{Message: 1 << 10, Pending: 2}, false)
	outcome := map[string]string{}
	feed := func(turn wiretest.Turn) {
		for _, e := range s.Feed(turn.Dir, turn.Bytes, at) {
			if e.Stage == wire.Answer {
				outcome[e.Message.Action] += string(e.Message.Outcome) + e.Message.Status
			}
		}
	}
	for i, action := range []string{"ADT^A01", "ADT^A02", "ADT^A03"} {
		feed(client(frame(from(action, fmt.Sprint(i)), "PID|1||1")))
	}
	feed(server(ack("AA", "0") + ack("AA", "1") + ack("AA", "2")))
	want := map[string]string{"ADT^A01": "unknown", "ADT^A02": "deliveredAA", "ADT^A03": "deliveredAA"}
	if fmt.Sprint(outcome) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", outcome, want)
	}
}

// TestLargeFrame is decided by its beginning; an answer that comes before its end is given behind its tail.
func TestLargeFrame(t *testing.T) {
	s := mllp.New(wire.Limits{Message: 100, Pending: 2}, false)
	var got []string
	feed := func(turn wiretest.Turn) {
		for _, e := range s.Feed(turn.Dir, turn.Bytes, at) {
			if e.Message != nil && e.Message.Action != "ACK" {
				got = append(got, fmt.Sprintf("%d %d %d %s", e.Stage, len(e.Records), e.Message.Bytes, e.Message.Outcome))
			}
		}
	}
	feed(client("\x0b" + from("ORU^R01", "1") + "\rPID|1||1\rOBX|1|TX|" + strings.Repeat("x", 100)))
	feed(server(ack("AA", "1")))
	feed(client(strings.Repeat("x", 100)))
	feed(client("\x1c\r"))
	want := []string{"0 1 158 unknown", "1 0 158 unknown", "1 0 258 unknown", "2 0 258 delivered", "3 0 258 delivered"} // the last two share their message
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestNoFreeText: MSH-9 is free text on the wire, and some senders put there what belongs elsewhere. Only codes are repeated.
func TestNoFreeText(t *testing.T) {
	for _, test := range []struct{ typed, want string }{
		{"ADT^A01^ADT_A01", "ADT^A01"}, {"ADT^A01^DOE^JANE", "ADT^A01"}, {"ORU", "ORU"}, {"ZP_^Z01", "ZP_^Z01"}, {"", "?"},
		{"DOE^JANE", "?"}, {"ADT^JANE DOE", "?"}, {"ADT^A 1", "?"}, {"4711-0815", "?"}, {"ÄDT^A01", "?"}, {"ADT A01", "?"}, {"ACK^JANE DOE", "ACK"},
	} {
		t.Run(test.typed, func(t *testing.T) {
			s := mllp.New(wire.DefaultLimits, false)
			got := "nothing"
			for _, e := range s.Feed(0, []byte(frame(from(test.typed, "1"), "PID|1||1")), at) {
				if e.Stage == wire.Head {
					got = e.Message.Action
				}
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
