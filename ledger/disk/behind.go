package disk

import (
	"errors"
	"fmt"
	"io"
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

// OnRecord counts the whole batches of a record, for whoever takes of it only what is under the latest checkpoint.
//
// Error: those behind that checkpoint were not written just now, so that nobody signs them: after a crash, or when an older
// checkpoint was put back. What is under it would be half an answer, and look like a whole one.
func OnRecord(dir string, id [16]byte, v note.Verifier, now func() time.Time) (uint64, error) {
	for before := int64(-1); ; {
		tree, _, err := seal.ReadCheckpoint(dir, v)
		if err != nil {
			return 0, err
		}
		behind, since, err := behind(dir, id, uint64(tree.N))
		if err != nil {
			return 0, err
		}
		if behind == 0 || now().Sub(since).Abs() <= fresh {
			return uint64(tree.N) + behind, nil
		}
		if tree.N == before {
			return 0, fmt.Errorf("%s: %s on record, written since %s, and not under its last checkpoint, and nobody signs now: --live would leave that out. "+
				"Go on without --live when nobody records, or see what ledger verify says", dir, page.Count(int(behind), "batch is", "batches are"), since.UTC().Format(time.RFC3339))
		}
		before = tree.N // it may have been signed while the record was read
	}
}

// behind counts the whole batches behind the first so many, and says when the first of them was written. What is being written, or was
// when a crash came, is none.
func behind(dir string, id [16]byte, signed uint64) (count uint64, since time.Time, err error) {
	days, err := keys.OpenDays(dir, keys.Data{}, id).List() // which opens none of them
	if err != nil {
		return 0, since, err
	}
	there := map[ledger.Day]bool{}
	for _, day := range days {
		there[day] = true
	}
	w, err := record.Walk(filepath.Join(dir, recordFolder), id, record.WalkOptions{From: signed, Purged: func(day ledger.Day) bool { return !there[day] }})
	if err != nil {
		return 0, since, err
	}
	defer w.Close()
	for {
		f, err := w.Next()
		var damage *record.Damage
		if errors.Is(err, io.EOF) || errors.As(err, &damage) {
			return count, since, nil
		}
		if err != nil {
			return 0, since, err
		}
		if count++; count == 1 {
			since = f.Written
		}
	}
}
