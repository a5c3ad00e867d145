package backup

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
)

// Beside a process that records, backup after backup is whole, and what is brought back of the last is a ledger.
func TestLive(t *testing.T) {
	h := newHouse(t, 0) // a witness would know more by the time that it is brought back
	h.day()
	l := h.open(h.dir)
	end, done := make(chan bool), make(chan error, 1)
	go func() { done <- h.keepRecording(l, end) }()
	var last, grew uint64
	for range 4 {
		w, err := Write(t.Context(), Options{Dir: h.dir, To: h.to, Keys: h.keys, Live: true})
		h.must(err)
		if w.Disclosures < last {
			t.Errorf("got %d disclosures after %d", w.Disclosures, last)
		}
		if w.Disclosures > last {
			grew++
		}
		last = w.Disclosures
		h.signed()
	}
	close(end)
	h.must(<-done)
	if grew < 3 {
		t.Errorf("of four backups %d had more than the one before", grew)
	}
	to, _, err := h.restore()
	h.must(err)
	restored := h.open(to)
	s, err := restored.Scope(t.Context(), ledger.Query{})
	h.must(err)
	if s.Disclosures != int64(last) {
		t.Errorf("brought back: %d disclosures, the backup had %d", s.Disclosures, last)
	}
	h.must(restored.Close())
	h.must(l.Close())
	if w := h.backup(); w.Disclosures < last {
		t.Errorf("when nobody records: got %d disclosures after %d", w.Disclosures, last)
	}
}

// keepRecording records until the end.
func (h *house) keepRecording(l *disk.Ledger, end <-chan bool) error {
	for n := 0; ; n++ {
		select {
		case <-end:
			return nil
		default:
		}
		d := ledger.Disclosure{Disclosure: chaperone.Disclosure{ID: [16]byte(token("live", n)), Time: h.now, Protocol: chaperone.HL7, Action: "ADT^A01",
			Records: 1, Bytes: 9, Outcome: chaperone.Delivered}, Covered: []ledger.Covered{{Numbers: []chaperone.PatientToken{token("number", n)}}}}
		if _, err := l.Record(context.Background(), ledger.Batch{Disclosures: []ledger.Disclosure{d}}); err != nil {
			return err
		}
	}
}

// signed waits for the next checkpoint.
func (h *house) signed() {
	h.Helper()
	path := filepath.Join(h.dir, logFolder, checkpointFile)
	before, err := os.ReadFile(path)
	h.must(err)
	for range 1000 {
		time.Sleep(10 * time.Millisecond)
		if now, err := os.ReadFile(path); err == nil && !bytes.Equal(now, before) {
			return
		}
	}
	h.Fatal("no checkpoint is signed while batches come")
}

// TestNothingYet: a ledger in which nothing was recorded is copied and brought back, also beside the process that has it open.
func TestNothingYet(t *testing.T) {
	h := newHouse(t, 1)
	h.backup()
	l := h.open(h.dir)
	_, err := Write(t.Context(), Options{Dir: h.dir, To: h.to, Keys: h.keys, Live: true})
	h.must(err)
	h.must(l.Close())
	for _, branch := range []bool{false, true} {
		to, _, err := h.restore(func(o *RestoreOptions) { o.AsBranch = branch })
		h.must(err)
		h.must(h.open(to).Close())
	}
}
