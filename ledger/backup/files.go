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
		case slices.Contains(r.Kept, day): // also one that came back in the ledger
			if err := days.Destroy(day); err != nil {
				return nil, nil, err
			}
			erased = append(erased, day)
		case !slices.Contains(now, day):
			left = append(left, day)
		}
	}
	return erased, left, nil
}
