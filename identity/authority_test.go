package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestCreate: a folder with a key for its owner, once.
func TestCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "authority")
	a, err := Create(dir, "north-clinic")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{KeyFile: 0o600, CertificateFile: 0o644, RevokedFile: 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); runtime.GOOS != "windows" && got != want {
			t.Errorf("%s: got mode %o, want %o", name, got, want)
		}
	}
	if a.cert.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || !a.cert.IsCA || !a.cert.MaxPathLenZero {
		t.Error("it can do more, or less, than sign parties' certificates and lists")
	}
	key, err := os.ReadFile(filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir, "north-clinic"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("again: got %v, want that it exists", err)
	}
	if err := os.Remove(filepath.Join(dir, CertificateFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(dir); !errors.Is(err, ErrNoAuthority) {
		t.Errorf("half made: got %v, want %v", err, ErrNoAuthority)
	}
	if _, err := Create(dir, "north-clinic"); err != nil {
		t.Errorf("going on with a making that was cut off: %v", err)
	}
	if again, err := os.ReadFile(filepath.Join(dir, KeyFile)); err != nil || string(again) != string(key) {
		t.Errorf("the key was written over: %v", err)
	}
	if opened, err := OpenAuthority(dir); err != nil || opened.Site != "north-clinic" {
		t.Errorf("got %v", err)
	}
	for _, site := range []string{"", "North", "1", "a b", "a/b", strings.Repeat("a", 64)} {
		if _, err := Create(filepath.Join(t.TempDir(), "x"), site); err == nil {
			t.Errorf("the site %q: want an error", site)
		}
	}
}

// TestPermissions: what others may read or write is refused, with what to do.
func TestPermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	s := newSite(t, TrustOptions{})
	key := filepath.Join(s.Dir, KeyFile)
	if err := os.Chmod(key, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Issue(Issue{Party: "ct1"}); err == nil || !strings.Contains(err.Error(), "chmod 600 "+key) {
		t.Errorf("a key that others may read: got %v", err)
	}
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(s.Dir); err == nil || !strings.Contains(err.Error(), "chmod go-w "+s.Dir) {
		t.Errorf("a folder that others may write to: got %v", err)
	}
	if err := os.Chmod(s.Dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(s.Dir, 0o700) })
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	if err := os.Chmod(filepath.Join(s.Dir, issuedFolder), 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(s.Dir, issuedFolder), 0o700) })
	if _, _, err := s.Issue(Issue{Party: "ct1"}); err == nil || !strings.Contains(err.Error(), "the user who owns "+s.Dir) {
		t.Errorf("a folder that cannot be written: got %v", err)
	}
}

// TestIssue: what is signed, and what is not.
func TestIssue(t *testing.T) {
	s := newSite(t, TrustOptions{})
	day := 24 * time.Hour
	address := []netip.Addr{here}
	for _, test := range []struct {
		name string
		o    Issue
		want bool
	}{
		{"usual", Issue{Party: "ct1"}, true},
		{"a server", Issue{Party: "pacs", Server: true, DNS: []string{"pacs.north-clinic.example"}, Addresses: address}, true},
		{"long, bound", Issue{Party: "mr1", Life: 3 * 365 * day, Addresses: address}, true},
		{"long, anywhere", Issue{Party: "mr2", Life: 3 * 365 * day}, false},
		{"too long", Issue{Party: "mr2", Life: 10 * 365 * day, Addresses: address}, false},
		{"backwards", Issue{Party: "mr2", Life: -day}, false},
		{"a host's name and no server", Issue{Party: "mr2", DNS: []string{"mr2.north-clinic.example"}}, false},
		{"a wildcard", Issue{Party: "mr2", Server: true, DNS: []string{"*.north-clinic.example"}}, false},
		{"every address", Issue{Party: "mr2", Addresses: []netip.Addr{netip.IPv4Unspecified()}}, false},
		{"no address", Issue{Party: "mr2", Addresses: []netip.Addr{{}}}, false},
		{"no name", Issue{}, false},
		{"a path", Issue{Party: "../ct1"}, false},
		{"upper case", Issue{Party: "CT1"}, false},
		{"a number", Issue{Party: "4711"}, false},
		{"a serial number", Issue{Party: "abcdef00112233445566778899aabbcc"}, false},
		{"64 characters", Issue{Party: strings.Repeat("a", 64)}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			certificate, key, err := s.Issue(test.o)
			if (err == nil) != test.want {
				t.Fatalf("got %v, want it signed: %t", err, test.want)
			}
			if err != nil {
				return
			}
			leaf := leafOf(t, pair(t, certificate, key))
			if party, err := PartyOf(leaf, "north-clinic"); party != test.o.Party || err != nil {
				t.Errorf("got %q, %v, want %q", party, err, test.o.Party)
			}
			if len(serialOf(leaf.SerialNumber)) != 32 {
				t.Errorf("got the serial number %s, want 32 digits", serialOf(leaf.SerialNumber))
			}
			if leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature {
				t.Error("it can do more than prove a party")
			}
		})
	}
	issued, err := s.Issued()
	if err != nil || len(issued) != 4 || issued[0].Party != "ct1" || !issued[3].Server {
		t.Errorf("got %v and %d, want 4 by party", err, len(issued))
	}
}

// TestRequest: of a request only the key is believed.
func TestRequest(t *testing.T) {
	s := newSite(t, TrustOptions{})
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	request := func(key any) []byte {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"pacs"}}, key)
		if err != nil {
			t.Fatal(err)
		}
		return asPEM(requestBlock, der)
	}
	good := request(p256)
	bad := append([]byte(nil), good...)
	bad[len(bad)-60] ^= 1
	for name, csr := range map[string][]byte{
		"P-224": request(p224), "short RSA": request(short), "changed": bad, "cut": good[:100], "empty": {}, "two": append(good, good...), "a certificate": s.Certificate(),
	} {
		if _, _, err := s.Issue(Issue{Party: "ct1", CSR: csr}); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
	certificate, key, err := s.Issue(Issue{Party: "ct1", CSR: []byte(strings.ReplaceAll(string(good), "CERTIFICATE REQ", "NEW CERTIFICATE REQ"))})
	if err != nil || key != nil {
		t.Fatalf("got %v and a key of %d bytes", err, len(key))
	}
	is, err := s.Describe(certificate)
	if err != nil || is.Party != "ct1" || is.DNS != nil || is.Server {
		t.Errorf("got %v, %q %q: want nothing of the request but its key", err, is.Party, is.DNS)
	}
	if _, _, err := s.Issue(Issue{Party: "ct2", CSR: good}); err == nil || !strings.Contains(err.Error(), "the key of ct1") {
		t.Errorf("one key for two parties: got %v", err)
	}
	if _, err := s.Revoke("ct1", keyCompromise); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Issue(Issue{Party: "ct1", CSR: good}); err == nil || !strings.Contains(err.Error(), "compromised") {
		t.Errorf("a key that was compromised: got %v", err)
	}
}

// TestRenew: the same key, name and addresses, for as long again.
func TestRenew(t *testing.T) {
	s := newSite(t, TrustOptions{})
	s.issue(t, Issue{Party: "ct1", Server: true, DNS: []string{"ct1.example"}, Addresses: []netip.Addr{here}, Life: 60 * 24 * time.Hour})
	later := time.Now().Add(50 * 24 * time.Hour).Truncate(time.Second)
	s.now = func() time.Time { return later }
	issued, err := s.Issued()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := s.Renew(Newest(issued)["ct1"])
	if err != nil {
		t.Fatal(err)
	}
	if issued, err = s.Issued(); err != nil {
		t.Fatal(err)
	}
	old, is := issued[0], issued[1]
	if got, err := s.Describe(certificate); err != nil || got.Serial != is.Serial {
		t.Errorf("got %v", err)
	}
	if is.Key != old.Key || is.Serial == old.Serial || !is.Server || is.DNS[0] != "ct1.example" || is.Addresses[0] != here {
		t.Error("it is not the same but for its time")
	}
	if got, want := is.NotAfter.Sub(later), 60*24*time.Hour; got != want {
		t.Errorf("got a life of %s, want %s", got, want)
	}
	if Newest(issued)["ct1"].Serial != is.Serial {
		t.Error("the newest is another one")
	}
	if n, err := s.Revoke(old.Serial, keyCompromise); n != 2 || err != nil {
		t.Errorf("the key is lost: got %d and %v, want both of its certificates", n, err)
	}
	if _, err := s.Renew(&is); err == nil || !strings.Contains(err.Error(), "was revoked") {
		t.Errorf("got %v", err)
	}
	if issued, err = s.Issued(); err != nil || Newest(issued)["ct1"] != nil {
		t.Errorf("got %v, and one that was revoked as the newest", err)
	}
	s.now = func() time.Time { return s.NotAfter.Add(-time.Hour) }
	if _, err := s.Renew(&issued[2]); err == nil || !strings.Contains(err.Error(), "authority itself ends") {
		t.Errorf("past the authority's end: got %v", err)
	}
}

// TestRevoke: by party and by serial number, once, and never more than that.
func TestRevoke(t *testing.T) {
	s := newSite(t, TrustOptions{})
	a, b := leafOf(t, s.issue(t, Issue{Party: "ct1"})), leafOf(t, s.issue(t, Issue{Party: "ct1"}))
	other := leafOf(t, s.issue(t, Issue{Party: "ct10"}))
	colons := ""
	for i, c := range strings.ToUpper(serialOf(a.SerialNumber)) {
		if i > 0 && i%2 == 0 {
			colons += ":"
		}
		colons += string(c)
	}
	for _, test := range []struct {
		name, what, reason string
		want               int
		fails              bool
	}{
		{"no reason", "ct1", "", 0, true},
		{"no such reason", "ct1", "stolen", 0, true},
		{"nobody", "ct2", "superseded", 0, true},
		{"nothing", "", "superseded", 0, true},
		{"part of a serial number", serialOf(a.SerialNumber)[:31], "superseded", 0, true},
		{"a serial number as others write it", colons, "superseded", 1, false},
		{"again", serialOf(a.SerialNumber), "superseded", 0, false},
		{"the rest of a party", "ct1", keyCompromise, 1, false},
		{"all again", "ct1", keyCompromise, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if n, err := s.Revoke(test.what, test.reason); n != test.want || (err != nil) != test.fails {
				t.Errorf("got %d, %v, want %d and an error: %t", n, err, test.want, test.fails)
			}
		})
	}
	if err := s.trust.Reload(); err != nil {
		t.Fatal(err)
	}
	for _, leaf := range []*x509.Certificate{a, b} {
		if _, err := s.trust.Check(seenAs(leaf), time.Now()); code(err) != Revoked {
			t.Errorf("got %v, want %s", err, Revoked)
		}
	}
	if _, err := s.trust.Check(seenAs(other), time.Now()); err != nil {
		t.Errorf("another party: %v", err)
	}
	issued, err := s.Issued()
	if err != nil {
		t.Fatal(err)
	}
	for _, is := range issued {
		if is.Serial == serialOf(a.SerialNumber) && (is.Reason != "superseded" || is.Revoked.IsZero()) {
			t.Errorf("got %q at %v, want the first reason", is.Reason, is.Revoked)
		}
	}
}

// TestDamaged: nothing is signed or listed from a folder that is not whole.
func TestDamaged(t *testing.T) {
	for _, name := range []string{CertificateFile, KeyFile, RevokedFile, "issued"} {
		t.Run(name, func(t *testing.T) {
			s, stranger := newSite(t, TrustOptions{}), newSite(t, TrustOptions{})
			path, from := filepath.Join(s.Dir, name), filepath.Join(stranger.Dir, name)
			if name == "issued" {
				own, _ := filepath.Glob(filepath.Join(path, "*.pem"))
				theirs, _ := filepath.Glob(filepath.Join(from, "*.pem"))
				path, from = own[0], theirs[0]
			}
			other, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range [][]byte{nil, []byte("rubbish"), other[:len(other)-40], other} {
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				a, err := OpenAuthority(s.Dir)
				if err == nil {
					_, err = a.Issued()
				}
				if err == nil {
					_, _, err = a.Issue(Issue{Party: "ct1"})
				}
				if err == nil || !strings.Contains(err.Error(), s.Dir) || strings.Count(err.Error(), "identity:") != 1 || strings.Contains(err.Error(), "\n") {
					t.Errorf("%d bytes: got %v, want one line that names the folder", len(b), err)
				}
			}
		})
	}
}
