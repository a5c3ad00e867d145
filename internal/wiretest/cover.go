package wiretest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Uncovered lists what the tests of decoders in a source tree lack: a fuzz target for each protocol of wire/all and each
// folder of format/, and a call of Run for each protocol. It reads the sources, so that no cached test answers for it.
func Uncovered(root fs.FS) ([]string, error) {
	protocols, err := listed(root)
	if err != nil {
		return nil, err
	}
	var lacks []string
	for _, folder := range protocols {
		tests, err := testsIn(root, folder)
		if err != nil {
			return nil, err
		}
		if !tests.fuzz {
			lacks = append(lacks, folder+": no fuzz target")
		}
		if !tests.run {
			lacks = append(lacks, folder+": no call of wiretest.Run")
		}
	}
	formats, err := foldersWithCode(root, "format")
	if err != nil {
		return nil, err
	}
	for _, folder := range formats {
		tests, err := testsIn(root, folder)
		if err != nil {
			return nil, err
		}
		if !tests.fuzz {
			lacks = append(lacks, folder+": no fuzz target")
		}
	}
	wires, err := foldersWithCode(root, "wire")
	if err != nil {
		return nil, err
	}
	for _, folder := range wires {
		if folder != "wire/all" && !slices.Contains(protocols, folder) {
			lacks = append(lacks, folder+": not in wire/all")
		}
	}
	return lacks, nil
}

// listed gives the folders under wire/ that wire/all imports.
func listed(root fs.FS) ([]string, error) {
	var folders []string
	err := eachFile(root, "wire/all", func(name string, f *ast.File) {
		for _, i := range f.Imports {
			_, folder, ok := strings.Cut(strings.Trim(i.Path.Value, `"`), "/wire/")
			if folder = "wire/" + folder; ok && !strings.HasSuffix(name, "_test.go") && !slices.Contains(folders, folder) {
				folders = append(folders, folder)
			}
		}
	})
	if err == nil && len(folders) == 0 {
		err = fmt.Errorf("wiretest: wire/all lists no protocol")
	}
	return folders, err
}

// foldersWithCode gives the folders directly below one that hold Go files other than tests.
func foldersWithCode(root fs.FS, parent string) ([]string, error) {
	entries, err := fs.ReadDir(root, parent)
	if err != nil {
		return nil, err
	}
	var folders []string
	for _, entry := range entries {
		files, err := fs.Glob(root, path.Join(parent, entry.Name(), "*.go"))
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(files, func(name string) bool { return !strings.HasSuffix(name, "_test.go") }) {
			folders = append(folders, path.Join(parent, entry.Name()))
		}
	}
	return folders, nil
}

type tests struct{ fuzz, run bool }

func testsIn(root fs.FS, folder string) (found tests, err error) {
	err = eachFile(root, folder, func(name string, f *ast.File) {
		if !strings.HasSuffix(name, "_test.go") {
			return
		}
		for _, d := range f.Decls {
			function, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			takes := function.Type.Params.List
			if strings.HasPrefix(function.Name.Name, "Fuzz") && len(takes) == 1 && isSelector(takes[0].Type, "testing", "F") {
				found.fuzz = true
			}
			if strings.HasPrefix(function.Name.Name, "Test") {
				ast.Inspect(function, func(n ast.Node) bool {
					if call, ok := n.(*ast.CallExpr); ok && isSelector(call.Fun, "wiretest", "Run") {
						found.run = true
					}
					return true
				})
			}
		}
	})
	return found, err
}

// isSelector reports whether an expression is x.name or *x.name.
func isSelector(e ast.Expr, x, name string) bool {
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	id, ok := s.X.(*ast.Ident)
	return ok && id.Name == x && s.Sel.Name == name
}

// eachFile parses the Go files of a folder.
func eachFile(root fs.FS, folder string, visit func(name string, f *ast.File)) error {
	names, err := fs.Glob(root, path.Join(folder, "*.go"))
	if err != nil {
		return err
	}
	for _, name := range names {
		b, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, b, parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("wiretest: %w", err)
		}
		visit(name, f)
	}
	return nil
}
