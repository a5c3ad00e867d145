package guard

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chaperone"
	"chaperone/format/dicom"
	clinic "chaperone/internal/clinicsim"
	"chaperone/ledger/disk"
	"chaperone/patient"
)

// charged reports whether somebody is on record.
type charged func(chaperone.Record) bool

// onRecord looks into a ledger.
func onRecord(l *disk.Ledger, tokens *patient.Tokenizer) charged {
	return func(r chaperone.Record) bool {
		i := tokens.Identify(r)
		token := i.Demographic
		if len(i.Numbers) > 0 {
			token = i.Numbers[0]
		}
		_, ok := l.Lookup(token)
		return ok
	}
}

// number reports whether a number is on record, whoever gave it.
func (c charged) number(value string, issuers []string) bool {
	return slices.ContainsFunc(issuers, func(issuer string) bool {
		id := chaperone.Identifier{Kind: chaperone.DICOMPatientID, Authority: chaperone.NewPHI(issuer), Value: chaperone.NewPHI(value)}
		return c(chaperone.Record{Identifiers: []chaperone.Identifier{id}})
	})
}

// unlimitedRig is dicomRig with budgets that no test exceeds.
func unlimitedRig(t *testing.T, upstream string) *rig {
	t.Helper()
	file := strings.Replace(fmt.Sprintf(dicomSite, 1_000_000, upstream), "    role: research\n    titles: [PACS]\n", "    role: viewer\n    titles: [PACS]\n", 1)
	return begin(t, strings.Replace(file, "    budget: {1h: 12}\n", "", 1))
}

// TestDICOMPeople: everybody whom a data set shows is on record before it passes, whatever stands around them; what shows somebody
// in one reading only does not pass.
func TestDICOMPeople(t *testing.T) {
	a := newArchive(t, well)
	r := unlimitedRig(t, a.Addr().String())
	e := encoding{}
	id := func(s string) string { return e.element(0x00100020, "LO", s) }
	name := func(s string) string { return e.element(0x00100010, "PN", s) }
	in := func(tag uint32, content string) string { return e.sequence(tag, "SQ", true, e.item(true, content)) }
	pixels, before := e.element(0x7FE00010, "OW", "pixels"), e.element(0x00080060, "CS", "CT")
	large := e.element(0x00420011, "OB", strings.Repeat("x", 2<<20))
	for i, test := range []struct {
		name, data string
		want       string // whose numbers are on record afterwards; A900, abort: the number that is not
	}{
		{"one", before + id("a1") + pixels, "a1"},
		{"another in a sequence", before + in(0x00081140, id("b2")) + id("b1") + pixels, "b1 b2"},
		{"another behind the identity group", before + id("c1") + in(0x0040A730, id("c2")) + pixels, "c1 c2"},
		{"others only", before + in(0x00081140, id("d1")) + in(0x00081199, id("d2")) + name("") + pixels, "d1 d2"},
		{"a switch of the character set in a number", before + id("e1\x1b(B1") + pixels, "A900 e11"},
		{"half a character that is a backslash", before + id("f1\x83\\f2") + pixels, "A900 f1"},
		{"several other numbers", before + id("g1") + e.element(0x00101000, "LO", `g2\g3`) + pixels, "g1"},
		{"other numbers with a NUL", before + e.element(0x00101000, "LO", "h2\x00h3") + pixels, "A900 h2"},
		{"a name of several values alone", before + name(`DOE\ROE`) + pixels, "A900 DOE"},
		{"a name with a switch in it alone", before + name("DOE\x1b(B") + pixels, "A900 DOE"},
		{"a name with a switch in it, and a number", before + name("DOE=\x1b$B;3\x1b(B") + id("i1") + pixels, "i1"},
		{"another among its other numbers", before + name("DOE") + id("p1") + in(0x00101002, name("ROE")+id("p2")) + pixels, "p1 p2"},
		{"other numbers of its own", before + name("DOE") + id("q1") + in(0x00101002, id("q2")) + pixels, "q1"},
		{"another behind much else", before + id("j1") + large + in(0x00880200, id("j2")) + pixels, "abort j2"},
		{"the same behind much else", before + id("k1") + large + in(0x00880200, id("k1")) + pixels, "k1"},
		{"its numbers from before behind much else", before + id("l1") + large + in(0x04000561, in(0x04000550, id("l2"))) + pixels, "l1"},
		{"another far behind the numbers from before", before + id("m1") + e.element(0x40000010, "LT", strings.Repeat("x", 20000)) + in(0x52009229, id("m2")) + pixels, "abort m2"},
		{"what is another data set in big endian", e.element(0x08000500, "OB", encoding{big: true}.element(0x00100020, "LO", "o2")) + pixels, "A900 o2"},
		{"a private sequence that does not say so", before + e.element(0x00091002, "UN", encoding{implicit: true}.item(false, encoding{implicit: true}.element(0x00100020, "LO", "n2"))) + id("n1") + pixels, "n1 n2"},
	} {
		for _, most := range []int{506, 16384} {
			k := r.talk()
			k.associate()
			k.most = most
			data := []byte(test.data)
			before := len(a.got())
			k.must(k.send(1, true, true, set(1, fieldStore, 1, true, clinic.Text(0x1000, "UI", fmt.Sprintf("2.25.%d", i)))))
			_ = k.send(1, false, true, data) // it may end before
			c, _, _ := k.reply()
			passed := c != nil && c.status == statusSuccess
			words := strings.Fields(test.want)
			refused := words[0] == "A900" || words[0] == "abort"
			if passed == refused {
				t.Errorf("%s: it passed: %t", test.name, passed)
			}
			if refused {
				words = words[1:]
			} else if a.mu.Lock(); true {
				if n := len(a.data); n == before || !bytes.Equal(a.data[n-1], data) {
					t.Errorf("%s: it did not arrive as it was sent", test.name)
				}
				a.mu.Unlock()
			}
			tokens, err := patient.LoadKey(filepath.Join(r.dir, "keys"))
			k.must(err)
			known := onRecord(r.ledger, tokens)
			for _, w := range words {
				if got := known.number(w, []string{""}); got == refused {
					t.Errorf("%s: %s is on record: %t", test.name, w, got)
				}
			}
		}
	}
}

// TestDICOMHalf: a number of which a part is there is not passed on, whatever passed before it.
func TestDICOMHalf(t *testing.T) {
	e := encoding{}
	data := []byte(e.element(0x00100020, "LO", "P1") + e.element(0x00420011, "OB", "x ") + e.sequence(0x00880200, "SQ", false, e.item(false, e.element(0x00100020, "LO", "P2"))))
	w := dicom.NewStrict(clinic.ExplicitLE, keep)
	defer w.Close()
	var inside []int
	for i := range data {
		if err := w.Write(data[i : i+1]); err != nil {
			t.Fatal(err)
		}
		if w.Inside() {
			inside = append(inside, i)
		}
	}
	if want := []int{7, 8, len(data) - 3, len(data) - 2}; !slices.Equal(inside, want) {
		t.Errorf("got %v, want %v", inside, want)
	}
}
