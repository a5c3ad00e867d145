package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/ledger/durable"
	"chaperone/ledger/keys"
	"chaperone/ledger/verify"
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
		w, err := Write(t.Context(), Options{Dir: h.dir, To: h.to, Keys: h.keys, Live: true, Now: func() time.Time { return h.now }})
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

// TestVerifiedBesideGuard: a copy that was made beside whoever goes on recording is whole, and witnesses vouch for all of it. That they have
// seen more since is said, and is no sign of tampering; a ledger is not brought back of it.
func TestVerifiedBesideGuard(t *testing.T) {
	h := newHouse(t, 1)
	h.day()
	l := h.open(h.dir)
	end, done := make(chan bool), make(chan error, 1)
	go func() { done <- h.keepRecording(l, end) }()
	for range 4 {
		h.signed()
		w, err := Write(t.Context(), Options{Dir: h.dir, To: h.to, Keys: h.keys, Live: true, Now: func() time.Time { return h.now }})
		h.must(err)
		for range 3 { // one of them the witness is shown, while the last is not answered yet
			h.signed()
		}
		r, err := verify.Run(t.Context(), verify.Options{Dir: h.to, Keys: h.keys, Client: h.client, Backup: true})
		h.must(err)
		if !r.Whole() || !r.Backup || r.Batches != w.Batches || r.Witnessed != r.Batches || r.Known <= r.Batches {
			t.Errorf("got %d batches of %d, %d of them witnessed, %d known to the witness, and %v", r.Batches, w.Batches, r.Witnessed, r.Known, r.Problems)
		}
		if said := strings.Join(r.Warnings, "\n"); !strings.Contains(said, "this is a backup as of ") || r.Witnesses[0].Said != fmt.Sprint("by now ", r.Known) {
			t.Errorf("it says %q, and of the witness %q", said, r.Witnesses[0].Said)
		}
	}
	close(end)
	h.must(<-done)
	h.must(l.Close())
	if _, _, err := h.restore(); !errors.Is(err, ErrBehind) {
		t.Errorf("brought back: got %v, want %v", err, ErrBehind)
	}
}

// TestLiveAwaitsWitness: a copy is as of a checkpoint that witnesses cosigned, also when the ledger is copied while they are asked: of the
// copy they are shown it no more when they have seen the next. Where none answers it is made all the same.
func TestLiveAwaitsWitness(t *testing.T) {
	for _, away := range []bool{false, true} {
		h := newHouse(t, 1)
		h.day()
		h.client = &http.Client{Transport: slow(away)}
		l := h.open(h.dir)
		d := ledger.Disclosure{Disclosure: chaperone.Disclosure{ID: [16]byte(token("live", 0)), Time: h.now, Protocol: chaperone.HL7, Action: "ADT^A01", Records: 1, Outcome: chaperone.Delivered, Unidentified: 1}}
		_, err := l.Record(t.Context(), ledger.Batch{Disclosures: []ledger.Disclosure{d}})
		h.must(err)
		h.signed()
		w, err := Write(t.Context(), Options{Dir: h.dir, To: h.to, Keys: h.keys, Live: true, Now: func() time.Time { return h.now }})
		h.must(err)
		r, err := verify.Run(t.Context(), verify.Options{Dir: h.to, Keys: h.keys, Offline: true})
		h.must(err)
		want := w.Batches
		if away {
			want--
		}
		if r.Witnessed != want || r.Whole() == away {
			t.Errorf("away %t: %d of %d batches are witnessed, %v", away, r.Witnessed, r.Batches, r.Problems)
		}
		h.must(l.Close())
	}
}

// slow is the way to a witness that takes its time, or that is away.
type slow bool

func (away slow) RoundTrip(r *http.Request) (*http.Response, error) {
	if away {
		return nil, errors.New("away")
	}
	time.Sleep(200 * time.Millisecond)
	return http.DefaultTransport.RoundTrip(r)
}

// TestLiveAtRest: of a ledger that was closed, and that its witnesses have not seen all of, nobody is asking them: a copy does not wait for their answer.
func TestLiveAtRest(t *testing.T) {
	h := newHouse(t, 1)
	h.client = &http.Client{Transport: slow(true)}
	h.day()
	meta, err := keys.ReadMeta(h.dir)
	h.must(err)
	v, err := keys.ParseVerifier(meta.Verifier)
	h.must(err)
	ctx, cancel := context.WithTimeout(t.Context(), cosigning/2)
	defer cancel()
	c := &copier{from: h.dir, to: h.to, id: meta.ID}
	if err := c.sealed(ctx, v); err != nil || c.until != 3 {
		t.Errorf("got %d batches and %v, want 3 at once", c.until, err)
	}
	h.must(os.Remove(filepath.Join(h.dir, "closed")))
	if err := c.sealed(ctx, v); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("of one that may be open: got %v, want that it waits", err)
	}
}

// looking is a ledger's verifier that does something else whenever the checkpoint was read: so others' work comes in between, and not by chance.
type looking struct {
	note.Verifier
	looked func(times int)
	times  int
}

func (l *looking) Verify(text, sig []byte) bool {
	l.times++
	l.looked(l.times)
	return l.Verifier.Verify(text, sig)
}

// TestLiveSignedMeanwhile: between the waiting and the reading the next checkpoint was signed. Its cosignature is waited for, too.
func TestLiveSignedMeanwhile(t *testing.T) {
	h := newHouse(t, 1)
	h.day()
	path := filepath.Join(h.dir, logFolder, cosignedFile)
	older, err := os.ReadFile(path)
	h.must(err)
	h.day()
	latest, err := os.ReadFile(path)
	h.must(err)
	h.must(os.Remove(filepath.Join(h.dir, "closed"))) // it may be open
	meta, err := keys.ReadMeta(h.dir)
	h.must(err)
	v, err := keys.ParseVerifier(meta.Verifier)
	h.must(err)
	answered := make(chan error, 1)
	c := &copier{from: h.dir, to: h.to, id: meta.ID}
	h.must(c.sealed(t.Context(), &looking{Verifier: v, looked: func(times int) {
		if times != 2 { // the first is before anything is waited for
			return
		}
		h.must(os.WriteFile(path, older, 0o600))
		time.AfterFunc(100*time.Millisecond, func() { answered <- durable.WriteFile(path, latest) })
	}}))
	if !cosigned(c.state.notes) {
		t.Error("the copy is as of a checkpoint that nobody cosigned")
	}
	h.must(<-answered)
}

// TestNothingYet: a ledger in which nothing was recorded is copied and brought back, also beside the process that has it open.
func TestNothingYet(t *testing.T) {
	h := newHouse(t, 1)
	h.backup()
	l := h.open(h.dir)
	_, err := Write(t.Context(), Options{Dir: h.dir, To: h.to, Keys: h.keys, Live: true, Now: func() time.Time { return h.now }})
	h.must(err)
	h.must(l.Close())
	for _, branch := range []bool{false, true} {
		to, _, err := h.restore(func(o *RestoreOptions) { o.AsBranch = branch })
		h.must(err)
		h.must(h.open(to).Close())
	}
}

// TestLiveKeepsNobodyOut: whoever begins to record while a ledger is copied is let in, also when nobody recorded as it began.
func TestLiveKeepsNobodyOut(t *testing.T) {
	h := newHouse(t, 0)
	for range 3 {
		h.day()
	}
	done := make(chan error, 1)
	go func() {
		_, err := Write(t.Context(), Options{Dir: h.dir, To: h.to, Keys: h.keys, Live: true, Now: func() time.Time { return h.now }})
		done <- err
	}()
	for tries := 0; ; tries++ {
		select {
		case err := <-done:
			h.must(err)
			t.Logf("tried %d times", tries)
			return
		default:
		}
		release, err := disk.Lock(h.dir, false) // what whoever records begins with
		if err != nil {
			t.Fatal(err)
		}
		h.must(release())
	}
}

// TestLiveBehind: a copy that was made after a crash has what nobody had signed yet. It is not ahead of the ledger for that.
func TestLiveBehind(t *testing.T) {
	h := newHouse(t, 0)
	h.day()
	signed, err := os.ReadFile(filepath.Join(h.dir, "log", "checkpoint"))
	h.must(err)
	tiles, written := filepath.Join(t.TempDir(), "log"), h.now
	h.must(os.CopyFS(tiles, os.DirFS(filepath.Join(h.dir, "log"))))
	h.day()
	h.must(os.RemoveAll(filepath.Join(h.dir, "log"))) // the log as it was before the second day
	h.must(os.CopyFS(filepath.Join(h.dir, "log"), os.DirFS(tiles)))
	h.must(os.Remove(filepath.Join(h.dir, "closed")))
	all := h.backup()
	beside := Options{Dir: h.dir, To: h.to, Keys: h.keys, Live: true, Now: func() time.Time { return written }}
	w, err := Write(t.Context(), beside)
	h.must(err)
	if w.Batches != all.Batches || w.Copied != 0 || w.Later != 3 {
		t.Errorf("got %d batches, %d bytes of them new, %d left out, want %d, none and 3", w.Batches, w.Copied, w.Later, all.Batches)
	}
	if now, err := os.ReadFile(filepath.Join(h.to, "log", "checkpoint")); err != nil || !bytes.Equal(now, signed) {
		t.Errorf("the copy's checkpoint is not the ledger's: %v", err)
	}
	h.must(h.open(h.dir).Close()) // which signs
	h.backup()
	segment := filepath.Join(h.dir, "record", "0000000001.seg")
	info, err := os.Stat(segment)
	h.must(err)
	for _, size := range []int64{info.Size() - 5, 64} { // within a batch, and between two
		h.must(os.Truncate(segment, size))
		for _, live := range []bool{false, true} {
			if _, err := Write(t.Context(), Options{Dir: h.dir, To: h.to, Keys: h.keys, Live: live, Now: func() time.Time { return written }}); err == nil || !strings.Contains(err.Error(), "rolled back") {
				t.Errorf("of a ledger that is shorter, cut at %d, live %t: got %v", size, live, err)
			}
		}
	}
}

// TestLiveUnsigned: where batches are on record that nobody signs, a copy of what is under the last checkpoint would look whole. So it would where
// what is behind that checkpoint cannot be counted.
func TestLiveUnsigned(t *testing.T) {
	whole := newHouse(t, 0)
	checkpoint := filepath.Join("log", "checkpoint")
	signed := map[int]string{} // days → the log as it was then
	for day := range 3 {
		signed[day] = filepath.Join(whole.base, fmt.Sprint("log", day))
		whole.must(os.CopyFS(signed[day], os.DirFS(filepath.Join(whole.dir, "log"))))
		whole.day()
	}
	for _, test := range []struct {
		name   string
		signed int // days
		change func(h *house)
		words  []string
	}{
		{"none is signed", 0, nil, []string{"9 batches are on record, written since 2026-11-02T08:00:00Z", "without --live"}},
		{"the first of those is damaged", 2, func(h *house) { h.damage("0000000002.seg", 300) }, []string{"2 whole batches follow", "ledger verify"}},
		{"a segment cannot be opened", 2, func(h *house) {
			segment := filepath.Join(segmentsIn(h.dir), "0000000002.seg")
			h.must(os.Remove(segment))
			if err := os.Symlink("nothing", segment); err != nil {
				h.Skip(err)
			}
		}, []string{"0000000002.seg"}},
		{"there is no checkpoint", 2, func(h *house) { h.must(os.Remove(filepath.Join(h.dir, checkpoint))) }, []string{"nothing of it is signed yet", "without --live"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // they wait for somebody who signs
			h := *whole
			h.T, h.base = t, t.TempDir()
			h.dir, h.to = filepath.Join(h.base, "ledger"), filepath.Join(h.base, "backup")
			h.must(os.CopyFS(h.dir, os.DirFS(whole.dir)))
			h.must(os.RemoveAll(filepath.Join(h.dir, "log")))
			h.must(os.CopyFS(filepath.Join(h.dir, "log"), os.DirFS(signed[test.signed])))
			if test.change != nil {
				test.change(&h)
			}
			_, err := Write(t.Context(), Options{Dir: h.dir, To: h.to, Keys: h.keys, Live: true, Now: func() time.Time { return h.now }})
			for _, words := range test.words {
				refused(t, err, words)
			}
			if _, err := os.Lstat(h.to); err == nil {
				t.Error("a folder was made for it")
			}
		})
	}
}

// damage changes one byte of a segment.
func (h *house) damage(name string, at int) {
	h.Helper()
	path := filepath.Join(segmentsIn(h.dir), name)
	b, err := os.ReadFile(path)
	h.must(err)
	b[at] ^= 1
	h.must(os.WriteFile(path, b, 0o600))
}
