package guard

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"chaperone/guard/spool"
	clinic "chaperone/internal/clinicsim"
)

// TestSpoolObjectsKilled: a guard that is killed after the archive answered, and before that was on disk, delivers once more; nothing is
// lost. So does one that is killed before.
func TestSpoolObjectsKilled(t *testing.T) {
	s := newShelf(t)
	s.store(1, 4, statusSuccess)
	before, here := filepath.Join(t.TempDir(), "before"), filepath.Join(s.dir, "dicom")
	if err := os.CopyFS(before, os.DirFS(here)); err != nil {
		t.Fatal(err)
	}
	a := s.archive(well)
	checkImages(t, s.arrivals(a, 3), 1, 2, 3)
	s.end()
	if err := os.RemoveAll(here); err != nil { // the disk as it was
		t.Fatal(err)
	}
	if err := os.CopyFS(here, os.DirFS(before)); err != nil {
		t.Fatal(err)
	}
	s.start(s.file, spooling(s.dir, spool.Disk{}))
	checkImages(t, s.arrivals(a, 6), 1, 2, 3, 1, 2, 3)
	eventually(t, "nothing is left", func() bool { return s.stats() == spool.Stats{} && len(s.files()) == 0 })
}

// TestSpoolObjectsRejected: what the archive does not take is kept apart with its status, and the others arrive; sent again, it arrives.
func TestSpoolObjectsRejected(t *testing.T) {
	s := newShelf(t)
	s.store(1, 6, statusSuccess)
	var mended atomic.Bool
	busy := 2 // times
	a := s.archive(func(k *talker, c *command, data []byte) {
		status := statusSuccess
		switch {
		case c.id == 2 && !mended.Load():
			status = 0xC001
		case c.id == 3 && busy > 0:
			busy, status = busy-1, 0xA701
		case c.id == 4:
			status = 0xB006 // elements discarded: it has it
		}
		k.must(k.send(c.context, true, true, c.reply(status, "")))
	})
	checkImages(t, s.arrivals(a, 7), 1, 2, 3, 4, 5, 3, 3)
	eventually(t, "a finding", func() bool { return s.findings()[SpoolRejectedRule] == 1 })
	if got := s.stats(); got.Rejected != 1 || got.Messages != 0 || len(s.files()) != 1 {
		t.Errorf("got %+v, %d files", got, len(s.files()))
	}
	apart := glob(t, filepath.Join(s.dir, "dicom", "rejected", "*"))
	err := spool.Read(apart[0], s.guard.spools.key, func(k spool.Kept) error {
		if name, _, _ := object(2, 1, 1); k.Answer != "status C001" || k.IDs[0] != name || k.Word != "C-STORE" || k.From != "ct1" || k.To != "pacs" {
			t.Errorf("got %+v", k)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.again() // what is rejected keeps its object
	mended.Store(true)
	if err := spool.SendAgain(apart[0]); err != nil {
		t.Fatal(err)
	}
	checkImages(t, s.arrivals(a, 8), 1, 2, 3, 4, 5, 3, 3, 2)
	eventually(t, "nothing is left", func() bool { return s.stats() == spool.Stats{} && len(s.files()) == 0 })
}

// TestSpoolObjectsBreaks: an object at which the archive's end of the association breaks, again and again, holds up nobody. It is tried until it arrives.
func TestSpoolObjectsBreaks(t *testing.T) {
	s := newShelf(t)
	s.store(1, 5, statusSuccess)
	var mended atomic.Bool
	a := s.archive(func(k *talker, c *command, data []byte) {
		if c.id == 2 && !mended.Load() {
			_ = k.conn.Close()
			return
		}
		well(k, c, data)
	})
	eventually(t, "the others, and several tries", func() bool { return s.stats().Messages == 1 && len(s.requestsOf(a)) > 3 })
	if got := s.stats(); got.Rejected != 0 || len(s.files()) != 1 {
		t.Errorf("got %+v, %d files", got, len(s.files()))
	}
	mended.Store(true)
	eventually(t, "nothing is left", func() bool { return s.stats() == spool.Stats{} && len(s.files()) == 0 })
	data := s.arrivals(a, 6)
	checkImages(t, [][]byte{data[0], data[1], data[2], data[3], data[len(data)-1]}, 1, 2, 3, 4, 2)
}

// TestSpoolObjectsBreaksFull: neither does it where the spool takes nothing more: it is full, or the site file has no spool any more.
func TestSpoolObjectsBreaksFull(t *testing.T) {
	for name, change := range map[string]struct{ before, after string }{
		"full":      {"bytes: 64MiB, messages: 4", "bytes: 64MiB, messages: 4"},
		"taken out": {"bytes: 64MiB", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.file = strings.Replace(s.file, "bytes: 64MiB", change.before, 1)
			s.again()
			s.store(1, 5, statusSuccess)
			if change.after == "" {
				s.file = strings.Replace(s.file, "    spool: {bytes: 64MiB, age: 1s}\n", "", 1)
				s.again()
			}
			s.archive(func(k *talker, c *command, data []byte) {
				if c.id == 1 {
					_ = k.conn.Close()
					return
				}
				well(k, c, data)
			})
			eventually(t, "the others", func() bool { return s.stats().Messages == 1 && len(s.files()) == 1 })
		})
	}
}

// TestSpoolObjectsDamaged: an object whose file is not what was kept is told and kept apart, its association is aborted, and the others
// arrive. When the file is restored, it can be sent again.
func TestSpoolObjectsDamaged(t *testing.T) {
	s := newShelf(t)
	var files []string
	for n := 1; n < 4; n++ {
		s.store(n, n+1, statusSuccess)
		for _, f := range s.files() {
			if !strings.Contains(strings.Join(files, " "), f) {
				files = append(files, f)
			}
		}
	}
	s.end()
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(whole)
	broken[len(broken)-1] ^= 1
	if err := os.WriteFile(files[0], broken, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(files[1]); err != nil {
		t.Fatal(err)
	}
	s.start(s.file, spooling(s.dir, spool.Disk{}))
	a := s.archive(well)
	checkImages(t, s.arrivals(a, 1), 3)
	eventually(t, "a finding", func() bool { return s.findings()[SpoolObjectRule] == 2 })
	if log := s.log.String(); !strings.Contains(log, files[0]) || !strings.Contains(log, files[1]) || strings.Contains(log, "2.25.1") {
		t.Errorf("got %s", log)
	}
	if got := s.stats(); got.Rejected != 2 || got.Messages != 0 {
		t.Errorf("got %+v", got)
	}
	if err := os.WriteFile(files[0], whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := spool.SendAgain(glob(t, filepath.Join(s.dir, "dicom", "rejected", "*1.spool"))[0]); err != nil {
		t.Fatal(err)
	}
	checkImages(t, s.arrivals(a, 2), 3, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.requests) != 3 || a.ends[0].kind != pduAbort {
		t.Errorf("got %d associations, of which the first ended by PDU %d; want 3, and an abort", len(a.requests), a.ends[0].kind)
	}
}

// TestSpoolObjectsDamagedSpool: when the spool itself is damaged, what is kept stays, and associations pass as without a spool. Whoever moves the damaged
// file away, as the log says, has the objects of its messages still: when it is restored, they are delivered.
func TestSpoolObjectsDamagedSpool(t *testing.T) {
	s := newShelf(t)
	s.store(1, 4, statusSuccess)
	s.end()
	segment := glob(t, filepath.Join(s.dir, "dicom", "*.spool"))[0]
	whole, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	put := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(segment, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damaged := bytes.Clone(whole)
	damaged[60] ^= 1
	put(damaged)
	a := s.archive(well)
	s.start(s.file, spooling(s.dir, spool.Disk{}))
	s.store(4, 5, statusSuccess)
	checkImages(t, s.arrivals(a, 1), 4)
	if found := s.findings(); found[SpoolDamagedRule] != 1 || len(s.files()) != 3 || !strings.Contains(s.log.String(), "copy the folder") {
		t.Errorf("got findings %v, %d files", found, len(s.files()))
	}
	s.end()
	if err := os.Remove(segment); err != nil {
		t.Fatal(err)
	}
	s.start(s.file, spooling(s.dir, spool.Disk{}))
	unnamed := glob(t, filepath.Join(s.dir, "dicom", "unnamed", "*"))
	if found := s.findings(); len(unnamed) != 3 || found[SpoolObjectRule] != 3 || s.stats() != (spool.Stats{Bytes: sizes(t, unnamed)}) {
		t.Errorf("got %d unnamed objects, findings %v, %+v", len(unnamed), found, s.stats())
	}
	s.end()
	put(whole)
	for _, f := range unnamed {
		if err := os.Rename(f, filepath.Join(s.dir, "dicom", "objects", filepath.Base(f))); err != nil {
			t.Fatal(err)
		}
	}
	s.start(s.file, spooling(s.dir, spool.Disk{}))
	checkImages(t, s.arrivals(a, 4), 4, 1, 2, 3)
}

// TestSpoolObjectsCursorToo: an object whose file is lost together with what is known of deliveries is told like other damage, where one before it was
// not delivered.
func TestSpoolObjectsCursorToo(t *testing.T) {
	s := newShelf(t)
	var files []string
	for n := 1; n < 4; n++ {
		s.store(n, n+1, statusSuccess)
		files = append(files, slices.DeleteFunc(s.files(), func(path string) bool { return slices.Contains(files, path) })...)
	}
	s.end()
	if err := errors.Join(os.Remove(files[1]), os.Remove(filepath.Join(s.dir, "dicom", "delivered"))); err != nil {
		t.Fatal(err)
	}
	s.start(s.file, spooling(s.dir, spool.Disk{}))
	checkImages(t, s.arrivals(s.archive(well), 2), 1, 3)
	eventually(t, "a finding", func() bool { return s.findings()[SpoolObjectRule] == 1 })
	if got := s.stats(); got.Messages != 0 || got.Rejected != 1 {
		t.Errorf("got %+v", got)
	}
}

// sizes gives how much files hold together.
func sizes(t *testing.T, files []string) (n int64) {
	t.Helper()
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

// TestSpoolObjectsCursor: when it is not known any more what is delivered, what is on disk is delivered again, and what is not there is not told
// as lost.
func TestSpoolObjectsCursor(t *testing.T) {
	s := newShelf(t)
	s.store(1, 5, statusSuccess)
	hold := make(chan struct{})
	a := s.archive(func(k *talker, c *command, data []byte) {
		if c.id == 3 {
			<-hold
		}
		well(k, c, data)
	})
	s.arrivals(a, 3)
	s.end()
	close(hold)
	left := len(s.files())
	if err := os.Remove(filepath.Join(s.dir, "dicom", "delivered")); err != nil {
		t.Fatal(err)
	}
	s.start(s.file, spooling(s.dir, spool.Disk{}))
	eventually(t, "nothing is left", func() bool { return s.stats() == spool.Stats{} && len(s.files()) == 0 })
	if found := s.findings(); found[SpoolObjectRule] != 0 || found[SpoolRejectedRule] != 0 || found[SpoolCutRule] != 1 {
		t.Errorf("got findings %v", found)
	}
	if n := strings.Count(s.log.String(), "counts as delivered"); n != 4-left {
		t.Errorf("%d count as delivered, want %d", n, 4-left)
	}
}

// TestSpoolObjectsAsSent: each object goes under the titles that it came with, in its class and transfer syntax; those of one kind share an
// association.
func TestSpoolObjectsAsSent(t *testing.T) {
	s := newShelf(t)
	for _, sent := range []struct{ calling, transfer string }{{"CT1", implicitVR}, {"CT1", implicitVR}, {"VIEWER", implicitVR}, {"VIEWER", explicitVR}} {
		k := s.talk()
		if got := negotiated(k, request(sent.calling, "PACS", offer(1, clinic.CTImage, sent.transfer))); got != "1=0 "+sent.transfer {
			t.Fatalf("got %s", got)
		}
		_, _, data := object(1, 1, 1)
		if sent.transfer == implicitVR {
			data = clinic.DataSet{clinic.Text(0x00080016, "UI", clinic.CTImage), clinic.Text(0x00100020, "LO", "P1")}.Encode(clinic.ImplicitLE)
		}
		k.message(1, set(1, fieldStore, 1, true, instanceOf(1)), data)
		if c, _, _ := k.reply(); c == nil || c.status != statusSuccess {
			t.Fatalf("got %+v", c)
		}
		_ = k.conn.Close()
	}
	a := s.archive(well)
	s.arrivals(a, 4)
	var got []string
	for _, q := range s.requestsOf(a) {
		got = append(got, q.calling()+" "+q.contexts[0].transfer[0])
	}
	if want := []string{"CT1 " + implicitVR, "VIEWER " + implicitVR, "VIEWER " + explicitVR}; !slices.Equal(got, want) {
		t.Errorf("got associations %q, want %q", got, want)
	}
}

// TestSpoolObjectsWaiting: while something waits for an archive that was not there when it was tried last, associations do not wait until it
// is tried again.
func TestSpoolObjectsWaiting(t *testing.T) {
	s := newShelf(t)
	s.store(1, 2, statusSuccess)
	busy := make(chan struct{})
	a := s.archive(func(k *talker, c *command, data []byte) {
		if c.id == 1 {
			<-busy
		}
		well(k, c, data)
	})
	s.arrivals(a, 1)
	gone := &s.guard.spools.of("dicom").gone
	gone.note() // as if the deliverer had just found nobody
	s.store(2, 3, statusSuccess)
	gone.back()
	s.store(3, 4, statusSuccess)
	if got := s.stats(); got.Messages != 2 {
		t.Errorf("%d wait, want 2: only what came while the archive was away", got.Messages)
	}
	close(busy)
	checkImages(t, s.arrivals(a, 3), 1, 3, 2)
}

// TestSpoolObjectsCompanion: what is reached in the archive's place, and has nobody behind it, is an archive that is away: it closes the connection at
// once, or when something is asked, or says nothing. When the archive is there itself, it gets everything.
func TestSpoolObjectsCompanion(t *testing.T) {
	for name, before := range map[string]func(k *talker){
		"it closes at once":          func(*talker) {},
		"it closes when it is asked": func(k *talker) { _, _ = k.pdu() },
		"it says nothing":            mute,
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			closes := s.halfway(before)
			s.store(1, 3, statusSuccess)
			closes()
			if got := s.stats(); got.Messages != 2 {
				t.Errorf("got %+v, want that two are kept", got)
			}
			a := s.archive(well)
			if data := s.arrivals(a, 2); len(data) != 2 {
				t.Errorf("%d arrived", len(data))
			}
			eventually(t, "nothing is left", func() bool { return s.stats() == spool.Stats{} && len(s.files()) == 0 })
		})
	}
}

// TestSpoolObjectsParty: what was decided for one party is not delivered to another, which the site file names now.
func TestSpoolObjectsParty(t *testing.T) {
	s := newShelf(t)
	s.store(1, 2, statusSuccess)
	s.end()
	a := s.archive(well)
	s.file = strings.NewReplacer("party: pacs}", "party: other}", "grants:", "  - {name: other, role: pacs}\ngrants:").Replace(s.file)
	s.start(s.file, spooling(s.dir, spool.Disk{}))
	eventually(t, "a finding", func() bool { return s.findings()[SpoolRejectedRule] == 1 })
	if n := len(s.requestsOf(a)); n != 0 {
		t.Errorf("another party got %d associations", n)
	}
}

// TestSpoolObjectsTitles: an association that the archive rejects since it does not know the titles holds up nobody else; one that it
// rejects for now is asked for again, and a context that it does not take is told as that.
func TestSpoolObjectsTitles(t *testing.T) {
	s := newShelf(t)
	for _, calling := range []string{"CT1", "VIEWER", "CT1"} {
		k := s.talk()
		k.associateAs(calling)
		_, _, data := object(1, 1, 1)
		k.message(1, set(1, fieldStore, 1, true, instanceOf(1)), data)
		k.reply()
		_ = k.conn.Close()
	}
	var l net.Listener
	eventually(t, "the address", func() (ok bool) { var err error; l, err = net.Listen("tcp", s.address); return err == nil })
	defer l.Close()
	accept := func() (*talker, *association) {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		k := newTalker(t, c)
		p, err := k.pdu()
		k.must(err)
		q, err := readAssociation(p.kind, p.body)
		k.must(err)
		return k, q
	}
	k, _ := accept()
	k.must(k.control(pduAssociateRJ, []byte{0, 2, 3, 1})) // it goes behind the others
	k, q := accept()
	if q.calling() != "VIEWER" {
		t.Fatalf("got %s", q.calling())
	}
	k.must(k.control(pduAssociateRJ, []byte{0, 1, 1, 3}))
	k, q = accept()
	q.contexts[0].result = contextNoTransfer
	k.must(k.control(pduAssociateAC, q.body(pduAssociateAC)))
	if p, err := k.pdu(); err != nil || p.kind != pduReleaseRQ {
		t.Errorf("got PDU %d, %v", p.kind, err)
	}
	_ = k.conn.Close()
	k, _ = accept()
	_ = k.conn.Close() // it breaks: it is asked for again
	k, q = accept()
	q.contexts[0].accepted = q.contexts[0].transfer[0]
	k.must(k.control(pduAssociateAC, q.body(pduAssociateAC)))
	c, data, _ := k.reply()
	well(k, c, nil)
	checkImages(t, [][]byte{data}, 1)
	var answers []string
	eventually(t, "two are kept apart", func() bool { return s.stats().Rejected == 2 && s.stats().Messages == 0 })
	for _, f := range glob(t, filepath.Join(s.dir, "dicom", "rejected", "*")) {
		_ = spool.Read(f, s.guard.spools.key, func(k spool.Kept) error { answers = append(answers, k.Answer); return nil })
	}
	if got := strings.Join(answers, ", "); got != "A-ASSOCIATE-RJ 1/1/3, presentation context refused: 4" {
		t.Errorf("got %s", got)
	}
}
