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
	"chaperone/ledger/verify"
)

// dayKeys copies the wrapped keys of the days. They never change.
func (c *copier) dayKeys(ctx context.Context) error {
	return c.files(ctx, keys.DaysFolder, func(path string, b []byte) error {
		have, err := os.ReadFile(path)
		if err == nil && !bytes.Equal(have, b) {
			return fmt.Errorf("%s: not the key that the ledger has for this day: one of them is damaged, ledger verify says which", path)
		}
		if err == nil {
			return nil
		}
		return durable.WriteFile(path, b)
	})
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
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || info.Size() > maxSmall {
			return fmt.Errorf("%s: not a file of a ledger", path)
		}
		b, err := os.ReadFile(path)
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

// forget takes the keys of purged days out of a backup: the purge would not be worth much otherwise.
func (c *copier) forget(keysDir string, r *verify.Report) (erased, left []ledger.Day, err error) {
	data := keys.Data{}
	if keysDir != "" {
		if data, err = keys.LoadData(keysDir); err != nil {
			return nil, nil, err
		}
	}
	days := keys.OpenDays(c.to, data, c.id)
	have, err := days.List()
	if err != nil {
		return nil, nil, err
	}
	now, err := keys.OpenDays(c.from, data, c.id).List()
	if err != nil {
		return nil, nil, err
	}
	for _, day := range have {
		switch {
		case slices.Contains(now, day):
		case slices.Contains(r.Kept, day):
			if err := days.Destroy(day); err != nil {
				return nil, nil, err
			}
			erased = append(erased, day)
		default:
			left = append(left, day)
		}
	}
	return erased, left, nil
}
