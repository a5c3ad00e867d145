package identity

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// openssl runs OpenSSL, a peer that knows nothing of us.
func openssl(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl on this machine to compare with")
	}
	c := exec.CommandContext(t.Context(), path, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	return string(out), err
}

func mustOpenSSL(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := openssl(t, dir, args...)
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", args[0], err, out)
	}
	return out
}

// TestOpenSSLVerify: another implementation believes our certificates for what they are for, and our list of what was revoked.
func TestOpenSSLVerify(t *testing.T) {
	s := newSite(t, TrustOptions{})
	certificate, _, err := s.Issue(Issue{Party: "ct1", Addresses: []netip.Addr{here}})
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, "ct1.pem", certificate)
	root, list := filepath.Join(s.Dir, CertificateFile), filepath.Join(s.Dir, RevokedFile)
	verify := func(more ...string) (string, error) {
		return openssl(t, s.dir, append(append([]string{"verify", "-x509_strict", "-CAfile", root, "-CRLfile", list, "-crl_check"}, more...), "ct1.pem")...)
	}
	if out, err := verify("-purpose", "sslclient"); err != nil {
		t.Errorf("as a client: %v\n%s", err, out)
	}
	if out, err := verify("-purpose", "sslserver"); err == nil {
		t.Errorf("as a server: it was believed\n%s", out)
	}
	if out := mustOpenSSL(t, s.dir, "x509", "-in", "ct1.pem", "-noout", "-ext", "subjectAltName"); !strings.Contains(out, "URI:spiffe://north-clinic/party/ct1") {
		t.Errorf("got %s", out)
	}
	if _, err := s.Revoke("ct1", keyCompromise); err != nil {
		t.Fatal(err)
	}
	if out, err := verify("-purpose", "sslclient"); err == nil || !strings.Contains(out, "revoked") {
		t.Errorf("after revoking: got %v\n%s", err, out)
	}
}

// TestOpenSSLClient: OpenSSL as a device, with a request of its own making.
func TestOpenSSLClient(t *testing.T) {
	s := newSite(t, TrustOptions{})
	mustOpenSSL(t, s.dir, "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "mr1.key", "-out", "mr1.csr", "-subj", "/CN=anything")
	csr, err := os.ReadFile(filepath.Join(s.dir, "mr1.csr"))
	if err != nil {
		t.Fatal(err)
	}
	certificate, _, err := s.Issue(Issue{Party: "mr1", CSR: csr})
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, "mr1.pem", certificate)
	call := func(args ...string) (text string, server error) {
		t.Helper()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			raw, err := listener.Accept()
			if err != nil {
				done <- err
				return
			}
			defer raw.Close()
			_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
			c := tls.Server(raw, s.trust.Server())
			if err := c.Handshake(); err != nil {
				done <- err
				return
			}
			_, err = io.WriteString(c, "data for the device\n")
			_ = c.Close()
			done <- err
		}()
		out, _ := openssl(t, s.dir, append([]string{"s_client", "-connect", listener.Addr().String(), "-CAfile", filepath.Join(s.Dir, CertificateFile),
			"-verify_return_error", "-verify_hostname", "localhost", "-quiet", "-ign_eof"}, args...)...)
		_ = listener.Close() // where openssl never came, Accept ends
		return out, <-done
	}
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		out, err := call(version, "-cert", "mr1.pem", "-key", "mr1.key")
		if err != nil || !strings.Contains(out, "data for the device") {
			t.Errorf("%s: got %v\n%s", version, err, out)
		}
		if out, err := call(version); err == nil || strings.Contains(out, "data for") {
			t.Errorf("%s without a certificate: got %v\n%s", version, err, out)
		}
	}
	for _, args := range [][]string{{"-tls1", "-cipher", "ALL@SECLEVEL=0"}, {"-tls1_1", "-cipher", "ALL@SECLEVEL=0"}, {"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"}, {"-tls1_2", "-cipher", "AES128-GCM-SHA256"}, {"-alpn", "h2"}} {
		if out, err := call(append(args, "-cert", "mr1.pem", "-key", "mr1.key")...); err == nil || strings.Contains(out, "data for") {
			t.Errorf("%q: got %v\n%s", args, err, out)
		}
	}
	if _, err := s.Revoke("mr1", "superseded"); err != nil {
		t.Fatal(err)
	}
	if err := s.trust.Reload(); err != nil {
		t.Fatal(err)
	}
	if out, err := call("-cert", "mr1.pem", "-key", "mr1.key"); code(err) != Revoked || strings.Contains(out, "data for") {
		t.Errorf("revoked: got %v\n%s", err, out)
	}
}

// TestOpenSSLAuthority: an outside authority and its list as OpenSSL makes them.
func TestOpenSSLAuthority(t *testing.T) {
	dir := t.TempDir()
	config := `[ca]
default_ca = hospital
[hospital]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_crl_days = 1
policy = any
[any]
commonName = supplied
organizationName = optional
[req]
distinguished_name = dn
[dn]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[device]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
`
	for name, text := range map[string]string{"ca.cnf": config, "index.txt": "", "index.txt.attr": "", "serial": "1000\n", "crlnumber": "01\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustOpenSSL(t, dir, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-config", "ca.cnf", "-extensions", "authority", "-subj", "/O=Hospital/CN=Hospital Root", "-days", "30", "-keyout", "ca.key", "-out", "ca.pem")
	mustOpenSSL(t, dir, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-config", "ca.cnf", "-subj", "/O=Hospital/CN=ct1", "-keyout", "ct1.key", "-out", "ct1.csr")
	mustOpenSSL(t, dir, "ca", "-batch", "-notext", "-config", "ca.cnf", "-extensions", "device", "-days", "10", "-in", "ct1.csr", "-out", "ct1.pem")
	mustOpenSSL(t, dir, "ca", "-config", "ca.cnf", "-gencrl", "-out", "list.pem")
	mustOpenSSL(t, dir, "crl", "-in", "list.pem", "-outform", "DER", "-out", "list.crl")
	subject := mustOpenSSL(t, dir, "x509", "-in", "ct1.pem", "-noout", "-subject", "-nameopt", "RFC2253")
	subject = strings.TrimPrefix(strings.TrimSpace(subject), "subject=")
	s := newSite(t, TrustOptions{Roots: []string{filepath.Join(dir, "ca.pem")}, CRLs: []string{filepath.Join(dir, "list.crl")}, Subjects: map[string]string{subject: "ct1"}})
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	device := pair(t, bytes.TrimSpace(read("ct1.pem")), read("ct1.key"))
	if r := connect(t, s.trust.Server(), asClient(device)); r.server != nil || r.got != "data" {
		t.Fatalf("got %v and %q; the subject is %s", r.server, r.got, subject)
	}
	mustOpenSSL(t, dir, "ca", "-config", "ca.cnf", "-revoke", "ct1.pem", "-crl_reason", "keyCompromise")
	mustOpenSSL(t, dir, "ca", "-config", "ca.cnf", "-gencrl", "-out", "list.pem")
	mustOpenSSL(t, dir, "crl", "-in", "list.pem", "-outform", "DER", "-out", "list.crl")
	if err := s.trust.Reload(); err != nil {
		t.Fatal(err)
	}
	if r := connect(t, s.trust.Server(), asClient(device)); code(r.server) != Revoked || r.got != "" {
		t.Errorf("revoked: got %v and %q, want %s", r.server, r.got, Revoked)
	}
}
