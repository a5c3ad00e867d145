package guard

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone/format/dicom"
	clinic "chaperone/internal/clinicsim"
	"chaperone/ledger"
	"chaperone/ledger/disk"
)

// matches are studies of n patients, one each.
func matches(n int) (all []clinic.DataSet) {
	for i := range n {
		all = append(all, study(fmt.Sprint("P", i), fmt.Sprint("2.25.", i, ".1")))
	}
	return all
}

// answers reads the answers to a C-FIND.
func (k *talker) answers() (pending int, final *command) {
	k.t.Helper()
	for {
		c, _, end := k.reply()
		if c == nil {
			k.t.Fatalf("the association ended with PDU %d", end.kind)
		}
		if c.status != statusPending {
			return pending, c
		}
		pending++
	}
}

// TestDICOMFind: each match is decided; when some are held back the end is no success, and the archive is told to stop.
func TestDICOMFind(t *testing.T) {
	cancelled := make(chan bool, 1)
	a := newArchive(t, func(k *talker, c *command, _ []byte) {
		switch {
		case c.field == fieldFind:
			matched(k, c, matches(200)...)
		case c.field == fieldCancel:
			cancelled <- true
		default:
			well(k, c, nil)
		}
	})
	r := dicomRig(t, a.Addr().String(), 50)
	k := r.talk()
	k.associate()
	query := keys("STUDY", clinic.Text(0x00100020, "LO", ""), clinic.Text(0x0020000D, "UI", ""))
	for range 2 { // the patients that were seen may be seen again, and nobody else
		k.message(3, set(3, fieldFind, 1, true), query)
		n, final := k.answers()
		if n != 50 || final.status != statusNotAllowed || !strings.Contains(string(final.raw), "CHAP ref=") {
			t.Errorf("got %d matches and %04X, want 50 and 0124", n, final.status)
		}
		select {
		case <-cancelled:
		case <-time.After(10 * time.Second):
			t.Error("the archive was not told to stop")
		}
	}
	if n, _ := r.covered("C-FIND"); n != 50 {
		t.Errorf("got %d patients on record, want 50", n)
	}
	k.message(3, set(3, fieldFind, 3, true), append(query, query...))
	if n, final := k.answers(); n != 0 || final.status != statusMismatch {
		t.Errorf("keys in two ways: got %d matches and %04X", n, final.status)
	}
}

// TestDICOMFindUnrecorded: a query whose matches cannot be put on record ends in out of resources, and not in not authorized; with a match that
// is refused among them in that.
func TestDICOMFindUnrecorded(t *testing.T) {
	for _, test := range []struct {
		name  string
		fails func(*faulty)
		most  int
		want  uint16
	}{
		{"no record", func(f *faulty) { f.record = ledger.ErrFull }, 9, statusResources},
		{"no numbers", func(f *faulty) { f.resolve = ledger.ErrFull }, 9, statusResources},
		{"no record, and a budget of 2", func(f *faulty) { f.record = ledger.ErrFull }, 2, statusNotAllowed},
		{"a budget of 2", func(*faulty) {}, 2, statusNotAllowed},
	} {
		a := newArchive(t, func(k *talker, c *command, _ []byte) {
			if c.field == fieldFind {
				matched(k, c, matches(3)...)
			}
		})
		var books *faulty
		r := begin(t, fmt.Sprintf(dicomSite, test.most, a.Addr()), func(o *Options) {
			books = &faulty{Ledger: o.Ledger.(*disk.Ledger)}
			o.Ledger = books
		})
		k := r.talk()
		k.associate()
		books.set(test.fails)
		k.message(3, set(3, fieldFind, 1, true), keys("STUDY", clinic.Text(0x00100020, "LO", "")))
		if _, final := k.answers(); final.status != test.want || !strings.Contains(string(final.raw), "CHAP ref=") {
			t.Errorf("%s: got %04X, want %04X", test.name, final.status, test.want)
		}
		books.set(func(f *faulty) { f.record, f.resolve = nil, nil })
	}
}

// TestDICOMFindLast: a last answer with a data set is decided like a match: Orthanc sends one when it was told to stop.
func TestDICOMFindLast(t *testing.T) {
	a := newArchive(t, func(k *talker, c *command, _ []byte) {
		if c.field != fieldFind {
			return
		}
		k.message(3, set(3, fieldFind|answerBit, c.id, true, clinic.Short(0x0900, statusPending)), study("P1", "2.25.1.1").Encode(clinic.ImplicitLE))
		k.message(3, set(3, fieldFind|answerBit, c.id, true, clinic.Short(0x0900, statusCancelled)), study("P2", "2.25.2.1").Encode(clinic.ImplicitLE))
	})
	for most, want := range map[int]uint16{2: statusCancelled, 1: statusNotAllowed} {
		k := dicomRig(t, a.Addr().String(), most).talk()
		k.associate()
		k.message(3, set(3, fieldFind, 1, true), keys("STUDY"))
		if n, final := k.answers(); n != 1 || final.status != want || final.dataSet != (most == 2) {
			t.Errorf("with a budget of %d: got %d matches and %04X", most, n, final.status)
		}
	}
}

// TestDICOMFindMany: ten thousand matches are put on record in groups, and pass fast.
func TestDICOMFindMany(t *testing.T) {
	const many = 10_000
	all := matches(many)
	a := newArchive(t, func(k *talker, c *command, _ []byte) { matched(k, c, all...) })
	r := dicomRig(t, a.Addr().String(), many)
	k := r.talk()
	k.associate()
	began := time.Now()
	k.message(3, set(3, fieldFind, 1, true), keys("STUDY"))
	n, final := k.answers()
	took := time.Since(began)
	patients, disclosures := r.covered("C-FIND")
	t.Logf("%d matches in %v, %d disclosures", n, took, disclosures)
	if n != many || final.status != statusSuccess || patients != many || disclosures > many/4 {
		t.Errorf("got %d matches, %04X, %d patients in %d disclosures", n, final.status, patients, disclosures)
	}
}

// TestDICOMEverybody: which keys name somebody.
func TestDICOMEverybody(t *testing.T) {
	for _, test := range []struct {
		name string
		keys clinic.DataSet
		want bool
	}{
		{"nothing", clinic.DataSet{}, false},
		{"a number", clinic.DataSet{clinic.Text(0x00100020, "LO", "P1")}, true},
		{"any number", clinic.DataSet{clinic.Text(0x00100020, "LO", "*")}, false},
		{"empty keys", clinic.DataSet{clinic.Text(0x00100010, "PN", ""), clinic.Text(0x0020000D, "UI", "")}, false},
		{"a name", clinic.DataSet{clinic.Text(0x00100010, "PN", "DOE^JANE")}, true},
		{"the beginning of a name", clinic.DataSet{clinic.Text(0x00100010, "PN", "D*")}, false},
		{"a name of nothing", clinic.DataSet{clinic.Text(0x00100010, "PN", "^^=")}, false},
		{"a day", clinic.DataSet{clinic.Text(0x00080020, "DA", "20260301")}, false},
		{"an order", clinic.DataSet{clinic.Text(0x00080050, "SH", "A1")}, true},
		{"studies", clinic.DataSet{clinic.Text(0x0020000D, "UI", `1.2\1.3`)}, true},
		{"in a sequence", clinic.DataSet{clinic.Sequence(0x00400275, clinic.DataSet{clinic.Text(0x00100020, "LO", "P1")})}, false},
	} {
		w, err := readWhole(implicitVR, test.keys.Encode(clinic.ImplicitLE))
		if err != nil {
			t.Fatal(err)
		}
		if got := dicom.NamesAnybody(w.elements); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

// library answers inquiries as an archive that has studies: P1 has 2.25.1.1, P2 has 2.25.2.1 with series 2.25.2.1.1.
func library(get func(k *talker, c *command)) func(*talker, *command, []byte) {
	return func(k *talker, c *command, data []byte) {
		switch {
		case c.field == fieldFind:
			w, _ := readWhole(implicitVR, data) // what the guard sends can be read
			level, wanted, series := text(w.elements, dicom.QueryRetrieveLevel).Reveal(), text(w.elements, dicom.StudyInstanceUID).Reveal(), text(w.elements, dicom.SeriesInstanceUID).Reveal()
			number := text(w.elements, dicom.PatientID).Reveal()
			var list []clinic.DataSet
			for _, p := range []string{"1", "2"} {
				uid := "2.25." + p + ".1"
				if wanted != "" && wanted != uid || level == "SERIES" && series != uid+".1" || exact(text(w.elements, dicom.PatientID)) && number != "P"+p {
					continue
				}
				m := study("P"+p, uid)
				if level == "SERIES" {
					m = append(m, clinic.Text(0x0020000E, "UI", uid+".1"))
				}
				list = append(list, m)
			}
			matched(k, c, list...)
		case c.field == fieldGet && get != nil:
			get(k, c)
		default:
			well(k, c, nil)
		}
	}
}

// TestDICOMWhose: whom the keys of a retrieval lead to. The second of each pair is what an archive might look at alone.
func TestDICOMWhose(t *testing.T) {
	a := newArchive(t, library(nil))
	uid := func(s string) clinic.Element { return clinic.Text(0x0020000D, "UI", s) }
	series := func(s string) clinic.Element { return clinic.Text(0x0020000E, "UI", s) }
	number := func(s string) clinic.Element { return clinic.Text(0x00100020, "LO", s) }
	for _, test := range []struct {
		name     string
		keys     clinic.DataSet
		patients int
		complete bool
	}{
		{"a patient", clinic.DataSet{number("P1")}, 1, true},
		{"a patient who is not there", clinic.DataSet{number("P9")}, 1, true},
		{"a study", clinic.DataSet{uid("2.25.1.1")}, 1, true},
		{"two studies", clinic.DataSet{uid(`2.25.1.1\2.25.2.1`)}, 2, true},
		{"a study that is not there", clinic.DataSet{uid("2.25.9.1")}, 0, false},
		{"one patient, and another's study", clinic.DataSet{number("P1"), uid("2.25.2.1")}, 2, true},
		{"a series", clinic.DataSet{uid("2.25.2.1"), series("2.25.2.1.1")}, 1, true},
		{"one study, and another's series", clinic.DataSet{uid("2.25.1.1"), series("2.25.2.1.1")}, 1, false},
		{"a series alone", clinic.DataSet{series("2.25.2.1.1")}, 2, false},
		{"everybody", clinic.DataSet{}, 2, true},
		{"everybody by a wildcard", clinic.DataSet{number("*")}, 2, true},
		{"patients in a list", clinic.DataSet{number(`P1\P2`)}, 2, true},
		{"studies by a wildcard", clinic.DataSet{uid("2.25.*")}, 0, false},
	} {
		r := dicomRig(t, a.Addr().String(), 100)
		c := &conn{guard: r.guard, listener: r.guard.listeners["dicom"], ended: make(chan struct{})}
		c.to.party = r.guard.rules.Load().site.Party("pacs")
		d := &dicomConn{conn: c, judge: r.guard.judge("dicom", false), request: request("CT1", "PACS", offer(1, studyRootFind, implicitVR))}
		slices.SortFunc(test.keys, func(a, b clinic.Element) int { return int(a.Tag) - int(b.Tag) })
		w, err := readWhole(implicitVR, test.keys.Encode(clinic.ImplicitLE))
		if err != nil {
			t.Fatal(err)
		}
		got := d.whose(t.Context(), w.elements)
		if len(got.owners) != test.patients || test.complete != got.complete && test.name != "studies by a wildcard" {
			t.Errorf("%s: got %d patients, complete %v; want %d, %v", test.name, len(got.owners), got.complete, test.patients, test.complete)
		}
		r.end()
	}
}

// TestDICOMGetStranger: an object of somebody whom nobody found out before is refused to the archive, and the client is not told
// that all is well.
func TestDICOMGetStranger(t *testing.T) {
	stored := make(chan uint16, 2)
	a := newArchive(t, library(func(k *talker, c *command) {
		for i, p := range []int{1, 2} {
			_, _, data := object(p, 1, 1)
			k.message(1, set(1, fieldStore, uint16(i+10), true, clinic.Text(0x1000, "UI", "2.25.1")), data)
			answer, _, _ := k.reply()
			stored <- answer.status
		}
		well(k, c, nil)
	}))
	r := dicomRig(t, a.Addr().String(), 100)
	k := r.talk()
	k.associate()
	k.message(5, set(5, fieldGet, 1, true), keys("STUDY", clinic.Text(0x0020000D, "UI", "2.25.1.1")))
	c, data, _ := k.reply()
	if c == nil || c.field != fieldStore {
		t.Fatalf("got %+v", c)
	}
	if _, _, want := object(1, 1, 1); !slices.Equal(data, want) {
		t.Error("the object is not as it was sent")
	}
	k.message(1, c.reply(statusSuccess, ""), nil)
	final, _, _ := k.reply()
	if final == nil || final.status != statusSubs || final.counts[2] != 1 {
		t.Errorf("got %+v, want A702 and one failed", final)
	}
	if one, two := <-stored, <-stored; one != statusSuccess || two != statusNotAllowed {
		t.Errorf("the archive was answered %04X and %04X", one, two)
	}
	if n, _ := r.covered("C-GET"); n != 1 {
		t.Errorf("got %d patients on record, want 1", n)
	}
	if found := r.findings(); found["refused-unresolved"] != 1 {
		t.Errorf("got findings %v", found)
	}
}

// TestDICOMGetBudget: a retrieval of more patients than may be seen does not start.
func TestDICOMGetBudget(t *testing.T) {
	a := newArchive(t, library(nil))
	r := dicomRig(t, a.Addr().String(), 1)
	k := r.talk()
	k.associate()
	k.message(5, set(5, fieldGet, 1, true), keys("STUDY", clinic.Text(0x0020000D, "UI", `2.25.1.1\2.25.2.1`)))
	if c, _, _ := k.reply(); c == nil || c.status != statusNotAllowed {
		t.Errorf("got %+v, want 0124", c)
	}
	if slices.Contains(a.got(), "C-GET") {
		t.Error("the archive got the request")
	}
	if n, _ := r.covered("C-GET"); n != 0 {
		t.Errorf("got %d patients on record, want none", n)
	}
}

// TestDICOMStudies: who is believed about whose a study is.
func TestDICOMStudies(t *testing.T) {
	token := func(s string) (t [16]byte) { copy(t[:], s); return t }
	one, two := owner{number: token("1"), bare: token("1")}, owner{number: token("2"), bare: token("2")}
	named := owner{number: token("1"), bare: token("1"), demographic: token("n")}
	for _, test := range []struct {
		name        string
		said        []told
		any, proven owner
	}{
		{"nothing", nil, owner{}, owner{}},
		{"a sender", []told{{one, false}}, one, owner{}},
		{"two senders", []told{{one, false}, {two, false}, {one, false}}, owner{}, owner{}},
		{"the archive", []told{{one, true}}, one, one},
		{"a sender, then the archive", []told{{two, false}, {one, true}}, one, one},
		{"the archive, then a sender", []told{{one, true}, {two, false}}, one, one},
		{"two senders, then the archive", []told{{one, false}, {two, false}, {one, true}}, one, one},
		{"the archive in two ways", []told{{one, true}, {two, true}, {one, true}}, owner{}, owner{}},
		{"the archive, with the name and without", []told{{named, true}, {one, true}}, named, named},
	} {
		s := newStudies()
		for _, said := range test.said {
			s.learn(token("study"), said)
		}
		if got, _ := s.owner(token("study"), false); got != test.any {
			t.Errorf("%s: got %v", test.name, got)
		}
		if got, ok := s.owner(token("study"), true); ok && got != test.proven || !ok && test.proven != (owner{}) {
			t.Errorf("%s: got %v from the archive", test.name, got)
		}
	}
}
