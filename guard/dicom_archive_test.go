package guard

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	clinic "chaperone/internal/clinicsim"
	"chaperone/ledger"
)

// object is one image of an invented patient: study and image count from 1.
func object(patient, study, image int) (name string, file, data []byte) {
	uid := fmt.Sprintf("2.25.%d.%d", patient, study)
	instance := fmt.Sprintf("%s.1.%d", uid, image)
	ds := clinic.DataSet{
		clinic.Text(0x00080016, "UI", clinic.CTImage), clinic.Text(0x00080018, "UI", instance),
		clinic.Text(0x00080020, "DA", "20260301"), clinic.Text(0x00080030, "TM", "101500"),
		clinic.Text(0x00080050, "SH", fmt.Sprint("A", patient, study)), clinic.Text(0x00080060, "CS", "CT"), clinic.Text(0x00080090, "PN", ""),
		clinic.Text(0x00100010, "PN", fmt.Sprintf("INVENTED^%c", 'A'+patient)), clinic.Text(0x00100020, "LO", fmt.Sprint("P", patient)),
		clinic.Text(0x00100030, "DA", "19700101"), clinic.Text(0x00100040, "CS", "F"),
		clinic.Text(0x0020000D, "UI", uid), clinic.Text(0x0020000E, "UI", uid+".1"), clinic.Text(0x00200010, "SH", fmt.Sprint("S", study)),
		clinic.Text(0x00200011, "IS", "1"), clinic.Text(0x00200013, "IS", fmt.Sprint(image)),
		clinic.Short(0x00280002, 1), clinic.Text(0x00280004, "CS", "MONOCHROME2"), clinic.Short(0x00280010, 64), clinic.Short(0x00280011, 64),
		clinic.Short(0x00280100, 16), clinic.Short(0x00280101, 16), clinic.Short(0x00280102, 15), clinic.Short(0x00280103, 0),
		clinic.Raw(0x7FE00010, "OW", []byte(strings.Repeat(string(rune('a'+image)), 64*64*2))),
	}
	data = ds.Encode(clinic.ExplicitLE)
	meta := clinic.DataSet{
		clinic.Raw(0x00020001, "OB", []byte{0, 1}), clinic.Text(0x00020002, "UI", clinic.CTImage), clinic.Text(0x00020003, "UI", instance),
		clinic.Text(0x00020010, "UI", clinic.ExplicitLE), clinic.Text(0x00020012, "UI", implementation),
	}.Encode(clinic.ExplicitLE)
	file = append(make([]byte, 128), "DICM\x02\x00\x00\x00UL\x04\x00"...)
	file = binary.LittleEndian.AppendUint32(file, uint32(len(meta)))
	return instance, append(append(file, meta...), data...), data
}

// The archive of these tests: patients × studies × images.
const (
	archivePatients = 5
	archiveStudies  = 2
	archiveImages   = 2
)

// objects writes the archive's objects as files, and gives them.
func objects(t *testing.T) (files []string) {
	t.Helper()
	dir := t.TempDir()
	for p := 1; p <= archivePatients; p++ {
		for s := 1; s <= archiveStudies; s++ {
			for i := 1; i <= archiveImages; i++ {
				name, file, _ := object(p, s, i)
				path := filepath.Join(dir, name+".dcm")
				if err := os.WriteFile(path, file, 0o600); err != nil {
					t.Fatal(err)
				}
				files = append(files, path)
			}
		}
	}
	return files
}

// archives are the systems behind the guard: each is started on a port, and sends to ROOM on another.
func archives() map[string]func(t *testing.T, port, room string) {
	return map[string]func(t *testing.T, port, room string){"Dcmtk": startQRSCP, "Orthanc": startOrthanc}
}

func startQRSCP(t *testing.T, port, room string) {
	dir := t.TempDir()
	config := filepath.Join(dir, "qr.cfg")
	text := fmt.Sprintf(`NetworkTCPPort = %s
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
room = (ROOM, localhost, %s)
rogue = (ROGUE, localhost, %s)
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
PACS %s RW (200, 1024mb) ANY
AETable END
`, port, room, room, dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, port, peer(t, "dcmqrscp"), "-c", config)
}

func startOrthanc(t *testing.T, port, room string) { startOrthancWith(t, port, room, "") }

// startOrthancWith starts one with more in its configuration.
func startOrthancWith(t *testing.T, port, room, more string) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "orthanc.json")
	text := fmt.Sprintf(`{"Name": "archive", %s"StorageDirectory": %q, "IndexDirectory": %q, "HttpServerEnabled": false, "Plugins": [], "DicomAet": "PACS",
"DicomPort": %s, "DicomCheckCalledAet": true, "DicomAlwaysAllowEcho": true, "DicomAlwaysAllowStore": true, "DicomAlwaysAllowFind": true, "DicomAlwaysAllowGet": true,
"DicomAlwaysAllowMove": true, "DicomModalities": {"room": ["ROOM", "127.0.0.1", %s], "rogue": ["ROGUE", "127.0.0.1", %s], "viewer": {"AET": "VIEWER", "Host": "127.0.0.1", "Port": 1, "AllowEcho": true, "AllowFind": true, "AllowGet": true, "AllowMove": true, "AllowStore": true}}}`,
		more, dir, dir, port, room, room)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, port, peer(t, "Orthanc"), config)
}

// covered gives the distinct patients of the disclosures by an action, and how many disclosures there are.
func (r *rig) covered(action string) (patients, disclosures int) {
	r.t.Helper()
	who := map[ledger.PatientID]bool{}
	for _, row := range r.rows() {
		if row.Action != action {
			continue
		}
		disclosures++
		for _, p := range row.People {
			who[p] = true
		}
	}
	return len(who), disclosures
}

// TestPeerArchive: every service through the guard before real archives.
func TestPeerArchive(t *testing.T) {
	for name, startArchive := range archives() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, room, received := freePort(t), freePort(t), t.TempDir()
			start(t, room, peer(t, "storescp"), "+xa", "+B", "-aet", "ROOM", "-od", received, room)
			startArchive(t, port, room)
			files := objects(t)
			r := dicomRig(t, "127.0.0.1:"+port, 100)
			if out, err := run(t, peer(t, "storescu"), append([]string{"-aet", "CT1", "-aec", "PACS", "127.0.0.1", r.port()}, files...)...); err != nil {
				t.Fatalf("storescu: %v: %s", err, out)
			}
			if n, d := r.covered("C-STORE"); n != archivePatients || d != len(files) {
				t.Errorf("C-STORE: got %d patients in %d disclosures", n, d)
			}
			archiveFinds(t, r)
			archiveGets(t, r, files)
			archiveMoves(t, r, files, received)
			if found := r.findings(); len(found) != 1 || found["refused-destination-unknown"] != 1 {
				t.Errorf("got findings %v", found)
			}
		})
	}
}

// viewer gives the arguments of a client of the archive.
func (r *rig) viewer(more ...string) []string {
	return append([]string{"-v", "-aet", "VIEWER", "-aec", "PACS"}, append(more, "127.0.0.1", r.port())...)
}

func archiveFinds(t *testing.T, r *rig) {
	t.Helper()
	out, err := run(t, peer(t, "findscu"), r.viewer("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID", "-k", "StudyInstanceUID", "-k", "PatientName")...)
	if n := strings.Count(out, "(Pending)"); err != nil || n < archivePatients*archiveStudies || !strings.Contains(out, "Received Final Find Response (Success)") {
		t.Errorf("findscu: got %d matches, %v: %s", n, err, out)
	}
	if n, d := r.covered("C-FIND"); n != archivePatients || d == 0 {
		t.Errorf("C-FIND: got %d patients in %d disclosures", n, d)
	}
	out, err = run(t, peer(t, "findscu"), r.viewer("-S", "-k", "QueryRetrieveLevel=SERIES", "-k", "StudyInstanceUID=2.25.1.1", "-k", "SeriesInstanceUID")...)
	if !strings.Contains(out, "2.25.1.1.1") || err != nil {
		t.Errorf("findscu for series: %v: %s", err, out)
	}
	for _, row := range r.rows() {
		if row.Unidentified > 0 {
			t.Error("a series is on record as of nobody")
		}
	}
}

func archiveGets(t *testing.T, r *rig, files []string) {
	t.Helper()
	for _, test := range []struct {
		name     string
		keys     []string
		patients int
		files    []string
	}{
		{"a study", []string{"-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.2.1"}, 1, files[4:6]},
		{"a patient", []string{"-P", "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=P3"}, 1, files[8:12]},
		{"an image", []string{"-S", "-k", "QueryRetrieveLevel=IMAGE", "-k", "StudyInstanceUID=2.25.2.1", "-k", "SeriesInstanceUID=2.25.2.1.1", "-k", "SOPInstanceUID=2.25.2.1.1.1"}, 1, files[4:5]},
	} {
		before, dir := len(r.rows()), t.TempDir()
		out, err := run(t, peer(t, "getscu"), r.viewer(append(test.keys, "+B", "-od", dir)...)...)
		if err != nil {
			t.Errorf("getscu of %s: %v: %s", test.name, err, out)
		}
		got, want := digests(t, glob(t, dir+"/*")), digests(t, test.files)
		if len(got) != len(want) {
			t.Errorf("getscu of %s: got %d objects, want %d: %s", test.name, len(got), len(want), out)
		}
		for d := range want {
			if !got[d] {
				t.Errorf("getscu of %s: an object is not as it was stored", test.name)
			}
		}
		if n := len(r.rows()) - before; n != 1+len(want) {
			t.Errorf("getscu of %s: got %d disclosures, want one before and one for each object", test.name, n)
		}
	}
	if n, _ := r.covered("C-GET"); n != 2 {
		t.Errorf("C-GET: got %d patients, want 2", n)
	}
}

func archiveMoves(t *testing.T, r *rig, files []string, received string) {
	t.Helper()
	out, err := run(t, peer(t, "movescu"), r.viewer("-aem", "ROOM", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.4.2")...)
	if err != nil || !strings.Contains(out, "Success") {
		t.Errorf("movescu: %v: %s", err, out)
	}
	got, want := digests(t, glob(t, received+"/*")), digests(t, files[14:16])
	for d := range want {
		if !got[d] {
			t.Error("movescu: an object is not as it was stored")
		}
	}
	out, _ = run(t, peer(t, "movescu"), r.viewer("-aem", "ROGUE", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.4.1")...)
	if !strings.Contains(out, "MoveDestinationUnknown") {
		t.Errorf("movescu to somebody unknown: %s", out)
	}
	if n := len(glob(t, received+"/*")); n != 2 {
		t.Errorf("the room got %d objects, want 2", n)
	}
	n, d := r.covered("C-MOVE")
	if n != 1 || d != 1 {
		t.Errorf("C-MOVE: got %d patients in %d disclosures", n, d)
	}
	for _, row := range r.rows() {
		if row.Action == "C-MOVE" && (row.To.Claimed != "ROOM" || row.RequestedBy == nil || row.RequestedBy.Claimed != "VIEWER") {
			t.Errorf("C-MOVE to %+v, requested by %+v", row.To, row.RequestedBy)
		}
		if p := r.guard.rules.Load().party(row.To); row.Action == "C-MOVE" && (p == nil || p.Name != "room") {
			t.Error("after a restart the room's budget would not be charged")
		}
	}
}
