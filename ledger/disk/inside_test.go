package disk

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestInside: a place in a folder is found there by whatever way, also before either is made.
func TestInside(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "ledger")
	if err := os.MkdirAll(filepath.Join(dir, "record"), 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(base, "link")
	if runtime.GOOS != "windows" {
		if err := os.Symlink(dir, link); err != nil {
			t.Fatal(err)
		}
	} else {
		link = dir
	}
	for _, test := range []struct {
		dir, path string
		want      bool
	}{
		{dir, dir, true},
		{dir, filepath.Join(dir, "record"), true},
		{dir, filepath.Join(dir, "record", "new", "one"), true},
		{dir, filepath.Join(link, "record", "new"), true},
		{link, filepath.Join(dir, "new"), true},
		{dir, filepath.Join(base, "other", "..", "ledger", "x"), true},
		{filepath.Join(base, "new"), filepath.Join(base, "new", "keys"), true},
		{dir, base, false},
		{dir, filepath.Join(base, "ledger2"), false},
		{dir, filepath.Join(base, "..keys"), false},
		{link, filepath.Join(base, "keys"), false},
	} {
		if got := Inside(test.dir, test.path); got != test.want {
			t.Errorf("%s in %s: got %t, want %t", test.path, test.dir, got, test.want)
		}
	}
}

// TestKeysInside: keys in the ledger's own folder are refused before anything is made or recorded; asking goes on, and says so.
func TestKeysInside(t *testing.T) {
	o := nowhere(t)
	o.Keys = filepath.Join(o.Dir, "keys")
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "elsewhere") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a new one: got %v", err)
	}
	if _, err := os.Lstat(o.Dir); err == nil {
		t.Error("a folder was made")
	}
	o = folders(t)
	inside := filepath.Join(o.Dir, "keys", "own")
	if err := os.CopyFS(inside, os.DirFS(o.Keys)); err != nil {
		t.Fatal(err)
	}
	o.Keys = inside
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("one that is there: got %v", err)
	}
	var said []string
	asking := open(t, Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true, Warn: func(text string) { said = append(said, text) }})
	defer asking.Close()
	if c := count(t, asking); c.Disclosures != 20 || len(said) != 1 || !strings.Contains(said[0], "elsewhere") {
		t.Errorf("asking: got %d disclosures and %q", c.Disclosures, said)
	}
}
