package guard

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chaperone/format/dicom"
	clinic "chaperone/internal/clinicsim"
	"chaperone/ledger"
)

// onWards answers a query with a patient on each of some wards; "" is one without a visit.
func onWards(wards ...string) func(string) string {
	return func(payload string) string {
		id := controlID(payload)
		b := "MSH|^~\\&|EHR|NORTH|PORTAL|NORTH|20260301||RSP^K22^RSP_K21|r" + id + "|P|2.5\rMSA|AA|" + id + "\rQAK|t" + id + "|OK\r"
		for i, ward := range wards {
			if b += fmt.Sprintf("PID|1||%d^^^NORTH^MR||DOE^NUMBER%d||19700101|F\r", i, i); ward != "" {
				b += "PV1|1|I|" + ward + "^101^1^NORTH\r"
			}
		}
		return b
	}
}

// wardSite lets a viewer of ward W3 look at the patients of its ward.
func wardSite(e *engine, more string) string {
	file := strings.Replace(fmt.Sprintf(querySite, e.Addr()), "whose: named", "whose: ward"+more, 1)
	return strings.Replace(file, "    role: viewer\n", "    role: viewer\n    groups: [W3, ICU 5]\n", 1)
}

// TestWardObserved: a listener that observes HL7 tells what an answer with a patient of another ward would come to, and of nothing else.
func TestWardObserved(t *testing.T) {
	e := newEngine(t)
	r := begin(t, strings.Replace(wardSite(e, ""), "    tls: none\n", "    tls: none\n    mode: observe\n", 1))
	c := r.call("hl7")
	for id, ward := range map[string]string{"q1": "W3", "q2": "W4"} {
		e.mu.Lock()
		e.answer = onWards(ward)
		e.mu.Unlock()
		if got := c.send(query(id, "@PID.5.1^DOE")); got != onWards(ward)(query(id, "")) {
			t.Errorf("got %q", got)
		}
	}
	_ = c.Close()
	eventually(t, "all of it is read", func() bool { return r.open() == 0 })
	if n := len(r.rows()); n != 2 || r.counted("refused-ward") != 1 || len(r.refusals()) != 1 {
		t.Errorf("got %d on record, and would be refused %v", n, r.refusals())
	}
}

// TestWard: who may see the patients of its ward asks, and the answer is decided by where those lie whom it shows: as a whole.
func TestWard(t *testing.T) {
	e := newEngine(t)
	r := begin(t, wardSite(e, ""))
	c := r.call("hl7")
	for i, test := range []struct {
		name   string
		who    string
		answer func(string) string
		want   string
	}{
		{"of the ward", "@PID.5.1^DOE", onWards("W3", "W3"), ""},
		{"of both wards", "@PID.5.1^DOE", onWards("W3", "ICU 5"), ""},
		{"of another", "@PID.5.1^DOE", onWards("W4"), "ward"},
		{"one of another", "@PID.5.1^DOE", onWards("W3", "W4", "W3"), "ward"},
		{"one of none", "@PID.5.1^DOE", onWards("W3", ""), "ward"},
		{"without a visit", "@PID.3.1^0", onWards(""), "ward"},
		{"in two places", "@PID.3.1^0", onWards("W3^1~W3"), "ward"},
		{"with two visits", "@PID.3.1^0", func(p string) string { return onWards("W3")(p) + "PV1|2|I|W3\r" }, "ward"},
		{"a visit of nobody", "@PID.3.1^0", func(p string) string { return onWards()(p) + "PV1|1|I|W3\r" }, "ward"},
		{"nobody", "@PID.3.1^9", onWards(), ""},
		{"everybody", "@PID.8^F", onWards("W3"), "everybody"},
	} {
		e.mu.Lock()
		e.answer = test.answer
		e.mu.Unlock()
		id := fmt.Sprint("q", i)
		got := c.send(query(id, test.who))
		if test.want == "" && got != test.answer(query(id, "")) {
			t.Errorf("%s: got %q", test.name, got)
		}
		if test.want != "" && (!strings.Contains(got, "MSA|AR|"+id) || strings.Contains(got, "NUMBER") || !strings.Contains(got, "CHAP-DENY^"+test.want+"^")) {
			t.Errorf("%s: got %q, want %s", test.name, got, test.want)
		}
	}
	if s, err := r.ledger.Scope(t.Context(), ledger.Query{}); err != nil || s.Patients != 2 || s.Disclosures != 2 {
		t.Errorf("got %+v, %v; want what passed on record, and nothing else", s.Counts, err)
	}
}

// TestWardNames: wards are compared as they are called: letter for letter, whatever the character set says them in, and not at all when
// it is not known how they read.
func TestWardNames(t *testing.T) {
	e := newEngine(t)
	file := strings.Replace(fmt.Sprintf(querySite, e.Addr()), "whose: named", "whose: ward", 1)
	r := begin(t, strings.Replace(file, "    role: viewer\n", "    role: viewer\n    groups: [Intensiv/Süd, 2 Ost, A&E]\n", 1))
	c := r.call("hl7")
	for i, test := range []struct {
		ward, charset string
		permit        bool
	}{
		{"Intensiv/Süd", "", true}, {"Intensiv/Süd", "UNICODE UTF-8", true}, {"Intensiv/Su\u0308d", "UNICODE UTF-8", true}, {"Intensiv/S\xfcd", "8859/1", true},
		{"Intensiv/S\xfcd", "", true}, {" 2 Ost ", "", true}, {"A\\T\\E", "", true}, {"2 Ost", "8859/5", true},
		{"Intensiv/S\xfcd", "8859/5", false}, {"Intensiv/Süd", "8859/1", false}, {"Intensiv/Süd", "UNICODE UTF-8~8859/1", false},
		{"Intensiv/S\xfcd", "UNICODE UTF-8", false}, {"intensiv/süd", "", false}, {"Intensiv/Sud", "", false}, {"2-Ost", "", false}, {"2  Ost", "", false}, {"2Ost", "", false},
	} {
		e.mu.Lock()
		e.answer = func(p string) string {
			return strings.Replace(onWards(test.ward)(p), "|P|2.5\r", "|P|2.5||||||"+test.charset+"\r", 1)
		}
		e.mu.Unlock()
		id := fmt.Sprint("q", i)
		if got := c.send(query(id, "@PID.5.1^DOE")); strings.Contains(got, "MSA|AA|") != test.permit || !test.permit && !strings.Contains(got, "CHAP-DENY^ward^") {
			t.Errorf("%q in %q: got %q, want %t", test.ward, test.charset, got, test.permit)
		}
	}
}

// TestWardPush: what a sender brings is decided by where its patients lie, all messages of a frame together.
func TestWardPush(t *testing.T) {
	e := newEngine(t)
	file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    to: [ehr]\n", "    to: [ehr]\n    whose: ward\n", 1)
	r := begin(t, strings.Replace(file, "    role: lab\n", "    role: lab\n    groups: [W3]\n", 1))
	on := func(id, ward string) string {
		return strings.Replace(result("LAB|NORTH", id, "1"), "OBX|", "PV1|1|I|"+ward+"\rOBX|", 1)
	}
	c := r.call("hl7")
	for _, test := range []struct{ text, want string }{
		{on("m1", "W3"), "AA m1"}, {on("m2", "W4"), "AR m2"}, {result("LAB|NORTH", "m3", "1"), "AR m3"},
		{on("m4", "W3") + on("m5", "W3"), "AA m4"}, {on("m6", "W3") + on("m7", "W4"), "AR m6"}, {on("m8", "W3") + result("LAB|NORTH", "m9", "1"), "AR m8"},
		{strings.NewReplacer("^~\\&", "!@$%", "^", "!").Replace(on("ma", "W3^1")), "AR ma"}, // not in the strict grammar,
	} {
		if got := answered(c.send(test.text)); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

// TestWardCedar: an own rule sees where patients lie, whatever the grants are for.
func TestWardCedar(t *testing.T) {
	e := newEngine(t)
	own := filepath.Join(t.TempDir(), "own.cedar")
	if err := os.WriteFile(own, []byte(`forbid (principal, action, resource) when { context.wards.contains("PSY") };`), 0o600); err != nil {
		t.Fatal(err)
	}
	file := strings.Replace(fmt.Sprintf(querySite, e.Addr()), "parties:\n", "cedar: ["+own+"]\nparties:\n", 1)
	r := begin(t, file)
	c := r.call("hl7")
	for ward, want := range map[string]string{"W4": "AA", "": "AA", "PSY": "AR"} {
		e.mu.Lock()
		e.answer = onWards(ward)
		e.mu.Unlock()
		if got := c.send(query("q"+ward, "@PID.5.1^DOE")); !strings.Contains(got, "MSA|"+want) {
			t.Errorf("%q: got %q, want %s", ward, got, want)
		}
	}
}

// TestDICOMWard: a C-FIND is asked, and each match is decided by where its patient lies; when one is held back the end is no success.
func TestDICOMWard(t *testing.T) {
	lies := func(patient, location string, more ...clinic.Element) clinic.DataSet {
		set := study(patient, "2.25.1."+patient[1:])
		if location != "" {
			set = append(set, clinic.Text(0x00380300, "LO", location))
		}
		return append(set, more...)
	}
	for _, test := range []struct {
		name    string
		matches []clinic.DataSet
		want    int
		status  uint16
	}{
		{"of the ward", []clinic.DataSet{lies("P1", "W3"), lies("P2", "W3^101^1")}, 2, statusSuccess},
		{"one of another", []clinic.DataSet{lies("P1", "W3"), lies("P2", "W4"), lies("P3", "W3")}, 2, statusNotAllowed},
		{"one of none", []clinic.DataSet{lies("P1", ""), lies("P2", "W3")}, 1, statusNotAllowed},
		{"in two places", []clinic.DataSet{lies("P1", `W3\W4`), lies("P2", "^W3"), lies("P3", `""`)}, 0, statusNotAllowed},
		{"nobody", nil, 0, statusSuccess},
	} {
		a := newArchive(t, func(k *talker, c *command, _ []byte) { matched(k, c, test.matches...) })
		file := strings.Replace(fmt.Sprintf(dicomSite, 100, a.Addr()), "whose: all", "whose: ward", 1)
		r := begin(t, strings.Replace(file, "    role: modality\n", "    role: modality\n    groups: [W3]\n", 1))
		k := r.talk()
		k.associate()
		k.message(3, set(3, fieldFind, 1, true), keys("STUDY", clinic.Text(0x00100010, "PN", "DOE")))
		if n, final := k.answers(); n != test.want || final.status != test.status {
			t.Errorf("%s: got %d matches and %04X, want %d and %04X", test.name, n, final.status, test.want, test.status)
		}
		if n, _ := r.covered("C-FIND"); n != test.want {
			t.Errorf("%s: got %d patients on record, want %d", test.name, n, test.want)
		}
		k.message(7, set(7, fieldMove, 2, true, clinic.Text(0x0600, "AE", "ROOM")), keys("STUDY", clinic.Text(0x0020000D, "UI", "2.25.1.1")))
		if c, _, _ := k.reply(); c == nil || c.status != statusNotAllowed {
			t.Errorf("%s: a retrieval, which is decided before anybody says where its patients lie: got %+v", test.name, c)
		}
		r.end()
	}
}

// TestWardOf: where a patient lies that a data set shows.
func TestWardOf(t *testing.T) {
	for name, test := range map[string]struct {
		set  clinic.DataSet
		want []string
	}{
		"one":                 {append(study("P1", "2.25.1"), clinic.Text(0x00380300, "LO", "W3")), []string{"W3"}},
		"none":                {study("P1", "2.25.1"), nil},
		"with another inside": {append(study("P1", "2.25.1"), clinic.Text(0x00380300, "LO", "W3"), clinic.Sequence(0x00400275, clinic.DataSet{clinic.Text(0x00380300, "LO", "W4")})), nil},
		"only inside":         {append(study("P1", "2.25.1"), clinic.Sequence(0x00400275, clinic.DataSet{clinic.Text(0x00380300, "LO", "W3")})), nil},
		"of two people":       {append(study("P1", "2.25.1"), clinic.Text(0x00380300, "LO", "W3"), clinic.Sequence(0x00400275, clinic.DataSet{clinic.Text(0x00100020, "LO", "P2")})), nil},
		"with an umlaut":      {append(study("P1", "2.25.1"), clinic.Text(0x00080005, "CS", "ISO_IR 192"), clinic.Text(0x00380300, "LO", "Intensiv/Su\u0308d^1")), []string{"Intensiv/Süd"}},
		"in Latin-1":          {append(study("P1", "2.25.1"), clinic.Text(0x00080005, "CS", "ISO_IR 100"), clinic.Text(0x00380300, "LO", "S\xfcd")), []string{"Süd"}},
		"in no set":           {append(study("P1", "2.25.1"), clinic.Text(0x00380300, "LO", "S\xfcd")), []string{"Süd"}},
		"in another set":      {append(study("P1", "2.25.1"), clinic.Text(0x00080005, "CS", "ISO_IR 144"), clinic.Text(0x00380300, "LO", "S\xfcd")), nil},
		"no UTF-8 as it says": {append(study("P1", "2.25.1"), clinic.Text(0x00080005, "CS", "ISO_IR 192"), clinic.Text(0x00380300, "LO", "S\xfcd")), nil},
		"ASCII in any set":    {append(study("P1", "2.25.1"), clinic.Text(0x00080005, "CS", "ISO_IR 144"), clinic.Text(0x00380300, "LO", "2 Ost")), []string{"2 Ost"}},
	} {
		slices.SortStableFunc(test.set, func(a, b clinic.Element) int { return int(a.Tag) - int(b.Tag) })
		read, err := readWhole(implicitVR, test.set.Encode(clinic.ImplicitLE))
		if err != nil {
			t.Fatal(name, err)
		}
		if got := wardOf(read.elements, dicom.People(read.elements)); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
