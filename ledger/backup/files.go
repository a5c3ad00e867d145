package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"chaperone/ledger"
	"chaperone/ledger/durable"
	"chaperone/ledger/keys"
	"chaperone/ledger/record"
	"chaperone/ledger/verify"
)

// dayKeys copies the wrapped keys of the days, and nothing else that lies beside them. They never change.
func (c *copier) dayKeys(ctx context.Context) error {
	days, err := keys.OpenDays(c.from, keys.Data{}, c.id).List() // which opens none of them
	if err != nil {
		return err
	}
	if err := makeFolder(filepath.Join(c.to, keys.DaysFolder)); err != nil {
		return err
	}
	for _, day := range days {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := filepath.Join(keys.DaysFolder, keys.DayFile(day))
		b, err := plain(filepath.Join(c.from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // purged meanwhile
		}
		if err != nil {
			return err
		}
		path := filepath.Join(c.to, name)
		switch have, err := os.ReadFile(path); {
		case err != nil:
			err = durable.WriteFile(path, b)
			if err != nil {
				return err
			}
		case !bytes.Equal(have, b):
			return fmt.Errorf("%s: not the key that the ledger has for this day: one of them is damaged, ledger verify says which", path)
		}
	}
	return nil
}

// plain reads a file of bounded size.
func plain(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSmall {
		return nil, fmt.Errorf("%s: not a file of a ledger", path)
	}
	return os.ReadFile(path)
}

// others copies the list of witnesses.
func (c *copier) others(context.Context) error {
	b, err := os.ReadFile(filepath.Join(c.from, witnessesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return durable.Remove(filepath.Join(c.to, witnessesFile))
	}
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(c.to, witnessesFile), b)
}

// maxSmall bounds the files that are read as a whole.
const maxSmall = 1 << 20

// files calls a function with each plain file of a folder, and where it goes.
func (c *copier) files(ctx context.Context, folder string, each func(path string, b []byte) error) error {
	root := filepath.Join(c.from, filepath.FromSlash(folder))
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(c.from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(c.to, rel)
		if e.IsDir() {
			return makeFolder(to)
		}
		b, err := plain(path)
		if err != nil {
			return err
		}
		return each(to, b)
	})
	if errors.Is(err, fs.ErrNotExist) {
		if _, gone := os.Stat(root); errors.Is(gone, fs.ErrNotExist) {
			return nil
		}
	}
	return err
}

// gone lists the days whose keys are in the copy and not in the ledger any more, as after a purge.
func (c *copier) gone() ([]ledger.Day, error) {
	have, err := keys.OpenDays(c.to, keys.Data{}, c.id).List()
	if err != nil {
		return nil, err
	}
	now, err := keys.OpenDays(c.from, keys.Data{}, c.id).List()
	return slices.DeleteFunc(have, func(day ledger.Day) bool { return slices.Contains(now, day) }), err
}

// purged reports whether a problem is of a batch of one of those days, so that a purge may explain it. A header that is not right says no day.
func (c *copier) purged(p *verify.Problem, gone []ledger.Day) bool {
	if p.Batch < 0 || len(gone) == 0 {
		return false
	}
	w, err := record.Walk(segmentsIn(c.to), c.id, record.WalkOptions{From: uint64(p.Batch), HeadersOnly: true})
	if err != nil {
		return false
	}
	defer w.Close()
	f, err := w.Next()
	return err == nil && slices.Contains(gone, f.Day)
}

// forget takes the keys of purged days out of a backup: the purge would not be worth much otherwise. It lists those that it took out, and
// those of gone that it did not.
func (c *copier) forget(r *verify.Report) (erased, left []ledger.Day, err error) {
	for _, day := range r.Kept { // also one that came back in the ledger
		if err := keys.OpenDays(c.to, keys.Data{}, c.id).Destroy(day); err != nil {
			return nil, nil, err
		}
	}
	left, err = c.gone()
	return r.Kept, left, err
}

// keysOf names the keys of days, with their verb.
func keysOf(days []ledger.Day) string {
	if len(days) == 1 {
		return fmt.Sprintf("the key of %s is", days[0])
	}
	return fmt.Sprintf("the keys of %d days, %s to %s, are", len(days), days[0], days[len(days)-1])
}
