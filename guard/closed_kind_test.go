package guard

import (
	"fmt"
	"strings"
	"testing"
)

// TestFailClosedKind: where grants are for some kinds only, what does not say its kind gets nothing: a message or a query without a type
// passes nowhere, an association, which has none, is rejected, and on one that was there before nothing can be had.
func TestFailClosedKind(t *testing.T) {
	for verb, payload := range map[string]string{
		"send":  strings.Replace(result("LAB|NORTH", "m1", "4711"), "ORU^R01^ORU_R01", "", 1),
		"query": strings.Replace(ask("m1", "4711"), "QBP^Q22^QBP_Q21", "", 1),
	} {
		t.Run(verb, func(t *testing.T) {
			s := newSick(t, "enforce", "")
			file := strings.ReplaceAll(fmt.Sprintf(faultSite, s.engine.Addr(), "enforce", ""), "    to: [", "    details: [ORU^R01, \"QBP^*\"]\n    to: [")
			if err := s.guard.Reload(t.Context(), s.site(file)); err != nil {
				t.Fatal(err)
			}
			got := s.call("hl7").send(payload)
			if strings.Contains(got, "DOE") || strings.Contains(got, "MSA|AA") || s.engine.has("MSH") || len(s.rows()) != 0 {
				t.Errorf("got %q, the engine got a message: %t, %d disclosures", got, s.engine.has("MSH"), len(s.rows()))
			}
			if found := s.findings(); found["refused-ambiguous"] == 0 {
				t.Errorf("got findings %v", found)
			}
			m := result("LAB|NORTH", "m2", "4711") // with its kind it passes
			if got := s.call("hl7").send(m); got != ack(m) {
				t.Errorf("got %q", got)
			}
		})
	}
	some := func(t *testing.T, s *sickDICOM, mode string) {
		t.Helper()
		if err := s.reload(strings.Replace(s.file(mode), "    whose: all\n", "    whose: all\n    details: [1.2.840.10008.1.2.3]\n", 1)); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("association", func(t *testing.T) {
		s := newSickDICOM(t, "enforce", nil)
		some(t, s, "enforce")
		k := s.dial()
		q := request("CT1", "PACS", offer(3, studyRootFind, implicitVR))
		k.must(k.control(pduAssociateRQ, q.body(pduAssociateRQ)))
		if p, err := k.pdu(); err != nil || p.kind != pduAssociateRJ {
			t.Errorf("got PDU %d, %v; want a rejection", p.kind, err)
		}
		if n, found := len(s.archive.requests), s.findings(); n != 0 || found["refused-attribute-missing"] == 0 {
			t.Errorf("the archive got %d requests, findings %v", n, found)
		}
	})
	for _, r := range releases() {
		t.Run(r.name, func(t *testing.T) {
			s := newSickDICOM(t, "enforce", nil)
			k := s.dial()
			k.associate()
			some(t, s, "enforce")
			s.mustRefuse(k, r, sickness{rule: "detail"})
		})
	}
}
