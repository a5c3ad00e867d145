package guard

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	clinic "chaperone/internal/clinicsim"
)

// behind gives elements of group 0008 with the length of their group.
func behind(list ...clinic.Element) []byte {
	b := clinic.DataSet(list).Encode(clinic.ImplicitLE)
	return append(clinic.DataSet{clinic.Raw(0x00080000, "UL", binary.LittleEndian.AppendUint32(nil, uint32(len(b))))}.Encode(clinic.ImplicitLE), b...)
}

// uids is a list of UIDs (0008,0058).
func uids(list ...string) clinic.Element {
	return clinic.Text(0x00080058, "UI", strings.Join(list, `\`))
}

// TestListsFailed: behind group 0000 stands the list of the objects that failed, in an answer to a C-GET or C-MOVE, and nothing else.
func TestListsFailed(t *testing.T) {
	pending, final := clinic.Short(0x0900, statusPending), clinic.Short(0x0900, 0xB000)
	list, longest := uids("2.25.1", "2.25.12"), strings.Repeat("1.", 31)+"12"
	bare := clinic.DataSet{list}.Encode(clinic.ImplicitLE)
	untrue := behind(list)
	untrue[8]--
	many := slices.Repeat([]string{longest}, mostFailed/65)
	for _, test := range []struct {
		name   string
		head   []byte
		behind []byte
		taken  bool
	}{
		{"of a C-GET, pending", set(5, fieldGet|answerBit, 1, false, pending), behind(list), true},
		{"of a C-GET, final", set(5, fieldGet|answerBit, 1, false, final), behind(list), true},
		{"of a C-MOVE", set(7, fieldMove|answerBit, 1, false, final), behind(list), true},
		{"without the length of its group", set(5, fieldGet|answerBit, 1, false, final), bare, true},
		{"one UID of 64 characters", set(5, fieldGet|answerBit, 1, false, final), behind(uids(longest)), true},
		{"one of an odd number", set(5, fieldGet|answerBit, 1, false, final), behind(uids("2.25.100")), true},
		{"15,000 of them", set(5, fieldGet|answerBit, 1, false, final), behind(uids(many[1:]...)), true},
		{"more than 1 MiB", set(5, fieldGet|answerBit, 1, false, final), behind(uids(append(many, many[:9]...)...)), false},
		{"one UID of 66 characters", set(5, fieldGet|answerBit, 1, false, final), behind(uids(longest + "12")), false},
		{"an answer with a data set", set(5, fieldGet|answerBit, 1, true, final), behind(list), false},
		{"the request", set(5, fieldGet, 1, true), behind(list), false},
		{"an answer to a C-FIND", set(3, fieldFind|answerBit, 1, false, final), behind(list), false},
		{"an answer to a C-STORE", set(1, fieldStore|answerBit, 1, false, final), behind(list), false},
		{"a name", set(5, fieldGet|answerBit, 1, false, final), behind(uids("2.25.1", mark)), false},
		{"a blank", set(5, fieldGet|answerBit, 1, false, final), behind(uids("2.25.1", " 2.25.2")), false},
		{"NUL in the middle", set(5, fieldGet|answerBit, 1, false, final), behind(uids("2.25.1\x00", "2.25.22")), false},
		{"nothing in it", set(5, fieldGet|answerBit, 1, false, final), behind(uids()), false},
		{"one that is empty", set(5, fieldGet|answerBit, 1, false, final), behind(uids("2.25.1", "")), false},
		{"another length of its group", set(5, fieldGet|answerBit, 1, false, final), untrue, false},
		{"a length alone", set(5, fieldGet|answerBit, 1, false, final), behind(), false},
		{"twice", set(5, fieldGet|answerBit, 1, false, final), behind(list, list), false},
		{"another element of its group", set(5, fieldGet|answerBit, 1, false, final), behind(clinic.Text(0x00080018, "UI", "2.25.1")), false},
		{"another one too", set(5, fieldGet|answerBit, 1, false, final), append(behind(list), clinic.DataSet{clinic.Text(0x00100020, "LO", "2.25.1")}.Encode(clinic.ImplicitLE)...), false},
		{"an end too much", set(5, fieldGet|answerBit, 1, false, final), append(behind(list), 0, 0), false},
		{"an end too little", set(5, fieldGet|answerBit, 1, false, final), bare[:len(bare)-2], false},
		{"a command set twice", set(5, fieldGet|answerBit, 1, false, final), set(5, fieldGet|answerBit, 1, false, final), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			raw := slices.Concat(test.head, test.behind)
			c, err := readCommand(test.head[0], raw)
			if (err == nil) != test.taken {
				t.Fatalf("got %v, want taken %t", err, test.taken)
			}
			if err != nil {
				return
			}
			if out := c.keepTo(nil); out != nil || !bytes.Equal(c.raw, raw) {
				t.Errorf("got % x without %s, want what came", c.raw, out)
			}
		})
	}
}

// TestListsFailedKept: the list stays when something else of the command set is left out.
func TestListsFailedKept(t *testing.T) {
	end := behind(uids("2.25.1"))
	status := clinic.Short(0x0900, statusPending)
	c, err := readCommand(5, append(set(5, fieldGet|answerBit, 1, false, status, clinic.Raw(0x0902, "LO", []byte(mark))), end...))
	if err != nil {
		t.Fatal(err)
	}
	if out, want := c.keepTo(nil), append(set(5, fieldGet|answerBit, 1, false, status), end...); len(out) != 1 || !bytes.Equal(c.raw, want) {
		t.Errorf("got % x without %s, want % x", c.raw, out, want)
	}
}

// TestDICOMListsFailed: such an answer passes as it came, however many failed; from a client it ends the association.
func TestDICOMListsFailed(t *testing.T) {
	all := make([]string, 3000) // more than a command set may have
	for i := range all {
		all[i] = fmt.Sprintf("2.25.%030d", i)
	}
	var said [][]byte
	for _, status := range []uint16{statusPending, 0xB000} {
		said = append(said, append(set(5, fieldGet|answerBit, 2, false, clinic.Short(0x0900, status), clinic.Short(0x1022, 3000)), behind(uids(all...))...))
	}
	s := newSickDICOM(t, "enforce", func(k *talker, c *command, data []byte) {
		if c.field == fieldFind {
			matched(k, c, markedStudy())
			return
		}
		for _, b := range said {
			_ = k.send(c.context, true, true, b)
		}
	})
	k := s.dial()
	k.associate()
	r := releases()[1]
	k.message(r.context, r.command, r.data)
	for _, want := range said {
		if c, _, end := k.reply(); c == nil || !bytes.Equal(c.raw, want) {
			t.Fatalf("got %+v, PDU %d", c, end.kind)
		}
	}
	k.message(5, said[1], nil)
	if c, _, end := k.reply(); c != nil || end.kind != pduAbort {
		t.Errorf("got %+v, PDU %d, want A-ABORT", c, end.kind)
	}
}

// withStranger puts somebody else into an object: the guard holds it back from who asked for its patient.
func withStranger(t *testing.T, file []byte) []byte {
	t.Helper()
	at := bytes.Index(file, []byte("\x10\x00\x10\x00PN"))
	if at < 0 {
		t.Fatal("an object without a name")
	}
	other := clinic.DataSet{clinic.Sequence(0x00081120, clinic.DataSet{clinic.Text(0x00100020, "LO", "P5")})}.Encode(clinic.ExplicitLE)
	return slices.Insert(slices.Clone(file), at, other...)
}

// TestPeerOneFails: an object of a C-GET that the client cannot take, or that the guard holds back, fails alone: the others arrive, and the end is the
// archive's own, with the list of what failed.
func TestPeerOneFails(t *testing.T) {
	const images, failing = 6, 2
	for name, startArchive := range archives() {
		for _, who := range []string{"client", "guard"} {
			t.Run(name+" "+who, func(t *testing.T) {
				port, dir := freePort(t), t.TempDir()
				startArchive(t, port, freePort(t))
				var files []string
				want := map[string]bool{}
				failed := ""
				for i := 1; i <= images; i++ {
					uid, file, data := object(1, 1, i)
					switch {
					case i != failing:
						want[string(data)] = true
					case who == "guard":
						file = withStranger(t, file)
						failed = uid
					default:
						failed = uid
					}
					path := filepath.Join(dir, uid+".dcm")
					if err := os.WriteFile(path, file, 0o600); err != nil {
						t.Fatal(err)
					}
					files = append(files, path)
				}
				if out, err := run(t, peer(t, "storescu"), append([]string{"-aet", "CT1", "-aec", "PACS", "127.0.0.1", port}, files...)...); err != nil {
					t.Fatalf("storescu past the guard: %v: %s", err, out)
				}
				r := dicomRig(t, "127.0.0.1:"+port, 100)
				k := r.talk()
				k.associateAs("VIEWER")
				k.message(5, set(5, fieldGet, 1, true, clinic.Short(0x0700, 0)), keys("STUDY", clinic.Text(0x0020000D, "UI", "2.25.1.1")))
				got, final, end := 0, (*command)(nil), pdu{}
				for final == nil {
					c, data, last := k.reply()
					if end = last; c == nil {
						break
					}
					switch {
					case c.field == fieldStore && who == "client" && c.instance == failed:
						k.message(c.context, c.reply(statusResources, ""), nil)
					case c.field == fieldStore:
						if want[string(data)] {
							got++
						}
						k.message(c.context, c.reply(statusSuccess, ""), nil)
					case !pending(c.status):
						final = c
					}
				}
				if final == nil {
					t.Fatalf("got %d objects and PDU %d: %s", got, end.kind, r.log.String())
				}
				if got != images-1 || final.status != 0xB000 || final.counts[1] != images-1 || final.counts[2] != 1 {
					t.Errorf("got %d objects, %04X, counts %v; want %d, B000 and one failed", got, final.status, final.counts, images-1)
				}
				if name == "Orthanc" && !bytes.Contains(final.failed, []byte(failed)) {
					t.Errorf("got %q behind the last answer, want what failed", final.failed)
				}
			})
		}
	}
}
