package site

import (
	"strings"
	"testing"

	"chaperone/identity"
)

// TestNames: a party that can be enrolled can be named, and one that can be named can be enrolled.
func TestNames(t *testing.T) {
	for _, name := range []string{"ct1", "ct_1", "ct-1", "3tesla", "a.b", "_ct", "ct.", "-ct", "4711", "CT1", "ct 1", strings.Repeat("ab", 16), strings.Repeat("a", 63), strings.Repeat("a", 64)} {
		_, problems := Parse([]byte("site: north\ninside: [10.0.0.0/8]\nparties:\n  - name: " + name + "\n    role: modality\n    addresses: [10.0.0.1/32]\n"))
		if enrolled := identity.CheckName(name) == nil; enrolled != (len(problems) == 0) {
			t.Errorf("%s: it can be enrolled: %t; the site file has %v", name, enrolled, problems)
		}
	}
}
