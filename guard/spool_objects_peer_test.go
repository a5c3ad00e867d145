package guard

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/guard/spool"
)

// largeObject writes an image of so many bytes into a file.
func largeObject(t *testing.T, n int) (file string) {
	t.Helper()
	name, b, data := object(7, 1, 1)
	pixels := bytes.LastIndex(b, []byte("\xe0\x7f\x10\x00OW"))
	if pixels < 0 || len(data) == 0 {
		t.Fatal("it has no pixels")
	}
	file = filepath.Join(t.TempDir(), name+".dcm")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	head := append(bytes.Clone(b[:pixels+8]), byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	piece := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for left := n; err == nil && left > 0; left -= len(piece) {
		if left == n {
			_, err = f.Write(head)
		}
		if err == nil {
			_, err = f.Write(piece[:min(left, len(piece))])
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// peerShelf is a guard that keeps objects for a program that is started on a port later.
func peerShelf(t *testing.T) (s *shelf, port string) {
	t.Helper()
	port = freePort(t)
	s = &shelf{dir: filepath.Join(t.TempDir(), "spool"), address: "127.0.0.1:" + port}
	s.file = strings.Replace(fmt.Sprintf(objectSite, 100, s.address), "bytes: 64MiB", "bytes: 512MiB", 1)
	s.rig = begin(t, s.file, spooling(s.dir, spool.Disk{}))
	return s, port
}

// storescu sends files by dcmtk.
func (r *rig) storescu(options []string, files ...string) (out string, err error) {
	r.t.Helper()
	return run(r.t, peer(r.t, "storescu"), slices.Concat([]string{"-v", "-aet", "CT1", "-aec", "PACS"}, options, []string{"127.0.0.1", r.port()}, files)...)
}

// TestDcmtkSpool: what storescu sends while nobody is behind the guard, in several encodings and up to 24 MB, arrives byte for byte at the
// storescp that comes later. What storescu asks for beside is told as what it is.
func TestDcmtkSpool(t *testing.T) {
	s, port := peerShelf(t)
	const examples = "../format/dicom/testdata/peer/pydicom/test_files/"
	calls := []struct {
		option string // proposes a transfer syntax
		files  []string
	}{
		{"-x=", append(objects(t), largeObject(t, 24<<20))}, {"-xr", []string{examples + "MR_small_RLE.dcm"}}, {"-xv", []string{examples + "MR_small_jp2klossless.dcm"}},
		{"-xb", []string{examples + "MR_small_bigendian.dcm"}}, {"-xd", []string{examples + "image_dfl.dcm"}}, {"-xe", []string{examples + "reportsi.dcm"}},
	}
	sent := 0
	for _, c := range calls {
		if out, err := s.storescu([]string{c.option}, c.files...); err != nil || strings.Count(out, "(Success)") != len(c.files) {
			t.Fatalf("storescu %s: %v: %s", c.option, err, out)
		}
		sent += len(c.files)
	}
	if out, err := run(t, peer(t, "echoscu"), "-v", "-aet", "CT1", "-aec", "PACS", "127.0.0.1", s.port()); err == nil || !strings.Contains(out, "Rejected Transient") {
		t.Errorf("echoscu: %v: %s", err, out)
	}
	if got := s.stats(); got.Messages != sent || len(s.files()) != sent {
		t.Errorf("got %+v, %d files, want %d", got, len(s.files()), sent)
	}
	received, direct := t.TempDir(), t.TempDir()
	start(t, port, peer(t, "storescp"), "+xa", "+B", "-uf", "-od", received, port)
	s.delivered()
	plain := freePort(t)
	start(t, plain, peer(t, "storescp"), "+xa", "+B", "-uf", "-od", direct, plain)
	for _, c := range calls { // storescu writes some of them anew: the same through the guard as without it
		if out, err := run(t, peer(t, "storescu"), append([]string{c.option, "-aet", "CT1", "-aec", "PACS", "127.0.0.1", plain}, c.files...)...); err != nil {
			t.Fatalf("storescu %s without the guard: %v: %s", c.option, err, out)
		}
	}
	if got, want := digests(t, glob(t, received+"/*")), digests(t, glob(t, direct+"/*")); !maps.Equal(got, want) {
		t.Errorf("got %d objects, want the %d that were sent, as they were", len(got), len(want))
	}
	if rows := s.rows(); len(rows) != sent || !strings.Contains(rows[0].Evidence.File, ", spooled, ") {
		t.Errorf("got %d disclosures, want %d", len(rows), sent)
	}
	if out, err := run(t, peer(t, "echoscu"), "-v", "-aet", "CT1", "-aec", "PACS", "127.0.0.1", s.port()); err != nil {
		t.Errorf("echoscu, when the archive is back: %v: %s", err, out)
	}
}

// delivered waits until nothing waits.
func (s *shelf) delivered() {
	s.t.Helper()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := s.stats()
		if got.Messages == 0 && got.Rejected == 0 && got.Bytes == 0 && len(s.files()) == 0 {
			return
		}
		if time.Now().After(end) || got.Rejected > 0 {
			s.t.Fatalf("not delivered: %+v, %d files", got, len(s.files()))
		}
	}
}

// TestDcmtkSpoolFull: storescu is told that there is no room, and nothing of the object is left.
func TestDcmtkSpoolFull(t *testing.T) {
	s, _ := peerShelf(t)
	s.file = strings.Replace(s.file, "bytes: 512MiB", "bytes: 2MiB", 1)
	s.again()
	out, err := s.storescu(nil, largeObject(t, 4<<20))
	if err == nil || !strings.Contains(out, "Refused: OutOfResources") {
		t.Errorf("storescu: %v: %s", err, out)
	}
	s.nothing(1) // its length is known at its end alone: too many on record, never too few
	if out, err := s.storescu(nil, objects(t)[0]); err != nil {
		t.Errorf("one that has room: %v: %s", err, out)
	}
	if found := s.findings(); found["refused-upstream-away"] != 1 {
		t.Errorf("got findings %v", found)
	}
}

// TestDcmtkSpoolMemory: an image of 100 MB is kept and delivered in little memory.
func TestDcmtkSpoolMemory(t *testing.T) {
	s, port := peerShelf(t)
	file := largeObject(t, 100<<20)
	most, stop := growth(t)
	if out, err := s.storescu(nil, file); err != nil {
		t.Fatalf("storescu: %v: %s", err, out)
	}
	received := t.TempDir()
	start(t, port, peer(t, "storescp"), "+B", "-uf", "-od", received, port)
	s.delivered()
	stop()
	if got := most(); got > 24<<20 {
		t.Errorf("the heap grew by %d bytes", got)
	}
	if got, want := digests(t, glob(t, received+"/*")), digests(t, []string{file}); !maps.Equal(got, want) {
		t.Error("the image did not arrive as it was sent")
	}
}

// growth watches by how much the heap grows, until stop.
func growth(t *testing.T) (most func() uint64, stop func()) {
	t.Helper()
	size := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	before, peak, end, ended := size(), uint64(0), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			peak = max(peak, size())
			select {
			case <-end:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() uint64 { return peak - min(before, peak) }, func() { close(end); <-ended }
}

// TestPeerDcmtkSpoolTLS: with certificates on both sides, the record names who has to prove to be the archive; somebody else at its
// address gets nothing, and when the archive is back it has everything.
func TestPeerDcmtkSpoolTLS(t *testing.T) {
	p, port := newPapers(t), freePort(t)
	dir := filepath.Join(t.TempDir(), "spool")
	file := fmt.Sprintf(dicomTLSSite, p.dir, "127.0.0.1:"+port) + "    spool: {bytes: 64MiB}\n"
	s := &shelf{dir: dir, file: file, rig: begin(t, file, spooling(dir, spool.Disk{}), func(o *Options) { o.Trust = p.trust })}
	files, ct1 := objects(t), p.tlsOptions(t, "ct1", false)
	if out, err := s.storescu(p.tlsOptions(t, "nobody", false), files...); err == nil {
		t.Errorf("a stranger: %s", out)
	}
	s.nothing(0)
	if out, err := s.storescu(ct1, files...); err != nil {
		t.Fatalf("storescu: %v: %s", err, out)
	}
	for _, row := range s.rows() {
		if row.From.Proven != "spiffe://north/party/ct1" || row.To.Proven != "spiffe://north/party/pacs" || row.Protection != chaperone.MutualTLS {
			t.Errorf("on record is %+v", row.Disclosure)
		}
	}
	t.Run("an impostor", func(t *testing.T) {
		other, _ := p.issue(t, "ct2", true)
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		a := archiveOn(t, tlsListener(l, other), well)
		eventually(t, "a finding", func() bool {
			return s.findings()["refused-identity-other"] > 0 || s.counted("refused-identity-other") > 0
		})
		if n := len(s.requestsOf(a)); n != 0 || s.stats().Messages != len(files) {
			t.Errorf("it got %d associations", n)
		}
	})
	received := t.TempDir()
	start(t, port, peer(t, "storescp"), slices.Concat([]string{"+xa", "+B", "-uf"}, p.tlsOptions(t, "pacs", true), []string{"-aet", "PACS", "-od", received, port})...)
	s.delivered()
	if got, want := digests(t, glob(t, received+"/*")), digests(t, files); !maps.Equal(got, want) {
		t.Errorf("got %d objects, want the %d that were sent, as they were", len(got), len(want))
	}
}

// TestPeerOrthancSpool: Orthanc comes back with all that was kept for it, and is asked for it by number.
func TestPeerOrthancSpool(t *testing.T) {
	s, port := peerShelf(t)
	files, room := objects(t), freePort(t)
	if out, err := s.storescu(nil, files...); err != nil {
		t.Fatalf("storescu: %v: %s", err, out)
	}
	startOrthanc(t, port, room)
	s.delivered()
	out, err := run(t, peer(t, "findscu"), s.viewer("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID", "-k", "StudyInstanceUID")...)
	if err != nil || strings.Count(out, "(Pending)") != archivePatients*archiveStudies {
		t.Errorf("findscu: %v: %s", err, out)
	}
}
