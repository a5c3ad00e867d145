package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chaperone/guard/spool"
	"chaperone/ledger/keys"
	"chaperone/page"
	"chaperone/site"
)

// spoolFlags are the options of chaperone spool as they are typed.
type spoolFlags struct {
	site   string
	asJSON bool
	ledger ledgerFlags
}

func newSpool() *cobra.Command {
	var f spoolFlags
	c := &cobra.Command{
		Use:   "spool",
		Short: "List the messages and images that a guard keeps for systems that are away, and those that were rejected",
		Long: `List what waits in a guard's spools, and what a system did not take when it was delivered: its sender believes that it arrived. Find out why,
and send it again with chaperone spool again, or have its sender send it again and remove the file. No patient is shown: a message of HL7 is
listed by its control ID, an image by its SOP instance UID. The guard may run meanwhile (docs/guard.md).

Exit status: 0 done; 2 could not do it.`,
		Example: `  chaperone spool --site site.yaml
  chaperone spool --ledger /var/lib/chaperone/ledger --json
  chaperone spool again --all --site site.yaml`,
		Args: noArguments("; the site file goes with --site, the ledger beside which the spool is with --ledger"),
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	c.Flags().BoolVar(&f.asJSON, "json", false, "write JSON Lines: message, and summary last")
	f.place(c)
	c.AddCommand(newSpoolAgain())
	return c
}

// place says which guard's spools are meant.
func (f *spoolFlags) place(c *cobra.Command) {
	c.Flags().StringVar(&f.site, "site", "", "the site `file`, which says where ledger and keys are (docs/site-file.md)")
	_ = c.MarkFlagFilename("site", "yaml", "yml")
	f.ledger.add(c)
}

// spooledLine is a message as it is listed.
type spooledLine struct {
	Kind     string      `json:"kind"`
	Listener string      `json:"listener"`
	State    spool.State `json:"state"`
	Number   uint64      `json:"number"`
	Came     time.Time   `json:"came"`
	From     string      `json:"from"`
	To       string      `json:"to"`
	Message  string      `json:"message"`
	IDs      []string    `json:"control_ids"` // of DICOM the SOP instance UID
	Answer   string      `json:"answer"`
	File     string      `json:"file"`
}

func (f *spoolFlags) run(c *cobra.Command) error {
	list, err := f.spooled(c)
	if err != nil {
		return err
	}
	if f.asJSON {
		return spooledJSON(c.OutOrStdout(), list)
	}
	return spooledText(c.OutOrStdout(), list)
}

// where gives the folder of the spools, and the site when it is named.
func (f *spoolFlags) where(c *cobra.Command) (dir string, s *site.Site, err error) {
	if f.site != "" {
		if s, err = site.Load(f.site); err != nil {
			return "", nil, err
		}
		if f.ledger.folder() == "" {
			f.ledger.dir = s.Ledger
		}
		if f.ledger.keys == "" {
			f.ledger.keys = s.Keys
		}
	}
	ledger, err := f.ledger.named(c)
	if err != nil {
		return "", nil, err
	}
	dir, err = spoolFolder(ledger)
	return dir, s, err
}

// spooled gives what lies in the spools.
func (f *spoolFlags) spooled(c *cobra.Command) ([]spooledLine, error) {
	dir, _, err := f.where(c)
	if err != nil {
		return nil, err
	}
	data, err := keys.LoadData(f.ledger.keysFolder())
	if err != nil {
		return nil, err
	}
	return spooledIn(dir, data.Spool)
}

// spoolsIn gives the listeners whose spools lie in a folder.
func spoolsIn(dir string) (listeners []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("spool: %w", err)
	}
	for _, e := range entries {
		if spool.IsSpool(filepath.Join(dir, e.Name())) {
			listeners = append(listeners, e.Name())
		}
	}
	return listeners, nil
}

// spooledIn reads all spools in a folder.
func spooledIn(dir string, key func([16]byte) [32]byte) (list []spooledLine, err error) {
	listeners, err := spoolsIn(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range listeners {
		err := spool.List(filepath.Join(dir, name), key, func(file string, k spool.Kept, state spool.State) error {
			list = append(list, spooledLine{"message", name, state, k.Number, k.Came, k.From, k.To, k.Word, append([]string{}, k.IDs...), k.Answer, file})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

func spooledText(out io.Writer, list []spooledLine) error {
	p := page.Writer{Out: out}
	if len(list) == 0 {
		p.Line("Nothing waits, and nothing was rejected.")
		return p.Err
	}
	for i := range list {
		l := &list[i]
		kind := "control ID"
		if l.Message == "C-STORE" {
			kind = "SOP instance UID"
		}
		text := fmt.Sprintf("%s  %s  %s  %s of %s for %s, %s %s", l.Listener, l.State, l.Came.In(time.Local).Format("2006-01-02 15:04:05"), l.Message, l.From, l.To, kind, strings.Join(l.IDs, ", "))
		if l.State != spool.Waits {
			text += ", answered " + l.Answer
		}
		p.Line("%s", page.Printable(text))
		if l.State == spool.Rejected {
			p.Line("  %s", page.Printable(l.File))
		}
	}
	return p.Err
}

func spooledJSON(out io.Writer, list []spooledLine) error {
	e := json.NewEncoder(out)
	number := map[spool.State]int{}
	for i := range list {
		number[list[i].State]++
		if err := e.Encode(&list[i]); err != nil {
			return err
		}
	}
	return e.Encode(struct {
		Kind     string `json:"kind"`
		Waiting  int    `json:"waiting"`
		Again    int    `json:"again"`
		Rejected int    `json:"rejected"`
	}{"summary", number[spool.Waits], number[spool.Again], number[spool.Rejected]})
}
