package mllp_test

import (
	"strings"
	"testing"

	"chaperone"
	"chaperone/internal/clinicsim"
	"chaperone/internal/wiretest"
	"chaperone/wire"
	"chaperone/wire/mllp"
)

func TestPromises(t *testing.T) {
	c := wiretest.Of(clinicsim.MLLPSample(1))
	c.Floods = floods
	wiretest.Run(t, mllp.Protocol, c)
}

// TestSmallPromises is small enough for every prefix, span and flipped byte.
func TestSmallPromises(t *testing.T) { wiretest.Run(t, mllp.Protocol, small) }

var small = wiretest.Conversation{
	Turns: []wiretest.Turn{
		client(frame(`MSH|^~\&|A|B|C|D|2025||ADT^A40|77|P|2.5`, `PID|1||1234567^^^H~99||DOE^JOHN||19700101|M`, `MRG|7654321^^^H`)),
		server(frame(`MSH|^~\&|C|D|A|B|2025||ACK|8|P|2.5`, `MSA|AA|77`)),
		client(frame(`MSH|^~\&|A|B|C|D|2025||QBP^Q22|78|P|2.5`, `QPD|Q22|T`)),
		server(frame(`MSH|^~\&|C|D|A|B|2025||RSP^K22|9|P|2.5`, `MSA|AA|78`, `PID|1||555123`)),
	},
	Secrets: []string{"1234567", "DOE", "JOHN", "19700101", "7654321", "555123"},
}

var at chaperone.Mark

func frame(segments ...string) string { return "\x0b" + strings.Join(segments, "\r") + "\r\x1c\r" }

func client(s string) wiretest.Turn { return wiretest.Turn{Dir: wire.FromClient, Bytes: []byte(s)} }
func server(s string) wiretest.Turn { return wiretest.Turn{Dir: wire.FromServer, Bytes: []byte(s)} }

const header = `MSH|^~\&|A|B|C|D|2025||ADT^A01|1|P|2.5`

var floods = []wiretest.Flood{
	again("messages without an answer", frame(header, "PID|1||123")),
	again("a long control ID", frame(`MSH|^~\&|A|B|C|D|2025||ADT^A01|`+strings.Repeat("7", 900<<10))),
	again("long names", frame(`MSH|^~\&|`+strings.Repeat("A", 300<<10)+`|B|C|D|2025||`+strings.Repeat("T", 300<<10)+`^A01|1`)),
	again("queries with long names", frame(`MSH|^~\&|`+strings.Repeat(`\F\`, 99<<10)+`|B|C|D|2025||QBP^Q22|1`, "QPD|Q22")),
	again("a frame of empty messages", frame(strings.Repeat("MSH|\r", 170_000))),
	again("a frame of patients", frame(header, strings.Repeat("PID|1\r", 170_000))),
	again("a patient of numbers", frame(header, "PID|1||"+strings.Repeat("1~", 500_000))),
	again("patients of numbers", frame(header, strings.Repeat("PID|1||"+strings.Repeat("1~", 90)+"\r", 5_000))),
	again("start blocks", strings.Repeat("\x0b", 64<<10)),
	again("end blocks", strings.Repeat("\x1c", 64<<10)),
	again("start blocks and headers", strings.Repeat("\x0bMSH|"+strings.Repeat("x", 100), 1_000)),
	{Name: "gaps in a frame", First: []wiretest.Turn{client("\x0b" + header)}, Next: func(int) []wiretest.Turn {
		return []wiretest.Turn{{Gap: 1}, client(strings.Repeat("x", 10_000)), {Gap: 1 << 40}, client("\rPID|1||1")}
	}},
}

func again(name, s string) wiretest.Flood {
	turns := []wiretest.Turn{client(s)}
	return wiretest.Flood{Name: name, Next: func(int) []wiretest.Turn { return turns }}
}
