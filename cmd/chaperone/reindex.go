package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"chaperone/ledger/disk"
	"chaperone/page"
)

func newReindex() *cobra.Command {
	var f ledgerFlags
	c := &cobra.Command{
		Use:   "reindex",
		Short: "Make the index of a ledger anew from its record",
		Long: `Make everything anew that is derived from the record: the index that answers questions, and the table of people. It is what
to do when a question says that the index cannot be read. The record itself is read and not changed.`,
		Example: `  chaperone ledger reindex /var/lib/chaperone/ledger`,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := f.named(c)
			if err != nil {
				return err
			}
			stderr := c.ErrOrStderr()
			o := disk.Options{Dir: dir, Keys: f.keysFolder()}
			o.Warn = func(text string) { fmt.Fprintln(stderr, "chaperone: ledger:", page.Printable(text)) }
			bar := progressOf(stderr, &o.Progress)
			err = disk.Reindex(c.Context(), o)
			bar()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), "the index was made anew")
			return err
		},
	}
	f.add(c)
	f.place(c)
	return c
}
