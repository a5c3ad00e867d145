package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"chaperone/ask"
	"chaperone/ledger"
	"chaperone/ledger/export"
	"chaperone/page"
)

// exportFlags are the options of chaperone ledger export as they are typed.
type exportFlags struct {
	ledger         ledgerFlags
	out            string
	json, csv, log bool
}

func newExport() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use:   "export {--json | --csv | --log} [--out DIR]",
		Short: "Write everything on record for other programs, or the log for auditors",
		Long: `Write all disclosures on record as JSON Lines or CSV, patients by their ids, without names, numbers and tokens; or, with --log,
the sealed log as a folder that any client of C2SP tlog-tiles can read: checkpoint, hash tiles and the headers of the batches,
nothing of what is in them.

With --out a new folder gets disclosures.jsonl, disclosures.csv and log, as far as they were asked for. Without it JSON or CSV
goes to standard output.`,
		Example: `  chaperone ledger export --csv > disclosures.csv
  chaperone ledger export --json --log --out /tmp/export --ledger /var/lib/chaperone/ledger`,
		Args: noArguments(ofLedger),
		RunE: func(c *cobra.Command, _ []string) error { return runExport(c, f) },
	}
	f.ledger.addAsking(c)
	flags := c.Flags()
	flags.StringVar(&f.out, "out", "", "new `folder` to write into")
	flags.BoolVar(&f.json, "json", false, "all disclosures as JSON Lines")
	flags.BoolVar(&f.csv, "csv", false, "all disclosures as CSV, safe to open in a spreadsheet")
	flags.BoolVar(&f.log, "log", false, "the sealed log, for auditors (needs --out)")
	_ = c.MarkFlagDirname("out")
	return c
}

func runExport(c *cobra.Command, f exportFlags) error {
	dir, err := f.ledger.named(c)
	switch {
	case err != nil:
		return err
	case !f.json && !f.csv && !f.log:
		return errors.New("ledger export: what? --json, --csv or --log (--help says more)")
	case f.out == "" && f.log:
		return errors.New("--log: where to? Name a new folder with --out")
	case f.log && f.ledger.live:
		return errors.New("--log: not beside a process that records: make a copy with ledger backup --live, and export the log of that (--ledger COPY)")
	case f.out == "" && f.json && f.csv:
		return errors.New("ledger export: two lists do not fit into standard output; name a new folder with --out")
	}
	if err := f.ledger.outside("--out", f.out); err != nil {
		return err
	}
	if f.out != "" {
		if list, err := os.ReadDir(f.out); err == nil && len(list) > 0 {
			return fmt.Errorf("--out: %s is not empty, and nothing is overwritten; name a new folder", f.out)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("--out: %w", err)
		}
	}
	if f.json || f.csv {
		if err := f.lists(c); err != nil {
			return err
		}
	}
	if !f.log {
		return nil
	}
	batches, err := export.Log(c.Context(), dir, filepath.Join(f.out, "log"))
	if err == nil {
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s: the log of %s\n", filepath.Join(f.out, "log"), page.Count(int(batches), "batch", "batches"))
	}
	return err
}

// lists writes the disclosures in the formats that were asked for.
func (f *exportFlags) lists(c *cobra.Command) error {
	l, err := f.ledger.ask(c)
	if err != nil {
		return err
	}
	one := func(wanted bool, name string, format ask.Format) error {
		if !wanted {
			return nil
		}
		write := func(out io.Writer) (int, error) {
			return ask.Disclosures(c.Context(), out, l, ledger.Query{}, format, ask.Style{})
		}
		if f.out == "" {
			_, err := write(c.OutOrStdout())
			return err
		}
		return f.file(c, name, write)
	}
	err = one(f.json, "disclosures.jsonl", ask.JSON)
	if err == nil {
		err = one(f.csv, "disclosures.csv", ask.CSV)
	}
	return errors.Join(err, l.Close())
}

// file writes one file of the folder, and removes what is not whole.
func (f *exportFlags) file(c *cobra.Command, name string, write func(io.Writer) (int, error)) error {
	if err := os.MkdirAll(f.out, 0o700); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	path := filepath.Join(f.out, name)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	n, err := write(file)
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(path)
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", path, page.Count(n, "disclosure"))
	return err
}
