package guard

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestServiceWaitsForTime: the unit that operators copy starts the guard when the clock is right, and does not ask for what makes it so:
// systemd.special(7) forbids that of time-sync.target.
func TestServiceWaitsForTime(t *testing.T) {
	unit, err := os.ReadFile("../docs/chaperone-guard.service")
	if err != nil {
		t.Fatal(err)
	}
	names := func(key string) (all []string) {
		for line := range strings.Lines(string(unit)) {
			if list, ok := strings.CutPrefix(line, key+"="); ok {
				all = append(all, strings.Fields(list)...)
			}
		}
		return all
	}
	if after := names("After"); !slices.Contains(after, "time-sync.target") || !slices.Contains(after, "network-online.target") {
		t.Errorf("got After=%s", after)
	}
	if wants := names("Wants"); slices.Contains(wants, "time-sync.target") {
		t.Errorf("got Wants=%s", wants)
	}
}
