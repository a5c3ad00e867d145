package guard

import (
	"bytes"
	"compress/flate"
	"fmt"
	"slices"
	"strings"
	"testing"

	"chaperone/format/dicom"
	clinic "chaperone/internal/clinicsim"
)

// deflated compresses as PS3.5 annex A.5 says.
func deflated(b []byte) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestCompression) // the level exists
	_, _ = w.Write(b)                                    // a buffer takes everything
	_ = w.Close()
	return append(out.Bytes(), make([]byte, out.Len()%2)...)
}

// TestDICOMStores: data sets that all receivers read alike pass byte for byte, however they are cut; others are refused, or end
// the association when their beginning has passed.
func TestDICOMStores(t *testing.T) {
	a := newArchive(t, well)
	r := dicomRig(t, a.Addr().String(), 100)
	_, _, data := object(1, 1, 1)
	patient := bytes.Index(data, []byte("\x10\x00\x20\x00LO"))
	pixels := bytes.Index(data, []byte("\xe0\x7f\x10\x00OW"))
	sequence := func(tag uint32, open bool, content clinic.DataSet) []byte {
		e := clinic.Sequence(tag, content)
		e.Undefined = open
		return clinic.DataSet{e}.Encode(clinic.ExplicitLE)
	}
	id := func(s string) clinic.Element { return clinic.Text(0x00100020, "LO", s) }
	insert := func(at int, b []byte) []byte { return slices.Concat(data[:at], b, data[at:]) }
	elements := func(list ...clinic.Element) []byte { return clinic.DataSet(list).Encode(clinic.ExplicitLE) }
	for _, test := range []struct {
		name string
		data []byte
		want string // status; abort: also A900, when it lies in the piece that also says whose it is
	}{
		{"as it should be", data, "0000"},
		{"a number in a sequence only", slices.Concat(elements(clinic.Text(0x00100010, "PN", "")), sequence(0x00101002, true, clinic.DataSet{id("X")}), data[pixels:]), "0000"},
		{"a number before coercion only", slices.Concat(elements(clinic.Text(0x00100010, "PN", ""), clinic.Text(0x0020000D, "UI", "2.25.77")), sequence(0x04000561, false, clinic.DataSet{clinic.Sequence(0x04000550, clinic.DataSet{id("Y")})}), data[pixels:]), "0000"},
		{"nobody", elements(clinic.Text(0x00080060, "CS", "CT"), clinic.Text(0x00100010, "PN", "")), "0000"},
		{"nothing", []byte{}, "0000"},
		{"the number twice", insert(patient, elements(id("P2"))), "A900"},
		{"not in order", insert(patient, elements(clinic.Text(0x00080005, "CS", "ISO_IR 100"))), "A900"},
		{"an odd length", insert(patient, []byte("\x10\x00\x11\x00LO\x01\x00x")), "A900"},
		{"the number in another representation", slices.Concat(data[:patient], []byte("\x10\x00\x20\x00UN\x00\x00\x02\x00\x00\x00P1"), data[pixels:]), "A900"},
		{"implicit where explicit was agreed", clinic.DataSet{id("P1")}.Encode(clinic.ImplicitLE), "A900"},
		{"a representation that there is not", insert(patient, []byte("\x10\x00\x11\x00ZZ\x02\x00xx")), "A900"},
		{"an undefined length where there can be none", insert(patient, []byte("\x10\x00\x11\x00OB\x00\x00\xff\xff\xff\xff")), "A900"},
		{"file meta elements", insert(0, elements(clinic.Text(0x00020010, "UI", "1.2"))), "A900"},
		{"pixels before whose they are", slices.Concat(data[pixels:], data[patient:pixels]), "A900"},
		{"a number with a NUL in it", slices.Concat(data[:patient], elements(id("P1\x00X")), data[pixels:]), "A900"},
		{"two numbers in one", slices.Concat(data[:patient], elements(id(`P1\P2`)), data[pixels:]), "A900"},
		{"another class than was said", bytes.Replace(data, []byte(clinic.CTImage), []byte(clinic.MRImage), 1), "A900"},
		{"cut in the number", data[:patient+9], "A900"},
		{"too deep", insert(patient, bytes.Repeat([]byte("\x10\x00\x11\x10SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"), 70)), "A900"},
		{"a second number behind the first", insert(pixels, elements(id("P2"))), "abort"},
		{"cut in the pixels", data[:len(data)-2], "abort"},
		{"something behind the pixels", slices.Concat(data, elements(clinic.Text(0x00080060, "CS", "CT"))), "abort"},
		{"fragments where there are none", slices.Concat(data[:pixels], []byte("\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00")), "abort"},
	} {
		for _, size := range []int{7, 1000, 1 << 20} {
			k := r.talk()
			k.associate()
			k.most = min(size+6, 16384)
			if k.most < 1000 && len(test.data) > 4000 {
				k.most = 500
			}
			before := len(a.got())
			k.must(k.send(1, true, true, set(1, fieldStore, 1, true, clinic.Text(0x1000, "UI", "2.25.1"))))
			_ = k.send(1, false, true, test.data) // it may end before
			c, _, end := k.reply()
			got := fmt.Sprintf("PDU %d", end.kind)
			if c != nil {
				got = fmt.Sprintf("%04X", c.status)
			} else if end.kind == pduAbort || end.kind == 0 {
				got = "abort"
			}
			if got != test.want && (test.want != "abort" || got != "A900") {
				t.Errorf("%s in pieces of %d: got %s, want %s", test.name, size, got, test.want)
			}
			if test.want != "0000" {
				if got != "abort" && len(a.got()) != before {
					t.Errorf("%s: the archive got it", test.name)
				}
				continue
			}
			a.mu.Lock()
			if arrived := a.data[len(a.data)-1]; !bytes.Equal(arrived, test.data) {
				t.Errorf("%s in pieces of %d: %d bytes arrived, other ones than the %d sent", test.name, size, len(arrived), len(test.data))
			}
			a.mu.Unlock()
			k.message(9, set(9, fieldEcho, 2, false), nil)
			if c, _, _ := k.reply(); c == nil || c.status != statusSuccess {
				t.Errorf("%s: the association does not go on", test.name)
			}
		}
	}
	for _, row := range r.rows() {
		if row.Persons+row.Unidentified != 1 {
			t.Errorf("got %d persons and %d unidentified, want one", row.Persons, row.Unidentified)
		}
	}
	if n, _ := r.covered("C-STORE"); n != 3 {
		t.Errorf("got %d patients, want P1, X and Y", n)
	}
	if found := r.findings(); found["refused-ambiguous"] == 0 {
		t.Errorf("got findings %v", found)
	}
	if log := r.log.String(); strings.Contains(log, "INVENTED") || strings.Contains(log, "P1") {
		t.Error("the log has content")
	}
}

// TestDICOMHeld: a data set that does not say whose it is within 1 MiB is refused, and its rest is not waited for in memory.
func TestDICOMHeld(t *testing.T) {
	a := newArchive(t, well)
	r := dicomRig(t, a.Addr().String(), 100)
	k := r.talk()
	k.associate()
	data := clinic.DataSet{clinic.Raw(0x00091002, "OB", make([]byte, 3<<20)), clinic.Text(0x00100020, "LO", "P1")}.Encode(clinic.ExplicitLE)
	k.message(1, set(1, fieldStore, 1, true), data)
	if c, _, _ := k.reply(); c == nil || c.status != statusMismatch || len(a.got()) != 0 {
		t.Errorf("got %+v, and the archive %v", c, a.got())
	}
}

// TestDICOMUnrecorded: what cannot be put on record is not released.
func TestDICOMUnrecorded(t *testing.T) {
	a := newArchive(t, well)
	r := dicomRig(t, a.Addr().String(), 100)
	k := r.talk()
	k.associate()
	if err := r.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, data := object(1, 1, 1)
	k.message(1, set(1, fieldStore, 1, true), data)
	if c, _, _ := k.reply(); c == nil || c.status != statusResources || len(a.got()) != 0 {
		t.Errorf("got %+v, and the archive %v", c, a.got())
	}
}

// strictly walks a data set in pieces.
func strictly(transferSyntax string, data []byte, size int) error {
	w := dicom.NewStrict(transferSyntax, keep)
	defer w.Close()
	for len(data) > 0 {
		n := min(size, len(data))
		if err := w.Write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return w.Finish()
}

// TestDICOMDeflated: a deflated data set is read to its end, and nothing may hide behind or in it.
func TestDICOMDeflated(t *testing.T) {
	const syntax = "1.2.840.10008.1.2.1.99"
	_, _, data := object(1, 1, 1)
	data = append(data[:len(data)-8192:len(data)-8192], bytes.Repeat([]byte("0123456789abcdef"), 512)...)
	good := deflated(data)
	for _, test := range []struct {
		name string
		data []byte
		good bool
	}{
		{"as it should be", good, true},
		{"cut", good[:len(good)-9], false},
		{"not deflated", data, false},
		{"in a zlib wrapper", append([]byte{0x78, 0x9C}, good...), false},
		{"more behind it", append(slices.Clone(good), "more"...), false},
		{"a bomb", deflated(append(slices.Clone(data), make([]byte, 16<<20)...)), false},
		{"nothing", nil, false},
		{"out of order", deflated(append(slices.Clone(data), data...)), false},
	} {
		for _, size := range []int{1, 100, 1 << 20} {
			if err := strictly(syntax, test.data, size); (err == nil) != test.good {
				t.Errorf("%s in pieces of %d: got %v", test.name, size, err)
			}
		}
	}
}

// FuzzDICOMStrict: the walker ends on anything, and says the same however it is cut.
func FuzzDICOMStrict(f *testing.F) {
	_, _, data := object(1, 1, 1)
	f.Add(byte(0), data[:400])
	f.Add(byte(1), clinic.DataSet{clinic.Text(0x00100020, "LO", "P1")}.Encode(clinic.ImplicitLE))
	f.Add(byte(2), deflated(data))
	f.Add(byte(3), []byte("\x00\x10\x00\x20LO\x00\x02P1"))
	f.Add(byte(4), []byte("\x10\x00\x20\x00LO\x02\x00P1\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00"))
	syntaxes := []string{clinic.ExplicitLE, clinic.ImplicitLE, "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", clinic.JPEGLossless}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		syntax := syntaxes[int(which)%len(syntaxes)]
		one, cut := strictly(syntax, data, len(data)+1), strictly(syntax, data, 3)
		if (one == nil) != (cut == nil) {
			t.Errorf("whole: %v; in pieces: %v", one, cut)
		}
	})
}

// FuzzDICOMAssociation: any body is read or refused, and what was read is written so that it is read alike.
func FuzzDICOMAssociation(f *testing.F) {
	q := request("CT1", "PACS", offer(1, clinic.CTImage, clinic.ExplicitLE), offer(3, studyRootFind, implicitVR))
	q.roles = []role{{clinic.CTImage, 0, 1}}
	f.Add(false, q.body(pduAssociateRQ))
	for i := range q.contexts {
		q.contexts[i].accepted = q.contexts[i].transfer[0]
	}
	f.Add(true, q.body(pduAssociateAC))
	f.Fuzz(func(t *testing.T, answer bool, body []byte) {
		kind := pduAssociateRQ
		if answer {
			kind = pduAssociateAC
		}
		a, err := readAssociation(kind, body)
		if err != nil || len(body) > 60<<10 {
			return
		}
		again, err := readAssociation(kind, a.body(kind))
		if err != nil || len(again.contexts) != len(a.contexts) || len(again.roles) != len(a.roles) || again.most != a.most || again.called() != a.called() {
			t.Errorf("read %v, and then %v, %v", a, again, err)
		}
	})
}

// FuzzDICOMCommand: any command set is read or refused.
func FuzzDICOMCommand(f *testing.F) {
	f.Add(set(1, fieldStore, 1, true, clinic.Text(0x1000, "UI", "2.25.1")))
	f.Add(set(3, fieldFind|answerBit, 1, true, clinic.Short(0x0900, statusPending)))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := readCommand(1, b)
		if err != nil {
			return
		}
		if again, err := readCommand(1, c.reply(statusNotAllowed, comment("0123456789ab"))); err != nil || again.id != c.id || !again.answer() {
			t.Errorf("its answer is read as %+v, %v", again, err)
		}
	})
}
