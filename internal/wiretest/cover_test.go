package wiretest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEveryDecoderIsTested: a new protocol or format without the shared promises or a fuzz target fails here.
func TestEveryDecoderIsTested(t *testing.T) {
	lacks, err := Uncovered(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lacks {
		t.Error(l)
	}
}

// TestUncovered takes parts away from a tree that has everything.
func TestUncovered(t *testing.T) {
	whole := map[string]string{
		"wire/wire.go":          "package wire",
		"wire/all/all.go":       `package all; import ("m/wire"; "m/wire/a"; "m/wire/b")`,
		"wire/all/all_test.go":  `package all; import "m/wire/ghost"`,
		"wire/a/a.go":           "package a",
		"wire/a/a_test.go":      "package a; func TestPromises(t *testing.T) { wiretest.Run(t, Protocol, c) }; func FuzzSession(f *testing.F) {}",
		"wire/b/b.go":           "package b",
		"wire/b/b_test.go":      "package b; func TestPromises(t *testing.T) { for { wiretest.Run(t, Protocol, c) } }",
		"wire/b/fuzz_test.go":   "package b_test; func FuzzB(f *testing.F) {}",
		"format/format.go":      "package format",
		"format/x/x.go":         "package x",
		"format/x/x_test.go":    "package x; func FuzzX(f *testing.F) {}",
		"format/testdata/a.txt": "",
	}
	for _, test := range []struct {
		name   string
		change map[string]string // "" takes the file away
		want   []string
	}{
		{"everything", nil, nil},
		{"no fuzz target of a protocol", map[string]string{"wire/b/fuzz_test.go": ""}, []string{"wire/b: no fuzz target"}},
		{"a fuzz target that is none", map[string]string{"wire/b/fuzz_test.go": "package b; func FuzzB(t *testing.T) {}"}, []string{"wire/b: no fuzz target"}},
		{"a fuzz target outside the tests", map[string]string{"wire/b/fuzz_test.go": "", "wire/b/b.go": "package b; func FuzzB(f *testing.F) {}"}, []string{"wire/b: no fuzz target"}},
		{"no promises", map[string]string{"wire/a/a_test.go": "package a; func FuzzSession(f *testing.F) {}"}, []string{"wire/a: no call of wiretest.Run"}},
		{"promises that are not called", map[string]string{"wire/a/a_test.go": "package a; func FuzzSession(f *testing.F) {}; func helper() { wiretest.Run(nil) }"}, []string{"wire/a: no call of wiretest.Run"}},
		{"no tests at all", map[string]string{"wire/a/a_test.go": ""}, []string{"wire/a: no fuzz target", "wire/a: no call of wiretest.Run"}},
		{"a new format", map[string]string{"format/y/y.go": "package y"}, []string{"format/y: no fuzz target"}},
		{"a new protocol that is not listed", map[string]string{"wire/c/c.go": "package c"}, []string{"wire/c: not in wire/all"}},
		{"a new protocol that is listed", map[string]string{"wire/c/c.go": "package c", "wire/all/all.go": `package all; import ("m/wire/a"; "m/wire/b"; "m/wire/c")`},
			[]string{"wire/c: no fuzz target", "wire/c: no call of wiretest.Run"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := maps.Clone(whole)
			maps.Copy(tree, test.change)
			root := t.TempDir()
			for name, text := range tree {
				if text == "" && strings.HasSuffix(name, ".go") {
					continue
				}
				path := filepath.Join(root, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Uncovered(os.DirFS(root))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if _, err := Uncovered(os.DirFS(t.TempDir())); err == nil {
		t.Error("an empty tree: got no error")
	}
}
