package backup

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/ledger/keys"
	"chaperone/ledger/verify"
	"chaperone/ledger/witness"
)

// house is a ledger with keys, a witness and a place for backups.
type house struct {
	*testing.T
	base, dir, keys, to string
	now                 time.Time
	client              *http.Client
	n                   int
}

var monday = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)

func newHouse(t *testing.T, witnesses int) *house {
	t.Helper()
	base := t.TempDir()
	h := &house{T: t, base: base, dir: filepath.Join(base, "ledger"), keys: filepath.Join(base, "keys"), to: filepath.Join(base, "away", "backup"), now: monday, client: http.DefaultClient}
	h.must(h.open(h.dir).Close())
	if witnesses == 0 {
		return h
	}
	text := "need 1\n"
	for i := range witnesses {
		name := fmt.Sprintf("witness%d.example", i)
		text += h.witness(filepath.Join(base, name), name)
	}
	h.must(os.WriteFile(filepath.Join(h.dir, "witnesses"), []byte(text), 0o600))
	return h
}

func (h *house) witness(dir, name string) string {
	h.Helper()
	meta, err := keys.ReadMeta(h.dir)
	h.must(err)
	h.must(witness.NewKey(dir, name))
	h.must(witness.AddLog(dir, meta.Verifier))
	key, err := witness.LoadKey(dir, name)
	h.must(err)
	w, err := witness.Open(dir, key)
	h.must(err)
	server := httptest.NewServer(w)
	h.Cleanup(server.Close)
	return fmt.Sprintf("%s %s %s\n", name, server.URL, key.VerifierKey())
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) open(dir string) *disk.Ledger {
	h.Helper()
	l, err := disk.Open(context.Background(), disk.Options{Dir: dir, Keys: h.keys, Now: func() time.Time { return h.now }, Client: h.client})
	h.must(err)
	return l
}

func token(kind string, n int) chaperone.PatientToken {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", kind, n))
	return chaperone.PatientToken(sum[:16])
}

// day records some batches, closes and waits for the next day. It may purge one first.
func (h *house) day(purge ...ledger.Day) {
	h.Helper()
	l := h.open(h.dir)
	for _, day := range purge {
		h.must(l.Purge(context.Background(), day))
	}
	for range 3 {
		var b ledger.Batch
		for range 4 {
			h.n++
			b.Disclosures = append(b.Disclosures, ledger.Disclosure{
				Disclosure: chaperone.Disclosure{ID: [16]byte(token("disclosure", h.n)), Time: h.now, Protocol: chaperone.DICOM, Action: "C-STORE",
					To: chaperone.Party{Claimed: "VIEWER"}, Records: 2, Bytes: 9, Outcome: chaperone.Delivered},
				Covered: []ledger.Covered{{Numbers: []chaperone.PatientToken{token("number", h.n%9), token("number", 100+h.n)}}, {Demographic: token("name", h.n)}},
			})
		}
		_, err := l.Record(context.Background(), b)
		h.must(err)
	}
	h.must(l.Close())
	h.now = h.now.Add(24 * time.Hour)
}

func (h *house) backup() Written {
	h.Helper()
	w, err := Write(context.Background(), Options{Dir: h.dir, To: h.to, Keys: h.keys})
	h.must(err)
	return w
}

// answer is what a ledger says of everything, without what differs in a branch.
func (h *house) answer(dir string) string {
	h.Helper()
	l := h.open(dir)
	s, err := l.Scope(context.Background(), ledger.Query{Detail: true})
	h.must(err)
	h.must(l.Close())
	s.Seal = ledger.Seal{}
	text, err := json.Marshal(s)
	h.must(err)
	return string(text)
}

func (h *house) restore(change ...func(*RestoreOptions)) (string, Restored, error) {
	h.n++
	o := RestoreOptions{From: h.to, To: filepath.Join(h.base, fmt.Sprint("restored", h.n)), Keys: h.keys, Client: h.client}
	for _, c := range change {
		c(&o)
	}
	r, err := Restore(context.Background(), o)
	return o.To, r, err
}

func refused(t *testing.T, err error, words string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line that says %q", err, words)
	}
}

func (h *house) content(dir string) map[string]string {
	h.Helper()
	all := map[string]string{}
	h.must(filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[filepath.ToSlash(name)] = string(b)
		return err
	}))
	return all
}

func TestBackupAndRestore(t *testing.T) {
	h := newHouse(t, 1)
	h.day()
	h.day()
	w := h.backup()
	if w.Batches != 6 || w.Disclosures != 24 || w.Copied == 0 || len(w.Keys) != 3 || w.Keys[0].File != "data.key" || len(w.Keys[0].ID) != 16 {
		t.Errorf("got %+v", w)
	}
	secrets := h.content(h.keys)
	for name, b := range h.content(h.to) {
		for file, key := range secrets {
			if strings.Contains(b, strings.TrimSpace(key)) {
				t.Errorf("%s is in the backup, in %s", file, name)
			}
		}
		if strings.HasPrefix(name, "index/") || name == "people" || name == "closed" || name == "lock" {
			t.Errorf("%s is in the backup", name)
		}
	}
	report, err := verify.Run(t.Context(), verify.Options{Dir: h.to, Keys: h.keys, Offline: true})
	h.must(err)
	if said := strings.Join(report.Warnings, "; "); !report.Whole() || !strings.Contains(said, "a backup") || strings.Contains(said, "crash") {
		t.Errorf("verifying a backup says %q, %v; want that it is one, and not that a ledger crashed", said, report.Problems)
	}
	want := h.answer(h.dir)
	to, r, err := h.restore()
	h.must(err)
	if !r.Report.Whole() || r.Report.Batches != 6 || r.Old.N != 6 {
		t.Errorf("got %+v", r.Report)
	}
	if got := h.answer(to); got != want {
		t.Errorf("it answers %s, want %s", got, want)
	}
}

// TestOlderPutBack: what an earlier backup held was put into a later one. It says itself that it had more, and is neither verified nor restored.
func TestOlderPutBack(t *testing.T) {
	h := newHouse(t, 0)
	h.day()
	h.backup()
	older := filepath.Join(h.base, "older")
	h.must(os.CopyFS(older, os.DirFS(h.to)))
	h.day()
	h.backup()
	for _, folder := range []string{"record", "log", "keys"} {
		h.must(os.RemoveAll(filepath.Join(h.to, folder)))
		h.must(os.CopyFS(filepath.Join(h.to, folder), os.DirFS(filepath.Join(older, folder))))
	}
	const words = "has 3 batches, and had 6 when it was made"
	r, err := verify.Run(t.Context(), verify.Options{Dir: h.to, Keys: h.keys, Backup: true})
	h.must(err)
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].String(), "backup: this backup "+words) {
		t.Errorf("got %v, want that it %s", r.Problems, words)
	}
	_, _, err = h.restore()
	refused(t, err, words)
}

// TestAskedDirectly: a backup is neither asked nor recorded into; what does says how to bring it back, and touches nothing.
func TestAskedDirectly(t *testing.T) {
	h := newHouse(t, 0)
	h.day()
	h.backup()
	before := h.content(h.to)
	open := func(o disk.Options) error {
		o.Dir, o.Keys = h.to, h.keys
		l, err := disk.Open(t.Context(), o)
		if err == nil {
			h.must(l.Close())
		}
		return err
	}
	for name, err := range map[string]error{
		"asking": open(disk.Options{ReadOnly: true}), "recording": open(disk.Options{}), "purging": open(disk.Options{Existing: true}),
		"making the index": disk.Reindex(t.Context(), disk.Options{Dir: h.to, Keys: h.keys}),
	} {
		if err == nil {
			t.Errorf("%s: want an error", name)
		}
		refused(t, err, h.to+": this is a backup")
		refused(t, err, "ledger restore "+h.to+" --ledger")
	}
	after := h.content(h.to)
	for name, b := range after {
		if before[name] != b {
			t.Errorf("%s was touched", name)
		}
	}
	h.backup() // and it goes on being one
}

// TestIncremental adds what is new, without touching what is there, and takes purges over.
func TestIncremental(t *testing.T) {
	h := newHouse(t, 0)
	h.day()
	first := h.backup()
	if again := h.backup(); again.Copied != 0 || again.Batches != first.Batches {
		t.Errorf("nothing is new: got %+v", again)
	}
	before := h.content(h.to)
	h.day()
	h.day()
	second := h.backup()
	if second.Batches != 9 || second.Copied == 0 {
		t.Errorf("got %+v", second)
	}
	for name, b := range h.content(h.to) {
		if strings.HasPrefix(name, "record/") && !strings.HasPrefix(b, before[name]) {
			t.Errorf("%s was changed, not added to", name)
		}
	}
	h.day(ledger.DayOf(monday))
	w, err := Write(t.Context(), Options{Dir: h.dir, To: h.to})
	if err != nil || len(w.Left) != 1 || len(w.Erased) != 0 {
		t.Errorf("without data.key: got %+v and %v, want one day left", w, err)
	}
	if w = h.backup(); len(w.Erased) != 1 || w.Erased[0] != ledger.DayOf(monday) || len(w.Left) != 0 {
		t.Errorf("after a purge: got %+v, want that the day is erased", w)
	}
	to, r, err := h.restore()
	h.must(err)
	if len(r.Report.Purged) != 1 {
		t.Errorf("purged days: got %v, want one", r.Report.Purged)
	}
	if got, want := h.answer(to), h.answer(h.dir); got != want {
		t.Errorf("it answers %s, want %s", got, want)
	}
}

// TestCutOff continues copies that were cut off in the midst.
func TestCutOff(t *testing.T) {
	h := newHouse(t, 0)
	h.day()
	h.backup()
	h.day()
	h.day()
	h.backup()
	want := h.content(h.to)
	for _, name := range []string{"record/0000000002.seg", "record/0000000001.seg"} {
		for _, size := range []int{0, 10, 64, 70, 200, len(want[name]) - 1} {
			h.must(os.Remove(filepath.Join(h.to, "record", "0000000002.seg"))) // what was cut off is always the last
			h.must(os.WriteFile(filepath.Join(h.to, filepath.FromSlash(name)), []byte(want[name][:size]), 0o600))
			h.backup()
			for file, b := range h.content(h.to) {
				if file != aboutFile && b != want[file] {
					t.Errorf("%s cut at %d: afterwards %s is not what it was", name, size, file)
				}
			}
		}
	}
	h.must(os.RemoveAll(h.to))
	h.must(os.MkdirAll(h.to, 0o700))
	h.must(os.WriteFile(filepath.Join(h.to, "ledger.json.new"), []byte("{"), 0o600))
	h.backup()
}

func TestRefused(t *testing.T) {
	h := newHouse(t, 1)
	h.day()
	older := filepath.Join(h.base, "older")
	h.must(os.CopyFS(older, os.DirFS(h.dir)))
	h.day()
	write := func(dir, to string) error {
		_, err := Write(t.Context(), Options{Dir: dir, To: to, Keys: h.keys})
		return err
	}
	l := h.open(h.dir)
	refused(t, write(h.dir, h.to), "another process")
	if _, err := os.Stat(h.to); err == nil {
		t.Error("something was written for a ledger that is open")
	}
	h.must(l.Close())
	refused(t, write(h.dir, filepath.Join(h.dir, "backup")), "lies in the other")
	refused(t, write(h.dir, h.dir), "the ledger itself")
	refused(t, write(filepath.Join(h.base, "nothing"), h.to), "ledger.json")

	h.backup()
	good := h.content(h.to)
	refused(t, write(older, h.to), "has more")
	refused(t, write(h.dir, older), "in use")
	refused(t, write(h.dir, h.keys), "not empty")
	other := newHouse(t, 0)
	other.day()
	refused(t, write(other.dir, h.to), "a backup of the ledger")
	h.n += 500 // the older copy goes on in another way
	ledgerDir := h.dir
	h.dir, h.client = older, &http.Client{Transport: cutOff{}}
	h.day()
	h.day()
	refused(t, write(older, h.to), "one of them was rewritten")
	h.dir, h.client = ledgerDir, http.DefaultClient
	for name, b := range h.content(h.to) {
		if good[name] != b {
			t.Errorf("%s was changed by what was refused", name)
		}
	}

	segment := filepath.Join(h.dir, "record", "0000000000.seg")
	b, err := os.ReadFile(segment)
	h.must(err)
	b[len(b)/2] ^= 1
	h.must(os.WriteFile(segment, b, 0o600))
	refused(t, write(h.dir, filepath.Join(h.base, "damaged")), "not whole: record/0000000000.seg")
	_, _, err = h.restore(func(o *RestoreOptions) { o.From = filepath.Join(h.base, "damaged") })
	refused(t, err, "not finished")
}

type cutOff struct{}

func (cutOff) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("cut off") }

// TestBehind restores a backup that is older than what a witness has seen.
func TestBehind(t *testing.T) {
	h := newHouse(t, 1)
	h.day()
	h.backup()
	want := h.answer(h.dir)
	old, err := keys.ReadMeta(h.dir)
	h.must(err)
	before := h.content(h.to)
	h.day()
	to, _, err := h.restore()
	if !errors.Is(err, ErrBehind) {
		t.Fatalf("got %v, want ErrBehind", err)
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("something was written for it")
	}
	to, r, err := h.restore(func(o *RestoreOptions) { o.AsBranch = true })
	h.must(err)
	meta, err := keys.ReadMeta(to)
	h.must(err)
	if meta.ID == old.ID || meta.Origin == old.Origin || r.Origin != meta.Origin || r.Verifier != meta.Verifier || r.Old.N != 3 {
		t.Errorf("got a branch %+v of %+v", meta, old)
	}
	if firstChanged(r.Report) != nil || r.Report.Batches != 4 {
		t.Errorf("got %+v", r.Report)
	}
	// Its first batches are those of the old ledger to the byte, behind the head of the segment.
	if got := h.content(to)["record/0000000000.seg"]; !strings.HasPrefix(got[64:], before["record/0000000000.seg"][64:]) {
		t.Error("the batches of the branch are not those of the backup")
	}
	if got := h.answer(to); got != want {
		t.Errorf("it answers %s, want %s", got, want)
	}
	l := h.open(to)
	var last ledger.Note
	h.must(l.Notes(t.Context(), func(n ledger.Note) error { last = n; return nil }))
	h.must(l.Close())
	if last.Text != Continues(old.Origin, r.Old) || !strings.Contains(last.Text, r.Old.Hash.String()) {
		t.Errorf("got the note %q", last.Text)
	}
	// The old ledger goes on, and its witness has nothing against it.
	h.day()
	report, err := verify.Run(t.Context(), verify.Options{Dir: h.dir, Keys: h.keys})
	if err != nil || !report.Whole() {
		t.Errorf("the old ledger: got %v and %v", err, report.Problems)
	}
}

func TestBranchWithPurges(t *testing.T) {
	h := newHouse(t, 0)
	h.day()
	h.day(ledger.DayOf(monday))
	h.backup()
	to, r, err := h.restore(func(o *RestoreOptions) { o.AsBranch = true })
	h.must(err)
	if !r.Report.Whole() || len(r.Report.Purged) != 1 {
		t.Errorf("got %+v", r.Report)
	}
	if got, want := h.answer(to), h.answer(h.dir); got != want {
		t.Errorf("it answers %s, want %s", got, want)
	}
}

// TestUnasked cuts off so many witnesses that all who know more may be among them.
func TestUnasked(t *testing.T) {
	h := newHouse(t, 2)
	h.day()
	h.backup()
	alone := &http.Client{Transport: cutOff{}}
	_, _, err := h.restore(func(o *RestoreOptions) { o.Client = alone })
	refused(t, err, "0 of 2 witnesses said what they know of this ledger, 2 have to")
	_, _, err = h.restore(func(o *RestoreOptions) { o.Client, o.Unasked = alone, true })
	h.must(err)
	_, _, err = h.restore()
	h.must(err)
}

func TestDamagedBackup(t *testing.T) {
	h := newHouse(t, 0)
	h.day()
	h.day()
	h.backup()
	for name, b := range h.content(h.to) {
		if name == aboutFile || name == witnessesFile {
			continue
		}
		path := filepath.Join(h.to, filepath.FromSlash(name))
		bad := []byte(b)
		bad[len(bad)/3] ^= 4
		h.must(os.WriteFile(path, bad, 0o600))
		if to, _, err := h.restore(); err == nil {
			t.Errorf("%s is damaged, and it was restored", name)
		} else if _, err := os.Stat(to); err == nil {
			t.Errorf("%s is damaged, and something was written", name)
		}
		h.must(os.WriteFile(path, []byte(b), 0o600))
	}
	segment := filepath.Join(h.to, "record", "0000000001.seg")
	h.must(os.Remove(segment))
	h.must(os.Remove(filepath.Join(h.to, "log", "checkpoint")))
	_, _, err := h.restore()
	refused(t, err, "not whole")
	_, _, err = h.restore(func(o *RestoreOptions) { o.To = h.keys })
	refused(t, err, "not empty")
}

// TestKeysBeside: of the folder of the days' keys a backup takes those keys alone, whatever somebody keeps beside them.
func TestKeysBeside(t *testing.T) {
	h := newHouse(t, 0)
	h.day()
	h.must(os.CopyFS(filepath.Join(h.dir, "keys", "own"), os.DirFS(h.keys)))
	for _, name := range []string{keys.DataFile, keys.SigningFile, "20261102.key.old"} {
		h.must(os.WriteFile(filepath.Join(h.dir, "keys", name), []byte("secret"), 0o600))
	}
	h.backup()
	entries, err := os.ReadDir(filepath.Join(h.to, "keys"))
	h.must(err)
	if len(entries) != 1 || entries[0].Name() != "20261102.key" {
		t.Errorf("got %v", entries)
	}
}

// TestKeyCameBack: a backup does not keep the key of a purged day that somebody copied back into the ledger.
func TestKeyCameBack(t *testing.T) {
	h := newHouse(t, 0)
	h.day()
	h.backup()
	file := filepath.Join("keys", keys.DayFile(ledger.DayOf(monday)))
	h.day(ledger.DayOf(monday))
	b, err := os.ReadFile(filepath.Join(h.to, file))
	h.must(err)
	h.must(os.WriteFile(filepath.Join(h.dir, file), b, 0o600))
	for _, to := range []string{h.to, filepath.Join(h.base, "new")} { // which has the day's bytes, and which gets none
		w, err := Write(t.Context(), Options{Dir: h.dir, To: to, Keys: h.keys})
		if err != nil || len(w.Erased) != 1 || w.Erased[0] != ledger.DayOf(monday) {
			t.Errorf("got %v erased, %v", w.Erased, err)
		}
		if _, err := os.Lstat(filepath.Join(to, file)); err == nil {
			t.Error("the key is in the backup")
		}
	}
}

// TestForked: a restored copy is recorded into first, then the original, whose batches the witness refuses. The original says what
// to do, and that works: what it has alone goes on as a branch.
func TestForked(t *testing.T) {
	h := newHouse(t, 1)
	h.day()
	h.backup()
	copied, _, err := h.restore()
	h.must(err)
	original := h.dir
	h.dir = copied
	h.day()
	h.dir = original
	h.day()
	r, err := verify.Run(t.Context(), verify.Options{Dir: original, Keys: h.keys, Client: h.client})
	h.must(err)
	forked := 0
	for _, p := range r.Problems {
		switch {
		case p.Kind == verify.Changed:
			t.Errorf("got %v", p)
		case p.Kind == verify.Forked:
			if forked++; len(p.String()) > 500 || !strings.Contains(p.What, "--as-branch") {
				t.Errorf("got %v", p)
			}
		}
	}
	if forked != 1 {
		t.Errorf("got %v, want that the ledger forked", r.Problems)
	}
	h.to = filepath.Join(h.base, "of the original")
	h.backup()
	if _, _, err := h.restore(); err == nil || !strings.Contains(err.Error(), "forked") {
		t.Errorf("restored as it was: got %v", err)
	}
	branch, _, err := h.restore(func(o *RestoreOptions) { o.AsBranch = true })
	h.must(err)
	if got, want := h.answer(branch), h.answer(original); got != want {
		t.Errorf("the branch answers %s, want %s", got, want)
	}
}
