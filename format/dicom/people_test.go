package dicom

import (
	"slices"
	"strings"
	"testing"
)

// TestPeople: whom a data set shows, wherever they stand.
func TestPeople(t *testing.T) {
	const (
		image    Tag = 0x00081140 // Referenced Image
		referred Tag = 0x00081120 // Referenced Patient
		original Tag = 0x04000561
		modified Tag = 0x04000550
	)
	e := explicitLE
	id, other, third := e.id("ID12"), e.id("ID34"), e.id("ID56")
	name := func(s string) []byte { return e.element(PatientName, "PN", s) }
	issuer := func(s string) []byte { return e.element(IssuerOfPatientID, "LO", s) }
	in := func(tag Tag, content ...[]byte) []byte { return e.sequence(tag, "SQ", true, slices.Concat(content...)) }
	items := func(tag Tag, contents ...[]byte) []byte {
		var b []byte
		for _, c := range contents {
			b = append(b, e.element(item, "", string(c))...)
		}
		return e.element(tag, "SQ", string(b))
	}
	for _, test := range []struct {
		name string
		data [][]byte
		want string
	}{
		{"nobody", nil, ""},
		{"one", [][]byte{name("DOE^JANE"), id}, "=ID12 DOE^JANE"},
		{"another in a sequence", [][]byte{in(image, other), id}, "=ID12; =ID34"},
		{"two others in two items", [][]byte{items(image, other, third), id}, "=ID12; =ID34; =ID56"},
		{"two others in one item", [][]byte{in(image, other, third), id}, "=ID12; =ID34; =ID56"},
		{"others in what is nested", [][]byte{in(image, other, in(referred, third)), id}, "=ID12; =ID34; =ID56"},
		{"others, and no number of its own", [][]byte{in(image, other), in(referred, third)}, "; =ID34; =ID56"},
		{"another by name", [][]byte{in(image, name("ROE^RICHARD")), name("DOE^JANE"), id}, "=ID12 DOE^JANE; ROE^RICHARD"},
		{"the same by name", [][]byte{in(image, name("DOE^JANE")), name("DOE^JANE"), id}, "=ID12 DOE^JANE"},
		{"the same by number", [][]byte{in(image, id, name("DOE^J")), name("DOE^JANE"), id}, "=ID12 DOE^JANE"},
		{"the same by number, and who gave it is not told again", [][]byte{in(image, id), id, issuer("NORTH")}, "NORTH=ID12"},
		{"the same number of another authority", [][]byte{in(image, id, issuer("SOUTH")), id, issuer("NORTH")}, "NORTH=ID12; SOUTH=ID12"},
		{"another's other numbers", [][]byte{in(image, e.element(OtherPatientIDs, "LO", "ID34")), id}, "=ID12; (=ID34)"},
		{"its own other numbers", [][]byte{id, in(OtherPatientIDsSeq, other)}, "=ID12"},
		{"its own other numbers alone", [][]byte{in(OtherPatientIDsSeq, other)}, "(=ID34)"},
		{"its own other numbers under its name", [][]byte{name("DOE^JANE"), id, in(OtherPatientIDsSeq, name("DOE^JANE"), other)}, "=ID12 DOE^JANE"},
		{"another among its other numbers", [][]byte{name("DOE^JANE"), id, items(OtherPatientIDsSeq, slices.Concat(name("ROE^RICHARD"), other), third)}, "=ID12 DOE^JANE; =ID34 ROE^RICHARD"},
		{"its name from before coercion", [][]byte{name("DOE^JANE"), id, in(original, in(modified, name("ROE^JANE"), other))}, "=ID12 DOE^JANE"},
		{"before coercion", [][]byte{id, in(original, in(modified, other, name("ROE")))}, "=ID12"},
		{"another inside its own numbers", [][]byte{id, in(original, in(image, other))}, "=ID12; =ID34"},
		{"its own name in another way, without a number", [][]byte{name("DOE"), in(OtherPatientIDsSeq, name("ROE"))}, "DOE; ROE"},
		{"a study that is referred to", [][]byte{in(image, other, e.element(StudyInstanceUID, "UI", "1.23")), id}, "=ID12; =ID34"},
		{"a character set of its own", [][]byte{e.element(SpecificCharacterSet, "CS", "ISO_IR 192"), in(image, e.element(SpecificCharacterSet, "CS", "ISO_IR 100"), name("M\xDCLLER")), id}, "=ID12; MÜLLER"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := walk(Syntax{}, slices.Concat(test.data...))
			if got := shown(People(w.Elements)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if w := walk(Syntax{}, slices.Concat(items(image, slices.Repeat([][]byte{other}, 200)...), id)); len(People(w.Elements)) != 2 {
		t.Errorf("one who stands in 200 items: got %d people, want 2", len(People(w.Elements)))
	}
	if strings.Contains(show(walk(Syntax{}, slices.Concat(in(image, other), id))), "ID34") {
		t.Error("Records gives others too")
	}
}
