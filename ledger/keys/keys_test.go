package keys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"chaperone"
	"chaperone/ledger"
	"chaperone/patient"
)

// checkLine fails unless an error is one line that names a file and says what to do.
func checkLine(t *testing.T, err error, path string) {
	t.Helper()
	text := err.Error()
	if strings.Contains(text, "\n") {
		t.Errorf("got several lines: %s", text)
	}
	if !strings.Contains(text, path) {
		t.Errorf("got %q, which does not name %s", text, path)
	}
	if !strings.Contains(text, "not touched") && !strings.Contains(text, "nothing was touched") || !strings.Contains(text, ";") {
		t.Errorf("got %q, which does not say what to do", text)
	}
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "keys")
	made, err := Make(dir)
	if err != nil || len(made) != 3 {
		t.Fatalf("got %d keys and %v, want 3", len(made), err)
	}
	before := map[string]string{}
	for _, path := range made {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); runtime.GOOS != "windows" && got != 0o600 {
			t.Errorf("%s: got mode %o, want 600", filepath.Base(path), got)
		}
		before[path] = string(get(t, path))
		if len(before[path]) != 65 {
			t.Errorf("%s: got %d bytes, want 64 digits and a line end", filepath.Base(path), len(before[path]))
		}
	}
	if before[made[0]] == before[made[1]] || before[made[1]] == before[made[2]] {
		t.Error("two keys are equal")
	}
	if err := os.Remove(filepath.Join(dir, SigningFile)); err != nil {
		t.Fatal(err)
	}
	if made, err = Make(dir); err != nil || len(made) != 1 || filepath.Base(made[0]) != SigningFile {
		t.Errorf("got %q and %v, want the missing one only", made, err)
	}
	for path, text := range before {
		if same := string(get(t, path)) == text; same != (filepath.Base(path) != SigningFile) {
			t.Errorf("%s: kept %t", filepath.Base(path), same)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("got %d files and %v, want the keys only", len(entries), err)
	}
	if made, err = Make(dir); err != nil || len(made) != 0 {
		t.Errorf("got %q and %v, want nothing to do", made, err)
	}
}

// TestMakeTogether has several make the keys of one folder at once: each key is made by one of them.
func TestMakeTogether(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	var makers sync.WaitGroup
	var made atomic.Int64
	for range 8 {
		makers.Go(func() {
			paths, err := Make(dir)
			if err != nil {
				t.Error(err)
			}
			made.Add(int64(len(paths)))
		})
	}
	makers.Wait()
	if got := made.Load(); got != 3 {
		t.Errorf("got %d keys made, want 3", got)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
		t.Errorf("got %d files and %v, want the keys only", len(entries), err)
	}
}

func TestMakeInTheWay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	put(t, file, nil)
	if _, err := Make(filepath.Join(file, "keys")); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want an error that names the file in the way", err)
	}
}

func TestLoad(t *testing.T) {
	good := strings.Repeat("ab", 32)
	loads := map[string]func(dir string) error{
		DataFile:    func(dir string) error { _, err := LoadData(dir); return err },
		SigningFile: func(dir string) error { _, err := LoadSigning(dir); return err },
		TokenFile:   func(dir string) error { _, err := LoadToken(dir); return err },
	}
	for _, test := range []struct {
		name, text string
		want       string // in the error; "" for a good one
	}{
		{"key", good, ""},
		{"with a line end", good + "\r\n", ""},
		{"63 digits", good[1:], "64 hexadecimal digits"},
		{"65 digits", good + "a", "64 hexadecimal digits"},
		{"not hexadecimal", "x" + good[1:], "64 hexadecimal digits"},
		{"empty", "", "64 hexadecimal digits"},
		{"long", strings.Repeat(good, 100), "64 hexadecimal digits"},
		{"missing", "-", "no such key"},
	} {
		for name, load := range loads {
			t.Run(name+" "+test.name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), name)
				if test.text != "-" {
					put(t, path, []byte(test.text))
				}
				err := load(filepath.Dir(path))
				if test.want == "" {
					if err != nil {
						t.Fatalf("got %v, want a key", err)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Fatalf("got %v, want %q", err, test.want)
				}
				checkLine(t, err, path)
				if strings.Contains(err.Error(), "abab") {
					t.Error("the error shows the key")
				}
				if got := errors.Is(err, ErrNoKey); got != (test.name == "missing") {
					t.Errorf("got ErrNoKey %t", got)
				}
			})
		}
	}
}

// TestPrivate: a key that others may read or write is one too many, whichever it is.
func TestPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("mode bits do not show who may read a file")
	}
	dir := t.TempDir()
	if err := Private(dir); err != nil {
		t.Errorf("without keys: got %v", err)
	}
	if _, err := Make(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{TokenFile, SigningFile, DataFile} {
		path := filepath.Join(dir, name)
		for mode, want := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o644: false, 0o620: false} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			err := Private(dir)
			if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "chmod 600 "+path) {
				t.Errorf("%s with mode %o: got %v", name, mode, err)
			}
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLoadFolder has a folder where the key should be: it cannot be read whoever runs the test.
func TestLoadFolder(t *testing.T) {
	for name, load := range map[string]func(dir string) error{
		DataFile:  func(dir string) error { _, err := LoadData(dir); return err },
		TokenFile: func(dir string) error { _, err := LoadToken(dir); return err },
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		err := load(filepath.Dir(path))
		if err == nil {
			t.Fatalf("%s: read a folder", name)
		}
		checkLine(t, err, path)
	}
}

// TestLoadToken makes sure that the token key is the one that package patient reads.
func TestLoadToken(t *testing.T) {
	dir := t.TempDir()
	if _, err := Make(dir); err != nil {
		t.Fatal(err)
	}
	ours, err := LoadToken(dir)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := patient.LoadKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	number := chaperone.Identifier{Kind: chaperone.HL7PatientID, Value: chaperone.NewPHI("1")}
	if ours.Token(number) != theirs.Token(number) {
		t.Error("two tokens of one number")
	}
}

func TestIDs(t *testing.T) {
	data, other := Data{1}, Data{2}
	ids := []ID{data.ID(), other.ID(), Seed(data).ID(), Seed(other).ID(), TokenID(patient.NewTokenizer(data)), TokenID(patient.NewTokenizer(other))}
	seen := map[ID]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	if len(seen) != len(ids) {
		t.Errorf("got %d ids of %d keys", len(seen), len(ids))
	}
	if got := data.ID().String(); got != "3e79c53420fad10a" {
		t.Errorf("got the id %s; ledgers that are in use name another", got)
	}
	if data.Dictionary() == other.Dictionary() || data.Dictionary() == [32]byte(data) {
		t.Error("the dictionary's key does not depend on the data key as it should")
	}
}

func TestHidden(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%d", "%s"} {
		if got := fmt.Sprintf(verb+verb, Data{0xAB}, Seed{0xAB}); got != "[key][key]" {
			t.Errorf("%s: got %s", verb, got)
		}
	}
}

func TestNames(t *testing.T) {
	data := Data{1}
	names := data.Patients([16]byte{7})
	seen := map[ledger.PatientID]bool{}
	for _, n := range []ledger.Number{1, 2, 3, 255, 256, 1 << 20, 1<<32 - 1} {
		id := names.ID(n)
		if seen[id] {
			t.Errorf("number %d has the name of another", n)
		}
		seen[id] = true
		if got, ok := names.Number(id); !ok || got != n {
			t.Errorf("got %d and %t, want %d", got, ok, n)
		}
		for bit := range 128 {
			changed := id
			changed[bit/8] ^= 1 << (bit % 8)
			if _, ok := names.Number(changed); ok {
				t.Errorf("number %d: a name with bit %d changed is known", n, bit)
			}
		}
		if _, ok := data.Patients([16]byte{8}).Number(id); ok {
			t.Errorf("number %d: another ledger knows the name", n)
		}
		if _, ok := (Data{2}).Patients([16]byte{7}).Number(id); ok {
			t.Errorf("number %d: another key knows the name", n)
		}
	}
	if _, ok := names.Number(names.ID(0)); ok {
		t.Error("0 is a number")
	}
	if _, ok := names.Number(ledger.PatientID{}); ok {
		t.Error("the zero name is known")
	}
}
