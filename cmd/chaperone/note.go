package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"chaperone/ledger"
	"chaperone/page"
)

// maxNote bounds a note: it is for a sentence or two.
const maxNote = 2000

func newNote() *cobra.Command {
	var f ledgerFlags
	c := &cobra.Command{
		Use:   "note [TEXT]",
		Short: "Put a remark on record, such as why there is a gap; without TEXT, list what is there",
		Long: `Put a remark on record. It is sealed like everything else and cannot be taken back. Without TEXT, all notes are listed:
remarks, purges, and what runs covered.

No patient data! A note is not under the key of a day alone: it is shown to whoever reads the ledger, and other users of this
machine see the command line.`,
		Example: `  chaperone ledger note "the tap of building 2 was off from 8 to 10 for works on the power line"`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			if len(args) != 1 || strings.TrimSpace(args[0]) == "" {
				return errors.New(`ledger note: which text? One argument, in quotes: chaperone ledger note "the tap was off from 8 to 10"`)
			}
			if len(args[0]) > maxNote || !utf8.ValidString(args[0]) {
				return fmt.Errorf("ledger note: at most %d bytes of UTF-8", maxNote)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listNotes(c, &f)
			}
			l, err := f.write(c)
			if err != nil {
				return err
			}
			_, err = l.Record(c.Context(), ledger.Batch{Notes: []ledger.Note{{Kind: ledger.Remark, At: time.Now(), Text: args[0]}}})
			if err == nil { // whether or not the ledger can be closed
				_, err = fmt.Fprintln(c.OutOrStdout(), "the note is on record")
			}
			return errors.Join(err, l.Close())
		},
	}
	f.addAsking(c)
	return c
}

var noteKinds = map[ledger.NoteKind]string{ledger.Remark: "remark", ledger.Policy: "policy", ledger.Coverage: "covered", ledger.Purge: "purged"}

// listNotes prints all notes, the oldest first.
func listNotes(c *cobra.Command, f *ledgerFlags) error {
	l, err := f.ask(c)
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	err = l.Notes(c.Context(), func(n ledger.Note) error {
		text := page.Clean(n.Text, maxNote)
		switch n.Kind {
		case ledger.Coverage:
			text = fmt.Sprintf("%s to %s, %s", n.Seen.From.In(time.Local).Format(time.DateTime), n.Seen.Until.In(time.Local).Format(time.DateTime), page.Count(int(n.Seen.Flows), "connection"))
		case ledger.Purge:
			text = n.Day.String()
		}
		_, err := fmt.Fprintf(out, "%s  %-8s %s\n", n.At.In(time.Local).Format(time.DateTime), noteKinds[n.Kind], text)
		return err
	})
	return errors.Join(err, l.Close())
}
