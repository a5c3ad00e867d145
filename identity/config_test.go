package identity

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"net/url"
	"slices"
	"testing"
	"time"
)

// versions are the ones that are spoken.
var versions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// TestHandshake: both sides with certificates of the authority, in both versions.
func TestHandshake(t *testing.T) {
	s := newSite(t, TrustOptions{})
	certificate, key, err := s.Issue(Issue{Party: "ct1", Addresses: []netip.Addr{here}})
	if err != nil {
		t.Fatal(err)
	}
	device, err := NewTrust(TrustOptions{Site: "north-clinic", Authority: s.Dir, Certificate: s.put(t, "ct1.pem", certificate), Key: s.put(t, "ct1.key", key)})
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range versions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			client := device.Client("guard", "")
			client.MaxVersion = version
			if r := connect(t, s.trust.Server(), client); r.server != nil || r.client != nil || r.got != "data" {
				t.Errorf("got %v, %v and %q, want the data", r.server, r.client, r.got)
			}
			client = device.Client("pacs", "localhost")
			client.MaxVersion = version
			if r := connect(t, s.trust.Server(), client); code(r.client) != Other || r.got != "" {
				t.Errorf("the server is not who was wanted: got %v and %q, want %s", r.client, r.got, Other)
			}
		})
	}
}

// TestRefused: each way of not being who one is to be, in both versions. Not a byte is sent.
func TestRefused(t *testing.T) {
	s, stranger := newSite(t, TrustOptions{}), newSite(t, TrustOptions{})
	now := time.Now()
	change := func(f func(*x509.Certificate)) tls.Certificate {
		template := usual(now)
		template.URIs = []*url.URL{{Scheme: "spiffe", Host: "north-clinic", Path: "/party/ct1"}}
		f(template)
		return s.forge(t, template)
	}
	uri := func(list ...string) tls.Certificate {
		return change(func(c *x509.Certificate) {
			c.URIs = nil
			for _, text := range list {
				u, err := url.Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				c.URIs = append(c.URIs, u)
			}
		})
	}
	self := usual(now)
	self.URIs = []*url.URL{{Scheme: "spiffe", Host: "north-clinic", Path: "/party/ct1"}}
	authority := tls.Certificate{Certificate: [][]byte{s.cert.Raw}}
	key, err := s.key()
	if err != nil {
		t.Fatal(err)
	}
	authority.PrivateKey = key
	for _, test := range []struct {
		name string
		cert tls.Certificate
		want Code
	}{
		{"as it should be", change(func(*x509.Certificate) {}), ""},
		{"expired", change(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }), Expired},
		{"not yet valid", change(func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }), Early},
		{"for servers only", change(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), Use},
		{"for mail", change(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} }), Use},
		{"for nothing that is said", change(func(c *x509.Certificate) { c.ExtKeyUsage = nil }), Use},
		{"an authority", change(func(c *x509.Certificate) { c.IsCA = true }), Use},
		{"not for signatures", change(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), Use},
		{"the authority itself", authority, Name},
		{"self-signed", sign(t, self, nil, nil), Untrusted},
		{"the authority of another clinic of that name", stranger.issue(t, Issue{Party: "ct1"}), Untrusted},
		{"no URI", change(func(c *x509.Certificate) { c.URIs = nil }), Name},
		{"only a host's name", change(func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, []string{"ct1"} }), Name},
		{"another site", uri("spiffe://south-clinic/party/ct1"), Name},
		{"two URIs", uri("spiffe://north-clinic/party/ct1", "spiffe://north-clinic/party/ct2"), Name},
		{"twice the same", uri("spiffe://north-clinic/party/ct1", "spiffe://north-clinic/party/ct1"), Name},
		{"another URI beside it", uri("spiffe://north-clinic/party/ct1", "https://north-clinic/"), Name},
		{"upper case in the name", uri("spiffe://north-clinic/party/CT1"), Name},
		{"upper case in the site", uri("spiffe://North-Clinic/party/ct1"), Name},
		{"no name", uri("spiffe://north-clinic/party/"), Name},
		{"a slash at the end", uri("spiffe://north-clinic/party/ct1/"), Name},
		{"a path below", uri("spiffe://north-clinic/party/ct1/x"), Name},
		{"percent", uri("spiffe://north-clinic/party/%63t1"), Name},
		{"dots", uri("spiffe://north-clinic/party/../party/ct1"), Name},
		{"a query", uri("spiffe://north-clinic/party/ct1?x"), Name},
		{"a fragment", uri("spiffe://north-clinic/party/ct1#x"), Name},
		{"a user", uri("spiffe://x@north-clinic/party/ct1"), Name},
		{"a port", uri("spiffe://north-clinic:80/party/ct1"), Name},
		{"300 characters", uri("spiffe://north-clinic/party/c" + string(slices.Repeat([]byte{'t'}, 300))), Name},
		{"the site's own", uri("spiffe://north-clinic"), Name},
		{"another scheme", uri("https://north-clinic/party/ct1"), Name},
		{"bound to another address", s.issue(t, Issue{Party: "ct1", Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.5")}}), Address},
		{"bound to this address", s.issue(t, Issue{Party: "ct1", Addresses: []netip.Addr{here}}), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, version := range versions {
				client := asClient(test.cert)
				client.MinVersion, client.MaxVersion = version, version
				r := connect(t, s.trust.Server(), client)
				if code(r.server) != test.want || (r.server == nil) != (test.want == "") {
					t.Errorf("%s: got %v, want %q", tls.VersionName(version), r.server, test.want)
				}
				if got := r.got == "data"; got != (test.want == "") {
					t.Errorf("%s: the client got %q", tls.VersionName(version), r.got)
				}
				want := test.want
				if want == Address { // it is believed, and refused behind the handshake
					want = ""
				}
				if r := connect(t, s.trust.Receiver(), client); code(r.server) != want || (r.server == nil) != (want == "") {
					t.Errorf("%s, to be told: got %v, want %q", tls.VersionName(version), r.server, want)
				}
			}
		})
	}
}

// TestNoCertificate: a client that shows none.
func TestNoCertificate(t *testing.T) {
	s := newSite(t, TrustOptions{})
	for _, version := range versions {
		if r := connect(t, s.trust.Server(), &tls.Config{InsecureSkipVerify: true, MaxVersion: version}); r.server == nil || r.got != "" {
			t.Errorf("%s: it was let in", tls.VersionName(version))
		}
	}
	if _, err := s.trust.Check(&tls.ConnectionState{}, time.Now()); code(err) != None {
		t.Errorf("got %v, want %s", err, None)
	}
	if _, err := s.trust.Check(nil, time.Now()); code(err) != None {
		t.Errorf("got %v, want %s", err, None)
	}
}

// TestProfile: what of TLS is not spoken (RFC 9325).
func TestProfile(t *testing.T) {
	s := newSite(t, TrustOptions{})
	device := s.issue(t, Issue{Party: "ct1"})
	for name, c := range map[string]*tls.Config{"server": s.trust.Server(), "client": s.trust.Client("guard", "")} {
		if c.MinVersion != tls.VersionTLS12 || c.MaxVersion != 0 || c.VerifyConnection == nil {
			t.Errorf("%s: it speaks other versions than 1.2 and later, or checks nobody", name)
		}
	}
	for _, test := range []struct {
		name   string
		change func(*tls.Config)
		want   bool
	}{
		{"1.0", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }, false},
		{"1.1", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, false},
		{"CBC", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}
		}, false},
		{"RC4", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA}
		}, false},
		{"RSA key exchange", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		}, false},
		{"a protocol of the web", func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} }, false},
		{"GCM", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		}, true},
		{"X25519", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} }, true},
		{"P-256", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256} }, true},
		{"P-384", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP384} }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := asClient(device)
			test.change(client)
			if r := connect(t, s.trust.Server(), client); (r.server == nil && r.got == "data") != test.want {
				t.Errorf("got %v and %q, want it to work: %t", r.server, r.got, test.want)
			}
		})
	}
}

// TestResumed: a session is resumed, and is no more once the certificate is revoked. The first half is what makes the second worth
// something.
func TestResumed(t *testing.T) {
	for _, version := range versions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			s := newSite(t, TrustOptions{})
			server, client := s.trust.Server(), asClient(s.issue(t, Issue{Party: "ct1"}))
			client.MaxVersion, client.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
			if r := connect(t, server, client); r.resumed || r.got != "data" {
				t.Fatalf("first: got resumed %t, %v, %q", r.resumed, r.server, r.got)
			}
			if r := connect(t, server, client); !r.resumed || r.got != "data" {
				t.Fatalf("second: got resumed %t, %v, %q, want it resumed", r.resumed, r.server, r.got)
			}
			if n, err := s.Revoke("ct1", keyCompromise); n != 1 || err != nil {
				t.Fatalf("got %d, %v", n, err)
			}
			if err := s.trust.Reload(); err != nil {
				t.Fatal(err)
			}
			if r := connect(t, server, client); code(r.server) != Revoked || r.got != "" {
				t.Errorf("after revoking: got %v and %q, want %s", r.server, r.got, Revoked)
			}
		})
	}
}
