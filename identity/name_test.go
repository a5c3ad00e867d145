package identity

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"
)

// TestCheckName: names have one spelling.
func TestCheckName(t *testing.T) {
	for name, want := range map[string]bool{
		"ct1": true, "north-clinic": true, "a": true, "a.b_c-d": true, strings.Repeat("a", 63): true,
		"1ct": true, "ct_1": true,
		"": false, "CT1": false, "-ct": false, "_ct": false, "4711": false, "47.11": false, ".": false, "..": false, "ct.": false, "ct/1": false, "ct 1": false, "ct%31": false,
		"c\u0442": false, "ct1\n": false, "ct1\x00": false, strings.Repeat("a", 64): false, strings.Repeat("ab", 16): false,
	} {
		if err := CheckName(name); (err == nil) != want {
			t.Errorf("%q: got %v, want it allowed: %t", name, err, want)
		}
	}
	if err := CheckName("4711^secret"); strings.Contains(err.Error(), "4711") {
		t.Errorf("the error repeats what may be a patient's number: %v", err)
	}
}

// FuzzFiles: no file brings the program down, and what is read holds to its rules.
func FuzzFiles(f *testing.F) {
	dir := f.TempDir()
	a, err := Create(dir, "north-clinic")
	if err != nil {
		f.Fatal(err)
	}
	certificate, key, err := a.Issue(Issue{Party: "ct1"})
	if err != nil {
		f.Fatal(err)
	}
	list, err := readFile(dir + "/" + RevokedFile)
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range [][]byte{nil, a.Certificate(), certificate, key, list, list[:100], a.cert.Raw} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if cert, err := authorityIn(b); err == nil && !cert.IsCA {
			t.Error("an authority that is none")
		}
		if r, err := listFrom(b, []*x509.Certificate{a.cert}, nil, time.Now()); err == nil && r.issuer != a.cert {
			t.Error("a list of nobody")
		}
		if _, err := requested(b); err == nil && len(b) == 0 {
			t.Error("a request out of nothing")
		}
		roots, err := parseRoots([][]byte{b})
		if err == nil && len(roots) == 0 {
			t.Error("no roots, and no error")
		}
		if cert, err := x509.ParseCertificate(b); err == nil {
			if party, err := PartyOf(cert, "north-clinic"); err == nil && CheckName(party) != nil {
				t.Errorf("a party called %q", party)
			}
			bindable(cert)
		}
	})
}
