package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"chaperone/ledger/disk"
	"chaperone/ledger/keys"
	"chaperone/ledger/record"
)

// ours are the names of a ledger's files; those of the index are on the list of the last close.
var ours = regexp.MustCompile(`^(ledger\.json|lock|closed|reserve|witnesses|people|backup|` +
	`record/[0-9]{10}\.seg|keys/[0-9]{8}\.key|index/.+|` +
	`log/checkpoint|log/cosigned|log/tile/[0-9]{1,2}/(x[0-9]{3}/)*[0-9]{3}(\.p/[0-9]{1,3})?)$`)

// Sizes that are not exceeded by what this program writes: what is larger is not read.
const (
	maxSegment = record.HeadSize + record.MaxSegment + record.HeaderSize + record.MaxParts
	maxClosed  = 64 << 20
	maxSmall   = 1 << 20
)

// plainFiles looks at the names in the folder before anything is read: a pipe in the place of a file would never end.
func (r *run) plainFiles() (ok bool, err error) {
	err = filepath.WalkDir(r.Dir, func(path string, e fs.DirEntry, err error) error {
		name := r.inside(path)
		if err != nil {
			if name == "." {
				return err
			}
			r.report.whole(name, "it cannot be read: %v", err)
			return nil
		}
		info, err := os.Stat(path) // whoever has the ledger on several disks has links
		switch {
		case err != nil:
			r.report.whole(name, "it cannot be read: %v", plainError(err))
		case info.IsDir():
		case !info.Mode().IsRegular():
			r.report.whole(name, "it is not a plain file")
		case info.Size() > limitOf(name):
			r.report.whole(name, "it has %d bytes, more than such a file ever has", info.Size())
		case !ours.MatchString(name) && len(r.strangers) < maxProblems:
			r.strangers = append(r.strangers, name)
		}
		return nil
	})
	return r.report.Whole(), err
}

func limitOf(name string) int64 {
	switch folder, _, _ := strings.Cut(name, "/"); {
	case folder == record.Folder:
		return maxSegment
	case name == closedName:
		return maxClosed
	case folder == "log" || folder == "keys" || name == "ledger.json" || name == "witnesses" || name == disk.BackupFile:
		return maxSmall
	}
	return 1<<63 - 1
}

// plainError leaves the path out, which a problem has already.
func plainError(err error) error {
	var on *fs.PathError
	if errors.As(err, &on) {
		return on.Err
	}
	return err
}

// closed compares the ledger with what its last close signed.
func (r *run) closed(ctx context.Context) error {
	c, err := disk.ReadClosed(r.Dir, r.verify)
	if errors.Is(err, fs.ErrNotExist) {
		if r.report.Batches == 0 && r.signed {
			r.report.warn("nothing is on record, as its checkpoint says, and recording ended with a crash, or was stopped by force, before anything was signed; if this ledger was in use, an older one was put back: whoever keeps a later checkpoint can tell")
			return nil
		}
		if r.report.Batches == 0 {
			r.report.whole(closedName, "nothing is on record, and no clean close says so: if this ledger was in use, everything was deleted")
			return nil
		}
		if r.report.Backup {
			text := fmt.Sprintf("this is a backup as of %s: the index and the table of people are made when it is restored", moment(r.report.Last))
			if r.Backup && r.report.Known > 0 {
				text += "; what came since is in the ledger, or in a later backup"
			}
			r.report.warn("%s", text)
			return nil
		}
		r.report.warn("the ledger was not closed cleanly: recording ended with a crash, or was stopped by force, after %s", moment(r.report.Last))
		return nil
	}
	if errors.Is(err, keys.ErrNewer) {
		return err
	}
	if err != nil {
		r.report.whole(closedName, "%v", err)
		return nil
	}
	r.report.Closed = true
	if !r.stopped && (c.Batches != r.report.Batches || c.Events != r.report.Disclosures || c.End != r.end) {
		r.report.problem(record.Folder+"/"+record.SegmentName(c.End.Segment), c.End.Offset, int64(c.Batches),
			"when the ledger was closed the record ended here, with %d batches and %d disclosures; now it has %d and %d", c.Batches, c.Events, r.report.Batches, r.report.Disclosures)
	}
	if r.signed && r.report.Sealed < c.Batches { // a close signs all of it
		r.report.whole(checkpointName, "it is of %d batches, and all %d were signed when the ledger was closed: an older one was put back", r.report.Sealed, c.Batches)
	}
	if r.blank > 0 {
		r.report.problem(record.Folder+"/"+record.SegmentName(r.end.Segment), r.end.Offset, -1, "%d zeros stand behind its end, and it had none when the ledger was closed", r.blank)
	}
	listed := map[string]bool{}
	for _, f := range c.Files {
		if listed[f.Name] = true; !derived(f.Name) {
			r.report.whole(closedName, "it names a file that is not derived")
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(r.Dir, filepath.FromSlash(f.Name))
		info, err := os.Stat(path)
		if err != nil {
			r.report.whole(f.Name, "it was there when the ledger was closed, and cannot be read: %v", plainError(err))
			continue
		}
		if info.Size() != f.Size {
			r.report.problem(f.Name, min(info.Size(), f.Size), -1, "it had %d bytes when the ledger was closed and has %d; run ledger reindex", f.Size, info.Size())
			continue
		}
		if _, sum, err := disk.Digest(path); err != nil {
			r.report.whole(f.Name, "it cannot be read: %v", plainError(err))
		} else if sum != f.SHA256 {
			r.report.whole(f.Name, "it is not what it was when the ledger was closed; run ledger reindex")
		}
	}
	return r.notListed(listed)
}

// derived reports whether a name is one that a list of derived files may have.
func derived(name string) bool {
	file, ok := strings.CutPrefix(name, "index/")
	return name == "people" || ok && filepath.IsLocal(file) && !strings.ContainsAny(file, `/\`)
}

// notListed finds derived files that the last close does not know.
func (r *run) notListed(listed map[string]bool) error {
	entries, err := os.ReadDir(filepath.Join(r.Dir, "index"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if name := "index/" + e.Name(); !e.IsDir() && e.Name() != "LOCK" && !listed[name] {
			r.report.whole(name, "it was not there when the ledger was closed; run ledger reindex")
		}
	}
	if _, err := os.Stat(filepath.Join(r.Dir, "people")); err == nil && !listed["people"] {
		r.report.whole("people", "it was not there when the ledger was closed; run ledger reindex")
	}
	return nil
}
