package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"chaperone/ledger/backup"
	"chaperone/ledger/disk"
	"chaperone/page"
)

// restoreFlags are the options of chaperone ledger restore as they are typed.
type restoreFlags struct {
	ledger            ledgerFlags
	asBranch, unasked bool
}

func newRestore() *cobra.Command {
	var f restoreFlags
	c := &cobra.Command{
		Use:   "restore FROM",
		Short: "Bring a ledger back from a backup",
		Long: `Bring a ledger back from a backup into a new folder, verify it, and make its index. It needs the keys that the backup names.

The ledger's witnesses are asked first: a ledger must not go on from an earlier state as if nothing had been after it. When
they have seen more than the backup has, --as-branch makes a ledger of its own of it, under a new name, whose first entry
names the one that it continues. The verifier key, which begins with the name, is new with it; what signs is the same key.

What comes back is the same ledger under the same name. Where the original is still there, record into one of the two only:
when both go on, the log forks. Without a witness nobody notices that, and nobody can say whether the original went on.`,
		Example: `  chaperone ledger restore /mnt/backup/ledger --ledger /var/lib/chaperone/ledger
  chaperone ledger restore /mnt/backup/ledger --as-branch --ledger /var/lib/chaperone/ledger2`,
		Args:              onePath("from where? For example: chaperone ledger restore /mnt/backup/ledger --ledger /var/lib/chaperone/ledger"),
		ValidArgsFunction: folders,
		RunE:              func(c *cobra.Command, args []string) error { return runRestore(c, f, args[0]) },
	}
	f.ledger.add(c)
	c.Flags().BoolVar(&f.asBranch, "as-branch", false, "as a ledger of its own, which names this one")
	c.Flags().BoolVar(&f.unasked, "unasked", false, "also when too few witnesses can be asked whether they know more")
	return c
}

func runRestore(c *cobra.Command, f restoreFlags, from string) error {
	dir := f.ledger.folder()
	if dir == "" {
		return errors.New("ledger restore: where to? Name a new folder with --ledger (--help says more)")
	}
	keysFolder := f.ledger.keysFolder()
	r, err := backup.Restore(c.Context(), backup.RestoreOptions{From: from, To: dir, Keys: keysFolder, AsBranch: f.asBranch, Unasked: f.unasked})
	if err != nil {
		return err
	}
	p := page.Writer{Out: c.OutOrStdout()}
	p.Line("%s: %s with %s", dir, page.Count(int(r.Report.Batches), "batch", "batches"), page.Count(int(r.Report.Disclosures), "disclosure"))
	p.Line("%s", r.Origin)
	if f.asBranch {
		p.Wrap("", "It is a ledger of its own. Tell its witnesses, and keep its public key outside: "+r.Verifier)
	} else {
		p.Wrap("", "It is the same ledger, not a second one. Where the original is still there, record into one of the two only: when "+
			"both go on, the log forks, and one name and key stand for two histories that contradict each other for good. "+
			"A second one that may go on beside it is made with --as-branch.")
		if r.Report.Needed == 0 {
			p.Wrap("", "No witness is asked: nobody could say whether the original has gone on since this backup, and nobody would notice a fork.")
		}
	}
	for _, problem := range r.Report.Problems { // not of what is on record
		p.Wrap("", page.Clean(problem.String(), 500))
	}
	if p.Err != nil {
		return p.Err
	}
	stderr := c.ErrOrStderr()
	o := disk.Options{Dir: dir, Keys: keysFolder}
	o.Warn = func(text string) { fmt.Fprintln(stderr, "chaperone: ledger:", page.Printable(text)) }
	bar := progressOf(stderr, &o.Progress)
	err = disk.Reindex(c.Context(), o)
	bar()
	if err != nil {
		return fmt.Errorf("the ledger is restored, and its index is not made yet: %w; run ledger reindex", err)
	}
	return nil
}
