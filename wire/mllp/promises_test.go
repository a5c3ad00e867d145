package mllp_test

import (
	"testing"

	"chaperone/internal/clinicsim"
	"chaperone/internal/wiretest"
	"chaperone/wire/mllp"
)

func TestPromises(t *testing.T) {
	wiretest.Run(t, mllp.Protocol, wiretest.Of(clinicsim.MLLPSample(1)))
}
