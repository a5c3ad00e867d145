package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"chaperone/ledger/backup"
	"chaperone/ledger/keys"
	"chaperone/page"
)

func newBackup() *cobra.Command {
	var f ledgerFlags
	c := &cobra.Command{
		Use:   "backup TO",
		Short: "Copy a ledger into another folder, or what is new of it",
		Long: `Copy a ledger into a new folder, or into that of an earlier backup what is new since then, and verify the whole copy. Index and
table of people are left out: they are made anew. A backup takes purges over, so that what was purged is gone from it as well.

The keys are not in it: whoever has both can read everything. It says which keys it needs; keep those apart from it.

With --live nobody has to be stopped, and nobody is kept out who begins to record meanwhile: everything under the latest checkpoint is
copied, which is a second old at most beside a guard or a watch that records.`,
		Example: `  chaperone ledger backup /mnt/backup/ledger --ledger /var/lib/chaperone/ledger
  chaperone ledger backup /mnt/backup/ledger --ledger /var/lib/chaperone/ledger --live`,
		Args:              onePath("where to? For example: chaperone ledger backup /mnt/backup/ledger"),
		ValidArgsFunction: folders,
		RunE:              func(c *cobra.Command, args []string) error { return runBackup(c, f, args[0]) },
	}
	f.add(c)
	c.Flags().BoolVar(&f.live, "live", false, "what is under the latest checkpoint, also while another process records, and keeping none out")
	return c
}

func runBackup(c *cobra.Command, f ledgerFlags, to string) error {
	dir, err := f.named(c)
	if err != nil {
		return err
	}
	w, err := backup.Write(c.Context(), backup.Options{Dir: dir, To: to, Keys: f.keysAtHand(), Live: f.live})
	if err != nil {
		return err
	}
	p := page.Writer{Out: c.OutOrStdout()}
	p.Line("%s: %s with %s; %s of the record were new", to, page.Count(int(w.Batches), "batch", "batches"), page.Count(int(w.Disclosures), "disclosure"), page.Size(w.Copied))
	if w.Later > 0 {
		p.Line("%s after the checkpoint that it is as of: the next backup has them", page.Count(int(w.Later), "batch was recorded", "batches were recorded"))
	}
	if len(w.Erased) > 0 {
		p.Wrap("", "Purged meanwhile, and gone from the backup: "+days(w.Erased)+".")
	}
	if len(w.Left) > 0 {
		p.Wrap("", "The keys of "+days(w.Left)+" are in the backup and not in the ledger any more: with data.key at hand it is known whether they were purged.")
	}
	p.Line("Keep these keys apart from it:")
	for _, k := range w.Keys {
		p.Line("  %-12s %s  %s", k.File, k.ID, k.Use)
	}
	return p.Err
}

// keysAtHand gives the folder of the keys, "" when nobody named one and the usual one has no data key: then what is encrypted
// is not opened.
func (f *ledgerFlags) keysAtHand() string {
	folder := f.keysFolder()
	if f.keys == "" {
		if _, err := os.Stat(filepath.Join(folder, keys.DataFile)); errors.Is(err, fs.ErrNotExist) {
			return ""
		}
	}
	return folder
}
