package disk

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chaperone/ledger"
)

// Whatever byte of the files that list the index's tables is another, asking is refused or answered as before, and whoever
// records makes the index anew: an index of which a part is not seen would answer too few, and have disclosures recorded twice.
func TestDamagedList(t *testing.T) {
	for _, kind := range []string{"MANIFEST", "OPTIONS", "marker", "runs"} {
		t.Run(kind, func(t *testing.T) { damageList(t, kind) })
	}
}

func damageList(t *testing.T, kind string) {
	o := folders(t)
	l := open(t, o)
	mustRecord(t, l, someBatch(30, 20))
	want := count(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, o).Close(); err != nil { // a session that adds no table: the whole list is its last entry then
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(o.Dir, indexFolder, "*"+kind+"*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got the files %q and %v", files, err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, ".sst") || len(b) == 0 {
			continue
		}
		for at := 0; at < len(b); at += 1 + len(b)/400 {
			damage(t, path, b, at)
			if got, ok := asked(t, o); ok && got != want {
				t.Errorf("%s, byte %d of %d: got %d disclosures without an error, want %d", filepath.Base(path), at, len(b), got.Disclosures, want.Disclosures)
			}
		}
		damage(t, path, b, len(b)-1)
	}
	l = open(t, Options{Dir: o.Dir, Keys: o.Keys})
	if r, err := l.Record(t.Context(), someBatch(30, 20)); err != nil || r.Already != 20 || r.Recorded != 0 {
		t.Errorf("recording the same again gave %+v and %v, want that it is on record", r, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// damage writes a file with one byte of it changed.
func damage(t *testing.T, path string, b []byte, at int) {
	t.Helper()
	damaged := append([]byte(nil), b...)
	damaged[at] ^= 0x5a
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
}

// asked asks a ledger for everything; ok is false when it is not answered.
func asked(t *testing.T, o Options) (c ledger.Counts, ok bool) {
	l, err := Open(t.Context(), Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true})
	if err != nil {
		return c, false
	}
	defer l.Close()
	s, err := l.Scope(t.Context(), ledger.Query{})
	return s.Counts, err == nil
}

// TestBehindClose: what stands behind the end of a ledger that was closed is cut off, and not told as what a crash left: there was none.
func TestBehindClose(t *testing.T) {
	for _, test := range []struct {
		name  string
		more  string
		crash bool
		open  func(context.Context, Options) error
		says  string
	}{
		{"a text", "CHB2 and no more", false, openAndClose, "it had none when the ledger was closed, so that no crash left"},
		{"a text, and the index is made anew", "CHB2 and no more", false, Reindex, "it had none when the ledger was closed, so that no crash left"},
		{"zeros", strings.Repeat("\x00", 9), false, openAndClose, "it had none when the ledger was closed, so that no crash left"},
		{"a text, after a crash", "CHB2 and no more", true, openAndClose, "the last write before a crash was not finished"},
		{"zeros, after a crash", strings.Repeat("\x00", 9), true, openAndClose, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := folders(t)
			if test.crash {
				remove(t, o.Dir, closedFile)
			}
			segment := filepath.Join(o.Dir, recordFolder, "0000000000.seg")
			b, err := os.ReadFile(segment)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(segment, append(bytes.Clone(b), test.more...), 0o600); err != nil {
				t.Fatal(err)
			}
			said := ""
			o.Warn = func(text string) { said += text }
			if err := test.open(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(said, test.says) || test.says == "" && said != "" || test.says != "" && !strings.Contains(said, fmt.Sprint("byte ", len(b))) {
				t.Errorf("said was %q, want %q of byte %d", said, test.says, len(b))
			}
			if got, err := os.ReadFile(segment); err != nil || !bytes.Equal(got, b) {
				t.Errorf("the record has %d bytes, had %d before: %v", len(got), len(b), err)
			}
		})
	}
}

func openAndClose(ctx context.Context, o Options) error {
	l, err := Open(ctx, o)
	if err == nil {
		err = l.Close()
	}
	return err
}

// TestCutBeforeClose: a ledger was closed, an older log was put back, and the end of the record is cut off or damaged. That was acknowledged: it is
// refused, as often as it is tried, and nothing is touched. After a crash the same is a write that nobody was told of.
func TestCutBeforeClose(t *testing.T) {
	whole := folders(t)
	var at int64 // of the last batch
	unsigned(t, whole.Dir, func() {
		l := open(t, whole)
		mustRecord(t, l, someBatch(20, 5))
		at = l.end.Offset
		mustRecord(t, l, someBatch(25, 5))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
	for _, test := range []struct {
		name  string
		harm  func(b []byte) []byte
		crash bool
		says  string // "": it is opened
	}{
		{"a part of the last batch", func(b []byte) []byte { return b[:len(b)-20] }, false, "the file ends in a frame; 2 whole batches before that, and there were 3 when the ledger was closed"},
		{"the last batch", func(b []byte) []byte { return b[:at] }, false, "with 2 whole batches, and there were 3"},
		{"the last two, but for a part", func(b []byte) []byte { return b[:at-20] }, false, "1 whole batch before that, and there were 3"},
		{"one byte of the last batch is another, and one more stands behind it", func(b []byte) []byte { b[at+300] ^= 1; return append(b, 0) }, false, "2 whole batches before that, and there were 3"},
		{"the last batch is zeros, and one more", func(b []byte) []byte { clear(b[at:]); return append(b, 0) }, false, "with 2 whole batches, and there were 3"},
		{"a part of the last batch, after a crash", func(b []byte) []byte { return b[:len(b)-20] }, true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := Options{Dir: filepath.Join(t.TempDir(), "ledger"), Keys: whole.Keys}
			if err := os.CopyFS(o.Dir, os.DirFS(whole.Dir)); err != nil {
				t.Fatal(err)
			}
			if test.crash {
				remove(t, o.Dir, closedFile)
			}
			segment := filepath.Join(o.Dir, recordFolder, "0000000000.seg")
			b, err := os.ReadFile(segment)
			if err == nil {
				err = os.WriteFile(segment, test.harm(b), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			before := listing(t, o.Dir)
			for _, try := range []func(context.Context, Options) error{openAndClose, openAndClose, Reindex} {
				err := try(t.Context(), o)
				switch {
				case test.says == "" && err != nil:
					t.Error(err)
				case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "evidence")):
					t.Errorf("got %v, want that it says %q", err, test.says)
				case test.says != "" && listing(t, o.Dir) != before:
					t.Error("something was touched")
				}
			}
		})
	}
}
