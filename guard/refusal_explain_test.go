package guard

import (
	"testing"

	"chaperone/identity"
	"chaperone/policy"
)

// TestExplainIdentity: each way in which a certificate can fail reads otherwise, so that who reads a digest knows which it was.
func TestExplainIdentity(t *testing.T) {
	said := map[string]identity.Code{"The certificate is not believed.": "of no code"}
	for _, code := range []identity.Code{identity.None, identity.Untrusted, identity.Expired, identity.Early, identity.Use, identity.Weak, identity.Revoked, identity.Unknown,
		identity.Name, identity.Other, identity.Address, identity.Protocol} {
		text := ExplainReason(policy.Reason(code))
		if same, ok := said[text]; ok {
			t.Errorf("%s reads as %s: %s", code, same, text)
		}
		said[text] = code
	}
}
