package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// found is a file that may be a capture.
type found struct {
	name   string
	folder string      // the folder that was asked for, "" for a file that was named
	info   fs.FileInfo // nil with err
	err    error       // it could not be looked at
}

// known remembers files, so that one that is reachable by two names is read once.
type known struct {
	names  map[string]bool
	bySize map[int64][]fs.FileInfo // for hard links: only files of one size can be the same
}

func newKnown() known {
	return known{names: map[string]bool{}, bySize: map[int64][]fs.FileInfo{}}
}

func (k known) has(f found) bool {
	if k.names[f.name] || k.names[resolved(f.name)] {
		return true
	}
	if f.info == nil || !f.info.Mode().IsRegular() {
		return false
	}
	return slices.ContainsFunc(k.bySize[f.info.Size()], func(other fs.FileInfo) bool { return os.SameFile(f.info, other) })
}

func (k known) add(f found) {
	k.names[f.name] = true
	k.names[resolved(f.name)] = true
	if f.info != nil {
		k.bySize[f.info.Size()] = append(k.bySize[f.info.Size()], f.info)
	}
}

// resolved is the one name of a file, as far as the system tells.
func resolved(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	if abs, err := filepath.Abs(name); err == nil {
		name = abs
	}
	return name
}

// find lists the files that a path stands for.
func find(path string) ([]found, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, explainOpen(path, err)
	}
	if !info.IsDir() {
		return []found{{name: path, info: info}}, nil
	}
	if _, err := os.ReadDir(path); err != nil {
		return nil, explainOpen(path, err)
	}
	return walk(path, nil), nil
}

// walk lists the files in a folder and the folders inside, in the order of their names, without those in names. What
// cannot be looked at is listed with its error: it may hold captures.
func walk(folder string, names map[string]bool) []found {
	var files []found
	_ = fs.WalkDir(os.DirFS(folder), ".", func(path string, d fs.DirEntry, err error) error {
		name := filepath.Join(folder, filepath.FromSlash(path))
		if names[name] || err == nil && d.IsDir() {
			return nil
		}
		var info fs.FileInfo
		if err == nil {
			info, err = os.Stat(name) // follows links, where d does not
		}
		switch {
		case errors.Is(err, fs.ErrNotExist): // deleted while we walk, or a link to nothing
		case err != nil:
			files = append(files, found{name: name, folder: folder, err: explainOpen(name, err)})
		default:
			files = append(files, found{name: name, folder: folder, info: info})
		}
		return nil
	})
	return files
}

// explainOpen adds to an error of the system what to do next.
func explainOpen(path string, err error) error {
	next := "check the path"
	if errors.Is(err, fs.ErrPermission) {
		next = "run as a user who may read it"
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err // the path is said once
	}
	return fmt.Errorf("%s: %w; %s", path, err, next)
}
