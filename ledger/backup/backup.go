// Package backup copies a ledger into another folder, and brings it back.
//
// A backup is the record, the wrapped keys of its days, the log, the description and the list of witnesses: what cannot be
// made again. Index and people are derived and left out. It checks itself: every batch has its sums, the checkpoint is over
// all of them, and verifying it is how a copy is known to be whole. The keys of the keys folder are never in it: whoever had
// both could read everything, and they belong on a list of their own.
//
// A backup must not be recorded into. Restore brings it back after the witnesses were asked, so that a ledger never goes on
// from an earlier state as if nothing had been after it.
package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/ledger/durable"
	"chaperone/ledger/keys"
	"chaperone/ledger/record"
	"chaperone/ledger/verify"
)

// Names of files and folders.
const (
	aboutFile     = disk.BackupFile
	witnessesFile = "witnesses"
	logFolder     = "log"
)

// Key is a key that a backup is of no use without. It is not in the backup.
type Key struct {
	File string `json:"file"` // in the keys folder
	ID   string `json:"id"`   // recognises it, and says nothing about it
	Use  string `json:"use"`
}

// About is what a backup says of itself. It is no proof of anything: that is what the backup's checkpoint is for.
type About struct {
	Version     int       `json:"version"`
	Origin      string    `json:"origin"`
	Made        time.Time `json:"made"` // the last time; zero before the first was finished
	Batches     uint64    `json:"batches"`
	Disclosures uint64    `json:"disclosures"`
	Keys        []Key     `json:"keys"` // to be kept elsewhere
}

// Options say what is backed up.
type Options struct {
	Dir  string           // a ledger that nobody has open for recording, but for Live
	To   string           // a new folder, or one with an earlier backup of the same ledger
	Keys string           // folder with data.key: then every entry of the copy is opened, and purges reach the backup; "" without
	Live bool             // what is under the latest checkpoint, also while another process records or begins to
	Now  func() time.Time // for Live; nil for time.Now
}

// Written is what a backup came to.
type Written struct {
	About
	Later  uint64       // batches on record that came after the checkpoint which it is as of (Live)
	Copied int64        // bytes of the record that were new
	Erased []ledger.Day // days that were purged: their keys were removed from the backup, too
	Left   []ledger.Day // days whose keys are in the backup and not in the ledger any more; without data.key nobody can tell whether they were purged
}

// Write copies a ledger, or what is new of it since the last time, and verifies the whole copy. Nothing in a backup is
// overwritten by something else: bytes are added to the record, and the log's latest state takes the place of the one before.
//
// Errors: the ledger is open, damaged, shorter than its backup, or has another history; To holds something else; the copy is
// not whole.
func Write(ctx context.Context, o Options) (Written, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	w, err := write(ctx, o)
	if err != nil {
		return Written{}, fmt.Errorf("backup: %w", err)
	}
	return w, nil
}

func write(ctx context.Context, o Options) (w Written, err error) {
	if err := apart(o.Dir, o.To); err != nil {
		return w, err
	}
	if !o.Live { // else whoever records is not kept out, now or later: what is copied is changed by a purge alone
		release, err := disk.Lock(o.Dir, true)
		if err != nil {
			return w, err
		}
		defer func() { err = errors.Join(err, release()) }()
	}
	meta, err := keys.ReadMeta(o.Dir)
	if err != nil {
		return w, err
	}
	var v note.Verifier
	var batches uint64
	if o.Live {
		if v, err = keys.ParseVerifier(meta.Verifier); err != nil {
			return w, err
		}
		if batches, err = disk.OnRecord(ctx, o.Dir, meta.ID, v, o.Now); err != nil {
			return w, err
		}
	}
	if err := begin(o.Dir, o.To, meta); err != nil {
		return w, err
	}
	c := &copier{from: o.Dir, to: o.To, id: meta.ID}
	if o.Live {
		if err := c.sealed(ctx, v); err != nil {
			return w, err
		}
		w.Later = batches - min(batches, c.until)
	}
	for _, step := range []func(context.Context) error{c.compare, c.record, c.dayKeys, c.log, c.others} {
		if err := step(ctx); err != nil {
			return w, err
		}
	}
	r, err := verify.Run(ctx, verify.Options{Dir: o.To, Keys: o.Keys, Offline: true})
	if err != nil {
		return w, err
	}
	if p := firstChanged(r); p != nil {
		gone, err := c.gone()
		if err != nil {
			return w, err
		}
		if o.Keys == "" && c.purged(p, gone) { // else a purge is told by the record itself
			return w, fmt.Errorf("the copy in %s could not be checked: %s in it and not in the ledger any more, as after a purge, which only data.key can tell: "+
				"say ledger backup once with data.key at hand (--keys FOLDER), which takes out what was purged", o.To, keysOf(gone))
		}
		return w, fmt.Errorf("the copy in %s is not whole: %v; if the ledger itself is damaged there, ledger verify says the same of it", o.To, p)
	}
	w.About = aboutOf(&meta)
	w.Made, w.Batches, w.Disclosures = time.Now().UTC().Truncate(time.Second), r.Batches, r.Disclosures
	w.Copied = c.copied
	if w.Erased, w.Left, err = c.forget(r); err != nil {
		return w, err
	}
	return w, w.About.write(o.To)
}

// aboutOf says of which ledger a backup is, and what has to be kept elsewhere.
func aboutOf(m *keys.Meta) About {
	return About{Version: 1, Origin: m.Origin, Keys: []Key{
		{keys.DataFile, m.DataKey.String(), "opens the ledger: without it nobody can read any of it"},
		{keys.SigningFile, m.SigningKey.String(), "signs what goes on being recorded"},
		{keys.TokenFile, m.TokenKey.String(), "finds patients by their numbers, and records further"},
	}}
}

func (a *About) write(dir string) error {
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, aboutFile), append(text, '\n'))
}

// ReadAbout reads what a backup says of itself. Error: fs.ErrNotExist when it is none, or was not finished.
func ReadAbout(dir string) (About, error) {
	path := filepath.Join(dir, aboutFile)
	var a About
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(filepath.Join(dir, "index")); err == nil {
			return a, fmt.Errorf("%s: a ledger, not a backup of one: ledger backup makes one", dir)
		}
		return a, fmt.Errorf("%s: no backup of a ledger: its file %s: %w", dir, aboutFile, fs.ErrNotExist)
	}
	if err != nil {
		return a, fmt.Errorf("backup: %w", err)
	}
	if info.Size() > 1<<16 {
		return a, fmt.Errorf("backup: %s: far too large", path)
	}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	switch {
	case err != nil:
		return a, fmt.Errorf("backup: %s: not understood: %w", path, err)
	case a.Version > 1:
		return a, fmt.Errorf("backup: %s: %w", path, keys.ErrNewer)
	case a.Made.IsZero():
		return a, fmt.Errorf("%s: a backup that was not finished: say ledger backup again: %w", dir, fs.ErrNotExist)
	}
	return a, nil
}

// begin makes the folder of a new backup, or checks that there is one of the same ledger.
func begin(dir, to string, meta keys.Meta) error {
	text, err := os.ReadFile(filepath.Join(dir, keys.MetaFile))
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(to)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	begun := func(e fs.DirEntry) bool { return e.Name() == aboutFile || strings.HasSuffix(e.Name(), ".new") }
	if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !begun(e) }) {
		if err := makeFolder(to); err != nil {
			return err
		}
		about := aboutOf(&meta) // first: whatever comes then, nobody takes it for a ledger
		if err := about.write(to); err != nil {
			return err
		}
		return durable.WriteFile(filepath.Join(to, keys.MetaFile), text)
	}
	have, err := keys.ReadMeta(to)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: not empty and no backup of this ledger; name a new folder", to)
	}
	if err != nil {
		return err
	}
	if have != meta {
		return fmt.Errorf("%s: a backup of the ledger %s, not of %s; name a new folder", to, have.Origin, meta.Origin)
	}
	for _, name := range []string{"closed", "index", "lock"} {
		if _, err := os.Lstat(filepath.Join(to, name)); err == nil {
			return fmt.Errorf("%s: a ledger that is in use, not a backup (it has %s); name a new folder", to, name)
		}
	}
	return nil
}

// apart refuses folders that lie in each other.
func apart(one, two string) error {
	switch in, around := disk.Inside(one, two), disk.Inside(two, one); {
	case in && around:
		return fmt.Errorf("%s: that is the ledger itself; name a folder of its own", two)
	case in || around:
		return fmt.Errorf("%s and %s: one lies in the other", one, two)
	}
	return nil
}

// firstChanged gives the first problem that is of the copy itself: something is not what was recorded or signed. What witnesses have
// seen, and the key of a purged day that is there, is not.
func firstChanged(r *verify.Report) *verify.Problem {
	for i := range r.Problems {
		if r.Problems[i].Kind == verify.Changed {
			return &r.Problems[i]
		}
	}
	return nil
}

// makeFolder makes a folder and those above it, names on disk.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := makeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return durable.SyncFolder(filepath.Dir(dir))
}

// segmentsIn gives the folder of a record.
func segmentsIn(dir string) string { return filepath.Join(dir, record.Folder) }
