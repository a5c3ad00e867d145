package guard

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"chaperone/guard/spool"
	clinic "chaperone/internal/clinicsim"
)

// TestSpoolObjectsElsewhere: what is decided for one party is given to no other, whom a reload has put behind the listener since the client
// connected, and is not taken for the one before either: nobody would deliver it.
func TestSpoolObjectsElsewhere(t *testing.T) {
	s := newShelf(t)
	open := s.talk()
	open.associate()
	_, _, data := object(1, 1, 1)
	open.must(open.send(1, true, true, set(1, fieldStore, 1, true, instanceOf(1))))
	open.must(open.send(1, false, false, data[:len(data)-2000]))
	eventually(t, "its beginning", func() bool { return len(s.files()) == 1 })
	other := newArchive(t, well)
	k := s.talk()
	eventually(t, "it is served", func() bool { return s.latest("dicom") != nil && s.latest("dicom").identified.Load() })
	s.elsewhere(s.file, s.address, other.Addr().String(), "party: pacs}", "party: room}")
	open.must(open.send(1, false, true, data[len(data)-2000:]))
	if c, _, _ := open.reply(); c == nil || c.status != statusResources {
		t.Errorf("in the middle of an object: got %+v, want A700", c)
	}
	open.message(1, set(1, fieldStore, 2, true, instanceOf(1)), data)
	if c, _, _ := open.reply(); c == nil || c.status != statusResources || len(s.rows()) != 1 {
		t.Errorf("the next one: got %+v, want A700, and %d disclosures", c, len(s.rows()))
	}
	if got := negotiated(k, request("CT1", "PACS", offer(1, clinic.CTImage, explicitVR))); got != "RJ 020301" {
		t.Errorf("the next association: got %s, want A-ASSOCIATE-RJ 2/3/1", got)
	}
	if got := s.stats(); got != (spool.Stats{}) || len(s.files()) > 0 || len(other.got()) > 0 {
		t.Errorf("got %+v, %d files, and the other party %v", got, len(s.files()), other.got())
	}
}

// TestSpoolObjectsThere: who brings nothing that could be kept does not hear that the archive is away because it was a moment ago, or because
// it needs longer for its answer than objects wait.
func TestSpoolObjectsThere(t *testing.T) {
	get := request("CT1", "PACS", offer(1, clinic.CTImage, explicitVR), offer(3, clinic.StudyRootGet, implicitVR))
	get.roles = []role{{clinic.CTImage, 0, 1}}
	user := request("CT1", "PACS", offer(1, clinic.CTImage, explicitVR))
	user.kept = append(user.kept, [2][]byte{{itemIdentity}, []byte("\x01\x00\x00\x04user\x00\x00")})
	for name, q := range map[string]*association{
		"an echo": request("CT1", "PACS", offer(1, clinic.Verification, implicitVR)), "a C-GET": get, "a user": user,
	} {
		s := newShelf(t)
		s.archive(well)
		s.guard.spools.of("dicom").gone.note()
		if got := negotiated(s.talk(), q); !strings.HasPrefix(got, "1=0 ") {
			t.Errorf("%s, the archive is back: got %s", name, got)
		}
	}
	s := newShelf(t)
	closes := s.halfway(func(k *talker) {
		p, err := k.pdu()
		if err != nil {
			return
		}
		time.Sleep(s.guard.pace.answer + 500*time.Millisecond)
		answer, _ := readAssociation(p.kind, p.body)
		answer.contexts[0].accepted = answer.contexts[0].transfer[0]
		_ = k.control(pduAssociateAC, answer.body(pduAssociateAC)) // the client may have gone
		_, _ = k.pdu()
	})
	defer closes()
	if got := negotiated(s.talk(), request("CT1", "PACS", offer(1, clinic.Verification, implicitVR))); !strings.HasPrefix(got, "1=0 ") {
		t.Errorf("an echo, the archive is slow: got %s", got)
	}
}

// TestSpoolObjectsUnopened: a file that cannot be opened now is tried again later, and holds up nobody.
func TestSpoolObjectsUnopened(t *testing.T) {
	s := newShelf(t)
	s.store(1, 2, statusSuccess)
	first := s.files()[0]
	s.store(2, 4, statusSuccess)
	whole, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	put := func(made error) { // at once: a moment without a file is one that is missing
		t.Helper()
		if err := errors.Join(made, os.Rename(first+".new", first)); err != nil {
			t.Fatal(err)
		}
	}
	put(os.Symlink(first, first+".new")) // to itself, as what only root may read: nothing is known of it
	a := s.archive(well)
	checkImages(t, s.arrivals(a, 2), 2, 3)
	put(os.WriteFile(first+".new", whole, 0o600))
	checkImages(t, s.arrivals(a, 3), 2, 3, 1)
}
