package guard

import (
	"crypto/tls"
	"io"
	"strings"
	"testing"

	"chaperone"
	"chaperone/ledger"
)

// TestRefusedWho: the record and the log say whose connection was not let in, and the advice is for what is wrong: a certificate that is
// believed at another address is not one that is not believed.
func TestRefusedWho(t *testing.T) {
	p, outside := newPapers(t), newPapers(t)
	p.believing(t, outside, nil)
	nobody, _ := p.issue(t, "nobody", false)
	far, _ := p.issue(t, "far", false)
	foreign, _ := outside.issue(t, "ct1", false)
	untrusted, _ := newPapers(t).issue(t, "ct1", false)
	revoked, serial := p.issue(t, "ct1", false)
	r, _ := declineRig(t, p, soon, soon)
	p.revoke(t, serial)
	for _, test := range []struct {
		name, rule      string
		cert            tls.Certificate
		proven, claimed string
		logged, advice  string
	}{
		{"a certificate for another address", "identity-address", p.boundTo(t, "ct1", "10.1.0.5"), "spiffe://north/party/ct1", "", "from=spiffe://north/party/ct1 ", "The certificate is believed, and bound to another address: enroll"},
		{"a party from elsewhere", "identity-address", far, "spiffe://north/party/far", "", "from=spiffe://north/party/far ", "add it to the site file"},
		{"a party that the site file does not name", "identity-unknown", nobody, "spiffe://north/party/nobody", "", "from=spiffe://north/party/nobody ", "add it to the site file"},
		{"an outside authority's that is bound to nobody", "identity-name", foreign, "CN=ct1", "", `CN=ct1`, "bind the certificate's subject"},
		{"revoked", "identity-revoked", revoked, "", "ct1", "party=ct1 ", "See chaperone enroll list."},
		{"another authority's", "identity-untrusted", untrusted, "", "", `party="" `, "See chaperone enroll list."},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := tls.Client(r.call("hl7").Conn, client(test.cert))
			_, _ = io.WriteString(c, "\x0b"+result("LAB|NORTH", "m1", "4711")+"\x1c\r") // of who is let in nowhere, nothing may be written
			_, _ = io.ReadAll(c)
			_ = c.Close()
			var found chaperone.Finding
			eventually(t, "a finding", func() bool {
				err := r.ledger.Findings(t.Context(), ledger.Query{}, func(f chaperone.Finding) error {
					if f.Rule == RefusedRule+test.rule && strings.HasPrefix(f.From.Proven, test.proven) && f.From.Claimed == test.claimed {
						found = f
					}
					return nil
				})
				return err == nil && found.Rule != ""
			})
			if !strings.Contains(found.Advice, test.advice) || test.proven == "" && found.From.Proven != "" {
				t.Errorf("got %+v", found)
			}
			eventually(t, "the log says who", func() bool {
				for line := range strings.Lines(r.log.String()) {
					if strings.Contains(line, test.logged) && strings.Contains(line, test.rule) {
						return true
					}
				}
				return false
			})
		})
	}
}
