package disk

import (
	"fmt"
	"path/filepath"
	"strings"

	"chaperone/ledger/keys"
)

// Inside reports whether a path is a folder, or lies somewhere in it, when all links are followed. Neither needs to be there.
func Inside(dir, path string) bool {
	rel, err := filepath.Rel(followed(dir), followed(path))
	return err == nil && filepath.IsLocal(rel)
}

// followed gives the path that links lead to, as far as there is something.
func followed(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	rest := ""
	for at := path; ; at = filepath.Dir(at) {
		if found, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(found, rest)
		}
		if at == filepath.Dir(at) {
			return path
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// KeysApart refuses keys that lie in the ledger's own folder: whoever has a copy of it would have them.
func KeysApart(dir, keysDir string) error {
	if !Inside(dir, keysDir) {
		return nil
	}
	return fmt.Errorf("%s: the keys lie in the folder of the ledger, so that whoever copies it can read all of it: move %s, %s and %s into a folder elsewhere, and name that with --keys",
		strings.TrimSuffix(keysDir, string(filepath.Separator)), keys.TokenFile, keys.DataFile, keys.SigningFile)
}

// keysApart is KeysApart for a ledger that is opened. Asking goes on, and says so.
func (l *Ledger) keysApart() error {
	err := KeysApart(l.dir, l.keysDir)
	if err != nil && l.readOnly {
		l.warn(err.Error())
		return nil
	}
	return err
}
