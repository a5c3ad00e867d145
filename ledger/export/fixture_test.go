package export

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/ledger/index"
	"chaperone/ledger/keys"
	"chaperone/ledger/proof"
	"chaperone/ledger/record"
	"chaperone/ledger/verify"
)

var update = flag.Bool("update", false, "make the fixture of the format that is written now anew: only before its first release, later versions must read the old one")

// A fixture is a closed ledger of one format, its keys, and what it answers. Everything in it is invented.
const (
	older   = "testdata/ledger-v1"
	fixture = "testdata/ledger-v2"
)

// answers is what is compared.
type answers struct {
	Scope    ledger.Scope
	People   []ledger.PatientID
	Rows     []ledger.Row
	Findings []chaperone.Finding
	Notes    []ledger.Note
}

func TestFixture(t *testing.T) {
	if *update {
		makeFixture(t)
	}
	for _, dir := range []string{older, fixture} {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			o := disk.Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys"), ReadOnly: true}
			got := ask(t, o)
			expected := filepath.Join(dir, "answers.json")
			if *update && dir == fixture {
				if err := os.WriteFile(expected, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(expected)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("it answers something else than when it was made; got\n%s", got)
			}
			goOn(t, dir, want)
			size := int64(0)
			_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
				if err != nil || e.IsDir() {
					return err
				}
				info, err := e.Info()
				size += info.Size()
				return err
			})
			if size > 200<<10 {
				t.Errorf("the fixture has %d bytes, more than 200 KiB", size)
			}
		})
	}
}

// goOn verifies a copy of a fixture, records into it, and asks, verifies and proves again: the answers about what was there stay,
// and what is new is under the same log.
func goOn(t *testing.T, fixture string, want []byte) {
	t.Helper()
	copied := copyOf(t, fixture)
	o := disk.Options{Dir: filepath.Join(copied, "ledger"), Keys: filepath.Join(copied, "keys")}
	whole := func(when string) {
		t.Helper()
		r, err := verify.Run(t.Context(), verify.Options{Dir: o.Dir, Keys: o.Keys, Deep: true})
		if err != nil || !r.Whole() || !r.Recounted || len(r.Warnings) > 0 {
			t.Errorf("verifying it %s: got %v, problems %v, warnings %v", when, err, r.Problems, r.Warnings)
		}
	}
	whole("as it is")
	l, err := disk.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if receipt, err := l.Record(t.Context(), ledger.Batch{Disclosures: disclosures(3, 2)}); err != nil || receipt.Already != 2 {
		t.Errorf("what is on record: got %+v and %v", receipt, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := disk.Reindex(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if again := ask(t, o); !bytes.Equal(again, want) {
		t.Errorf("with its index made anew it answers something else; got\n%s", again)
	}
	if l, err = disk.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	more := disclosures(400, 40) // of later days than those that were asked for
	if receipt, err := l.Record(t.Context(), ledger.Batch{Disclosures: more}); err != nil || receipt.Recorded != len(more) {
		t.Errorf("what is new: got %+v and %v", receipt, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	whole("after recording")
	seal := regexp.MustCompile(`(?s)"Seal": \{.*?\}`) // it counts the batches of all days
	if again := ask(t, o); !bytes.Equal(seal.ReplaceAll(again, nil), seal.ReplaceAll(want, nil)) {
		t.Errorf("after recording it answers something else; got\n%s", again)
	}
	o.ReadOnly = true
	if l, err = disk.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	meta, err := keys.ReadMeta(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	log, err := note.NewVerifier(meta.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []ledger.Disclosure{disclosures(3, 2)[0], more[20]} {
		doc, err := l.Prove(t.Context(), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := proof.Verify(text, proof.Keys{Log: log}); err != nil || v.Disclosure.Records != d.Records {
			t.Errorf("the proof of a disclosure of %s: %v", d.Time.Format(time.DateOnly), err)
		}
	}
}

// TestNewer changes one version number at a time: each is refused in one line, and nothing is touched.
func TestNewer(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(t *testing.T, dir string)
		want   error
	}{
		{"ledger.json", func(t *testing.T, dir string) {
			sign(t, dir, "ledger.json", func(text string) string { return strings.Replace(text, `"version": 1`, `"version": 2`, 1) })
		}, keys.ErrNewer},
		{"the index", func(t *testing.T, dir string) {
			change(t, filepath.Join(dir, "index", "runs"), func(b []byte) []byte {
				b[12] = 99
				binary.BigEndian.PutUint32(b[8:], crc32.Checksum(b[12:], castagnoli))
				return b
			})
		}, index.ErrNewer},
		{"closed", func(t *testing.T, dir string) {
			sign(t, dir, "closed", func(text string) string { return strings.Replace(text, `"version": 1`, `"version": 2`, 1) })
		}, keys.ErrNewer},
		{"the record", newerSegments, record.ErrNewer},
		{"the record, not closed", func(t *testing.T, dir string) {
			newerSegments(t, dir)
			if err := os.Remove(filepath.Join(dir, "closed")); err != nil {
				t.Fatal(err)
			}
		}, record.ErrNewer},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := copyOf(t, fixture)
			test.change(t, filepath.Join(dir, "ledger"))
			before := content(t, filepath.Join(dir, "ledger"))
			_, err := disk.Open(t.Context(), disk.Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys"), ReadOnly: true})
			refused(t, "for asking", err, test.want)
			_, err = disk.Open(t.Context(), disk.Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys")})
			refused(t, "for recording", err, test.want)
			if test.name != "the index" { // which is what is made anew
				err = disk.Reindex(t.Context(), disk.Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys")})
				refused(t, "for making its index anew", err, test.want)
			}
			after := content(t, filepath.Join(dir, "ledger"))
			for name, b := range before {
				if after[name] != b {
					t.Errorf("%s was touched", name)
				}
			}
			if len(after) != len(before) {
				t.Errorf("there are %d files, there were %d", len(after), len(before))
			}
		})
	}
}

func refused(t *testing.T, how string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: got %v, want one line of %v", how, err, want)
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func newerSegments(t *testing.T, dir string) {
	t.Helper()
	segments, _ := filepath.Glob(filepath.Join(dir, "record", "*.seg"))
	for _, path := range segments {
		change(t, path, func(b []byte) []byte {
			b[11] = record.Version + 1
			binary.BigEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
			return b
		})
	}
}

// sign changes the text of a signed file and signs it again.
func sign(t *testing.T, dir, name string, edit func(string) string) {
	t.Helper()
	meta, err := keys.ReadMeta(dir)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := keys.LoadSigning(filepath.Join(filepath.Dir(dir), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := keys.Signer(seed, meta.Origin)
	if err != nil {
		t.Fatal(err)
	}
	change(t, filepath.Join(dir, name), func(b []byte) []byte {
		text, _, _ := strings.Cut(string(b), "\n\n")
		signed, err := note.Sign(&note.Note{Text: edit(text + "\n")}, signer)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	})
}

func change(t *testing.T, path string, edit func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, edit(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func copyOf(t *testing.T, fixture string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(fixture)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// ask gives all answers as JSON.
func ask(t *testing.T, o disk.Options) []byte {
	t.Helper()
	l, err := disk.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx := t.Context()
	all, q := answers{}, ledger.Query{Detail: true, Until: monday.AddDate(1, 0, 0)}
	if all.Scope, err = l.Scope(ctx, q); err != nil {
		t.Fatal(err)
	}
	if _, all.People, err = l.People(ctx, q); err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		l.Disclosures(ctx, q, func(r ledger.Row) error { all.Rows = append(all.Rows, r); return nil }),
		l.Findings(ctx, q, func(f chaperone.Finding) error { all.Findings = append(all.Findings, f); return nil }),
		l.Notes(ctx, func(n ledger.Note) error { all.Notes = append(all.Notes, n); return nil }),
	)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// monday is the first day of the fixture.
var monday = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)

func token(kind string, n int) chaperone.PatientToken {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", kind, n))
	return chaperone.PatientToken(sum[:16])
}

// disclosures gives some of a day of the fixture.
func disclosures(day, count int) (list []ledger.Disclosure) {
	archive := chaperone.Party{Addr: netip.MustParseAddr("10.0.0.5"), Port: 104, Claimed: "ARCHIVE"}
	lab := chaperone.Party{Addr: netip.MustParseAddr("2001:db8::7"), Port: 2575, Claimed: "LAB|NORTH", Proven: "CN=lab.example"}
	for i := range count {
		n := 100*day + i
		d := ledger.Disclosure{Disclosure: chaperone.Disclosure{
			ID: [16]byte(token("disclosure", n)), Time: monday.AddDate(0, 0, day).Add(time.Duration(i*37) * time.Minute), Protocol: chaperone.DICOM, Action: "C-MOVE",
			From: archive, To: chaperone.Party{Addr: netip.MustParseAddr("10.0.1.9"), Claimed: "VIEWER"}, RequestedBy: &lab,
			Records: 2 + i, Unidentified: i % 2, Bytes: int64(1000 * n), Protection: chaperone.InClear, Outcome: chaperone.Delivered,
			Evidence: chaperone.Evidence{File: fmt.Sprintf("day%d.pcap", day), Packet: int64(n), Offset: 40},
		}}
		if i%3 == 1 {
			d.Protocol, d.Action, d.From, d.RequestedBy, d.Protection, d.Outcome, d.Unseen = chaperone.HL7, "ORU^R01", lab, nil, chaperone.MutualTLS, chaperone.Partial, true
		}
		d.Covered = []ledger.Covered{
			{Numbers: []chaperone.PatientToken{token("number", n%7), token("external", n%7)}, Demographic: token("name", n%5)},
			{Numbers: []chaperone.PatientToken{token("number", n)}},
			{Demographic: token("name", n%11)},
		}
		list = append(list, d)
	}
	return list
}

// makeFixture lives through five days, purges one, and closes.
func makeFixture(t *testing.T) {
	if err := os.RemoveAll(fixture); err != nil {
		t.Fatal(err)
	}
	now := monday
	o := disk.Options{Dir: filepath.Join(fixture, "ledger"), Keys: filepath.Join(fixture, "keys"), Now: func() time.Time { return now }}
	for day := range 5 {
		now = monday.AddDate(0, 0, day).Add(12 * time.Hour)
		l, err := disk.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		run := ledger.Seen{From: now.Add(-6 * time.Hour), Until: now, Packets: 1000, Flows: 20, Decoded: 12, Hidden: 8, LostBytes: 5, Malformed: 1}
		batches := []ledger.Batch{
			{Disclosures: disclosures(day, 6)},
			{Merges: []ledger.Merge{{Survivor: []chaperone.PatientToken{token("number", day)}, Prior: []chaperone.PatientToken{token("number", 100*day+1)}, At: now}}},
			{Disclosures: disclosures(day, 9), Findings: []chaperone.Finding{{
				Rule: "guess", Severity: chaperone.High, Technique: "T1110.001", Title: "Passwords were guessed.", Advice: "Lock the account.",
				From: chaperone.Party{Addr: netip.MustParseAddr("192.0.2.1")}, Account: "svc", First: now.Add(-time.Hour), Last: now, Count: 40, Bytes: 10, Evidence: chaperone.Evidence{File: "security.evtx", Record: 7},
			}}},
			{Notes: []ledger.Note{
				{ID: [16]byte{byte(day + 1)}, Kind: ledger.Coverage, At: now, Seen: run}, {Kind: ledger.Policy, At: now, Text: "policy 1"}, {Kind: ledger.Remark, At: now, Text: "seen by the night shift"},
			}},
		}
		if day == 4 {
			batches[1].Merges[0] = ledger.Merge{Survivor: []chaperone.PatientToken{token("number", 1)}, Prior: []chaperone.PatientToken{token("number", 101)}, Undo: true, At: now}
		}
		for _, b := range batches {
			if _, err := l.Record(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		if day == 3 {
			if err := l.Purge(t.Context(), ledger.DayOf(monday)); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
