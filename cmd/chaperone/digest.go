package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"chaperone/ask"
	"chaperone/watch"
)

// digestFlags are the options of chaperone digest as they are typed.
type digestFlags struct {
	ledger              ledgerFlags
	since, until, names string
}

func newDigest() *cobra.Command {
	var f digestFlags
	c := &cobra.Command{
		Use:   "digest",
		Short: "Say on one page what the week came to",
		Long: `Write what a period came to, for whoever is responsible: how many patients' records passed, who received most and who is new, what was
refused or would have been, what else was found and what to do about it, and how much of the period was watched. Without --since it is
the last seven days, so that a timer can send it once a week; with --live beside the guard that records.

Exit status: 0 done; 2 could not be answered.`,
		Example: `  chaperone digest --live --ledger /var/lib/chaperone/ledger
  chaperone digest --since 2026-11-01 --until 2026-12-01 --names hosts.csv`,
		Args: noArguments("; the period goes with --since and --until"),
		RunE: func(c *cobra.Command, _ []string) error { return runDigest(c, f) },
	}
	f.ledger.addAsking(c)
	flags := c.Flags()
	flags.StringVar(&f.since, "since", "", "from this `time` on, or as long ago: 7d, 12h (default: seven days before --until)")
	flags.StringVar(&f.until, "until", "", "before this `time` (default: now)")
	flags.StringVar(&f.names, "names", "", "CSV `file` of address,name: shows names instead of addresses")
	_ = c.MarkFlagFilename("names", "csv")
	return c
}

func runDigest(c *cobra.Command, f digestFlags) error {
	from, until, err := period(f.since, f.until)
	if err != nil {
		return err
	}
	if until.IsZero() {
		until = time.Now()
	}
	if from.IsZero() {
		from = until.AddDate(0, 0, -7)
	}
	if !from.Before(until) {
		return errors.New("--since is not before now")
	}
	style := ask.Style{Zone: time.Local}
	if f.names != "" {
		if style.Names, err = watch.LoadNames(f.names); err != nil {
			return fmt.Errorf("--names: %w", err)
		}
	}
	l, err := f.ledger.ask(c)
	if err != nil {
		return err
	}
	return errors.Join(ask.Digest(c.Context(), c.OutOrStdout(), l, from, until, style), l.Close())
}
