package main

import (
	"strings"
	"testing"

	"chaperone/ledger/disk"
)

// TestStatusFull: ledger status says in words what a disk that fills asks for.
func TestStatusFull(t *testing.T) {
	for _, test := range []struct {
		used        int
		want, never string
	}{
		{-1, "room  ", "disk  "}, {79, "79 % full, ", "purge"}, {82, "82 % full: free space, or purge days", ", 1.0 GB free"},
	} {
		var b strings.Builder
		if err := statusText(&b, &disk.Status{DiskUsed: test.used, DiskFree: 1e9}); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); !strings.Contains(got, test.want) || strings.Contains(got, test.never) {
			t.Errorf("%d %%: got\n%s, want %q and not %q", test.used, got, test.want, test.never)
		}
	}
}
