package verify

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/ledger/keys"
	"chaperone/ledger/witness"
)

// house is a ledger with keys and, if wanted, a witness of its own.
type house struct {
	*testing.T
	dir, keys string
	now       time.Time
	client    *http.Client // of the ledger
	server    *httptest.Server
	n         int // disclosures given so far
}

// cut is the client of a host whose witnesses are cut off.
var cut = &http.Client{Transport: cutOff{}}

type cutOff struct{}

func (cutOff) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("cut off") }

var monday = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)

// newHouse makes an empty ledger.
func newHouse(t *testing.T, witnessed bool) *house {
	t.Helper()
	base := t.TempDir()
	h := &house{T: t, dir: filepath.Join(base, "ledger"), keys: filepath.Join(base, "keys"), now: monday, client: http.DefaultClient}
	h.must(h.open().Close())
	if witnessed {
		h.must(os.WriteFile(filepath.Join(h.dir, "witnesses"), []byte("need 1\n"+h.witness(filepath.Join(base, "witness"), "east")), 0o600))
	}
	return h
}

// witness starts one that knows this ledger, and gives its line.
func (h *house) witness(dir, name string) string {
	h.Helper()
	meta, err := keys.ReadMeta(h.dir)
	h.must(err)
	h.must(witness.NewKey(dir, name+".example"))
	h.must(witness.AddLog(dir, meta.Verifier))
	key, err := witness.LoadKey(dir, name+".example")
	h.must(err)
	w, err := witness.Open(dir, key)
	h.must(err)
	h.server = httptest.NewServer(w)
	h.Cleanup(h.server.Close)
	return fmt.Sprintf("%s %s %s\n", name, h.server.URL, key.VerifierKey())
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) open() *disk.Ledger {
	h.Helper()
	l, err := disk.Open(context.Background(), disk.Options{Dir: h.dir, Keys: h.keys, Now: func() time.Time { return h.now }, Client: h.client})
	h.must(err)
	return l
}

func token(kind string, n int) chaperone.PatientToken {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", kind, n))
	return chaperone.PatientToken(sum[:16])
}

// batch gives some disclosures of now, each of people that come again and of one who is new.
func (h *house) batch(disclosures int) ledger.Batch {
	var b ledger.Batch
	for range disclosures {
		h.n++
		d := ledger.Disclosure{Disclosure: chaperone.Disclosure{
			ID: [16]byte(token("disclosure", h.n)), Time: h.now.Add(-time.Duration(h.n%90) * time.Minute), Protocol: chaperone.DICOM, Action: "C-STORE",
			From: chaperone.Party{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(h.n % 3)}), Claimed: "ARCHIVE"}, To: chaperone.Party{Claimed: fmt.Sprintf("VIEWER%d", h.n%4)},
			Records: 3, Bytes: int64(h.n), Unidentified: h.n % 2, Outcome: chaperone.Delivered, Protection: chaperone.InClear, Evidence: chaperone.Evidence{File: "a.pcap", Packet: int64(h.n)},
		}}
		for _, n := range []int{h.n % 7, h.n} {
			d.Covered = append(d.Covered, ledger.Covered{Numbers: []chaperone.PatientToken{token("number", n), token("other", n)}, Demographic: token("name", n/2)})
		}
		d.Covered = append(d.Covered, ledger.Covered{Demographic: token("name", h.n%5)})
		b.Disclosures = append(b.Disclosures, d)
	}
	return b
}

// record records one batch.
func (h *house) record(l *disk.Ledger, b ledger.Batch) {
	h.Helper()
	_, err := l.Record(context.Background(), b)
	h.must(err)
}

// week lives through some days, each with a few batches and one clean close, and purges the first.
func (h *house) week(days int) {
	h.Helper()
	for day := range days {
		l := h.open()
		for range 3 {
			h.record(l, h.batch(5))
			h.now = h.now.Add(time.Minute)
		}
		b := h.batch(9)
		b.Merges = []ledger.Merge{{Survivor: []chaperone.PatientToken{token("number", day)}, Prior: []chaperone.PatientToken{token("number", day+1)}, At: h.now}}
		b.Findings = []chaperone.Finding{{Rule: "volume", Severity: chaperone.High, Title: "much", First: h.now, Last: h.now, Count: 3}}
		b.Notes = []ledger.Note{{Kind: ledger.Coverage, At: h.now, Seen: ledger.Seen{From: h.now.Add(-time.Hour), Until: h.now, Packets: 10}}}
		h.record(l, b)
		if day == 2 {
			h.must(l.Purge(context.Background(), ledger.DayOf(monday)))
		}
		h.must(l.Close())
		h.now = h.now.Add(24 * time.Hour)
	}
}

// copied gives the house another folder with the same files, and leaves the old one as it is.
func (h *house) copied(t *testing.T) *house {
	t.Helper()
	other := *h
	other.T = t
	other.dir = filepath.Join(t.TempDir(), "ledger")
	if err := os.CopyFS(other.dir, os.DirFS(h.dir)); err != nil {
		t.Fatal(err)
	}
	return &other
}

// restore puts the files of another folder in the place of this ledger's.
func (h *house) restore(from string) {
	h.Helper()
	h.must(os.RemoveAll(h.dir))
	h.must(os.CopyFS(h.dir, os.DirFS(from)))
}

// verify verifies with everything, but the witness only if there is one.
func (h *house) verify(change ...func(*Options)) *Report {
	h.Helper()
	o := Options{Dir: h.dir, Keys: h.keys, Offline: h.server == nil}
	for _, c := range change {
		c(&o)
	}
	r, err := Run(context.Background(), o)
	h.must(err)
	return r
}

func offline(o *Options) { o.Offline = true }

// whole fails unless a report has no problem.
func (h *house) whole(r *Report) {
	h.Helper()
	for _, p := range r.Problems {
		h.Errorf("unexpected: %v", p)
	}
}

// noticed fails unless the first problem is of a file, or of one in a folder, and says so.
func (h *house) noticed(r *Report, file, words string) {
	h.Helper()
	if r.Whole() {
		h.Fatal("nothing was noticed")
	}
	if p := r.Problems[0]; !strings.HasPrefix(p.File, file) || !strings.Contains(p.What, words) {
		h.Errorf("got first problem %q, want one of %s that says %q", p, file, words)
	}
}

// said fails unless some problem or warning says so.
func said(h *house, r *Report, words string) {
	h.Helper()
	all := slices.Clone(r.Warnings)
	for _, p := range r.Problems {
		all = append(all, p.String())
	}
	for _, text := range all {
		if strings.Contains(text, words) {
			return
		}
	}
	h.Errorf("nothing says %q; said was %q", words, all)
}

// files lists the files of the ledger.
func (h *house) files() (names []string) {
	h.Helper()
	h.must(fs.WalkDir(os.DirFS(h.dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, name)
		}
		return err
	}))
	return names
}

func (h *house) path(name string) string { return filepath.Join(h.dir, filepath.FromSlash(name)) }

func (h *house) read(name string) []byte {
	h.Helper()
	b, err := os.ReadFile(h.path(name))
	h.must(err)
	return b
}

func (h *house) write(name string, b []byte) {
	h.Helper()
	h.must(os.WriteFile(h.path(name), b, 0o600))
}

func (h *house) remove(names ...string) {
	h.Helper()
	for _, name := range names {
		h.must(os.RemoveAll(h.path(name)))
	}
}

// frames gives where the frames of a segment begin, and where the last ends.
func (h *house) frames(name string) (at []int64) {
	h.Helper()
	b := h.read(name)
	off := int64(64)
	for off < int64(len(b)) && b[off] == 'C' { // zeros follow in a ledger that is open
		at = append(at, off)
		off += 128 + int64(binary.BigEndian.Uint32(b[off+28:])) + int64(binary.BigEndian.Uint32(b[off+32:]))
	}
	return append(at, off)
}
