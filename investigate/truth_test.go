package investigate

import (
	"encoding/json"
	"os"
	"testing"

	"chaperone/internal/clinicsim"
)

func readTruth(t *testing.T, path string) clinicsim.TheftTruth {
	t.Helper()
	var truth clinicsim.TheftTruth
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &truth); err != nil {
		t.Fatal(err)
	}
	return truth
}
