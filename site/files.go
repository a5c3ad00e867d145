package site

import (
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
)

// kind is what a path in the file should lead to.
type kind uint8

const (
	plainFile kind = iota
	secretFile
	folder
	futureFolder // made by the first command that needs it
	secretFolder // a futureFolder that is nobody else's business
)

// file is a path in the file.
type file struct {
	key  string
	path *string
	kind kind
}

// files gives all paths in the file.
func (s *Site) files() []file {
	var all []file
	add := func(key string, k kind, paths ...*string) {
		for _, p := range paths {
			if *p != "" {
				all = append(all, file{key, p, k})
			}
		}
	}
	add("ledger", futureFolder, &s.Ledger)
	add("keys", secretFolder, &s.Keys)
	add("authority", folder, &s.Identity.Authority)
	add("certificate", plainFile, &s.Identity.Certificate)
	add("key", secretFile, &s.Identity.Key)
	for i := range s.Identity.Roots {
		add("roots", plainFile, &s.Identity.Roots[i])
	}
	for i := range s.Identity.CRLs {
		add("crls", plainFile, &s.Identity.CRLs[i])
	}
	for i := range s.Cedar {
		add("cedar", plainFile, &s.Cedar[i])
	}
	return all
}

// Check looks whether a guard can work with the site: it has listeners, the files and folders that it names are there and can be read, and
// others cannot read what they must not. open is os.Open, but in tests.
func (s *Site) Check(open func(path string) (fs.File, error)) []Problem {
	var all []Problem
	if len(s.Listeners) == 0 { // they stand last in most files: a full disk, or half a copy, takes them
		all = append(all, Problem{0, Wrong, "there are no listeners, so nobody could connect; was the end of the file lost?"})
	}
	severity := Wrong
	opened := func(path string) (fs.File, error) {
		f, err := open(path)
		severity = severityOf(err)
		return f, err
	}
	for _, f := range s.files() {
		if text := f.check(opened); text != "" {
			all = append(all, Problem{s.Line(f.path), severity, f.key + ": " + text})
		}
	}
	return bounded(all)
}

// check says what is wrong with one, "" when nothing is.
func (f file) check(open func(string) (fs.File, error)) string {
	info, err := look(open, *f.path)
	if errors.Is(err, fs.ErrNotExist) && f.future() { // the folder above has to be there
		above := filepath.Dir(*f.path)
		switch info, err = look(open, above); {
		case errors.Is(err, fs.ErrNotExist):
			return reason(err) + "; make the folder, " + filepath.Base(*f.path) + " is then made in it"
		case err != nil:
			return reason(err)
		case !info.IsDir():
			return above + " is not a folder"
		case !mayMake(above):
			return filepath.Base(*f.path) + " is not there, and the user who runs this may not make it in " + above + ": make it as root, and give it to the guard's user (install -d -m 700 -o USER " + *f.path + ")"
		}
		return ""
	}
	switch wantsFolder := f.kind >= folder; {
	case err != nil:
		return reason(err)
	case wantsFolder && !info.IsDir():
		return *f.path + " is a file; a folder is wanted"
	case !wantsFolder && info.IsDir():
		return *f.path + " is a folder; a file is wanted"
	case !wantsFolder && info.Mode().IsRegular() && info.Size() == 0:
		return *f.path + " is empty"
	case runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0: // Windows has access lists instead, which mode bits do not show
		return ""
	case f.kind == secretFile:
		return "others can read " + *f.path + ", and then be the guard; chmod 600 " + *f.path
	case f.kind == secretFolder:
		return "others can open " + *f.path + "; chmod 700 " + *f.path
	}
	return ""
}

func (f file) future() bool { return f.kind == futureFolder || f.kind == secretFolder }

// look opens a file or folder, as a reader would, and says what it is.
func look(open func(string) (fs.File, error), path string) (fs.FileInfo, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}
