package dimse_test

import (
	"testing"

	"chaperone/internal/clinicsim"
	"chaperone/internal/wiretest"
	"chaperone/wire/dimse"
)

func FuzzSession(f *testing.F) {
	store := client(pdu(4, pdv(1, 3, command(cStore, 1, true)), pdv(1, 2, deflate(cat(explicitID, explicitID)))))
	gaps := []wiretest.Turn{small.Turns[0], {Gap: 99}, small.Turns[2], {Gap: 3}, small.Turns[4], small.Turns[5], small.Turns[6]}
	wiretest.Fuzz(f, dimse.Protocol, small, wiretest.Conversation{Turns: gaps}, wiretest.Conversation{Turns: gaps[2:]},
		wiretest.Conversation{Turns: append(deflateBombs().First, store)}, wiretest.Of(clinicsim.DICOMSample(2, 32)))
}

// explicitID is (0010,0020) in explicit VR.
var explicitID = []byte{0x10, 0, 0x20, 0, 'L', 'O', 4, 0, '1', '2', '3', '4'}
