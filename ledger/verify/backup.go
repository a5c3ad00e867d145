package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"chaperone/ledger/disk"
	"chaperone/ledger/keys"
	"chaperone/ledger/lock"
	"chaperone/page"
)

// notBackup says why a folder is no backup; "" of one. A ledger that was in use is none, whatever was put into it.
func notBackup(dir string) string {
	if _, err := os.Lstat(filepath.Join(dir, disk.BackupFile)); err != nil {
		return fmt.Sprintf("it has no file %s, which ledger backup puts into one", disk.BackupFile)
	}
	if _, err := os.Lstat(filepath.Join(dir, lock.File)); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("it was in use as a ledger, for it has the file %s", lock.File)
	}
	return ""
}

// backup compares a backup with what it says of itself (backup.About). That is no proof of anything, but it is what restoring goes by.
func (r *run) backup() error {
	path := filepath.Join(r.Dir, disk.BackupFile)
	var says struct {
		Version int       `json:"version"`
		Made    time.Time `json:"made"`
		Batches uint64    `json:"batches"`
	}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &says)
	}
	switch {
	case says.Version > 1:
		return fmt.Errorf("%s: %w", path, keys.ErrNewer)
	case err != nil:
		r.report.whole(disk.BackupFile, "it is not understood, and a backup is not restored without it: %v", plainError(err))
	case says.Made.IsZero():
		r.report.warn("this is a backup that was not finished, and is not restored: say ledger backup again")
	case r.report.Batches < says.Batches && !r.stopped: // of damage that was said
		r.report.whole(disk.BackupFile, "this backup has %s, and had %d when it was made: keep it as evidence", page.Count(int(r.report.Batches), "batch", "batches"), says.Batches)
	}
	return nil
}
