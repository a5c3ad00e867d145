package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chaperone/ledger/keys"
	"chaperone/ledger/seal"
)

// nowhere names folders that are not there yet.
func nowhere(t *testing.T) Options {
	dir := t.TempDir()
	return Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys")}
}

// sizeSigned gives the size of the checkpoint on disk.
func sizeSigned(t *testing.T, dir string) int64 {
	t.Helper()
	meta, err := keys.ReadMeta(dir)
	if err != nil {
		t.Fatal(err)
	}
	v, err := keys.ParseVerifier(meta.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	tree, _, err := seal.ReadCheckpoint(dir, v)
	if err != nil {
		t.Fatal(err)
	}
	return tree.N
}

// TestEmptyIsSigned: there is a checkpoint from the first moment on, and one from before this was so gets it when it is opened.
func TestEmptyIsSigned(t *testing.T) {
	o := nowhere(t)
	open(t, o).crash()
	if got := sizeSigned(t, o.Dir); got != 0 {
		t.Errorf("got a checkpoint of %d batches, want 0", got)
	}
	if err := os.RemoveAll(filepath.Join(o.Dir, logFolder)); err != nil {
		t.Fatal(err)
	}
	open(t, o).crash()
	if got := sizeSigned(t, o.Dir); got != 0 {
		t.Errorf("without a log: got a checkpoint of %d batches, want 0", got)
	}
	l := open(t, o)
	mustRecord(t, l, someBatch(0, 1))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := sizeSigned(t, o.Dir); got != 1 {
		t.Errorf("closed: got a checkpoint of %d batches, want 1", got)
	}
}

// namesBelow lists what is in a folder and below it; nil when there is none.
func namesBelow(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, _ fs.DirEntry, err error) error {
		names = append(names, name)
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestUnmake: a making that fails leaves what was there before, and nothing else.
func TestUnmake(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	for _, test := range []struct {
		name   string
		before []string // folders
		ctx    context.Context
		keys   string // a file in the place of the folder above the keys
	}{
		{"no keys can be made", nil, t.Context(), "file"},
		{"no keys can be made, in a folder that was there", []string{"."}, t.Context(), "file"},
		{"interrupted", nil, ended, ""},
		{"interrupted, after one that was killed", []string{".", "index", "log", "record"}, ended, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := nowhere(t)
			o.Dir = filepath.Join(o.Dir, "in", "it")
			above := filepath.Dir(filepath.Dir(o.Dir))
			for _, name := range test.before {
				if err := os.MkdirAll(filepath.Join(o.Dir, name), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			good := o.Keys
			if test.keys != "" {
				file := filepath.Join(t.TempDir(), test.keys)
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				o.Keys = filepath.Join(file, "keys")
			}
			if l, err := Open(test.ctx, o); err == nil {
				_ = l.Close()
				t.Fatal("it was made")
			}
			if got := namesBelow(t, o.Dir); !slices.Equal(got, test.before) && !slices.Equal(got, []string{".", "index", "record"}) {
				t.Errorf("got %q left, want %q", got, test.before)
			}
			if _, err := os.Stat(above); (err == nil) != (len(test.before) > 0) {
				t.Errorf("the folders above: got %v", err)
			}
			o.Keys = good
			if err := open(t, o).Close(); err != nil {
				t.Errorf("made afterwards: %v", err)
			}
		})
	}
}

// TestMakeOverLeftovers: what a making signed that was killed is passed over, what a ledger signed is not.
func TestMakeOverLeftovers(t *testing.T) {
	o := nowhere(t)
	open(t, o).crash()
	for _, name := range []string{keys.MetaFile, recordFolder, closedFile} {
		if err := os.RemoveAll(filepath.Join(o.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, o)
	mustRecord(t, l, someBatch(0, 1))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{keys.MetaFile, recordFolder, closedFile, peopleFile} {
		if err := os.RemoveAll(filepath.Join(o.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	before := namesBelow(t, o.Dir)
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "has a signed log and no ledger.json") {
		t.Errorf("a signed log alone: got %v", err)
	}
	if got := namesBelow(t, o.Dir); !slices.Equal(got, before) {
		t.Errorf("got %q left, want %q", got, before)
	}
}

// TestKeysOfDays: keys of days without a description are what is left of a ledger; other files in their folder are not.
func TestKeysOfDays(t *testing.T) {
	for _, test := range []struct {
		name  string
		taken bool
	}{{"20261128.key", true}, {"data.key.1.new", false}} {
		o := nowhere(t)
		folder := filepath.Join(o.Dir, keys.DaysFolder)
		file := filepath.Join(folder, test.name)
		if err := errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(file, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		l, err := Open(t.Context(), o)
		if err == nil {
			_ = l.Close()
		}
		if got := err != nil && strings.Contains(err.Error(), "has keys of days"); got != test.taken || !test.taken && err != nil {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}
