package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"chaperone/ledger"
	"chaperone/ledger/disk"
)

// TestUnfinishedPurge: what a purge that ended early has done is said as it is.
func TestUnfinishedPurge(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{ledger.ErrFull, "; 2 days before it were purged; say it again"},
		{fmt.Errorf("%w: %w", disk.ErrUnfinished, ledger.ErrFull), "3 days purged; 1970-01-10: its purge is on record"},
	} {
		if got := unfinished(test.err, 9, 2); !strings.Contains(got.Error(), test.want) || !errors.Is(got, ledger.ErrFull) {
			t.Errorf("got %v, want %s", got, test.want)
		}
	}
}
