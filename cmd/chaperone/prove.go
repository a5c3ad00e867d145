package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/ledger/proof"
)

// proveFlags are the options of chaperone ledger prove as they are typed.
type proveFlags struct {
	ledger   ledgerFlags
	question questionFlags
	count    bool
	out      string
}

func newProve() *cobra.Command {
	var f proveFlags
	c := &cobra.Command{
		Use:   "prove {DISCLOSURE-ID | --count}",
		Short: "Make a proof of one disclosure, or of a count, for somebody outside",
		Long: `Make a document that convinces somebody who does not trust this host: that one disclosure is on record, or how many there were
in a period. It opens to its reader the block of up to eight disclosures that the one is in, or the batches that are counted:
times, amounts, and the ledger's running numbers for identifiers, no name, number or token; it says itself what its reader
learns and must trust. The reader needs the public keys of the ledger and of its witnesses, from elsewhere.

A count is of everything on record in the days of the period, so that nothing in between can be missing: parties and protocol
choose what is counted of it.`,
		Example: `  chaperone ledger prove 8c1aab26a52d4f9baaa5c54ad46125aa --out disclosure.json
  chaperone ledger prove --count --party 203.0.113.7 --since 2026-11-01 --until 2026-12-01 --out count.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || f.count == (len(args) == 1) {
				return errors.New("ledger prove: of what? The id of a disclosure, as chaperone disclosures --json prints it, or --count (--help says more)")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, args []string) error { return runProve(c, f, args) },
	}
	f.ledger.addAsking(c)
	f.question.add(c)
	c.Flags().BoolVar(&f.count, "count", false, "of a count over a period, instead of one disclosure")
	c.Flags().StringVar(&f.out, "out", "", "write to this new `file` instead of standard output")
	_ = c.MarkFlagFilename("out", "json")
	return c
}

func runProve(c *cobra.Command, f proveFlags, args []string) error {
	q, _, err := f.question.read()
	if err != nil {
		return err
	}
	var id [16]byte
	if len(args) == 1 {
		if n, err := hex.DecodeString(args[0]); err != nil || len(n) != len(id) {
			return errors.New("ledger prove: not the id of a disclosure: 32 hexadecimal digits, as chaperone disclosures --json prints them")
		} else {
			id = [16]byte(n)
		}
		if asked := q.From.IsZero() && q.Until.IsZero() && len(q.Parties)+len(q.Sources)+len(q.Protocols) == 0; !asked {
			return errors.New("ledger prove: parties, protocol and period only go with --count")
		}
	}
	if err := f.ledger.outside("--out", f.out); err != nil {
		return err
	}
	l, err := f.ledger.ask(c)
	if err != nil {
		return err
	}
	doc, err := f.prove(c, l, id, q)
	if err = errors.Join(err, l.Close()); err != nil {
		return err
	}
	return f.write(c, doc)
}

func (f *proveFlags) prove(c *cobra.Command, l *disk.Ledger, id [16]byte, q ledger.Query) (*proof.Document, error) {
	if !f.count {
		doc, err := l.Prove(c.Context(), id)
		if errors.Is(err, ledger.ErrUnknown) {
			return nil, errors.New("ledger prove: no such disclosure is on record, or its day was purged")
		}
		return doc, err
	}
	if err := f.question.strangers(l, q); err != nil {
		return nil, err
	}
	doc, err := l.ProveCount(c.Context(), q)
	if errors.Is(err, ledger.ErrUnknown) {
		return nil, errors.New("ledger prove: no such disclosure is on record: there is nothing to count")
	}
	return doc, err
}

func (f *proveFlags) write(c *cobra.Command, doc *proof.Document) error {
	text, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if f.out == "" {
		_, err = c.OutOrStdout().Write(text)
		return err
	}
	file, err := os.OpenFile(f.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("--out: %s is there already, and nothing is overwritten; name another file", f.out)
	}
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(f.out)
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}
