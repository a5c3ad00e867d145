package rdp_test

import (
	"testing"

	"chaperone/internal/wiretest"
	"chaperone/wire/rdp"
)

func FuzzSession(f *testing.F) {
	gaps := []wiretest.Turn{secure.Turns[0], {Gap: 7}, secure.Turns[1], secure.Turns[2], secure.Turns[3]}
	wiretest.Fuzz(f, rdp.Protocol, plain, secure, wiretest.Conversation{Turns: gaps}, wiretest.Conversation{Turns: plain.Turns[2:]})
}
