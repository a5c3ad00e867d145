package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"chaperone/ledger/seal"
	"chaperone/page"
)

// beside opens a ledger for asking, whether another process records in it, begins to, or none does: what is derived is made in a
// folder of its own, from the batches under the latest checkpoint. All of them are durable, signed, and changed by a purge alone; nothing
// of the ledger is touched. So it needs no lock, and takes none: a question must not keep a guard from starting.
func (l *Ledger) beside(ctx context.Context) error {
	if err := l.readable(); err != nil {
		return err
	}
	batches, err := OnRecord(ctx, l.dir, l.meta.ID, l.verify, l.now)
	if err != nil {
		return err
	}
	l.later = batches - min(batches, uint64(l.log.Tree().N))
	dir, err := os.MkdirTemp("", "chaperone-index-")
	if err != nil {
		return err
	}
	l.apart = dir
	came := ""
	if l.later > 0 {
		came = fmt.Sprintf(" (%d came after it)", l.later)
	}
	l.warn(fmt.Sprintf("the answer is as of the last checkpoint, over %s%s, and an index is made for it in a temporary folder", page.Count(int(l.log.Tree().N), "batch", "batches"), came))
	const tries = 3 // a file may be cut to its length, a day purged, while they are read
	for try := 1; ; try++ {
		_, err := l.derive(ctx, filepath.Join(dir, fmt.Sprint(try)))
		if err == nil {
			return l.shutPurged()
		}
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("the record ends before its last checkpoint: run ledger verify when nobody records")
		}
		if ctx.Err() != nil || try == tries {
			return err
		}
		if l.index != nil {
			_ = l.index.Close() // it is made again
			l.index = nil
		}
		l.files.close()
		l.keys.reset() // a day may have been purged meanwhile, which a later checkpoint says
		if l.log, err = seal.Open(l.dir, l.verify, nil); err != nil {
			return err
		}
		l.later = batches - min(batches, uint64(l.log.Tree().N))
	}
}
