package disk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"chaperone/ledger/durable"
	"chaperone/ledger/keys"
	"chaperone/ledger/seal"
)

// describe finds out whether there is a ledger, and makes folder and keys for a new one.
func (l *Ledger) describe(o Options) (made bool, err error) {
	if err := folder(l.dir); err != nil {
		return false, err
	}
	_, err = os.Stat(filepath.Join(l.dir, keys.MetaFile))
	switch {
	case err == nil:
		return false, l.noBackup()
	case !errors.Is(err, os.ErrNotExist):
		return false, err
	case (o.ReadOnly || o.Existing) && Unmade(l.dir):
		return false, fmt.Errorf("%s: nothing is on record: the making of this ledger was never finished, or all of it was taken away since; whoever records into it makes it anew", l.dir)
	case o.ReadOnly || o.Existing:
		return false, fmt.Errorf("%s: there is no ledger (no %s in it)", l.dir, keys.MetaFile)
	}
	if !empty(filepath.Join(l.dir, recordFolder)) {
		return false, fmt.Errorf("%s: has a record and no %s: restore that file from a backup", l.dir, keys.MetaFile)
	}
	if !signedEmpty(l.dir) {
		return false, fmt.Errorf("%s: has a signed log and no %s: restore that file from a backup", l.dir, keys.MetaFile)
	}
	if hasDays(l.dir) {
		return false, fmt.Errorf("%s: has keys of days and no %s: restore that file from a backup", l.dir, keys.MetaFile)
	}
	if entries, err := os.ReadDir(l.dir); err == nil && !onlyLeftovers(entries) {
		return false, fmt.Errorf("%s: not a ledger and not empty; name a folder of its own", l.dir)
	}
	return true, os.MkdirAll(l.dir, 0o700)
}

// signedEmpty reports whether a log is at most what a making leaves that was cut off: a checkpoint of nothing, or a part of it.
func signedEmpty(dir string) bool {
	entries, err := os.ReadDir(filepath.Join(dir, logFolder))
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, logFolder, e.Name()))
		lines := strings.SplitN(string(b), "\n", 3)
		whole := len(lines) == 3
		switch {
		case err == nil && e.Name() == "checkpoint" && whole && lines[1] == "0" && strings.Contains(lines[2], "\n— "):
		case err == nil && e.Name() == "checkpoint.new" && (!whole || lines[1] == "0"): // while it was written
		default:
			return false
		}
	}
	return true
}

// Unmade reports whether a folder is exactly what a making leaves that was cut off before the description was there: the lock,
// folders that nothing was ever put into, at most the checkpoint of nothing. So it is said of no folder that holds, or names,
// anything of a ledger that was used; what somebody emptied to the same state only a witness can tell.
func Unmade(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil || !onlyLeftovers(entries) || !signedEmpty(dir) {
		return false
	}
	for _, folder := range []string{recordFolder, indexFolder, keys.DaysFolder} {
		if !empty(filepath.Join(dir, folder)) {
			return false
		}
	}
	info, err := os.Stat(filepath.Join(dir, lockFile)) // which comes first; a folder of anybody's has none
	return err == nil && info.Size() == 0
}

// hasDays reports whether there are keys of days, or what is left of one: other keys have other names.
func hasDays(dir string) bool {
	entries, err := os.ReadDir(filepath.Join(dir, keys.DaysFolder))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name()[0] >= '0' && e.Name()[0] <= '9' })
}

// empty reports whether a folder is not there, or has nothing in it. One that cannot be read is neither.
func empty(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		_, err := os.Lstat(dir) // a link that leads nowhere is there
		return errors.Is(err, os.ErrNotExist)
	}
	return len(entries) == 0
}

// BackupFile is what makes a folder a backup (ledger/backup).
const BackupFile = "backup"

// noBackup refuses a backup: a lock, an index, or a batch of its own would make it something else.
func (l *Ledger) noBackup() error {
	if _, err := os.Lstat(filepath.Join(l.dir, BackupFile)); err != nil {
		return nil
	}
	return fmt.Errorf("%s: this is a backup, which is neither asked nor recorded into; bring it back into a new folder: chaperone ledger restore %s --ledger NEW-FOLDER", l.dir, l.dir)
}

// onlyLeftovers reports whether a folder holds at most what a first start leaves that was cut off.
func onlyLeftovers(entries []os.DirEntry) bool {
	for _, e := range entries {
		switch name := e.Name(); {
		case name == lockFile, name == recordFolder, name == keys.DaysFolder, name == indexFolder, name == logFolder:
		case name == keys.MetaFile+".new": // while it was written
		default:
			return false
		}
	}
	return true
}

// make makes a new ledger, with the empty tree signed: a ledger without a checkpoint is one that somebody took it from. The
// description comes last: what has it is whole.
func (l *Ledger) make(ctx context.Context) error {
	if _, err := keys.Make(l.keysDir); err != nil {
		return err
	}
	for _, folder := range []string{recordFolder, keys.DaysFolder, indexFolder} {
		if err := os.MkdirAll(filepath.Join(l.dir, folder), 0o700); err != nil {
			return err
		}
	}
	if err := durable.SyncFolder(l.dir); err != nil {
		return err
	}
	data, err := keys.LoadData(l.keysDir)
	if err != nil {
		return err
	}
	seed, err := keys.LoadSigning(l.keysDir)
	if err != nil {
		return err
	}
	tokens, err := keys.LoadToken(l.keysDir)
	if err != nil {
		return err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // it never fails (crypto/rand)
	meta, err := keys.NewMeta(id, l.now(), data, seed, tokens)
	if err != nil {
		return err
	}
	signer, err := keys.Signer(seed, meta.Origin)
	if err != nil {
		return err
	}
	if err := l.signEmpty(ctx, meta, signer); err != nil {
		return err
	}
	return keys.WriteMeta(l.dir, meta, signer)
}

// signEmpty signs that nothing is on record, in the place of what a making that was cut off had signed.
func (l *Ledger) signEmpty(ctx context.Context, meta keys.Meta, signer note.Signer) error {
	verifier, err := keys.ParseVerifier(meta.Verifier)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(l.dir, logFolder)); err != nil {
		return err
	}
	log, err := seal.Open(l.dir, verifier, signer)
	if err != nil {
		return err
	}
	if err := log.Load(ctx, 0, nil); err != nil {
		return err
	}
	return log.Checkpoint(ctx, 0)
}

// namesIn lists what is in a folder; nil when there is none.
func namesIn(dir string) map[string]bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	return names
}

// unmake takes back the making of a ledger in which nothing was recorded: all that was not there before, the description
// first, and the folders that were not there either, the innermost first. What cannot be removed stays: the next making passes
// over it.
func unmake(dir string, before map[string]bool, folders []string) {
	_ = os.Remove(filepath.Join(dir, keys.MetaFile))
	for name := range namesIn(dir) {
		if !before[name] {
			_ = os.RemoveAll(filepath.Join(dir, name))
		}
	}
	for _, folder := range folders {
		if os.Remove(folder) != nil {
			return // something else is in it
		}
	}
}

// missing lists which of a folder and those above it are not there, the innermost first.
func missing(dir string) (folders []string) {
	for {
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
			return folders
		}
		folders = append(folders, dir)
		dir = filepath.Dir(dir)
	}
}
