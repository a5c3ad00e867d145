package main

import (
	"github.com/spf13/cobra"
)

func newLedger() *cobra.Command {
	c := &cobra.Command{
		Use:   "ledger",
		Short: "Look after the record itself: verify, prove, export, back up, purge",
		Long: `A ledger is the record of what passed, in a folder: whose records, from where to where, exactly counted, and sealed so that
nobody can rewrite it without that showing. chaperone watch --ledger DIR makes one. Whose records they are stands in it as
tokens only, and everything is encrypted; the keys are in a folder of their own.

The commands below are for its keeper; chaperone scope, disclosures and report ask it.`,
		Example: `  chaperone ledger status /var/lib/chaperone/ledger
  chaperone ledger verify /var/lib/chaperone/ledger
  chaperone ledger backup /mnt/backup/ledger`,
		Args: noSuchCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newStatus(), newVerify(), newProve(), newCheckpoint(), newExport(), newBackup(), newRestore(), newPurge(), newReindex(), newNote())
	return c
}
