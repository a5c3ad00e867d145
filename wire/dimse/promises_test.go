package dimse_test

import (
	"testing"

	"chaperone/internal/clinicsim"
	"chaperone/internal/wiretest"
	"chaperone/wire/dimse"
)

func TestPromises(t *testing.T) {
	wiretest.Run(t, dimse.Protocol, wiretest.Of(clinicsim.DICOMSample(1, 64)))
}
