package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"chaperone/ledger"
	"chaperone/ledger/keys"
	"chaperone/ledger/record"
	"chaperone/ledger/seal"
	"chaperone/page"
)

// fresh is how long a batch may be without a checkpoint while somebody records: one is signed twice a second.
const fresh = 10 * time.Second

// patience is for how many times sealEvery a record is looked at that does not look well. Whoever records signs in that time, whatever
// the clock of that host says, and what was being written, or cut to its length, is whole or gone.
const patience = 3

// OnRecord counts the whole batches of a record, for whoever takes of it only what is under the latest checkpoint.
//
// Error: it has no checkpoint; those behind it were not written just now and nobody signs them, after a crash or because an older
// checkpoint was put back; or they are damaged. What is under it would be half an answer, and look like a whole one.
func OnRecord(ctx context.Context, dir string, id [16]byte, v note.Verifier, now func() time.Time) (uint64, error) {
	var first int64 // the size of the checkpoint at the first look
	var last *later // what is behind that one, once it was read whole
	for look := 0; ; look++ {
		tree, _, err := seal.ReadCheckpoint(dir, v)
		if errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("%s: nothing of it is signed yet: go on without --live, when it was opened for recording since it was restored", dir)
		}
		if err != nil {
			return 0, err
		}
		if look == 0 {
			first = tree.N
		}
		if last == nil || tree.N != first { // else whoever signs is waited for, which needs no second reading
			last, err = behind(ctx, dir, id, uint64(tree.N))
		}
		switch {
		case err != nil && (look == patience || !mayPass(err)):
			return 0, err
		case err != nil:
		case last.count == 0 || tree.N != first || now().Sub(last.since).Abs() <= fresh:
			return uint64(tree.N) + last.count, nil
		case look == patience:
			why, what := "nobody signs now", "Go on without --live when nobody records, or see what ledger verify says"
			if _, free, ok := used(dir); ok && free < working {
				why, what = "its disk is full, so that who records cannot sign it", "Make room, and ask again"
			}
			return 0, fmt.Errorf("%s: %s on record, written since %s, and not under its last checkpoint, and %s: --live would leave that out. %s",
				dir, page.Count(int(last.count), "batch is", "batches are"), last.since.UTC().Format(time.RFC3339), why, what)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(sealEvery):
		}
	}
}

// later are the whole batches behind a checkpoint.
type later struct {
	count uint64
	since time.Time // when the first of them was written
}

// mayPass reports whether an error may be of the moment: a frame that is being written, a segment that is taken away.
func mayPass(err error) bool {
	var damage *record.Damage
	return errors.As(err, &damage) || errors.Is(err, fs.ErrNotExist)
}

// behind counts the whole batches behind the first so many. What is being written, or was when a crash came, is none: nothing stands
// behind it. Other damage is an error.
func behind(ctx context.Context, dir string, id [16]byte, signed uint64) (*later, error) {
	days, err := keys.OpenDays(dir, keys.Data{}, id).List() // which opens none of them
	if err != nil {
		return nil, err
	}
	there := map[ledger.Day]bool{}
	for _, day := range days {
		there[day] = true
	}
	w, err := record.Walk(filepath.Join(dir, recordFolder), id, record.WalkOptions{From: signed, Purged: func(day ledger.Day) bool { return !there[day] }})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	for l := new(later); ; l.count++ {
		f, err := w.Next()
		var damage *record.Damage
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, io.EOF), errors.As(err, &damage) && damage.Torn && damage.Follows == 0:
			return l, nil
		case damage != nil:
			return nil, &broken{damage}
		case err != nil:
			return nil, err
		case l.count == 0:
			l.since = f.Written
		}
	}
}

// broken is damage of what nobody signed yet. As ledger verify does, and not as of one file, it says that the whole folder is evidence.
type broken struct{ *record.Damage }

func (b *broken) Error() string {
	follows := ""
	if b.Follows > 0 {
		follows = ", and " + page.Count(b.Follows, "whole batch follows", "whole batches follow")
	}
	return fmt.Sprintf("%s, byte %d, batch %d: %s%s: --live would leave out what is behind it; keep this ledger as evidence, and see what ledger verify says when nobody records",
		b.File, b.Offset, b.Batch, b.What, follows)
}

func (b *broken) Unwrap() error { return b.Damage }
