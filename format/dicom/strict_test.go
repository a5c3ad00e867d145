package dicom

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chaperone/format"
)

const (
	uidImplicit  = "1.2.840.10008.1.2"
	uidExplicit  = "1.2.840.10008.1.2.1"
	uidBigEndian = "1.2.840.10008.1.2.2"
	uidJPEG      = "1.2.840.10008.1.2.4.70"
)

// strictly reads a data set in pieces, with the numbers that it found.
func strictly(transferSyntax string, data []byte, size int) (numbers string, err error) {
	s := NewStrict(transferSyntax, Identifying)
	defer s.Close()
	for piece := range slices.Chunk(data, size) {
		if err = s.Write(piece); err != nil {
			break
		}
	}
	if err == nil {
		err = s.Finish()
	}
	var all []string
	for _, e := range s.Elements {
		if e.Tag == PatientID {
			all = append(all, string(e.Value))
		}
	}
	return strings.Join(all, " "), err
}

// TestStrict: what receivers may read in two ways is refused, and what they read alike is looked into.
func TestStrict(t *testing.T) {
	const (
		own      Tag = 0x00091002 // a manufacturer's
		sequence Tag = 0x00081140 // Referenced Image
		study    Tag = StudyInstanceUID
	)
	x, i, big := explicitLE, implicitLE, explicitBE
	id, iid := x.id("ID12"), i.id("ID12")
	itemOf := func(e encoder, content []byte) string { return string(e.element(item, "", string(content))) }
	open := func(e encoder, length uint32, content ...[]byte) []byte { // an item that begins, and what is behind it
		return slices.Concat(append([][]byte{e.element(item, "", "", length)}, content...)...)
	}
	itemEndOf, end := x.element(itemEnd, "", ""), x.element(sequenceEnd, "", "")
	upper := i.element(0x00080008, "", strings.Repeat("A ", 0x4142/2)) // its length looks like "BA"
	for _, test := range []struct {
		name, syntax string
		data         []byte
		want         string // the numbers found; "refused"
	}{
		{"delimiters without a length", uidExplicit, x.sequence(sequence, "SQ", true, id), "ID12"},
		{"an item's end with a length", uidExplicit, slices.Concat(x.element(sequence, "SQ", "", undefined), open(x, undefined, id), x.element(itemEnd, "", "1234"), end), "refused"},
		{"an item's end that says a length and has none", uidExplicit, slices.Concat(x.element(sequence, "SQ", "", undefined), open(x, undefined, id), x.element(itemEnd, "", "", 12), end), "refused"},
		{"a sequence's end with a length", uidImplicit, slices.Concat(i.element(sequence, "", "", undefined), open(i, undefined, iid), itemEndOf, i.element(sequenceEnd, "", "", undefined)), "refused"},
		{"an end inside an item of said length", uidExplicit, slices.Concat(x.element(sequence, "SQ", "", undefined), open(x, 20, id, itemEndOf), end), "refused"},
		{"an end inside a sequence of said length", uidExplicit, x.element(sequence, "SQ", itemOf(x, id)+string(end)), "refused"},
		{"an item's end behind its sequence's", uidExplicit, slices.Concat(x.element(sequence, "SQ", "", 20), open(x, undefined, id), itemEndOf), "refused"},
		{"a header longer than its sequence", uidExplicit, slices.Concat(x.element(sequence, "SQ", "", 4), open(x, 0), x.element(study, "UI", "1.23")), "refused"},
		{"a private sequence of unknown representation", uidExplicit, x.element(own, "UN", itemOf(i, iid)), "ID12"},
		{"a private value of unknown representation", uidExplicit, x.element(own, "UN", string(iid)), ""},
		{"a short private value", uidExplicit, slices.Concat(x.element(own, "UN", "\xfe\xff"), id), "ID12"},
		{"an empty private value", uidExplicit, slices.Concat(x.element(own, "UN", ""), id), "ID12"},
		{"explicit in a sequence of unknown representation", uidExplicit, x.element(own, "UN", itemOf(x, id)), "refused"},
		{"a known sequence of unknown representation", uidExplicit, x.element(sequence, "UN", itemOf(i, iid)), "ID12"},
		{"a known sequence that begins with no item", uidExplicit, x.element(sequence, "UN", string(iid)), "refused"},
		{"an item in the value that is cut", uidExplicit, x.element(own, "UN", itemOf(i, iid)[:6]), "refused"},
		{"an item longer than its value", uidExplicit, slices.Concat(x.element(own, "UN", string(i.element(item, "", "", 40))), x.element(study, "UI", strings.Repeat("1", 32))), "refused"},
		{"a manufacturer's sequence that begins with no item", uidImplicit, i.element(0x00711018, "", string(iid)+string(iid)), "refused"},
		{"a manufacturer's sequence of unknown representation that begins with no item", uidExplicit, x.element(0x00711018, "UN", string(slices.Concat(iid, x.element(PatientName, "PN", "DOE^JANE")))), "refused"},
		{"a manufacturer's value where another has a sequence", uidExplicit, x.element(0x00711018, "UN", "anything that is no sequence"), ""},
		{"a manufacturer's bytes", uidExplicit, x.element(0x00711018, "OB", string(iid)+string(iid)), ""},
		{"a manufacturer's sequence in big endian that begins with no item", uidBigEndian, big.element(0x00711018, "UN", string(big.id("ID12"))+string(big.id("ID12"))), "refused"},
		{"an unknown tag in implicit VR", uidImplicit, i.element(own, "", itemOf(i, iid)), "ID12"},
		{"a known sequence in implicit VR", uidImplicit, i.element(sequence, "", itemOf(i, iid)), "ID12"},
		{"a known sequence in implicit VR that begins with no item", uidImplicit, i.element(sequence, "", string(iid)), "refused"},
		{"a sequence of unknown representation in big endian", uidBigEndian, big.element(own, "UN", itemOf(i, iid)), "refused"},
		{"all of it in big endian", uidBigEndian, big.element(own, "UN", itemOf(big, big.id("ID12"))), "refused"},
		{"undefined length of unknown representation in big endian", uidBigEndian, slices.Concat(big.element(own, "UN", "", undefined), big.element(sequenceEnd, "", "")), "refused"},
		{"pixel data of unknown representation", uidJPEG, slices.Concat(id, x.element(pixelData, "UN", "", undefined), open(i, undefined, i.id("ID34"), itemEndOf), end), "refused"},
		{"pixel data as a sequence", uidJPEG, slices.Concat(id, x.element(pixelData, "SQ", "", undefined), open(x, undefined, x.id("ID34"), itemEndOf), end), "refused"},
		{"implicit VR that looks like explicit", uidImplicit, slices.Concat(upper, iid), "refused"},
		{"implicit VR that looks like explicit in an item", uidExplicit, x.element(own, "UN", itemOf(i, slices.Concat(upper, iid))), "refused"},
		{"a length like a representation further on", uidImplicit, slices.Concat(i.element(0x00080005, "", ""), upper, iid), "ID12"},
		{"a number of unknown representation", uidExplicit, x.element(PatientID, "UN", "ID12"), "refused"},
		{"a number of unknown representation in a sequence", uidExplicit, x.sequence(sequence, "SQ", true, x.element(PatientID, "UN", "ID12")), "refused"},
		{"a name as a text in a sequence", uidExplicit, x.sequence(sequence, "SQ", false, x.element(PatientName, "LO", "DOE^JANE")), "refused"},
		{"two names in an item", uidExplicit, x.sequence(sequence, "SQ", false, slices.Concat(x.element(PatientName, "PN", "DOE^JANE"), x.element(PatientName, "PN", "ROE^JANE"))), "refused"},
		{"a number in an item behind its study", uidExplicit, x.sequence(sequence, "SQ", true, slices.Concat(x.element(study, "UI", "1.23"), id)), "refused"},
		{"other things in an item that are not in order", uidExplicit, x.sequence(sequence, "SQ", true, slices.Concat(id, x.element(0x00204000, "LT", "ab"), x.element(0x00104000, "LT", "ab"))), "ID12"},
		{"a sequence as bytes", uidExplicit, x.element(sequence, "OB", itemOf(x, id)), "refused"},
		{"a number as a sequence in implicit VR", uidImplicit, i.sequence(PatientID, "", true, iid), "refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, size := range []int{1, 3, 1 << 20} {
				got, err := strictly(test.syntax, test.data, size)
				if errors.Is(err, format.ErrMalformed) {
					got = "refused"
				}
				if got != test.want {
					t.Errorf("in pieces of %d: got %q, %v, want %q", size, got, err, test.want)
				}
			}
		})
	}
}

// TestDictionary: the list of sequences is whole, and looked up by tag.
func TestDictionary(t *testing.T) {
	if s, p := len(standardSequences()), len(privateSequences()); s != 1187 || p != 278 {
		t.Errorf("got %d and %d sequences, want 1187 of PS3.6 and 278 of manufacturers", s, p)
	}
	for tag, want := range map[Tag]bool{0x00711118: true, 0x00711018: true, 0x00711017: false, 0x602110C0: true, 0x602010C0: false} {
		if got := isPrivateSequence(tag); got != want {
			t.Errorf("%v: got %t, want %t", tag, got, want)
		}
	}
	for tag, want := range map[Tag]bool{OtherPatientIDsSeq: true, 0x00081140: true, 0x50022600: true, 0x04000561: true, PatientID: false, 0x00091002: false, pixelData: false, 0x50020010: false} {
		if got := isSequence(tag); got != want {
			t.Errorf("%v: got %t, want %t", tag, got, want)
		}
	}
	for tag := range sequences {
		if !isSequence(tag) {
			t.Errorf("%v is opened by name and not in the list", tag)
		}
	}
}

// refusedPeers are the files that are outside the grammar: without a patient, cut, encoded otherwise than they say, with elements
// of file meta information, or all of unknown representation.
var refusedPeers = []string{
	"JPEGLSNearLossless_08.dcm", "JPEGLSNearLossless_16.dcm", "MR_truncated.dcm", "SC_rgb_jls_lossy_line.dcm", "SC_rgb_jls_lossy_sample.dcm",
	"SC_rgb_jpeg.dcm", "image_dfl.dcm", "meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm", "rtdose_rle.dcm", "rtdose_rle_1frame.dcm",
	"rtplan_truncated.dcm",
}

// TestStrictPeer: what real devices send is not refused.
func TestStrictPeer(t *testing.T) {
	for _, f := range peerFiles(t) {
		_, err := strictly(f.uid, f.data, 1<<20)
		if want := slices.Contains(refusedPeers, filepath.Base(f.name)); want != (err != nil) {
			t.Errorf("%s: got %v", f.name, err)
		}
	}
}
