package smb_test

import (
	"testing"

	"chaperone/internal/wiretest"
	"chaperone/wire/smb"
)

func FuzzSession(f *testing.F) {
	seeds := []wiretest.Conversation{small, {Turns: append([]wiretest.Turn{{Gap: 7}}, small.Turns[3:]...)}}
	for _, name := range []string{"smb2-multiple-pdus.pcap", "smb2-readwrite.pcap", "smb311.pcap", "smb-smb1-ascii.pcap"} {
		seeds = append(seeds, wiretest.Capture(f, peer+name)...)
	}
	wiretest.Fuzz(f, smb.Protocol, seeds...)
}
