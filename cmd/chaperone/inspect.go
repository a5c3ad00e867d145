package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"chaperone/format/evtx"
	"chaperone/inspect"
)

// inspectFlags are the options of chaperone inspect.
type inspectFlags struct{ json, events bool }

// inspection is where the results go: a report or JSON Lines.
type inspection interface {
	Event(path string, e *evtx.Record) error
	File(inspect.File)
	Close() error
}

func newInspect() *cobra.Command {
	var f inspectFlags
	c := &cobra.Command{
		Use:   "inspect FILE...",
		Short: "Say what a file is, and what a Windows event log holds",
		Long: `Say what a file is, by its content and not by its name. Of a Windows event log (.evtx) say how many events it holds,
when and of which computers, what the events mean, and what is damaged. Of any other file say which command reads it.

Damaged logs are read as far as possible: events that no checksum vouches for are counted as carved.
--events lists the events themselves: they name people, and may name patients, in the clear.

FILE is a file, or - for standard input. Nothing is changed, and nothing is sent to anybody.

Exit status: 0 done, also when the format is unknown; 2 not every file could be read.`,
		Example: `  chaperone inspect Security.evtx
  chaperone inspect --events Security.evtx | less
  chaperone inspect --json --events *.evtx | jq 'select(.id==4625) | .data.IpAddress'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("inspect: which file? For example: chaperone inspect Security.evtx (--help says more)")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return runInspect(c, f, args) },
	}
	flags := c.Flags()
	flags.BoolVar(&f.json, "json", false, "write JSON Lines: event (with --events), file, and summary last")
	flags.BoolVar(&f.events, "events", false, "list the events")
	return c
}

func runInspect(c *cobra.Command, f inspectFlags, args []string) error {
	var out inspection = inspect.NewReport(c.OutOrStdout(), time.Local)
	if f.json {
		out = inspect.NewJSON(c.OutOrStdout())
	}
	var all []error
	for _, path := range args {
		var each func(*evtx.Record) error
		if f.events {
			each = func(e *evtx.Record) error { return out.Event(path, e) }
		}
		if err := inspectFile(c, path, out, each); err != nil {
			all = append(all, err)
		}
	}
	return errors.Join(append(all, out.Close())...)
}

func inspectFile(c *cobra.Command, path string, out inspection, each func(*evtx.Record) error) error {
	f := inspect.File{Path: path, Size: -1}
	var src io.Reader = c.InOrStdin()
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return err
		}
		if info.IsDir() {
			return fmt.Errorf("%s: a folder; give its files", path)
		}
		if src = file; info.Mode().IsRegular() {
			f.Size = info.Size()
		}
	}
	f, err := inspect.Read(c.Context(), f, src, each)
	if f.Format != "" {
		out.File(f)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
