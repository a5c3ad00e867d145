package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"chaperone/internal/clinicsim"
)

func newSimulate() *cobra.Command {
	var o clinicsim.TheftOptions
	var out string
	c := &cobra.Command{
		Use:   "simulate --out DIR",
		Short: "Play an invented clinic, and a theft in it, into a folder of evidence",
		Long: `Play some days of an invented clinic into a folder: captures, Windows logs, names of systems and, unless there is
no intruder, the sales post and what the seller shows. All people are invented and all addresses are from the
documentation ranges. The same seed gives the same bytes.

What really happened is in truth.json; no other command reads it.`,
		Example: `  chaperone simulate --seed 7 --out /tmp/evidence
  chaperone simulate --seed 7 --intruder=false --out /tmp/honest`,
		Args: noArguments("; the new folder goes with --out"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := emptyFolder(out); err != nil {
				return err
			}
			if o.Days < 1 || o.Days > 31 {
				return errors.New("--days: from 1 to 31")
			}
			f, err := clinicsim.Theft(o)
			if err != nil {
				return err
			}
			if err := f.Write(out); err != nil {
				return err
			}
			w := c.OutOrStdout()
			for _, name := range f.Names() {
				fmt.Fprintf(w, "%9d  %s\n", len(f.Files[name]), filepath.Join(out, filepath.FromSlash(name)))
			}
			fmt.Fprintf(w, "%9d  %s: what really happened\n", len(f.Truth.JSON()), filepath.Join(out, "truth.json"))
			return nil
		},
	}
	flags := c.Flags()
	flags.StringVar(&out, "out", "", "`folder` to write into; it must be empty, or not there")
	flags.Uint64Var(&o.Seed, "seed", 1, "which clinic, and which theft")
	flags.IntVar(&o.Days, "days", 5, "how many days; a theft takes at least 3")
	flags.BoolVar(&o.Intruder, "intruder", true, "let somebody take the records")
	_ = c.MarkFlagDirname("out")
	return c
}

// emptyFolder makes sure that nothing is overwritten.
func emptyFolder(dir string) error {
	if dir == "" {
		return errors.New("simulate: where to? For example: chaperone simulate --out /tmp/evidence (--help says more)")
	}
	list, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(list) > 0:
		return fmt.Errorf("%s: the folder is not empty", dir)
	}
	return nil
}
