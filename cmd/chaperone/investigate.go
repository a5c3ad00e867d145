package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"chaperone/exchange"
	"chaperone/investigate"
	"chaperone/patient"
	"chaperone/watch"
)

// investigateFlags are the options of chaperone investigate as they are typed.
type investigateFlags struct {
	json      bool
	html, out string
	names     string
	ledger    ledgerFlags
	inside    []string
}

func newInvestigate() *cobra.Command {
	var f investigateFlags
	c := &cobra.Command{
		Use:   "investigate FOLDER...",
		Short: "Tell the story of a theft from a folder of evidence",
		Long: `Read a folder of whatever there is after a theft - network captures, Windows event logs, the table that is offered
for sale and the post that offers it - and tell what happened in order: how somebody got in, what he reached, the records
of how many patients he took and where they went, what is claimed and what of it is proven, what to fix first, and what
the evidence cannot show.

Files are recognised by their content. A list of the own systems (CSV, heading: address,name) may lie among them; it
names the systems, and its networks are taken for the own ones. Nothing is changed, and nothing is sent to anybody.

With --ledger, or $CHAPERONE_LEDGER, everything that passed is put on record there, once however often it is read. A ledger
that is not there is made, with its keys. Without either nothing is recorded.

Exit status: 0 done, also with files in the folder that are no evidence; 2 the folder could not be read, or the run was
stopped before the end.`,
		Example: `  chaperone investigate evidence/
  chaperone investigate --out report/ evidence/
  chaperone investigate --html story.html --inside 10.20.0.0/16 evidence/
  chaperone investigate --ledger /var/lib/chaperone/ledger evidence/
  chaperone investigate --json evidence/ | jq 'select(.kind=="stage")'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("investigate: which folder? For example: chaperone investigate evidence/ (--help says more)")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return runInvestigate(c, f, args) },
	}
	flags := c.Flags()
	flags.BoolVar(&f.json, "json", false, "write JSON Lines: disclosure, system, finding, stage, claim, and summary last")
	flags.StringVar(&f.html, "html", "", "write the report as one page to this `file`")
	flags.StringVar(&f.out, "out", "", "write everything into this `folder`, with the SHA-256 of every file of the evidence")
	flags.StringVar(&f.names, "names", "", "CSV `file` of address,name: shows names instead of addresses")
	flags.StringSliceVar(&f.inside, "inside", nil, "own `networks`, such as 10.20.0.0/16 (default: those of the named systems, else private ones)")
	f.ledger.addRecording(c)
	_ = c.MarkFlagFilename("names", "csv")
	_ = c.MarkFlagFilename("html", "html")
	_ = c.MarkFlagDirname("out")
	return c
}

func runInvestigate(c *cobra.Command, f investigateFlags, args []string) error {
	o := investigate.Options{Paths: args, Leave: f.out}
	err := cmp.Or(f.ledger.outside("--out", f.out), f.ledger.outside("--html", f.html))
	if err != nil {
		return err
	}
	if o.Inside, err = networks(f.inside); err != nil {
		return err
	}
	if f.names != "" {
		if o.Names, err = watch.LoadNames(f.names); err != nil {
			return err
		}
	}
	l, err := f.ledger.record(c, func() error { return investigate.Check(args, o.Leave) })
	if err != nil {
		return err
	}
	if l == nil {
		return investigateTo(c, f, o)
	}
	if o.Tokens, err = l.Tokens(); err == nil {
		o.Ledger = watch.NewRecording(c.Context(), l, false)
		err = investigateTo(c, f, o)
		err = errors.Join(o.Ledger.Err(), err) // the run itself tells of it in the report only
	}
	return recorded(l, o.Ledger, err)
}

// investigateTo runs investigate and writes what it says.
func investigateTo(c *cobra.Command, f investigateFlags, o investigate.Options) (err error) {
	stderr := c.ErrOrStderr()
	ephemeral := false
	if o.Tokens == nil {
		if o.Tokens, ephemeral, err = tokenizer(f.ledger.keys); err != nil {
			return err
		}
	}
	page, err := openPage(f.html)
	if err != nil {
		return err
	}
	defer page.drop()
	var folder *investigate.Folder
	if f.out != "" {
		if folder, err = investigate.OpenFolder(f.out); err != nil {
			return err
		}
	}
	var lines []*watch.JSON // standard output, the folder
	o.Begin = func(names watch.Names, census *patient.Census) {
		if ephemeral {
			fmt.Fprintln(stderr, "chaperone: no token key: patients get tokens that are good for this run only (--keys gives a key)")
		}
		if f.json {
			lines = append(lines, watch.NewJSON(c.OutOrStdout(), names, false, false))
		}
		if folder != nil {
			lines = append(lines, watch.NewJSON(folder.Lines(), names, false, false))
		}
		for _, j := range lines {
			j.Begin(census)
		}
	}
	o.Each = func(d exchange.Disclosed) {
		for _, j := range lines {
			j.Each(d)
		}
	}
	bar := progressOf(stderr, &o.Progress)
	report, err := investigate.Run(c.Context(), o)
	bar()
	if report == nil {
		if folder != nil {
			folder.Drop()
		}
		return err
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("stopped before the end: the report covers what was read until then")
	}
	return errors.Join(write(c, f, report, lines, folder, page), err)
}

// write writes a report to everywhere it was asked for.
func write(c *cobra.Command, f investigateFlags, report *investigate.Report, lines []*watch.JSON, folder *investigate.Folder, page *newPage) error {
	var written []error
	for _, j := range lines {
		written = append(written, j.Close(report.Watch, report.Lines()...))
	}
	if folder != nil {
		written = append(written, folder.Close(report, time.Local, written[len(written)-1]))
	}
	written = append(written, page.write(report))
	if !f.json {
		written = append(written, report.Write(c.OutOrStdout(), time.Local))
	}
	if err := errors.Join(written...); err != nil {
		return err
	}
	if folder != nil {
		fmt.Fprintf(c.ErrOrStderr(), "chaperone: the report is in %s\n", filepath.Join(f.out, investigate.PageFile))
	}
	return nil
}

// newPage is the file of --html in the making; nil without one. It gets its name when it is whole.
type newPage struct {
	path string
	file *os.File
}

func openPage(path string) (*newPage, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("--html: %w", err)
	}
	return &newPage{path, file}, nil
}

func (p *newPage) write(r *investigate.Report) error {
	if p == nil {
		return nil
	}
	err := r.HTML(io.Writer(p.file), time.Local)
	if err = errors.Join(err, p.file.Close()); err == nil {
		err = os.Rename(p.file.Name(), p.path)
	}
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	return nil
}

// drop removes what did not become a page.
func (p *newPage) drop() {
	if p != nil {
		_ = p.file.Close()
		_ = os.Remove(p.file.Name())
	}
}
