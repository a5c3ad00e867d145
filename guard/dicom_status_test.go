package guard

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	clinic "chaperone/internal/clinicsim"
)

// refusing is a site in which nothing is permitted for anybody on a ward, and in which ct1 says how it wants to be told.
func refusing(upstream, how string) string {
	file := strings.Replace(fmt.Sprintf(dicomSite, 100, upstream), "whose: all", "whose: ward", 1)
	return strings.Replace(file, "    titles: [CT1, VIEWER]\n", "    titles: [CT1, VIEWER]\n"+how, 1)
}

// TestDICOMStatus: what is not permitted is refused by the status that the party's software understands, and as ever where it says
// nothing; statuses that say something else stay.
func TestDICOMStatus(t *testing.T) {
	refused := func(r *rig, c *talker, context byte, field uint16, data []byte, more ...clinic.Element) uint16 {
		t.Helper()
		c.message(context, set(context, field, 1, true, more...), data)
		got, _, end := c.reply()
		if got == nil {
			t.Fatalf("%04X: the association ended with PDU %d", field, end.kind)
		}
		return got.status
	}
	uid := clinic.Text(0x0020000D, "UI", "2.25.1.1")
	room := clinic.Text(0x0600, "AE", "ROOM")
	for how, want := range map[string][4]uint16{
		"": {statusNotAllowed, statusNotAllowed, statusNotAllowed, statusNotAllowed},
		"    refuse: {store: C000, find: A700, get: A702, move: C000}\n": {0xC000, statusResources, statusSubs, 0xC000},
		"    refuse: {find: C000}\n":                                     {statusNotAllowed, 0xC000, statusNotAllowed, statusNotAllowed},
	} {
		a := newArchive(t, func(k *talker, c *command, _ []byte) { matched(k, c, study("P1", "2.25.1.1")) })
		r := begin(t, refusing(a.Addr().String(), how))
		k := r.talk()
		k.associate()
		object := clinic.DataSet{clinic.Text(0x00080016, "UI", clinic.CTImage), clinic.Text(0x00080018, "UI", "2.25.9"), clinic.Text(0x00100020, "LO", "P1")}
		got := [4]uint16{
			refused(r, k, 1, fieldStore, object.Encode(clinic.ExplicitLE), clinic.Text(0x1000, "UI", "2.25.9")),
			refused(r, k, 3, fieldFind, keys("STUDY", clinic.Text(0x00100010, "PN", "DOE"))), // its only match is held back
			refused(r, k, 5, fieldGet, keys("STUDY", uid)),
			refused(r, k, 7, fieldMove, keys("STUDY", uid), room),
		}
		if got != want {
			t.Errorf("%q: got %04X, want %04X", how, got, want)
		}
		everybody := refused(r, k, 3, fieldFind, keys("STUDY"))
		if everybody != want[1] {
			t.Errorf("%q: a query that is refused at once: got %04X, want %04X", how, everybody, want[1])
		}
		if got := refused(r, k, 7, fieldMove, keys("STUDY", uid), clinic.Text(0x0600, "AE", "NOWHERE")); got != statusDestination {
			t.Errorf("%q: a destination that there is not: got %04X", how, got)
		}
		if got := refused(r, k, 3, fieldFind, append(keys("STUDY"), keys("STUDY")...)); got != statusMismatch {
			t.Errorf("%q: keys in two ways: got %04X", how, got)
		}
		if err := r.guard.Reload(t.Context(), r.site(refusing(a.Addr().String(), "    refuse: {find: A700}\n"))); err != nil {
			t.Fatal(err)
		}
		if got := refused(r, k, 3, fieldFind, keys("STUDY")); got != statusResources {
			t.Errorf("%q: after the site file was read again: got %04X", how, got)
		}
		r.end()
	}
}

// TestDcmtkStatus: DCMTK's programs read the status that was chosen for them, and say that it is a failure.
func TestDcmtkStatus(t *testing.T) {
	findscu, storescu := peer(t, "findscu"), peer(t, "storescu")
	port := freePort(t)
	start(t, port, peer(t, "storescp"), "-od", t.TempDir(), port)
	image := filepath.Join("..", "format", "dicom", "testdata", "peer", "pydicom", "test_files", "MR_small.dcm")
	for how, want := range map[string][2]string{
		"": {"Unknown Status: 0x124", "Unknown Status: 0x124"},
		"    refuse: {store: A700, find: C000}\n": {"Failed: UnableToProcess", "Refused: OutOfResources"},
		"    refuse: {store: C000, find: A700}\n": {"Refused: OutOfResources", "Error: CannotUnderstand"},
	} {
		a := newArchive(t, func(k *talker, c *command, _ []byte) { matched(k, c, study("P1", "2.25.1.1")) })
		r := begin(t, refusing(a.Addr().String(), how))
		out, _ := run(t, findscu, "-v", "-S", "-aet", "CT1", "-aec", "PACS", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=DOE", "127.0.0.1", r.port())
		if !strings.Contains(out, want[0]) || strings.Contains(out, "Success") {
			t.Errorf("%q: findscu says %s, want %s", how, out, want[0])
		}
		r.end()
		r.start(refusing("127.0.0.1:"+port, how))
		out, err := run(t, storescu, "-v", "-aet", "CT1", "-aec", "PACS", "127.0.0.1", r.port(), image)
		if !strings.Contains(out, want[1]) || strings.Contains(out, "(Success)") {
			t.Errorf("%q: storescu says %v, %s, want %s", how, err, out, want[1])
		}
		r.end()
	}
}
