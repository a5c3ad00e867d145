package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/keys"
	"chaperone/ledger/seal"
)

// someBatch is a batch of n disclosures, one patient each.
func someBatch(from, n int) ledger.Batch {
	var b ledger.Batch
	for i := from; i < from+n; i++ {
		b.Disclosures = append(b.Disclosures, ledger.Disclosure{
			Disclosure: chaperone.Disclosure{
				ID: [16]byte{byte(i), byte(i >> 8), 1}, Time: noon.Add(time.Duration(i) * time.Second), Protocol: chaperone.HL7, Action: "ADT^A01",
				Records: 1, Bytes: 100, Protection: chaperone.InClear, Outcome: chaperone.Delivered,
			},
			Covered: []ledger.Covered{{Numbers: []chaperone.PatientToken{{byte(i % 7), 9}}}},
		})
	}
	return b
}

// folders makes a closed ledger with 20 disclosures of 7 patients.
func folders(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	o := Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys")}
	l := open(t, o)
	if _, err := l.Record(t.Context(), someBatch(0, 20)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return o
}

func count(t *testing.T, l *Ledger) ledger.Counts {
	t.Helper()
	s, err := l.Scope(t.Context(), ledger.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return s.Counts
}

// What keeps a ledger closed is said in one line, and nothing is touched.
func TestRefused(t *testing.T) {
	for _, test := range []struct {
		name string
		harm func(t *testing.T, o *Options)
		want error
		says string
	}{
		{"no ledger", func(t *testing.T, o *Options) { o.Dir = filepath.Join(o.Dir, "none"); o.Existing = true }, nil, "there is no ledger"},
		{"no data key", func(t *testing.T, o *Options) { remove(t, o.Keys, keys.DataFile) }, keys.ErrNoKey, keys.DataFile},
		{"no signing key", func(t *testing.T, o *Options) { remove(t, o.Keys, keys.SigningFile) }, keys.ErrNoKey, keys.SigningFile},
		{"another's keys", func(t *testing.T, o *Options) { o.Keys = folders(t).Keys }, keys.ErrWrongKey, keys.DataFile},
		{"no description", func(t *testing.T, o *Options) { remove(t, o.Dir, keys.MetaFile) }, nil, keys.MetaFile},
		{"not a ledger", func(t *testing.T, o *Options) {
			o.Dir = t.TempDir()
			if err := os.WriteFile(filepath.Join(o.Dir, "letter.txt"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil, "not a ledger"},
		{"a shorter record", func(t *testing.T, o *Options) { remove(t, o.Dir, "record/0000000000.seg") }, seal.ErrRolledBack, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := folders(t)
			test.harm(t, &o)
			before := listing(t, o.Dir)
			_, err := Open(t.Context(), o)
			if err == nil {
				t.Fatal("it was opened")
			}
			if test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
			if listing(t, o.Dir) != before {
				t.Errorf("got files %s, want %s", listing(t, o.Dir), before)
			}
		})
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
		t.Fatal(err)
	}
}

// listing gives names and sizes of all files but the lock.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	_ = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() != lockFile {
			size, sum, _ := Digest(path)
			b.WriteString(path + " " + sum[:8] + " ")
			_ = size
		}
		return nil
	})
	return b.String()
}

func TestTwoProcesses(t *testing.T) {
	o := folders(t)
	l := open(t, o)
	defer l.Close()
	for _, readOnly := range []bool{false, true} {
		if _, err := Open(t.Context(), Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: readOnly}); err == nil || !strings.Contains(err.Error(), "another process") {
			t.Errorf("read only %t: got %v, want that another process has it", readOnly, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	one := open(t, Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true})
	defer one.Close()
	two := open(t, Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true})
	defer two.Close()
	if a, b := count(t, one), count(t, two); a != b || a.Patients != 7 || a.Disclosures != 20 {
		t.Errorf("got %+v and %+v, want 7 patients and 20 disclosures of both", a, b)
	}
	if _, err := one.Record(t.Context(), someBatch(90, 1)); !errors.Is(err, ledger.ErrReadOnly) {
		t.Errorf("recording: got %v, want ErrReadOnly", err)
	}
}

// Asking needs the data key alone.
func TestAskWithDataKeyOnly(t *testing.T) {
	o := folders(t)
	remove(t, o.Keys, keys.SigningFile)
	remove(t, o.Keys, keys.TokenFile)
	l := open(t, Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true})
	defer l.Close()
	if c := count(t, l); c.Patients != 7 {
		t.Errorf("got %d patients, want 7", c.Patients)
	}
}

// A write that a crash cut off is taken back; one that was signed for is not.
func TestTornTail(t *testing.T) {
	o := folders(t)
	segment := filepath.Join(o.Dir, "record", "0000000000.seg")
	f, err := os.OpenFile(segment, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("CHB1 and no more")); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	l := open(t, o)
	if c := count(t, l); c.Disclosures != 20 {
		t.Errorf("got %d disclosures, want 20", c.Disclosures)
	}
	if _, err := l.Record(t.Context(), someBatch(20, 5)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(segment)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(segment, info.Size()-3); err != nil {
		t.Fatal(err)
	}
	remove(t, o.Dir, closedFile)
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "signed") {
		t.Errorf("a signed batch is torn: got %v", err)
	}
}

// A purge that a crash cut off behind its note is finished by the next Open, which does not say that the key was destroyed before.
func TestPurgeCutOff(t *testing.T) {
	o := folders(t)
	l := open(t, o)
	day := ledger.DayOf(noon)
	note := ledger.Note{Kind: ledger.Purge, At: time.Now(), Day: day, Text: "the entries of this day were destroyed"}
	if _, err := l.enter(ledger.Batch{Notes: []ledger.Note{note}}); err != nil {
		t.Fatal(err)
	}
	l.crash()
	var said []string
	o.Warn = func(text string) { said = append(said, text) }
	l = open(t, o)
	defer l.Close()
	if text := strings.Join(said, "; "); !strings.Contains(text, "it was not finished, or the key came back") || strings.Contains(text, "again") {
		t.Errorf("said was %q", text)
	}
	if c := count(t, l); c.Disclosures != 0 {
		t.Errorf("got %d disclosures of a purged day", c.Disclosures)
	}
	if days, _ := l.keys.days.List(); len(days) != 1 || days[0] == day {
		t.Errorf("got keys of %v, want that of today alone", days)
	}
	receipt, err := l.Record(t.Context(), someBatch(0, 20))
	if err != nil || receipt.Purged != 20 {
		t.Errorf("got %+v and %v, want 20 that stay forgotten", receipt, err)
	}
}

// The key of a day that was not purged is missed, not replaced.
func TestDayKeyMissing(t *testing.T) {
	o := folders(t)
	key := ledger.DayOf(noon).Time().Format("20060102") + ".key"
	remove(t, o.Dir, "keys/"+key)
	l := open(t, o)
	if _, err := l.Record(t.Context(), someBatch(50, 1)); !errors.Is(err, keys.ErrNoKey) {
		t.Errorf("recording: got %v, want ErrNoKey", err)
	}
	_ = l.Close()
	if err := Reindex(t.Context(), o); !errors.Is(err, keys.ErrNoKey) {
		t.Errorf("reindexing: got %v, want ErrNoKey", err)
	}
}

// A file of the index that is damaged is noticed, and the index can be made anew.
func TestReindex(t *testing.T) {
	o := folders(t)
	for _, name := range []string{"people", "closed"} {
		path := filepath.Join(o.Dir, name)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true}); err == nil || !strings.Contains(err.Error(), "reindex") {
			t.Errorf("%s: got %v, want the advice to reindex", name, err)
		}
		if err := Reindex(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		l := open(t, Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true})
		if c := count(t, l); c.Disclosures != 20 {
			t.Errorf("%s: got %d disclosures, want 20", name, c.Disclosures)
		}
		_ = l.Close()
	}
}

// A day whose entries tell of an earlier purge can be purged too: the record goes on explaining why keys are missing.
func TestPurgeOfPurges(t *testing.T) {
	now := noon
	dir := t.TempDir()
	o := Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys"), Now: func() time.Time { return now }}
	l := open(t, o)
	for range 4 {
		b := someBatch(0, 1)
		b.Disclosures[0].Time, b.Disclosures[0].ID = now, [16]byte{byte(now.Day())}
		if _, err := l.Record(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		yesterday := ledger.DayOf(now) - 1
		if err := l.Purge(t.Context(), yesterday); err != nil {
			t.Fatal(err)
		}
		now = now.Add(24 * time.Hour)
	}
	l.crash()
	if err := Reindex(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	l = open(t, o)
	defer l.Close()
	s, err := l.Scope(t.Context(), ledger.Query{})
	if err != nil || len(s.Purged) != 4 || s.Disclosures != 1 {
		t.Errorf("got %d purged days, %d disclosures and %v, want 4 and 1", len(s.Purged), s.Disclosures, err)
	}
}
