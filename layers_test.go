package chaperone_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// layers is the way of the data. A package may import those of the same line and of the lines above, never below.
// The products at the end only join stations.
var layers = [][]string{
	{"."},
	{"page"},
	{"source"},
	{"format"},
	{"wire"},
	{"patient"},
	{"ledger"},
	{"exchange"},
	{"identity"},
	{"policy"},
	{"site"},
	{"approval"},
	{"inventory"},
	{"detect"},
	{"incident"},
	{"roster"},
	{"ask"},
	{"watch"},
	{"investigate"},
	{"inspect"},
	{"guard", "companion"},
	{"cmd"},
}

// layerOf gives the line of a folder: that of its first path element.
func layerOf(dir string) (int, bool) {
	first, _, _ := strings.Cut(filepath.ToSlash(dir), "/")
	for i, names := range layers {
		for _, name := range names {
			if name == first {
				return i, true
			}
		}
	}
	return 0, false
}

// TestLayers keeps the import order true. Tests may import anything; internal and bench are outside the way.
func TestLayers(t *testing.T) {
	checked := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		dir := filepath.Dir(path)
		if outside(dir) {
			return nil
		}
		layer, ok := layerOf(dir)
		if !ok {
			t.Errorf("%s: the folder has no place on the way of the data; add it to layers", path)
			return nil
		}
		checked++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if why := forbidden(layer, imported); why != "" {
				t.Errorf("%s imports %s: %s", path, imported, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 30 {
		t.Errorf("only %d files were checked: is the test run in the root folder?", checked)
	}
}

func outside(dir string) bool {
	first, _, _ := strings.Cut(filepath.ToSlash(dir), "/")
	return first == "internal" || first == "bench"
}

// forbidden says why a package of a layer may not import another, "" when it may.
func forbidden(layer int, imported string) string {
	if imported == "chaperone" {
		return ""
	}
	local, ok := strings.CutPrefix(imported, "chaperone/")
	if !ok {
		if layer == 0 && strings.Contains(imported, ".") {
			return "the vocabulary uses the standard library only"
		}
		return ""
	}
	if command, _ := layerOf("cmd"); layer == command && local == "internal/clinicsim" {
		return "" // the demonstration, which plays an invented theft, is a command
	}
	if outside(local) {
		return "product code may not use test code"
	}
	if target, ok := layerOf(local); ok && target > layer {
		return "it comes later on the way of the data"
	}
	return ""
}

func TestForbidden(t *testing.T) {
	wire, _ := layerOf("wire/mllp")
	for _, test := range []struct {
		imported string
		allowed  bool
	}{
		{"chaperone", true}, {"chaperone/format/hl7", true}, {"chaperone/wire", true}, {"net/netip", true},
		{"chaperone/patient", false}, {"chaperone/watch", false}, {"chaperone/internal/clinicsim", false},
	} {
		if got := forbidden(wire, test.imported) == ""; got != test.allowed {
			t.Errorf("wire/mllp importing %s: got %t, want %t", test.imported, got, test.allowed)
		}
	}
	command, _ := layerOf("cmd/chaperone")
	if forbidden(command, "chaperone/internal/clinicsim") != "" || forbidden(command, "chaperone/internal/wiretest") == "" {
		t.Error("a command may use the invented clinic, and no other test code")
	}
	if forbidden(0, "github.com/spf13/cobra") == "" {
		t.Error("the vocabulary may import a module")
	}
}
