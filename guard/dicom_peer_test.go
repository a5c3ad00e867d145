package guard

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const dicomSite = `site: north
inside: [127.0.0.0/8]
parties:
  - name: ct1
    role: modality
    titles: [CT1, VIEWER]
    addresses: [127.0.0.1/32]
    budget: {1h: %d}
  - name: pacs
    role: research
    titles: [PACS]
    addresses: [127.0.0.2/32]
    budget: {1h: 12}
  - name: room
    role: viewer
    titles: [ROOM]
    addresses: [127.0.0.3/32]
grants:
  - name: everything
    parties: [ct1]
    actions: [dicom.*]
    to: [pacs, self, room]
    whose: all
listeners:
  - name: dicom
    protocol: dicom
    listen: 127.0.0.1:11112
    tls: none
    because: this is a test
    upstream: {address: "%s", tls: none, because: this is a test, party: pacs}
    destinations: {ROOM: room}
`

// dicomRig is a guard before an archive at an address; most is how many patients the client may see in an hour.
func dicomRig(t *testing.T, upstream string, most int) *rig {
	t.Helper()
	return begin(t, fmt.Sprintf(dicomSite, most, upstream))
}

// port gives where the guard listens.
func (r *rig) port() string {
	_, port, _ := net.SplitHostPort(r.guard.Address("dicom").String())
	return port
}

// peer gives a program of another maker, or skips the test.
func peer(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = filepath.Join("/usr/sbin", name)
		if _, err := os.Stat(path); err != nil {
			t.Skipf("%s is not installed: a peer of DICOM is missing", name)
		}
	}
	return path
}

// freePort gives a port that nobody has now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// start runs a program until the test ends, and waits until something listens on its port.
func start(t *testing.T, port, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, name, args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("%s: %s", name, out.String())
		}
	})
	for range 500 {
		s, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			s.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s does not listen", name)
}

// run runs a program to its end.
func run(t *testing.T, name string, args ...string) (out string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	b, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return string(b), err
}

// digests gives the digests of the data sets of files: what stands behind the meta information.
func digests(t *testing.T, files []string) map[[32]byte]bool {
	t.Helper()
	all := map[[32]byte]bool{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[sha256.Sum256(dataSet(t, b))] = true
	}
	return all
}

// dataSet gives a file without preamble and group 0002 (PS3.10 section 7.1).
func dataSet(t *testing.T, b []byte) []byte {
	t.Helper()
	if len(b) < 144 || string(b[128:132]) != "DICM" {
		return b
	}
	n := int(b[140]) | int(b[141])<<8 // (0002,0000) UL
	return b[144+n:]
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestDcmtkEcho: who may, gets an association; who may not, is told in DICOM's words.
func TestDcmtkEcho(t *testing.T) {
	port := freePort(t)
	start(t, port, peer(t, "storescp"), "-od", t.TempDir(), port)
	r := dicomRig(t, "127.0.0.1:"+port, 100)
	for _, test := range []struct{ name, calling, called, want string }{
		{"permitted", "CT1", "PACS", "Received Echo Response (Success)"},
		{"another's name", "EVIL", "PACS", "Calling AE Title Not Recognized"},
		{"somebody else is called", "CT1", "OTHER", "Called AE Title Not Recognized"},
	} {
		out, err := run(t, peer(t, "echoscu"), "-v", "-aet", test.calling, "-aec", test.called, "127.0.0.1", r.port())
		if !strings.Contains(out, test.want) || (err == nil) != (test.calling == "CT1" && test.called == "PACS") {
			t.Errorf("%s: got %v, %s; want %s", test.name, err, out, test.want)
		}
	}
	found := r.findings()
	if found["refused-identity-title"] != 1 || found["refused-destination"] != 1 {
		t.Errorf("got findings %v", found)
	}
}

// TestDcmtkStore: whatever the encoding, through the guard the same bytes arrive as without it.
func TestDcmtkStore(t *testing.T) {
	port, direct, guarded := freePort(t), t.TempDir(), t.TempDir()
	start(t, port, peer(t, "storescp"), "+xa", "+B", "-uf", "-od", guarded, port)
	plain := freePort(t)
	start(t, plain, peer(t, "storescp"), "+xa", "+B", "-uf", "-od", direct, plain)
	r := dicomRig(t, "127.0.0.1:"+port, 100)
	sent := 0
	for _, test := range []struct{ option, file string }{
		{"-x=", "MR_small.dcm"}, {"-xi", "MR_small_implicit.dcm"}, {"-xb", "MR_small_bigendian.dcm"}, {"-xr", "MR_small_RLE.dcm"},
		{"-xv", "MR_small_jp2klossless.dcm"}, {"-xd", "image_dfl.dcm"}, {"-xe", "reportsi.dcm"}, {"-xe", "rtplan.dcm"},
	} {
		file := "../format/dicom/testdata/peer/pydicom/test_files/" + test.file
		for _, to := range []string{plain, r.port()} {
			if out, err := run(t, peer(t, "storescu"), "-v", test.option, "-aet", "CT1", "-aec", "PACS", "127.0.0.1", to, file); err != nil {
				t.Errorf("%s %s to %s: %v: %s", test.option, test.file, to, err, out)
			}
		}
		sent++
	}
	got, want := digests(t, glob(t, guarded+"/*")), digests(t, glob(t, direct+"/*"))
	for d := range want {
		if !got[d] {
			t.Error("an object did not arrive as it was sent")
		}
	}
	rows := r.rows()
	if len(got) != len(want) || len(rows) != sent || rows[0].Action != "C-STORE" || rows[0].From.Claimed != "CT1" || rows[0].To.Claimed != "PACS" {
		t.Errorf("got %d objects and %d disclosures, want %d and %d", len(got), len(rows), len(want), sent)
	}
}
