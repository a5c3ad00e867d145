package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chaperone/guard/spool"
	"chaperone/page"
	"chaperone/site"
)

// againFlags are the options of chaperone spool again as they are typed.
type againFlags struct {
	spoolFlags
	all      bool
	listener string
}

func newSpoolAgain() *cobra.Command {
	var f againFlags
	c := &cobra.Command{
		Use:   "again [ID ...]",
		Short: "Send rejected messages and images again",
		Long: `Put messages that a system did not take back into the queue of its listener, behind what waits there: those with the control IDs that you name, or
the SOP instance UIDs of images, or all. They go to the party for which they were decided, as they came, and make no new disclosure: the record names that party already. What is
not taken this time either is rejected again. Mend first what the system did not like; chaperone spool shows its answers.

The guard may run meanwhile, and need not: it looks every few seconds and when it starts. Until then such a message is listed as "again". No
message is lost on the way; when the guard is killed while it puts one into the queue, that one is sent twice.

Exit status: 0 done; 2 could not do it.`,
		Example: `  chaperone spool --site site.yaml                     # what was rejected, and why
  chaperone spool again MSG00042 1.2.840.113619.2.55.3 --site site.yaml
  chaperone spool again --all --listener lab --site site.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if (len(args) > 0) == f.all {
				return errors.New("spool again: which messages? Name their control IDs or SOP instance UIDs, or all of them with --all (--help says more)")
			}
			return nil
		},
		ValidArgsFunction: f.ids,
		RunE:              func(c *cobra.Command, args []string) error { return f.run(c, args) },
	}
	c.Flags().BoolVar(&f.all, "all", false, "every rejected message")
	c.Flags().StringVar(&f.listener, "listener", "", "only those of the listener of this `name`")
	_ = c.RegisterFlagCompletionFunc("listener", f.listeners)
	f.place(c)
	return c
}

// rejected gives what may be sent again.
func (f *againFlags) rejected(c *cobra.Command) ([]spooledLine, error) {
	list, err := f.spooled(c)
	return slices.DeleteFunc(list, func(l spooledLine) bool {
		return l.State != spool.Rejected || f.listener != "" && l.Listener != f.listener
	}), err
}

// known says whether there is a listener as it was typed.
func (f *againFlags) known(c *cobra.Command) error {
	dir, s, err := f.where(c)
	if err != nil {
		return err
	}
	names, err := spoolsIn(dir)
	if err != nil {
		return err
	}
	if s != nil { // one may have kept nothing yet
		for i := range s.Listeners {
			if s.Listeners[i].Protocol != site.TCP {
				names = append(names, s.Listeners[i].Name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	there := "there are: " + strings.Join(names, ", ")
	switch {
	case slices.Contains(names, f.listener):
		return nil
	case len(names) == 0:
		there = "there are none yet: a guard makes one for each listener with spool: when it starts"
	}
	return fmt.Errorf("spool again: nothing is kept for a listener with this name, so none is sent; %s", there)
}

// run asks for all that was named, or for nothing when something of it is not there.
func (f *againFlags) run(c *cobra.Command, ids []string) error {
	if f.listener != "" {
		if err := f.known(c); err != nil {
			return err
		}
	}
	list, err := f.rejected(c)
	if err != nil {
		return err
	}
	var files []string
	named := make([]bool, len(ids))
	for i := range list {
		wanted := f.all
		for k, id := range ids {
			if slices.Contains(list[i].IDs, id) {
				wanted, named[k] = true, true
			}
		}
		if wanted && !slices.Contains(files, list[i].File) {
			files = append(files, list[i].File)
		}
	}
	if k := slices.Index(named, false); k >= 0 { // it is not repeated: it may be anything
		return fmt.Errorf("spool again: no rejected message has the ID that is number %d of those named, so none is sent; chaperone spool lists them", k+1)
	}
	done := 0
	for _, file := range files {
		switch err := spool.SendAgain(file); {
		case errors.Is(err, fs.ErrNotExist): // somebody else has asked for it, or removed it
			continue
		case err != nil:
			return fmt.Errorf("%d of %d go back into the queue, and then: %w", done, len(files), err)
		}
		done++
	}
	out := c.OutOrStdout()
	switch {
	case done == 0 && f.listener != "":
		_, err = fmt.Fprintln(out, "Nothing was rejected of this listener; chaperone spool lists them all.")
		return err
	case done == 0:
		_, err = fmt.Fprintln(out, "Nothing was rejected.")
		return err
	}
	_, err = fmt.Fprintf(out, "Messages that go back into the queue: %d. The guard sees to it within seconds, or when it starts.\n", done)
	return err
}

// ids completes to the control IDs of what was rejected.
func (f *againFlags) ids(c *cobra.Command, have []string, _ string) (ids []string, _ cobra.ShellCompDirective) {
	list, _ := f.rejected(c) // what cannot be read is not proposed
	for i := range list {
		for _, id := range list[i].IDs {
			if !slices.Contains(have, id) && page.Printable(id) == id {
				ids = append(ids, id+"\t"+list[i].Message+" of "+list[i].From)
			}
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// listeners completes to those of which something was rejected.
func (f *againFlags) listeners(c *cobra.Command, _ []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	list, _ := f.rejected(c) // as in ids
	for i := range list {
		names = append(names, list[i].Listener)
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}
