package guard

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chaperone"
	"chaperone/identity"
)

// peerTLSSite has a listener for peers that speak TLS, and one for those that cannot, before the same archive.
const peerTLSSite = dicomTLSSite + `  - name: clear
    protocol: dicom
    listen: 127.0.0.1:2763
    tls: none
    because: this is a test
    upstream: {address: "%[2]s", party: pacs}
    destinations: {ROOM: room}
`

// peerTLSRig starts a guard before an archive that is behind TLS.
func peerTLSRig(t *testing.T, p *papers, upstream string) *rig {
	t.Helper()
	file := strings.Replace(fmt.Sprintf(peerTLSSite, p.dir, upstream), "grants:\n", `  - {name: room, role: viewer, titles: [ROOM], addresses: [127.0.0.3/32]}
  - {name: old, role: viewer, titles: [VIEWER], addresses: [127.0.0.1/32]}
grants:
  - {name: moves, roles: [viewer], actions: [dicom.move], to: [room]}
`, 1)
	return begin(t, file, func(o *Options) { o.Trust, o.pace = p.trust, quick })
}

// tlsOptions writes a party's certificate where a program of dcmtk reads it, and gives the options for it.
func (p *papers) tlsOptions(t *testing.T, party string, server bool, at ...netip.Addr) []string {
	t.Helper()
	certificate, key, err := p.Issue(identity.Issue{Party: party, Server: server, Addresses: at})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range map[string][]byte{"certificate": certificate, "key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"+tls", filepath.Join(dir, "key"), filepath.Join(dir, "certificate"), "+cf", filepath.Join(p.Dir, identity.CertificateFile)}
}

// portOf gives where a listener of the guard is.
func (r *rig) portOf(listener string) string {
	_, port, _ := net.SplitHostPort(r.guard.Address(listener).String())
	return port
}

// TestPeerDcmtkTLS: programs of dcmtk that prove who they are, before one that does. Whoever proves nothing gets no
// association: its connection ends. Who proves who it is, and is not in the site file, stands elsewhere or uses another's title, is told in
// DICOM's words. The archive sees none of them.
func TestPeerDcmtkTLS(t *testing.T) {
	p, port, received := newPapers(t), freePort(t), t.TempDir()
	start(t, port, peer(t, "storescp"), slices.Concat([]string{"+xa", "+B", "-uf"}, p.tlsOptions(t, "pacs", true), []string{"-aet", "PACS", "-od", received, port})...)
	r := peerTLSRig(t, p, "127.0.0.1:"+port)
	files := objects(t)
	ct1, stranger, foreign := p.tlsOptions(t, "ct1", false), p.tlsOptions(t, "nobody", false), newPapers(t).tlsOptions(t, "ct1", false)
	elsewhere := p.tlsOptions(t, "ct1", false, netip.MustParseAddr("10.1.0.5"))
	foreign[4] = ct1[4] // it believes the guard, and the guard does not believe it
	call := func(program string, options, more []string) (string, error) {
		return run(t, peer(t, program), slices.Concat([]string{"-v", "-aet", "CT1", "-aec", "PACS"}, options, []string{"127.0.0.1", r.port()}, more)...)
	}
	for program, more := range map[string][]string{"echoscu": nil, "storescu": files[:1]} {
		for name, options := range map[string][]string{"another authority's": foreign, "in the clear": nil} {
			if out, err := call(program, options, more); err == nil || strings.Contains(out, "(Success)") || strings.Contains(out, "Reject") {
				t.Errorf("%s, %s: got %v: %s", program, name, err, out)
			}
		}
		for name, options := range map[string][]string{"who is not in the site file": stranger, "a certificate for another address": elsewhere, "another's title": p.tlsOptions(t, "ct2", false)} {
			if out, err := call(program, options, more); err == nil || !strings.Contains(out, "Calling AE Title Not Recognized") {
				t.Errorf("%s, %s: got %v: %s", program, name, err, out)
			}
		}
	}
	if n := len(glob(t, received+"/*")); n != 0 || len(r.rows()) != 0 {
		t.Fatalf("the archive got %d objects, and %d are on record", n, len(r.rows()))
	}
	found := r.findings()
	for _, rule := range []string{"refused-identity-unknown", "refused-identity-untrusted", "refused-identity-handshake", "refused-identity-title", "refused-identity-address"} {
		if found[rule] == 0 {
			t.Errorf("got findings %v, want %s", found, rule)
		}
	}
	if out, err := call("echoscu", ct1, nil); err != nil || !strings.Contains(out, "Received Echo Response (Success)") {
		t.Errorf("echoscu: %v: %s", err, out)
	}
	if out, err := call("storescu", ct1, files); err != nil {
		t.Errorf("storescu: %v: %s", err, out)
	}
	if got, want := digests(t, glob(t, received+"/*")), digests(t, files); !maps.Equal(got, want) {
		t.Errorf("got %d objects, want the %d that were sent, as they were", len(got), len(want))
	}
	for _, row := range r.rows() {
		if row.From.Proven != "spiffe://north/party/ct1" || row.To.Proven != "spiffe://north/party/pacs" || row.Protection != chaperone.MutualTLS {
			t.Errorf("on record is %+v", row.Disclosure)
		}
	}
	if n, d := r.covered("C-STORE"); n != archivePatients || d != len(files) {
		t.Errorf("got %d patients in %d disclosures", n, d)
	}
}

// TestPeerOrthancTLS: an archive that can be asked, behind TLS. dcmtk's findscu and storescu speak it; its getscu and movescu have no TLS
// (3.6.7), so they come in the clear to a listener whose archive does; dcmqrscp has none either, so the archive is Orthanc.
func TestPeerOrthancTLS(t *testing.T) {
	p, port, room, received := newPapers(t), freePort(t), freePort(t), t.TempDir()
	pacs := p.tlsOptions(t, "pacs", true)
	startOrthancWith(t, port, room, fmt.Sprintf(`"DicomTlsEnabled": true, "DicomTlsCertificate": %q, "DicomTlsPrivateKey": %q, "DicomTlsTrustedCertificates": %q, `, pacs[2], pacs[1], pacs[4]))
	start(t, room, peer(t, "storescp"), "+xa", "+B", "-aet", "ROOM", "-od", received, room)
	r := peerTLSRig(t, p, "127.0.0.1:"+port)
	files, ct1 := objects(t), p.tlsOptions(t, "ct1", false)
	if out, err := run(t, peer(t, "storescu"), slices.Concat([]string{"-v", "-aet", "CT1", "-aec", "PACS"}, ct1, []string{"127.0.0.1", r.port()}, files)...); err != nil {
		t.Fatalf("storescu: %v: %s", err, out)
	}
	query := []string{"-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID", "-k", "StudyInstanceUID=2.25.2.1"}
	find := func(options []string) (string, error) {
		return run(t, peer(t, "findscu"), slices.Concat([]string{"-v", "-aet", "CT1", "-aec", "PACS"}, options, query, []string{"127.0.0.1", r.port()})...)
	}
	if out, err := find(p.tlsOptions(t, "nobody", false)); err == nil || strings.Contains(out, "(Pending)") {
		t.Errorf("findscu of who is not in the site file: %v: %s", err, out)
	}
	if out, err := find(ct1); err != nil || strings.Count(out, "(Pending)") != 1 || !strings.Contains(out, "Received Final Find Response (Success)") {
		t.Errorf("findscu: %v: %s", err, out)
	}
	clear, dir := r.portOf("clear"), t.TempDir()
	if out, err := run(t, peer(t, "getscu"), slices.Concat([]string{"-v", "-aet", "VIEWER", "-aec", "PACS", "+B", "-od", dir}, query, []string{"127.0.0.1", clear})...); err != nil {
		t.Errorf("getscu: %v: %s", err, out)
	}
	if out, err := run(t, peer(t, "movescu"), slices.Concat([]string{"-v", "-aet", "VIEWER", "-aec", "PACS", "-aem", "ROOM"}, query, []string{"127.0.0.1", clear})...); err != nil {
		t.Errorf("movescu: %v: %s", err, out)
	}
	for what, in := range map[string]string{"got": dir, "moved": received} {
		if got, want := digests(t, glob(t, in+"/*")), digests(t, files[4:6]); !maps.Equal(got, want) {
			t.Errorf("%s: %d objects, want the %d that were stored, as they were", what, len(got), len(want))
		}
	}
	for _, action := range []string{"C-FIND", "C-GET", "C-MOVE"} {
		if n, d := r.covered(action); n != 1 || d == 0 {
			t.Errorf("%s: got %d patients in %d disclosures, want one", action, n, d)
		}
	}
}
