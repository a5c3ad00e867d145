package guard

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"chaperone"
	"chaperone/format"
	clinic "chaperone/internal/clinicsim"
)

// needReaders skips the test where a reader of another maker is missing.
func needReaders(t *testing.T) {
	t.Helper()
	peer(t, "dcmdump")
	if err := exec.Command(python, "-c", "import pydicom").Run(); err != nil {
		t.Skip("python3-pydicom is not installed: apt-get install python3-pydicom")
	}
}

// sighting is what a reader shows of somebody in one place of a data set: at its top, or in an item.
type sighting struct {
	Path  []string
	Shown map[string]struct {
		Values []string
		Raw    string
	}
}

// readersShow gives the readings of data sets by pydicom and dcmdump.
func readersShow(t *testing.T, sets []arrived) [][][]sighting {
	t.Helper()
	var in bytes.Buffer
	for _, s := range sets {
		in.WriteString(s.syntax + " " + hex.EncodeToString(s.data) + "\n")
	}
	c := exec.CommandContext(t.Context(), python, "testdata/dicom_differential.py")
	var said bytes.Buffer
	c.Stdin, c.Stderr = &in, &said
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said.String()) // invented people
	}
	var all [][][]sighting
	for line := range bytes.Lines(out) {
		var readings [][]sighting
		if err := json.Unmarshal(line, &readings); err != nil {
			t.Fatal(err)
		}
		all = append(all, readings)
	}
	if len(all) != len(sets) {
		t.Fatalf("got %d answers for %d data sets", len(all), len(sets))
	}
	return all
}

// name reports whether somebody is on record who is known by name alone, with a birth date and a sex that are shown somewhere.
func (c charged) name(value string, births, sexes []string) bool {
	value, _, _ = strings.Cut(value, "=") // in other scripts it is the same name
	for _, birth := range births {
		for _, sex := range sexes {
			if c(chaperone.Record{Name: chaperone.NewPHI(value), Birth: chaperone.NewPHI(birth), Sex: chaperone.NewPHI(sex)}) {
				return true
			}
		}
	}
	return false
}

// values gives what is shown of an element that says something.
func (s *sighting) values(tag string) (out []string) {
	for _, v := range s.Shown[tag].Values {
		if v = strings.Trim(v, " \x00"); v != "" && v != `""` {
			out = append(out, v)
		}
	}
	return out
}

// both gives what is shown of an element, and its bytes as the guard reads them when they are in another character set.
func (s *sighting) both(tag string) []string {
	raw, _ := hex.DecodeString(s.Shown[tag].Raw) // it wrote it
	raw = bytes.TrimRight(raw, "\x00 ")
	return append(s.values(tag), strings.TrimSpace(format.Text(raw, format.Guess)), strings.TrimSpace(format.Text(raw, format.Latin1)))
}

// known gives which values of a place are on record, and which are not. One in another character set is known by its bytes.
func (s *sighting) known(tag string, is func(string) bool) (known, unknown []string) {
	values := s.values(tag)
	for _, v := range values {
		ok := is(v)
		if !ok && len(values) == 1 && strings.ContainsFunc(v, func(r rune) bool { return r > '~' }) {
			raw, _ := hex.DecodeString(s.Shown[tag].Raw) // it wrote it
			for _, set := range []format.Charset{format.Guess, format.Latin1} {
				ok = ok || is(strings.TrimSpace(format.Text(bytes.TrimRight(raw, "\x00 "), set)))
			}
		}
		if ok {
			known = append(known, v)
		} else {
			unknown = append(unknown, v)
		}
	}
	return known, unknown
}

// uncharged gives whom a reading shows who is not on record. Other numbers of the data set's own patient, and those that it had
// before, stand for nobody else: one that is on record is enough, in any reading, for some stop before they come to it.
func uncharged(readings [][]sighting, c charged) (wrong [][]string) {
	var own [][]string
	there := false
	for _, reading := range readings {
		others, rest, ok := notOnRecord(reading, c)
		wrong, own, there = append(wrong, others), append(own, rest), there || ok
	}
	for i := range wrong {
		if !there {
			wrong[i] = append(wrong[i], own[i]...)
		}
	}
	return wrong
}

// notOnRecord gives who is not on record of one reading: others, and names and numbers of the data set's own patient, and whether
// another number of that one is.
func notOnRecord(reading []sighting, c charged) (wrong, others []string, there bool) {
	own := map[string]bool{"00101002": true, "04000561": true, "04000550": true}
	issuers, births, sexes := []string{""}, []string{""}, []string{""}
	for _, s := range reading {
		issuers, births, sexes = append(issuers, s.both("00100021")...), append(births, s.values("00100030")...), append(sexes, s.values("00100040")...)
	}
	number := func(v string) bool { return c.number(v, issuers) }
	name := func(v string) bool { return c.name(v, births, sexes) }
	for _, s := range reading {
		known, unknown := s.known("00100020", number)
		more, unknownMore := s.known("00101000", number)
		_, unnamed := s.known("00100010", name)
		foreign := slices.ContainsFunc(s.Path, func(tag string) bool { return !own[tag] })
		switch {
		case foreign && len(known)+len(more) > 0:
			wrong = append(wrong, unknown...)
		case foreign:
			wrong = slices.Concat(wrong, unknown, unknownMore, unnamed)
		case len(s.Path) == 0:
			wrong, unknown = append(wrong, unknown...), nil
			fallthrough
		default:
			there = there || len(known)+len(more) > 0
			others = slices.Concat(others, unknown, unknownMore, unnamed)
		}
	}
	return wrong, others, there
}

// sightings gives of each data set whom any reader shows who is not charged.
func sightings(readings [][][]sighting, c charged) [][]string {
	all := make([][]string, len(readings))
	for i, set := range readings {
		all[i] = slices.Concat(uncharged(set, c)...)
	}
	return all
}

// TestDICOMDifferentialControl: the check reports who is not on record, in each reading of pydicom and dcmdump, wherever they stand.
func TestDICOMDifferentialControl(t *testing.T) {
	needReaders(t)
	x, i := encoding{}, encoding{implicit: true}
	id := func(e encoding, s string) string { return e.element(0x00100020, "LO", s) }
	name := func(s string) string { return x.element(0x00100010, "PN", s) }
	in := func(e encoding, tag uint32, content string) string {
		return e.sequence(tag, "SQ", true, e.item(false, content))
	}
	known := charged(func(r chaperone.Record) bool {
		return r.Name.Reveal() == "N1^A" || len(r.Identifiers) > 0 && slices.Contains([]string{"p1", "p2"}, r.Identifiers[0].Value.Reveal())
	})
	for _, test := range []struct {
		name, syntax, data string
		want               [2]string // what dcmdump shows, and pydicom
	}{
		{"all are on record", clinic.ExplicitLE, in(x, 0x00081140, id(x, "p2")) + name("N9^A") + id(x, "p1"), [2]string{}},
		{"somebody else", clinic.ExplicitLE, name("N9^A") + id(x, "p9"), [2]string{"p9 N9^A", "p9 N9^A"}},
		{"in a sequence", clinic.ExplicitLE, in(x, 0x00081140, id(x, "p9")) + id(x, "p1"), [2]string{"p9", "p9"}},
		{"deep in sequences", clinic.ImplicitLE, in(i, 0x00081140, in(i, 0x00081199, id(i, "p9"))) + id(i, "p1"), [2]string{"p9", "p9"}},
		{"by name alone", clinic.ExplicitLE, in(x, 0x00081140, name("N9^A")) + name("N1^A"), [2]string{"N9^A", "N9^A"}},
		{"its own other numbers", clinic.ExplicitLE, id(x, "p1") + in(x, 0x00101002, id(x, "p9")), [2]string{}},
		{"other numbers of somebody who is not", clinic.ExplicitLE, in(x, 0x00101002, id(x, "p9")+name("N9^A")), [2]string{"p9 N9^A", "p9 N9^A"}},
		{"the number twice", clinic.ExplicitLE, id(x, "p1") + id(x, "p9"), [2]string{"", "p9"}},
		{"two numbers in one", clinic.ExplicitLE, id(x, `p1\p9`), [2]string{"p9", "p9"}},
		{"what only pydicom reads", clinic.ImplicitLE, id(i, "p1") + i.element(0x00710010, "LO", "AGFA-AG_HPState") + i.element(0x00711018, "", i.head(0x00100020, "LO", noLength, id(i, "p9"))), [2]string{"", "p9"}},
		{"a text that looks like a line of dcmdump", clinic.ExplicitLE, name("N1^A]\n(0010,0020) LO [p9") + id(x, "p1"), [2]string{}},
	} {
		readings := readersShow(t, []arrived{{0, test.syntax, []byte(test.data)}})[0]
		if len(readings) != 3 {
			t.Fatalf("%s: got %d readings, want one of dcmdump and two of pydicom", test.name, len(readings))
		}
		for n, wrong := range uncharged(readings, known) {
			if got, want := strings.Join(wrong, " "), test.want[min(n, 1)]; got != want {
				t.Errorf("%s, reading %d: got %q, want %q", test.name, n, got, want)
			}
		}
	}
}
