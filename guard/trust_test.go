package guard

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestReloadIdentity: a site file that names other files to believe is not taken while the guard runs, rather than half of it.
func TestReloadIdentity(t *testing.T) {
	p := newPapers(t)
	server, _ := p.issue(t, "ehr", true)
	e := secure(t, server)
	r := tlsRig(t, p, e, "")
	file := fmt.Sprintf(tlsSite, p.dir, e.Addr(), "")
	for _, test := range []struct {
		name, file string
		want       error
	}{
		{"a comment more", file + "# more\n", nil},
		{"another authority", strings.Replace(file, "/authority,", "/other,", 1), errTrust},
		{"another key", strings.Replace(file, "guard.key", "other.key", 1), errTrust},
		{"another name", strings.Replace(file, "site: north", "site: south", 1), errTrust},
	} {
		version := r.guard.rules.Load().site.Version
		err := r.guard.Reload(t.Context(), r.site(test.file))
		if !errors.Is(err, test.want) || err != nil && r.guard.rules.Load().site.Version != version {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
	plain, _ := hl7Rig(t)
	if err := plain.guard.Reload(t.Context(), plain.site(file)); !errors.Is(err, errTrust) {
		t.Errorf("the first certificates: got %v, want %v", err, errTrust)
	}
}
