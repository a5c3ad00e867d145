package guard

import (
	"fmt"
	"strings"
	"testing"

	"chaperone"
	clinic "chaperone/internal/clinicsim"
)

// TestDICOMRejected: a service that is rejected beside others that pass is a finding, with its class, once for an association.
func TestDICOMRejected(t *testing.T) {
	const private = "1.2.840.113619.5.2"
	a := newArchive(t, well)
	file := strings.Replace(fmt.Sprintf(dicomSite, 100, a.Addr()), "actions: [dicom.*]", "actions: [dicom.store]\n    details: ["+clinic.CTImage+"]", 1)
	file = strings.Replace(file, "grants:\n", "grants:\n  - {name: associates, parties: [ct1], actions: [dicom.associate], to: [pacs]}\n", 1)
	for _, test := range []struct {
		name     string
		contexts []proposed
		rule     string // of the finding, "" for none
		says     string
	}{
		{"all pass", []proposed{offer(1, clinic.CTImage, clinic.ImplicitLE)}, "", ""},
		{"a class that no grant is for", []proposed{offer(1, clinic.CTImage, clinic.ImplicitLE), offer(3, clinic.MRImage, clinic.ImplicitLE)},
			"refused-detail", "The SOP class " + clinic.MRImage + ` (dicom.store) was rejected: the grant "everything" is for ` + clinic.CTImage},
		{"several", []proposed{offer(1, clinic.CTImage, clinic.ImplicitLE), offer(3, clinic.MRImage, clinic.ImplicitLE), offer(5, clinic.MRImage, clinic.ExplicitLE), offer(7, "1.2.3", clinic.ImplicitLE)},
			"refused-detail", "The SOP class " + clinic.MRImage + " (dicom.store) was rejected, and 1 more that were proposed with it"},
		{"pixels that the guard cannot walk", []proposed{offer(1, clinic.CTImage, clinic.ImplicitLE), offer(3, clinic.CTImage, private)}, "", ""},
		{"no other transfer syntax", []proposed{offer(1, "1.2.840.10008.1.1", clinic.ImplicitLE), offer(3, clinic.CTImage, private)},
			"refused-transfer-syntax", "The SOP class " + clinic.CTImage + " (dicom.store) was rejected"},
		{"nothing passes", []proposed{offer(1, clinic.MRImage, clinic.ImplicitLE)}, "refused-no-grant", "No grant allows any of the services"},
	} {
		r := begin(t, file)
		k := r.talk()
		k.must(k.control(pduAssociateRQ, request("CT1", "PACS", test.contexts...).body(pduAssociateRQ)))
		if _, err := k.pdu(); err != nil {
			t.Fatal(err)
		}
		var found []chaperone.Finding
		for _, rule := range []string{"refused-detail", "refused-transfer-syntax", "refused-no-grant"} {
			found = append(found, r.everyFinding(rule)...)
		}
		switch {
		case test.rule == "" && len(found) > 0, test.rule != "" && len(found) != 1:
			t.Errorf("%s: got %+v", test.name, found)
		case test.rule != "" && (found[0].Rule != test.rule || found[0].Count != 1 || !strings.HasPrefix(found[0].Advice, test.says) || found[0].From.Proven != "" && found[0].From.Proven != "ct1"):
			t.Errorf("%s: got %+v, want %s: %s", test.name, found[0], test.rule, test.says)
		case test.rule != "" && !strings.Contains(r.log.String(), "reference="):
			t.Errorf("%s: the log has no reference: %s", test.name, r.log.String())
		}
	}
}
