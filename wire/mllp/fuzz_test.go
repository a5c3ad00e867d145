package mllp_test

import (
	"testing"

	"chaperone/internal/clinicsim"
	"chaperone/internal/wiretest"
	"chaperone/wire/mllp"
)

func FuzzSession(f *testing.F) {
	gaps := []wiretest.Turn{client("\x0b" + header + "\rPID|1||1"), {Gap: 7}, client("|2\rPID|2||3\r\x1c\r"), server(frame(header, "MSA|AA|1"))}
	wiretest.Fuzz(f, mllp.Protocol, small, wiretest.Conversation{Turns: gaps}, wiretest.Conversation{Turns: gaps[1:]},
		wiretest.Of(clinicsim.MLLPSample(2)))
}
