package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/ledger/durable"
	"chaperone/ledger/keys"
	"chaperone/ledger/record"
	"chaperone/ledger/seal"
	"chaperone/ledger/verify"
	"chaperone/page"
)

// RestoreOptions say what is brought back.
type RestoreOptions struct {
	From   string       // the backup
	To     string       // a new folder
	Keys   string       // folder with the keys that the backup names
	Client *http.Client // for witnesses; nil for a usual one

	// AsBranch makes a ledger of its own of it, with another id: for when witnesses know more than the backup, so that the old
	// ledger cannot go on. Its batches are the same, to the byte; its first own entry names the ledger that it continues.
	// People get other public ids.
	AsBranch bool

	// Unasked takes a backup also when too few witnesses can be asked whether they know more.
	Unasked bool
}

// Restored is what was brought back.
type Restored struct {
	Report   *verify.Report // of the restored ledger
	Origin   string
	Verifier string    // with AsBranch, a new one: witnesses have to be told
	Old      tlog.Tree // what was signed of the ledger in the backup
}

// ErrBehind says that going on from a backup would take back what witnesses have seen.
var ErrBehind = errors.New("witnesses know more of this ledger than the backup has")

// Restore verifies a backup against the witnesses, copies it into a new folder and verifies it there. The description comes
// last: a folder without it is not a ledger. Index and people are made at the next opening for recording.
//
// Errors: ErrBehind unless AsBranch; the backup is not whole, or not what witnesses saw; too few witnesses can be asked; the
// folder is not empty; the keys' own.
func Restore(ctx context.Context, o RestoreOptions) (Restored, error) {
	r, err := restore(ctx, o)
	if err != nil {
		return Restored{}, fmt.Errorf("restore: %w", err)
	}
	return r, nil
}

func restore(ctx context.Context, o RestoreOptions) (r Restored, err error) {
	if err := apart(o.From, o.To); err != nil {
		return r, err
	}
	if entries, err := os.ReadDir(o.To); err == nil && len(entries) > 0 {
		if begun(entries) {
			return r, fmt.Errorf("%s: not empty: if this is what a restore left that was stopped, remove it; else name a new folder", o.To)
		}
		return r, fmt.Errorf("%s: not empty; name a new folder", o.To)
	}
	about, err := ReadAbout(o.From)
	if err != nil {
		return r, err
	}
	meta, err := keys.ReadMeta(o.From)
	if err != nil {
		return r, err
	}
	if err := o.admit(ctx, about); err != nil {
		return r, err
	}
	if r.Old, err = signed(o.From, meta); err != nil {
		return r, err
	}
	r.Origin, r.Verifier = meta.Origin, meta.Verifier
	if err := makeFolder(o.To); err != nil {
		return r, err
	}
	if o.AsBranch {
		r.Origin, r.Verifier, err = o.branch(ctx, meta, r.Old)
	} else {
		err = o.copy(ctx, meta)
	}
	if err != nil {
		return r, err
	}
	if r.Report, err = verify.Run(ctx, verify.Options{Dir: o.To, Keys: o.Keys, Verifier: r.Verifier, Offline: true}); err != nil {
		return r, err
	}
	if p := firstChanged(r.Report); p != nil {
		return r, fmt.Errorf("the ledger in %s is not whole: %v", o.To, p)
	}
	return r, nil
}

// begun reports whether a folder holds what a restore leaves that was stopped, and nothing that was ever used.
func begun(entries []os.DirEntry) bool {
	for _, e := range entries {
		if name := e.Name(); name != record.Folder && name != keys.DaysFolder && name != logFolder && name != witnessesFile {
			return false
		}
	}
	return true
}

// admit asks whether a ledger may go on from this backup.
func (o *RestoreOptions) admit(ctx context.Context, about About) error {
	r, err := verify.Run(ctx, verify.Options{Dir: o.From, Keys: o.Keys, Client: o.Client})
	if err != nil {
		return err
	}
	if p := firstChanged(r); p != nil {
		return fmt.Errorf("the backup in %s is not whole: %v", o.From, p)
	}
	if r.Batches < about.Batches || r.Origin != about.Origin {
		return fmt.Errorf("the backup in %s has %s of %s, and had %d of %s when it was made", o.From, page.Count(int(r.Batches), "batch", "batches"), r.Origin, about.Batches, about.Origin)
	}
	if o.AsBranch {
		return nil
	}
	if i := slices.IndexFunc(r.Problems, func(p verify.Problem) bool { return p.Kind == verify.Forked }); i >= 0 {
		return fmt.Errorf("the ledger forked: %v", r.Problems[i])
	}
	if r.Known > 0 {
		return fmt.Errorf("%w: %d batches against %d. Look for a later backup; if there is none, restore as a branch (--as-branch), which is a ledger of its own and names this one", ErrBehind, r.Known, r.Batches)
	}
	// Any needed number of witnesses may have seen more: of those that answer, one at least must be among them.
	if asked := len(r.Witnesses); asked > 0 && r.Answered < asked-r.Needed+1 && !o.Unasked {
		return fmt.Errorf("%d of %d witnesses said what they know of this ledger, %d have to: they may know more than this backup. Reach them, or say with --unasked that it shall go on without them",
			r.Answered, asked, asked-r.Needed+1)
	}
	return nil
}

// signed gives the tree under the backup's checkpoint.
func signed(dir string, meta keys.Meta) (tlog.Tree, error) {
	v, err := keys.ParseVerifier(meta.Verifier)
	if err != nil {
		return tlog.Tree{}, err
	}
	tree, _, err := seal.ReadCheckpoint(dir, v)
	if errors.Is(err, os.ErrNotExist) {
		return tlog.Tree{}, nil
	}
	return tree, err
}

// copy brings everything back as it was.
func (o *RestoreOptions) copy(ctx context.Context, meta keys.Meta) error {
	c := &copier{from: o.From, to: o.To, id: meta.ID}
	for _, step := range []func(context.Context) error{c.compare, c.record, c.dayKeys, c.log, c.others} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(filepath.Join(o.From, keys.MetaFile))
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(o.To, keys.MetaFile), text)
}

// branch brings the batches back under another id. Each is the same to the byte, so that the branch's log begins with the
// very tree that was signed for the old ledger.
func (o *RestoreOptions) branch(ctx context.Context, old keys.Meta, tree tlog.Tree) (origin, verifier string, err error) {
	data, err := keys.LoadData(o.Keys)
	if err != nil {
		return "", "", err
	}
	seed, err := keys.LoadSigning(o.Keys)
	if err != nil {
		return "", "", err
	}
	meta := old
	_, _ = rand.Read(meta.ID[:]) // it never fails (crypto/rand)
	meta.Origin, meta.Made, meta.SigningKey = keys.Origin(meta.ID), time.Now().UTC().Truncate(time.Second), seed.ID()
	if meta.Verifier, _, err = keys.Verifier(seed, meta.Origin); err != nil {
		return "", "", err
	}
	signer, err := keys.Signer(seed, meta.Origin)
	if err != nil {
		return "", "", err
	}
	c := &copier{from: o.From, to: o.To, id: old.ID, head: meta.ID}
	for _, step := range []func(context.Context) error{c.compare, c.record, c.others} {
		if err := step(ctx); err != nil {
			return "", "", err
		}
	}
	if err := rewrap(ctx, o.From, o.To, data, old.ID, meta.ID); err != nil {
		return "", "", err
	}
	if err := keys.WriteMeta(o.To, meta, signer); err != nil {
		return "", "", err
	}
	return meta.Origin, meta.Verifier, o.chain(ctx, old.Origin, tree)
}

// chain opens the branch and records what it continues.
func (o *RestoreOptions) chain(ctx context.Context, origin string, tree tlog.Tree) error {
	l, err := disk.Open(ctx, disk.Options{Dir: o.To, Keys: o.Keys, Existing: true, Client: o.Client})
	if err != nil {
		return err
	}
	_, err = l.Record(ctx, ledger.Batch{Notes: []ledger.Note{{Kind: ledger.Remark, At: time.Now(), Text: Continues(origin, tree)}}})
	return errors.Join(err, l.Close())
}

// Continues is the text of the note that ties a branch to the ledger before it: its name, and size and root of what was
// signed of it, which are also those of the first batches here.
func Continues(origin string, tree tlog.Tree) string {
	return fmt.Sprintf("this ledger was restored from a backup as a branch; it continues %s after %d batches with the root %s", origin, tree.N, tree.Hash)
}

// rewrap wraps the days' keys for another ledger's id.
func rewrap(ctx context.Context, from, to string, data keys.Data, old, id [16]byte) error {
	days := keys.OpenDays(from, data, old)
	list, err := days.List()
	if err != nil {
		return err
	}
	if err := makeFolder(filepath.Join(to, keys.DaysFolder)); err != nil {
		return err
	}
	for _, day := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		key, err := days.Key(day)
		if err != nil {
			return err
		}
		path := filepath.Join(to, keys.DaysFolder, keys.DayFile(day))
		if err := durable.WriteFile(path, wrap(key, day, data, id)); err != nil {
			return err
		}
		if again, err := keys.OpenDays(to, data, id).Key(day); err != nil || again != key {
			return fmt.Errorf("the key of %s was not wrapped as package keys reads it: %w", day, err)
		}
	}
	return nil
}
