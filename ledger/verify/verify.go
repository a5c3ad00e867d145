// Package verify checks a whole ledger against everything that is known of it: each byte of the record against its sums,
// every entry against its key and its numbers, the batches against hash tiles, signed checkpoint and witnesses, the derived
// files against what the last close signed. It reads the record once, forward, in memory that does not grow with it, and
// changes nothing; only a witness that is asked learns of the latest checkpoint.
//
// What it can tell: any change of the record by somebody without the signing key; any change of what enough witnesses have
// seen, by anybody. What fewer witnesses have seen than are needed, who has the host and its keys can rewrite: the report says how much that is.
package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"time"

	"golang.org/x/mod/sumdb/note"

	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/ledger/index"
	"chaperone/ledger/keys"
	"chaperone/ledger/lock"
	"chaperone/ledger/record"
	"chaperone/ledger/seal"
)

// Options say which ledger is verified, and with what.
type Options struct {
	Dir       string
	Keys      string                  // folder with data.key; "": what is encrypted is not opened, and the report says so
	Verifier  string                  // the ledger's public key, kept outside; "": the ledger's own word
	Witnesses string                  // a folder with a file "witnesses" that was kept outside; "": the ledger's own
	Client    *http.Client            // for witnesses; nil for a usual one
	Offline   bool                    // ask no witness: only what they cosigned before counts
	Deep      bool                    // also count the index anew
	Backup    bool                    // whoever asks knows Dir for a backup of a ledger that goes on, and may be behind its witnesses
	Progress  func(done, total int64) // bytes of the record; may be nil
}

// run is one verification.
type run struct {
	Options
	report  *Report
	meta    keys.Meta
	verify  note.Verifier
	data    *keys.Data // nil: nothing is opened
	ring    *ring
	policy  seal.Policy
	seen    seen
	end     record.Position // of the record, as far as it is whole
	blank   int64           // bytes behind it
	signed  bool            // there is a checkpoint that can be believed
	stopped bool            // at damage: what follows was not read
	days    map[ledger.Day]*dayCount
	purges  map[ledger.Day]bool // on record
	objects []bool              // by way - 1: whether its records are DICOM objects; with Deep
	ways    index.Ways          // their names in the index; with Deep

	strangers []string // files that are not a ledger's
}

// Run verifies a ledger that nobody has open for recording.
//
// What is wrong with the ledger is in the report. Errors are of another kind: it is open, a key is missing or of another
// ledger, it was written by a later version, ctx ended.
func Run(ctx context.Context, o Options) (*Report, error) {
	r := &run{Options: o, report: &Report{}, days: map[ledger.Day]*dayCount{}, purges: map[ledger.Day]bool{}}
	if r.Client == nil {
		r.Client = &http.Client{Timeout: 10 * time.Second}
	}
	if r.Progress == nil {
		r.Progress = func(int64, int64) {}
	}
	if _, err := os.Stat(o.Dir); errors.Is(err, fs.ErrNotExist) {
		r.report.whole(keys.MetaFile, "there is no ledger in %s: if there was one, it was deleted; its witnesses know how much it held", o.Dir)
		return r.report, nil
	}
	release, err := disk.Lock(o.Dir, true)
	if errors.Is(err, lock.ErrHeld) {
		return nil, fmt.Errorf("verify: %s: %w, and a ledger is verified while nobody records in it: verify a copy instead (chaperone ledger backup COPY --ledger %s --live, then chaperone ledger verify --backup COPY), or stop that process first",
			o.Dir, lock.ErrHeld, o.Dir)
	}
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	err = r.all(ctx)
	if err = errors.Join(err, release()); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	return r.report, nil
}

// all goes from what everything else hangs on to what is derived.
func (r *run) all(ctx context.Context) error {
	plain, err := r.plainFiles()
	if err != nil || !plain {
		return err
	}
	described, err := r.describe()
	if err != nil || !described {
		return err
	}
	if r.ring, err = openRing(r.Dir, r.meta.ID, r.data); err != nil {
		return err
	}
	tree, err := r.checkpoints()
	if err != nil {
		return err
	}
	r.signed = tree != nil
	if err := r.record(ctx, tree); err != nil {
		return err
	}
	r.keyFiles()
	if err := r.witnesses(ctx, tree); err != nil {
		return err
	}
	if r.report.Backup {
		if err := r.backup(); err != nil {
			return err
		}
	}
	if err := r.closed(ctx); err != nil {
		return err
	}
	if r.Deep {
		if err := r.recount(ctx); err != nil {
			return err
		}
	}
	for _, name := range r.strangers { // last: there may be more than a report has room for
		r.report.warn("%s: this file is not the ledger's", name)
	}
	return nil
}

// describe reads ledger.json and the keys that fit it. ok is false when there is nothing to check anything else with. Whoever has
// the verifier or the witnesses from outside has them of a ledger that was made: its making was not cut off.
func (r *run) describe() (ok bool, err error) {
	r.meta, err = keys.ReadMeta(r.Dir)
	switch {
	case errors.Is(err, keys.ErrNewer):
		return false, err
	case errors.Is(err, fs.ErrNotExist) && r.Verifier == "" && r.Witnesses == "" && disk.Unmade(r.Dir):
		r.report.add(Problem{Unmade, keys.MetaFile, -1, -1, "nothing is on record here: the making of this ledger was never finished, or all of it was taken away since. " +
			"Whoever records into it makes it anew. If it was in use, its witnesses know how much it held"})
		return false, nil
	case errors.Is(err, fs.ErrNotExist):
		begun := ""
		if entries, err := os.ReadDir(r.Dir); err == nil && len(entries) == 0 {
			begun = " its making was cut off," // before anything that could tell
		}
		r.report.whole(keys.MetaFile, "it is missing: everything was deleted,%s or this is not a ledger's folder", begun)
		return false, nil
	case err != nil:
		r.report.whole(keys.MetaFile, "%v", err)
		return false, nil
	}
	r.report.Origin, r.report.Made, r.report.Verifier, r.report.Backup = r.meta.Origin, r.meta.Made, r.meta.Verifier, notBackup(r.Dir) == ""
	if r.Backup && !r.report.Backup {
		r.report.warn("--backup does not count: this folder is no backup, because %s", notBackup(r.Dir))
	}
	if r.verify, err = keys.ParseVerifier(r.meta.Verifier); err != nil {
		return false, err
	}
	if r.Verifier != "" {
		if _, err := keys.ParseVerifier(r.Verifier); err != nil {
			return false, fmt.Errorf("the verifier that was given: %w", err)
		}
		r.report.Outside = r.Verifier == r.meta.Verifier
		if r.report.Foreign = !r.report.Outside; r.report.Foreign {
			r.report.whole(keys.MetaFile, "it is of another ledger, or signed with another key, than the verifier that was given")
		}
	}
	if r.Keys == "" {
		r.report.warn("without %s what is encrypted was not opened: sums, order, seal and files were checked, the entries were not", keys.DataFile)
		return true, nil
	}
	data, err := keys.LoadData(r.Keys)
	if err != nil {
		return false, err
	}
	if r.report.Outside || r.Verifier == "" {
		if err := r.meta.Check(r.Keys, &data, nil, nil); err != nil {
			return false, err
		}
	} else if r.meta.Check(r.Keys, &data, nil, nil) != nil {
		return true, nil // another ledger was put in the place of the one that is meant: its keys are not ours
	}
	r.data = &data
	r.report.Opened = true
	return true, nil
}
