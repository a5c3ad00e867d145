package identity

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// TestOutside: an outside authority's certificates are who the site says they are, and never a party by their own word.
func TestOutside(t *testing.T) {
	ca := newOutside(t, "Hospital Root", nil)
	below := newOutside(t, "Hospital Devices", ca)
	dir := t.TempDir()
	roots := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(roots, ca.pem(), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, TrustOptions{Roots: []string{roots}, Subjects: map[string]string{
		"CN=ct1,O=Hospital": "ct1", "DNS:pacs.hospital.example": "pacs", "URI:urn:mr1": "mr1", "DNS:two.hospital.example": "two",
	}})
	named := func(f func(*x509.Certificate)) *x509.Certificate {
		template := usual(time.Now())
		f(template)
		return template
	}
	uri := func(text string) []*url.URL {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return []*url.URL{u}
	}
	for _, test := range []struct {
		name     string
		template *x509.Certificate
		party    string
		want     Code
		believed bool
	}{
		{"by its subject", named(func(c *x509.Certificate) { c.Subject.CommonName, c.Subject.Organization = "ct1", []string{"Hospital"} }), "ct1", "", false},
		{"by a host's name", named(func(c *x509.Certificate) { c.DNSNames = []string{"pacs.hospital.example"} }), "pacs", "", false},
		{"by a URI", named(func(c *x509.Certificate) { c.URIs = uri("urn:mr1") }), "mr1", "", false},
		{"another subject", named(func(c *x509.Certificate) { c.Subject.CommonName = "ct1" }), "", Name, true},
		{"bound to two", named(func(c *x509.Certificate) {
			c.DNSNames = []string{"pacs.hospital.example", "two.hospital.example"}
		}), "", Name, false},
		{"a party of ours by its own word", named(func(c *x509.Certificate) { c.URIs = uri("spiffe://north-clinic/party/ct1") }), "", Name, true},
		{"for servers", named(func(c *x509.Certificate) {
			c.DNSNames, c.ExtKeyUsage = []string{"pacs.hospital.example"}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), "", Use, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, by := range []*outsideCA{ca, below} {
				cert := by.issue(t, test.template)
				peer, err := s.trust.Check(seenAs(cert.Leaf, by.Leaf), time.Now())
				if peer.Party != test.party || code(err) != test.want {
					t.Errorf("got %q and %v, want %q and %q", peer.Party, err, test.party, test.want)
				}
				if err != nil && (strings.Contains(err.Error(), "Hospital") || strings.Contains(err.Error(), "example")) {
					t.Errorf("the error quotes the certificate: %v", err)
				}
				if r := connect(t, s.trust.Server(), asClient(cert)); code(r.server) != test.want {
					t.Errorf("connected: got %v, want %q", r.server, test.want)
				}
				want := test.want
				if test.believed { // and refused behind the handshake
					want = ""
				}
				if r := connect(t, s.trust.Receiver(), asClient(cert)); code(r.server) != want {
					t.Errorf("to be told: got %v, want %q", r.server, want)
				}
				if _, err := s.trust.CheckAt(seenAs(cert.Leaf, by.Leaf), here, time.Now()); code(err) != test.want {
					t.Errorf("asked behind the handshake: got %v, want %q", err, test.want)
				}
			}
		})
	}
}

// TestOutsideServer: a server of an outside authority is known by the DNS name that was configured, or by what is bound.
func TestOutsideServer(t *testing.T) {
	ca := newOutside(t, "Hospital Root", nil)
	dir := t.TempDir()
	roots := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(roots, ca.pem(), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, TrustOptions{Roots: []string{roots}, Subjects: map[string]string{"DNS:bound.hospital.example": "pacs"}})
	for _, test := range []struct {
		name, host, party, dns string
		want                   Code
	}{
		{"by name", "pacs.hospital.example", "pacs", "pacs.hospital.example", ""},
		{"another name", "www.hospital.example", "pacs", "pacs.hospital.example", Other},
		{"no name configured", "pacs.hospital.example", "pacs", "", Name},
		{"bound", "bound.hospital.example", "pacs", "", ""},
		{"bound to another party, by name", "bound.hospital.example", "ris", "bound.hospital.example", Other},
		{"bound to another party", "bound.hospital.example", "ris", "", Other},
	} {
		t.Run(test.name, func(t *testing.T) {
			template := usual(time.Now())
			template.DNSNames, template.ExtKeyUsage = []string{test.host}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			server := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, template)}}
			if r := connect(t, server, s.trust.Client(test.party, test.dns)); code(r.client) != test.want {
				t.Errorf("got %v, want %q", r.client, test.want)
			}
		})
	}
}

// TestLists: revocation lists of an outside authority.
func TestLists(t *testing.T) {
	ca, forger := newOutside(t, "Hospital Root", nil), newOutside(t, "Hospital Root", nil)
	below := newOutside(t, "Hospital Devices", ca)
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	roots := put("roots.pem", append(ca.pem(), below.pem()...))
	template := usual(time.Now())
	template.Subject.CommonName = "ct1"
	device := below.issue(t, template).Leaf
	soon := time.Now().Add(time.Hour)
	options := func(lists ...string) TrustOptions {
		return TrustOptions{Roots: []string{roots}, CRLs: lists, Subjects: map[string]string{"CN=ct1": "ct1"}}
	}
	forged := forger.list(t, 9, soon)
	partial := func() []byte {
		list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: soon.Add(-2 * time.Hour), NextUpdate: soon}
		list.ExtraExtensions = append(list.ExtraExtensions, criticalPoint())
		return asPEM(listBlock, createList(t, list, ca))
	}
	for _, test := range []struct {
		name string
		list []byte
		load bool
		want Code
	}{
		{"nobody revoked", below.list(t, 1, soon), true, ""},
		{"revoked", below.list(t, 1, soon, device.SerialNumber), true, Revoked},
		{"that serial number of another authority", ca.list(t, 1, soon, device.SerialNumber), true, ""},
		{"the authority between revoked", ca.list(t, 1, soon, below.Leaf.SerialNumber), true, Revoked},
		{"run out", below.list(t, 1, time.Now().Add(-time.Minute)), true, Unknown},
		{"run out, above", ca.list(t, 1, time.Now().Add(-time.Minute)), true, Unknown},
		{"forged", forged, false, ""},
		{"of the future", below.list(t, 1, time.Now().Add(48*time.Hour)), false, ""},
		{"cut", below.list(t, 1, soon)[:200], false, ""},
		{"empty", nil, false, ""},
		{"for some certificates only", partial(), false, ""},
		{"a certificate", below.pem(), false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			trust, err := NewTrust(options(put("list.crl", test.list)))
			if (err == nil) != test.load {
				t.Fatalf("got %v, want it to load: %t", err, test.load)
			}
			if err != nil {
				return
			}
			if _, err := trust.Check(seenAs(device, below.Leaf), time.Now()); code(err) != test.want {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestReload: good files are believed at once, bad ones never, and a revocation list that stays bad closes.
func TestReload(t *testing.T) {
	c := &clock{at: time.Now()}
	s := newSite(t, TrustOptions{Now: c.now})
	device := leafOf(t, s.issue(t, Issue{Party: "ct1"}))
	check := func(want Code) {
		t.Helper()
		if _, err := s.trust.Check(seenAs(device), c.now()); code(err) != want || (err == nil) != (want == "") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	list := filepath.Join(s.Dir, RevokedFile)
	good, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	check("")
	epoch, changed := s.trust.Epoch(), s.trust.Changed()
	if err := s.trust.Reload(); err != nil || s.trust.Epoch() != epoch {
		t.Errorf("nothing changed: got %v and epoch %d, want %d", err, s.trust.Epoch(), epoch)
	}
	stranger := newSite(t, TrustOptions{})
	other, err := os.ReadFile(filepath.Join(stranger.Dir, RevokedFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{nil, []byte("rubbish"), good[:len(good)/2], other} {
		if err := os.WriteFile(list, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := s.trust.Reload(); err == nil || !strings.Contains(err.Error(), list) {
			t.Errorf("got %v, want an error that names the file", err)
		}
		check("")
	}
	c.add(Patience + time.Second)
	check(Unknown)
	if err := os.WriteFile(list, good, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.trust.Reload(); err != nil {
		t.Error(err)
	}
	check("")
	select {
	case <-changed:
	default:
		t.Error("nobody was told of a new epoch")
	}

	if _, err := s.Revoke(serialOf(device.SerialNumber), "superseded"); err != nil {
		t.Fatal(err)
	}
	if err := s.trust.Reload(); err != nil {
		t.Error(err)
	}
	check(Revoked)
	if err := os.WriteFile(list, good, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.trust.Reload(); err == nil || !strings.Contains(err.Error(), "older") {
		t.Errorf("an older list: got %v, want an error", err)
	}
	check(Revoked)

	certificate := filepath.Join(s.Dir, CertificateFile)
	if err := os.WriteFile(certificate, stranger.Certificate()[:99], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.trust.Reload(); err == nil || !strings.Contains(err.Error(), certificate) {
		t.Errorf("got %v, want an error that names the file", err)
	}
	check(Revoked)
}

// TestOwnPair: the own certificate is exchanged while the program runs.
func TestOwnPair(t *testing.T) {
	s := newSite(t, TrustOptions{})
	before := s.trust.OwnNotAfter()
	s.now = func() time.Time { return time.Now().Add(time.Hour) }
	issued, err := s.Issued()
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := s.Renew(Newest(issued)["guard"])
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, "guard.pem", renewed[:100])
	if err := s.trust.Reload(); err == nil || !s.trust.OwnNotAfter().Equal(before) {
		t.Errorf("a certificate that was cut: got %v", err)
	}
	s.put(t, "guard.pem", renewed)
	if err := s.trust.Reload(); err != nil || !s.trust.OwnNotAfter().After(before) {
		t.Errorf("got %v, and it ends at %v, want later than %v", err, s.trust.OwnNotAfter(), before)
	}
}

// TestWatch: a change is believed without anybody asking, and what is wrong is said once.
func TestWatch(t *testing.T) {
	s := newSite(t, TrustOptions{})
	ctx, stop := context.WithCancel(t.Context())
	said, done := make(chan error, 10), make(chan struct{})
	changed := s.trust.Changed()
	go func() {
		s.trust.Watch(ctx, time.Millisecond, func(err error) { said <- err })
		close(done)
	}()
	s.put(t, "guard.key", []byte("rubbish"))
	if err := <-said; err == nil {
		t.Error("got no error for a bad file")
	}
	<-changed
	stop()
	<-done
}

// TestTime: what was remembered is not believed after its end.
func TestTime(t *testing.T) {
	s := newSite(t, TrustOptions{})
	device := leafOf(t, s.issue(t, Issue{Party: "ct1"}))
	for _, test := range []struct {
		name string
		at   time.Time
		want Code
	}{
		{"now", time.Now(), ""}, {"at its end", device.NotAfter, ""}, {"after it", device.NotAfter.Add(time.Nanosecond), Expired},
		{"at its beginning", device.NotBefore, ""}, {"before it", device.NotBefore.Add(-time.Nanosecond), Early}, {"and now", time.Now(), ""},
	} {
		if _, err := s.trust.Check(seenAs(device), test.at); code(err) != test.want {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}

// TestMemory: what is remembered is bounded.
func TestMemory(t *testing.T) {
	var p proven
	for i := range maxProven + 10 {
		p.add(&x509.Certificate{Raw: big.NewInt(int64(i)).Bytes()}, &verdict{})
	}
	if n := len(*p.table.Load()); n > maxProven {
		t.Errorf("got %d, want at most %d", n, maxProven)
	}
}

// TestConcurrent: questions, handshakes and reloads at a time.
func TestConcurrent(t *testing.T) {
	s := newSite(t, TrustOptions{})
	certificate := s.issue(t, Issue{Party: "ct1"})
	device, server := leafOf(t, certificate), s.trust.Server()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 300 {
				if _, err := s.trust.Check(seenAs(device), time.Now()); err != nil && code(err) != Revoked {
					t.Error(err)
				}
				s.trust.Epoch()
			}
		})
	}
	all.Go(func() {
		for range 5 {
			connect(t, server, asClient(certificate))
		}
	})
	for range 10 {
		if _, _, err := s.Issue(Issue{Party: "mr1"}); err != nil {
			t.Error(err)
		}
		if _, err := s.Revoke("mr1", "superseded"); err != nil {
			t.Error(err)
		}
		if err := s.trust.Reload(); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Revoke("ct1", keyCompromise); err != nil {
		t.Error(err)
	}
	if err := s.trust.Reload(); err != nil {
		t.Error(err)
	}
	if _, err := s.trust.Check(seenAs(device), time.Now()); code(err) != Revoked {
		t.Errorf("got %v, want %s", err, Revoked)
	}
	all.Wait()
}

// TestOptions: nobody is believed by accident.
func TestOptions(t *testing.T) {
	s := newSite(t, TrustOptions{})
	leaf := s.put(t, "leaf.pem", asPEM(certificateBlock, leafOf(t, s.issue(t, Issue{Party: "ct1"})).Raw))
	roots := s.put(t, "roots.pem", newOutside(t, "Hospital Root", nil).pem())
	for name, o := range map[string]TrustOptions{
		"nobody":                   {Site: "north-clinic"},
		"no site":                  {Authority: s.Dir},
		"another site":             {Authority: s.Dir, Site: "south-clinic"},
		"no such folder":           {Authority: s.Dir + "x", Site: "north-clinic"},
		"no such roots":            {Roots: []string{s.Dir + "x"}},
		"a party's as a root":      {Roots: []string{leaf}},
		"a key as a root":          {Roots: []string{filepath.Join(s.Dir, KeyFile)}},
		"a certificate, no key":    {Roots: []string{roots}, Certificate: leaf},
		"another's key":            {Roots: []string{roots}, Certificate: leaf, Key: filepath.Join(s.dir, "guard.key")},
		"a subject of no party":    {Roots: []string{roots}, Subjects: map[string]string{"CN=ct1": "CT1"}},
		"a list of another's":      {Roots: []string{roots}, CRLs: []string{filepath.Join(s.Dir, RevokedFile)}},
		"a list instead of a root": {Roots: []string{filepath.Join(s.Dir, RevokedFile)}},
	} {
		if _, err := NewTrust(o); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line", name, err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	dir := b.TempDir()
	a, err := Create(filepath.Join(dir, "authority"), "north-clinic")
	if err != nil {
		b.Fatal(err)
	}
	certificate, _, err := a.Issue(Issue{Party: "ct1"})
	if err != nil {
		b.Fatal(err)
	}
	trust, err := NewTrust(TrustOptions{Site: "north-clinic", Authority: a.Dir})
	if err != nil {
		b.Fatal(err)
	}
	is, err := a.Describe(certificate)
	if err != nil {
		b.Fatal(err)
	}
	s, now := seenAs(is.cert), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := trust.Check(s, now); err != nil {
			b.Fatal(err)
		}
	}
}

// TestBetween: an authority between is held to what is above it, though its certificate stands among the roots.
func TestBetween(t *testing.T) {
	template := usual(time.Now())
	template.Subject.CommonName, template.IsCA, template.MaxPathLenZero = "Hospital Root", true, true // no authorities below it
	template.ExtKeyUsage, template.KeyUsage = nil, x509.KeyUsageCertSign
	root := &outsideCA{sign(t, template, nil, nil)}
	below := newOutside(t, "Hospital Devices", root)
	leaf := usual(time.Now())
	leaf.Subject.CommonName = "ct1"
	device := below.issue(t, leaf)
	for name, test := range map[string]struct {
		roots []byte
		want  Code
	}{
		"with what is above it": {append(root.pem(), below.pem()...), Untrusted},
		"alone":                 {below.pem(), ""},
	} {
		roots := filepath.Join(t.TempDir(), "roots.pem")
		if err := os.WriteFile(roots, test.roots, 0o600); err != nil {
			t.Fatal(err)
		}
		trust, err := NewTrust(TrustOptions{Roots: []string{roots}, Subjects: map[string]string{"CN=ct1": "ct1"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := trust.Check(seenAs(device.Leaf), time.Now()); code(err) != test.want {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

// TestWeak: a key that is too short is refused, whoever signed it (RFC 9325, 4.5).
func TestWeak(t *testing.T) {
	s := newSite(t, TrustOptions{})
	t.Setenv("GODEBUG", "rsa1024min=0")
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.key()
	if err != nil {
		t.Fatal(err)
	}
	template := usual(time.Now())
	template.URIs = []*url.URL{{Scheme: "spiffe", Host: "north-clinic", Path: "/party/ct1"}}
	der, err := x509.CreateCertificate(rand.Reader, template, s.cert, short.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.trust.Check(seenAs(leaf), time.Now()); code(err) != Weak {
		t.Errorf("got %v, want %s", err, Weak)
	}
}

// TestBind: whose a certificate of an outside authority is can be said anew; a bad name changes nothing.
func TestBind(t *testing.T) {
	ca := newOutside(t, "Hospital Root", nil)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, ca.pem(), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, TrustOptions{Roots: []string{roots}, Subjects: map[string]string{"CN=ct1": "ct1"}})
	template := usual(time.Now())
	template.Subject.CommonName = "ct2"
	seen := seenAs(ca.issue(t, template).Leaf, ca.Leaf)
	for _, test := range []struct {
		subjects map[string]string
		ok       bool
		party    string
		changed  bool
	}{
		{map[string]string{"CN=ct1": "ct1"}, true, "", false},
		{map[string]string{"CN=ct1": "ct1", "CN=ct2": "ct2"}, true, "ct2", true},
		{map[string]string{"CN=ct2": "CT 2"}, false, "ct2", false},
		{map[string]string{"CN=ct2": "mr1"}, true, "mr1", true},
		{nil, true, "", true},
	} {
		before := s.trust.Epoch()
		if err := s.trust.Bind(test.subjects); (err == nil) != test.ok {
			t.Errorf("%v: got %v", test.subjects, err)
		}
		peer, err := s.trust.Check(seen, time.Now())
		if peer.Party != test.party || (err == nil) != (test.party != "") || (s.trust.Epoch() != before) != test.changed {
			t.Errorf("%v: got %q, %v and changed %t", test.subjects, peer.Party, err, s.trust.Epoch() != before)
		}
	}
}
