package tls_test

import (
	"testing"

	"chaperone/internal/wiretest"
	"chaperone/wire/tls"
)

func FuzzSession(f *testing.F) {
	gaps := []wiretest.Turn{full.Turns[0], {Gap: 7}, full.Turns[1], server(changeCipher), client(data)}
	wiretest.Fuzz(f, tls.Protocol, full, modern, wiretest.Conversation{Turns: gaps}, wiretest.Conversation{Turns: full.Turns[1:]})
}
