package guard

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"chaperone/guard/spool"
	clinic "chaperone/internal/clinicsim"
	"chaperone/ledger"
	"chaperone/ledger/disk"
)

// objectSite is dicomSite with a spool.
const objectSite = dicomSite + "    spool: {bytes: 64MiB, age: 1s}\n"

// shelf is a guard that keeps objects for an archive at an address at which nobody is yet.
type shelf struct {
	*rig
	dir, address, file string
}

func newShelf(t *testing.T, change ...func(*Options)) *shelf {
	t.Helper()
	s := &shelf{dir: filepath.Join(t.TempDir(), "spool"), address: nowhere(t)}
	s.file = fmt.Sprintf(objectSite, 100, s.address)
	s.rig = begin(t, s.file, append([]func(*Options){spooling(s.dir, spool.Disk{})}, change...)...)
	return s
}

// again starts the guard anew.
func (s *shelf) again() {
	s.t.Helper()
	s.end()
	s.start(s.file, spooling(s.dir, spool.Disk{}))
}

func (s *shelf) stats() spool.Stats { return s.guard.spools.of("dicom").spool.Stats() }

// files are those of objects, also of one that is being written.
func (s *shelf) files() []string {
	return slices.DeleteFunc(glob(s.t, filepath.Join(s.dir, "dicom", "objects", "*")), func(path string) bool {
		return strings.HasSuffix(path, ".given") || strings.HasSuffix(path, ".another")
	})
}

// archive makes one at the address.
func (s *shelf) archive(act func(k *talker, c *command, data []byte)) *archive {
	s.t.Helper()
	var l net.Listener
	eventually(s.t, "the address", func() (ok bool) {
		var err error
		l, err = net.Listen("tcp", s.address)
		return err == nil
	})
	return archiveOn(s.t, l, act)
}

// store sends the images from a number until another on one association, and insists on the status of each.
func (s *shelf) store(from, until int, want uint16) {
	s.t.Helper()
	k := s.talk()
	k.associate()
	for n := from; n < until; n++ {
		_, _, data := object(n, 1, 1)
		k.message(1, set(1, fieldStore, uint16(n), true, instanceOf(n)), data)
		if c, _, end := k.reply(); c == nil || c.status != want {
			s.t.Fatalf("image %d: got %+v, %v; want status %04X", n, c, end, want)
		} else if want != statusSuccess && !bytes.Contains(c.raw, []byte("CHAP ref=")) {
			s.t.Errorf("image %d: its refusal has no reference", n)
		}
	}
	k.must(k.control(pduReleaseRQ, make([]byte, 4)))
	if p, err := k.pdu(); err != nil || p.kind != pduReleaseRP {
		s.t.Errorf("got PDU %d, %v; want the release", p.kind, err)
	}
}

func instanceOf(n int) clinic.Element {
	name, _, _ := object(n, 1, 1)
	return clinic.Text(0x1000, "UI", name)
}

// arrivals waits for so many objects.
func (s *shelf) arrivals(a *archive, many int) (data [][]byte) {
	s.t.Helper()
	eventually(s.t, "the objects", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		data = a.data
		return len(data) >= many
	})
	return data
}

// checkImages insists on which images arrived, byte for byte.
func checkImages(t *testing.T, got [][]byte, numbers ...int) {
	t.Helper()
	if len(got) != len(numbers) {
		t.Errorf("got %d objects, want %d", len(got), len(numbers))
		return
	}
	for i, n := range numbers {
		if _, _, want := object(n, 1, 1); !bytes.Equal(got[i], want) {
			t.Errorf("object %d is not image %d as it was sent", i, n)
		}
	}
}

// TestSpoolObjects: while the archive is away images are acknowledged by the guard and are on record, sealed on disk, and arrive as they
// were sent, under their sender's titles; a refused one does not. Afterwards nothing is left, and associations go to the archive again.
func TestSpoolObjects(t *testing.T) {
	s := newShelf(t)
	s.store(1, 4, statusSuccess)
	rows := s.rows()
	if len(rows) != 3 || !strings.Contains(rows[0].Evidence.File, ", spooled, grant everything") || rows[0].To.Addr.String() != "127.0.0.2" || rows[0].To.Claimed != "PACS" || rows[0].From.Claimed != "CT1" {
		t.Errorf("on record is %+v", rows)
	}
	if got := s.stats(); got.Messages != 3 || got.Bytes < 3*64*64*2 || len(s.files()) != 3 {
		t.Errorf("got %+v and files %v", got, s.files())
	}
	for _, f := range s.files() {
		b, err := os.ReadFile(f)
		if info, _ := os.Stat(f); err != nil || bytes.Contains(b, []byte("INVENTED")) || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, or it is not sealed", f, err)
		}
	}
	a := s.archive(well)
	checkImages(t, s.arrivals(a, 3), 1, 2, 3)
	eventually(t, "nothing is left", func() bool { return s.stats() == spool.Stats{} && len(s.files()) == 0 })
	eventually(t, "the release", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.ends) == 1 && a.ends[0].kind == pduReleaseRQ
	})
	s.store(4, 5, statusSuccess)
	checkImages(t, s.arrivals(a, 4), 1, 2, 3, 4)
	if n := len(s.requestsOf(a)); n != 2 {
		t.Errorf("got %d associations, want one of what was kept and one of the client's", n)
	}
	if q := s.requestsOf(a)[0]; q.calling() != "CT1" || q.called() != "PACS" || len(q.contexts) != 1 || string(q.kept[0][1]) != "1.2.3" {
		t.Errorf("got %+v", q)
	}
	if found := s.findings(); found[SpoolBeganRule] != 1 || len(found) != 1 {
		t.Errorf("got findings %v", found)
	}
}

func (s *shelf) requestsOf(a *archive) []*association {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*association{}, a.requests...)
}

// TestSpoolObjectsContexts: while the archive is away, only what can be kept is accepted; nobody is told that it is there.
func TestSpoolObjectsContexts(t *testing.T) {
	user := func(q *association) {
		q.kept = append(q.kept, [2][]byte{{itemIdentity}, []byte("\x01\x00\x00\x04user\x00\x00")})
	}
	receives := func(q *association) { q.roles = []role{{clinic.CTImage, 0, 1}} }
	for _, test := range []struct {
		name     string
		contexts []proposed
		more     func(q *association)
		want     string
	}{
		{"one of each service", []proposed{offer(1, clinic.CTImage, explicitVR), offer(3, studyRootFind, implicitVR), offer(5, clinic.StudyRootGet, implicitVR),
			offer(7, clinic.StudyRootMove, implicitVR), offer(9, clinic.Verification, implicitVR), offer(11, mppsClass, implicitVR), offer(13, "1.2.840.10008.1.20.1", implicitVR)},
			nil, "1=0 " + explicitVR + " 3=2 5=2 7=2 9=2 11=2 13=2"},
		{"several transfer syntaxes", []proposed{offer(1, clinic.CTImage, jpeg, explicitVR, implicitVR), offer(3, clinic.CTImage, jpeg, explicitVR), offer(5, clinic.CTImage, jpeg, rle)},
			nil, "1=0 " + implicitVR + " 3=0 " + explicitVR + " 5=0 " + jpeg},
		{"an echo alone", []proposed{offer(9, clinic.Verification, implicitVR)}, nil, "RJ 020301"},
		{"a user whom nobody checks", []proposed{offer(1, clinic.CTImage, explicitVR)}, user, "RJ 020301"},
		{"one who gets images", []proposed{offer(1, clinic.CTImage, explicitVR), offer(3, clinic.StudyRootGet, implicitVR)}, receives, "RJ 020301"},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := request("CT1", "PACS", test.contexts...)
			if test.more != nil {
				test.more(q)
			}
			if got := negotiated(newShelf(t).talk(), q); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

const (
	jpeg = "1.2.840.10008.1.2.4.50"
	rle  = "1.2.840.10008.1.2.5"
)

// negotiated asks for an association, and gives what is said to it.
func negotiated(k *talker, q *association) string {
	k.t.Helper()
	k.must(k.control(pduAssociateRQ, q.body(pduAssociateRQ)))
	p, _ := k.pdu()
	if p.kind != pduAssociateAC {
		if len(p.body) != 4 {
			return fmt.Sprintf("PDU %d", p.kind)
		}
		return fmt.Sprintf("RJ %x", p.body[1:])
	}
	answer, err := readAssociation(pduAssociateAC, p.body)
	k.must(err)
	var results []string
	for _, c := range answer.contexts {
		one := fmt.Sprintf("%d=%d", c.id, c.result)
		if c.result == contextAccepted {
			one += " " + c.accepted
		}
		results = append(results, one)
	}
	return strings.Join(results, " ")
}

// TestLastSyntaxes: what is kept is what the system took last, as far as it has said. What it refused says nothing: another client may do what
// that one may not.
func TestLastSyntaxes(t *testing.T) {
	yes := func(transfer string) proposed { return proposed{abstract: "1.2", accepted: transfer} }
	no := proposed{abstract: "1.2", transfer: []string{jpeg, rle, implicitVR}, result: contextRejected}
	for _, test := range []struct {
		name  string
		said  []proposed
		offer []string
		want  string
	}{
		{"nothing yet", nil, []string{jpeg, explicitVR, implicitVR}, implicitVR},
		{"nothing yet, no implicit", nil, []string{jpeg, explicitVR}, explicitVR},
		{"nothing yet, compressed", nil, []string{jpeg, rle}, jpeg},
		{"it took one", []proposed{yes(rle)}, []string{jpeg, implicitVR, rle}, rle},
		{"it took one that is not offered", []proposed{yes(rle)}, []string{jpeg, explicitVR}, explicitVR},
		{"it took two, the newer first", []proposed{yes(rle), yes(jpeg)}, []string{rle, jpeg}, jpeg},
		{"it took one, and refused it to another", []proposed{yes(jpeg), no}, []string{implicitVR, jpeg}, jpeg},
		{"it refused all", []proposed{no}, []string{rle, jpeg}, rle},
		{"of another class", []proposed{{abstract: "1.3", accepted: jpeg}}, []string{rle, jpeg}, rle},
	} {
		var k lastSyntaxes
		for _, p := range test.said {
			k.note("pacs", &p)
		}
		if got := k.choose("pacs", &proposed{abstract: "1.2", transfer: test.offer}); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		if got := k.choose("another", &proposed{abstract: "1.2", transfer: []string{jpeg, rle, implicitVR}}); got != implicitVR {
			t.Errorf("%s: another party: got %q", test.name, got)
		}
	}
	var k lastSyntaxes
	for n := range 2 * mostClasses {
		k.note("pacs", &proposed{abstract: fmt.Sprint("1.", n), accepted: rle})
	}
	if len(k.classes) != mostClasses {
		t.Errorf("it remembers %d classes", len(k.classes))
	}
}

// TestSpoolObjectsTaken: the transfer syntax is the one that the archive took when it was there.
func TestSpoolObjectsTaken(t *testing.T) {
	s := newShelf(t)
	a := s.archive(well)
	if got := negotiated(s.talk(), request("CT1", "PACS", offer(1, clinic.CTImage, rle, implicitVR))); got != "1=0 "+rle {
		t.Fatalf("the archive itself: got %s", got)
	}
	_ = a.Close()
	if got := negotiated(s.talk(), request("CT1", "PACS", offer(1, clinic.CTImage, jpeg, implicitVR, rle))); got != "1=0 "+rle {
		t.Errorf("while it is away: got %s", got)
	}
}

// TestSpoolObjectsRefused: what is refused while the archive is away leaves nothing in the spool, and neither does what cannot be put on
// record, or is not whole.
func TestSpoolObjectsRefused(t *testing.T) {
	t.Run("a stranger's title", func(t *testing.T) {
		s := newShelf(t)
		if got := negotiated(s.talk(), request("EVIL", "PACS", offer(1, clinic.CTImage, explicitVR))); got != "RJ 010103" {
			t.Errorf("got %s", got)
		}
		s.nothing(0)
	})
	t.Run("beyond the budget", func(t *testing.T) {
		s := newShelf(t)
		s.file = strings.Replace(s.file, "    whose: all\n", "    whose: all\n    budget: {1h: 1}\n", 1)
		s.again()
		s.store(1, 2, statusSuccess)
		s.store(2, 3, statusNotAllowed)
		if got := s.stats(); got.Messages != 1 || len(s.files()) != 1 || len(s.rows()) != 1 {
			t.Errorf("got %+v, %d files, %d disclosures", got, len(s.files()), len(s.rows()))
		}
	})
	t.Run("not recorded", func(t *testing.T) {
		var f *faulty
		s := newShelf(t, func(o *Options) {
			f = &faulty{Ledger: o.Ledger.(*disk.Ledger), record: ledger.ErrFull}
			o.Ledger = f
		})
		s.store(1, 2, statusResources)
		f.set(func(f *faulty) { f.record = nil })
		s.nothing(0)
	})
	t.Run("it breaks off", func(t *testing.T) {
		s := newShelf(t)
		k := s.talk()
		k.associate()
		_, _, data := object(1, 1, 1)
		k.must(k.send(1, true, true, set(1, fieldStore, 1, true, instanceOf(1))))
		k.must(k.send(1, false, false, data[:len(data)-2000]))
		eventually(t, "its beginning", func() bool { return len(s.files()) == 1 })
		_ = k.conn.Close()
		eventually(t, "its end", func() bool { return len(s.files()) == 0 })
		if got := s.stats(); got != (spool.Stats{}) {
			t.Errorf("got %+v", got)
		}
	})
}

// nothing insists on an empty spool and on how much is on record.
func (s *shelf) nothing(rows int) {
	s.t.Helper()
	if got := s.stats(); got != (spool.Stats{}) || len(s.files()) != 0 || len(s.rows()) != rows {
		s.t.Errorf("got %+v, files %v, %d disclosures", got, s.files(), len(s.rows()))
	}
}

// TestSpoolObjectsFull: without room an object is refused, to be sent again, and nothing of it is left. One that is known to have none is
// not on record.
func TestSpoolObjectsFull(t *testing.T) {
	s := newShelf(t)
	s.file = strings.Replace(s.file, "bytes: 64MiB", "bytes: 64MiB, messages: 2", 1)
	s.again()
	s.store(1, 3, statusSuccess)
	s.store(3, 4, statusResources)
	if got := s.stats(); got.Messages != 2 || len(s.files()) != 2 || len(s.rows()) != 2 || s.findings()["refused-upstream-away"] != 1 {
		t.Errorf("got %+v, %d files, %d disclosures, %v", got, len(s.files()), len(s.rows()), s.findings())
	}
	checkImages(t, s.arrivals(s.archive(well), 2), 1, 2)
	eventually(t, "nothing is left", func() bool { return s.stats() == spool.Stats{} })
}

// TestSpoolObjectsDisk: what the disk does not take is not acknowledged, and nothing is left of it.
func TestSpoolObjectsDisk(t *testing.T) {
	var ill atomic.Int64
	fails := func(what int64) error {
		if ill.Load() == what {
			return fmt.Errorf("input/output error")
		}
		return nil
	}
	s := newShelf(t)
	s.end()
	s.start(s.file, spooling(s.dir, spool.Disk{
		Write: func(f *os.File, b []byte, at int64) error {
			if err := fails(1); err != nil {
				return err
			}
			_, err := f.WriteAt(b, at)
			return err
		},
		Sync: func(f *os.File) error {
			if err := fails(2); err != nil && strings.HasSuffix(f.Name(), ".part") {
				return err
			}
			if err := fails(3); err != nil && strings.HasSuffix(f.Name(), ".spool") {
				return err
			}
			return f.Sync()
		},
		Folder: func(string) error { return fails(4) },
	}))
	for what := range int64(4) {
		ill.Store(what + 1)
		s.store(int(what)+1, int(what)+2, statusResources)
		s.nothing(int(what) + 1) // it is on record: too many, never too few
	}
	ill.Store(0)
	s.store(5, 6, statusSuccess)
	checkImages(t, s.arrivals(s.archive(well), 1), 5)
}

// TestSpoolObjectsRestart: what is kept outlives the guard, also when the site file keeps nothing any more; what was not acknowledged
// does not. Until the archive is back, associations end then as they do without a spool.
func TestSpoolObjectsRestart(t *testing.T) {
	s := newShelf(t)
	s.store(1, 3, statusSuccess)
	s.end()
	left := filepath.Join(s.dir, "dicom", "objects", strings.Repeat("ab", 16)+".object")
	if err := os.WriteFile(left, []byte("of a crash"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(s.file, spooling(s.dir, spool.Disk{}))
	if got := s.files(); len(got) != 2 || s.stats().Messages != 2 {
		t.Errorf("got files %v, %+v", got, s.stats())
	}
	s.store(3, 4, statusSuccess)
	s.file = strings.Replace(s.file, "    spool: {bytes: 64MiB, age: 1s}\n", "", 1)
	s.again()
	if got := negotiated(s.talk(), request("CT1", "PACS", offer(1, clinic.CTImage, explicitVR))); got != "PDU 0" {
		t.Errorf("without a spool: got %s, want the end of the connection", got)
	}
	checkImages(t, s.arrivals(s.archive(well), 3), 1, 2, 3)
	eventually(t, "nothing is left", func() bool { return s.stats() == spool.Stats{} && len(s.files()) == 0 })
}

// TestSpoolObjectsReload: a spool that is turned on holds for the next association, and one that is turned off takes nothing more; what it has
// is delivered.
func TestSpoolObjectsReload(t *testing.T) {
	s := newShelf(t)
	without := strings.Replace(s.file, "    spool: {bytes: 64MiB, age: 1s}\n", "", 1)
	reload := func(file string) {
		t.Helper()
		next := s.site(file)
		next.Listeners[0].Listen = s.guard.rules.Load().site.Listeners[0].Listen
		if err := s.guard.Reload(t.Context(), next); err != nil {
			t.Fatal(err)
		}
	}
	s.end()
	s.start(without, spooling(s.dir, spool.Disk{}))
	ct := request("CT1", "PACS", offer(1, clinic.CTImage, explicitVR))
	if got := negotiated(s.talk(), ct); got != "PDU 0" {
		t.Errorf("without a spool: got %s, want the end of the connection", got)
	}
	reload(s.file)
	s.store(1, 2, statusSuccess)
	k := s.talk()
	k.associate()
	reload(without)
	_, _, data := object(2, 1, 1)
	k.message(1, set(1, fieldStore, 2, true, instanceOf(2)), data)
	if c, _, end := k.reply(); c == nil || c.status != statusResources {
		t.Errorf("on an association from before: got %+v, %v", c, end)
	}
	if got := negotiated(s.talk(), ct); got != "PDU 0" {
		t.Errorf("without a spool again: got %s, want the end of the connection", got)
	}
	checkImages(t, s.arrivals(s.archive(well), 1), 1)
	eventually(t, "nothing is left", func() bool { return s.stats() == spool.Stats{} && len(s.files()) == 0 })
}
