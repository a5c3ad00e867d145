package guard

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	clinic "chaperone/internal/clinicsim"
)

// narrow is a site whose viewer may look for patients that it names, fetch them, and send them to one room.
const narrow = `grants:
  - name: look
    parties: [ct1]
    actions: [dicom.associate, dicom.find, dicom.get]
    to: [self]
  - name: send
    parties: [ct1]
    actions: [dicom.associate, dicom.move]
    to: [room]
  - name: bring
    parties: [ct1]
    actions: [dicom.associate, dicom.store]
    details: ["1.2.840.10008.5.1.4.1.1.2"]
    to: [pacs]
`

// narrowRig is a guard with those grants, and with a second destination.
func narrowRig(t *testing.T, upstream string) *rig {
	t.Helper()
	file := fmt.Sprintf(dicomSite, 100, upstream)
	from, to := strings.Index(file, "grants:"), strings.Index(file, "listeners:")
	file = file[:from] + narrow + file[to:]
	return begin(t, strings.Replace(file, "destinations: {ROOM: room}", "destinations: {ROOM: room, SELF: ct1}", 1))
}

// TestDICOMGranted: what no grant allows is answered where DICOM has a word for it, and does not reach the archive.
func TestDICOMGranted(t *testing.T) {
	a := newArchive(t, library(nil))
	r := narrowRig(t, a.Addr().String())
	k := r.talk()
	q := request("CT1", "PACS",
		offer(1, clinic.CTImage, clinic.ExplicitLE), offer(3, studyRootFind, implicitVR), offer(5, clinic.StudyRootGet, implicitVR), offer(7, clinic.StudyRootMove, implicitVR),
		offer(9, clinic.Verification, implicitVR), offer(11, mppsClass, implicitVR), offer(15, clinic.MRImage, clinic.ExplicitLE), offer(17, "1.2.840.10008.5.1.4.1.1.7", clinic.ExplicitLE))
	q.roles = []role{{"1.2.840.10008.5.1.4.1.1.7", 1, 1}}
	k.must(k.control(pduAssociateRQ, q.body(pduAssociateRQ)))
	p, err := k.pdu()
	k.must(err)
	answer, err := readAssociation(p.kind, p.body)
	k.must(err)
	var results []string
	for _, c := range answer.contexts {
		results = append(results, fmt.Sprintf("%d=%d", c.id, c.result))
	}
	if got, want := strings.Join(results, " "), "1=0 3=0 5=0 7=0 9=0 11=1 15=1 17=0"; got != want {
		t.Errorf("got contexts %s, want %s: no steps, no MR to store, and the last only to be got", got, want)
	}
	if len(answer.roles) != 1 || answer.roles[0] != (role{"1.2.840.10008.5.1.4.1.1.7", 0, 1}) {
		t.Errorf("got roles %v", answer.roles)
	}
	uid := func(s string) clinic.Element { return clinic.Text(0x0020000D, "UI", s) }
	to := func(s string) clinic.Element { return clinic.Text(0x0600, "AE", s) }
	for i, test := range []struct {
		name    string
		context byte
		command []byte
		data    []byte
		want    uint16
		reason  string
	}{
		{"everybody", 3, set(3, fieldFind, 1, true), keys("STUDY", uid("")), statusNotAllowed, "everybody"},
		{"a patient", 3, set(3, fieldFind, 2, true), keys("STUDY", clinic.Text(0x00100020, "LO", "P1"), uid("")), statusSuccess, ""},
		{"everybody is fetched", 5, set(5, fieldGet, 3, true), keys("STUDY", uid("")), statusNotAllowed, "everybody"},
		{"a study that nobody knows", 5, set(5, fieldGet, 4, true), keys("STUDY", uid("2.25.9.1")), statusNotAllowed, "unresolved"},
		{"another's series", 5, set(5, fieldGet, 5, true), keys("SERIES", uid("2.25.1.1"), clinic.Text(0x0020000E, "UI", "2.25.2.1.1")), statusNotAllowed, "unresolved"},
		{"a study", 5, set(5, fieldGet, 6, true), keys("STUDY", uid("2.25.1.1")), statusSuccess, ""},
		{"to the room", 7, set(7, fieldMove, 7, true, to("ROOM")), keys("STUDY", uid("2.25.1.1")), statusSuccess, ""},
		{"to where it may not", 7, set(7, fieldMove, 8, true, to("SELF")), keys("STUDY", uid("2.25.1.1")), statusDestination, "destination"},
		{"to somebody unknown", 7, set(7, fieldMove, 9, true, to("ROGUE")), keys("STUDY", uid("2.25.1.1")), statusDestination, "destination-unknown"},
		{"to nobody", 7, set(7, fieldMove, 10, true), keys("STUDY", uid("2.25.1.1")), statusDestination, "destination-unknown"},
	} {
		before := len(a.got())
		k.message(test.context, test.command, test.data)
		var c *command
		for c == nil || c.status == statusPending {
			if c, _, _ = k.reply(); c == nil {
				t.Fatalf("%s: the association ended", test.name)
			}
		}
		if c.status != test.want || test.want != statusSuccess && c.counts != [subCounts]uint16{} {
			t.Errorf("%s: got %04X %v, want %04X", test.name, c.status, c.counts, test.want)
		}
		passed := slices.ContainsFunc(a.got()[before:], func(w string) bool { return w != "C-FIND" || test.context == 3 })
		if passed != (test.want == statusSuccess) {
			t.Errorf("%s: the archive got %v", test.name, a.got()[before:])
		}
		if found := r.findings(); test.reason != "" && found["refused-"+test.reason] == 0 {
			t.Errorf("%s (%d): got findings %v, want %s", test.name, i, found, test.reason)
		}
	}
}

// TestDICOMNothingGranted: an association of nothing but what is not allowed is rejected as a whole.
func TestDICOMNothingGranted(t *testing.T) {
	a := newArchive(t, well)
	r := narrowRig(t, a.Addr().String())
	k := r.talk()
	q := request("CT1", "PACS", offer(11, mppsClass, implicitVR))
	k.must(k.control(pduAssociateRQ, q.body(pduAssociateRQ)))
	if p, err := k.pdu(); err != nil || p.kind != pduAssociateRJ || p.body[3] != 1 {
		t.Errorf("got PDU %d % x, %v", p.kind, p.body, err)
	}
}

// TestDICOMReload: an association that lives on is decided by the new rules, also by what they say of its party.
func TestDICOMReload(t *testing.T) {
	a := newArchive(t, func(k *talker, c *command, _ []byte) { matched(k, c, matches(4)...) })
	r := dicomRig(t, a.Addr().String(), 100)
	k := r.talk()
	k.associate()
	s := r.site(fmt.Sprintf(dicomSite, 2, a.Addr()))
	s.Listeners[0].Listen = r.guard.rules.Load().site.Listeners[0].Listen
	if err := r.guard.Reload(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	k.message(3, set(3, fieldFind, 1, true), keys("STUDY", clinic.Text(0x0020000D, "UI", "")))
	if n, final := k.answers(); n != 2 || final.status != statusNotAllowed {
		t.Errorf("got %d matches and %04X, want the new budget's 2", n, final.status)
	}
}
