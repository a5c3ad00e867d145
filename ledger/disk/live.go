package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"chaperone/ledger/seal"
)

// beside opens a ledger for asking while another process records in it: what is derived is made in a folder of its own, from the
// batches under the latest checkpoint. All of them are durable, signed, and never changed again; nothing of the ledger is touched.
func (l *Ledger) beside(ctx context.Context) error {
	if err := l.readable(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "chaperone-index-")
	if err != nil {
		return err
	}
	l.apart = dir
	l.warn(fmt.Sprintf("another process records in it: the answer is as of its last checkpoint, over %d batches, and an index is made for it in a temporary folder", l.log.Tree().N))
	const tries = 3 // a file may be cut to its length, a day purged, while they are read
	for try := 1; ; try++ {
		_, err := l.derive(ctx, filepath.Join(dir, fmt.Sprint(try)))
		if err == nil {
			l.forgetPurged()
			return nil
		}
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("the record ends before its last checkpoint: stop the process that records, and run ledger verify")
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
	}
}
