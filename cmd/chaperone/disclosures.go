package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"chaperone/ask"
	"chaperone/ledger"
	"chaperone/ledger/disk"
)

// disclosuresFlags are the options of chaperone disclosures as they are typed.
type disclosuresFlags struct {
	ledger    ledgerFlags
	question  questionFlags
	patient   patientFlags
	json, csv bool
}

func newDisclosures() *cobra.Command {
	var f disclosuresFlags
	c := &cobra.Command{
		Use:   "disclosures",
		Short: "List the disclosures on record: of a patient, to a recipient, of a time",
		Long: `List disclosures in the order of their time, as many as there are: each is written as it is found. What the list rests on,
which part of the period was watched and what can be proven, is at its foot; with --csv it goes to standard error, so that
nothing but the list is in the file; with --json it is in the last lines. Of a patient, the list names that one only and says how many others a disclosure covered:
it can be handed to them.

` + patientHelp + `

Exit status: 0 done, also without any; 2 could not be answered.`,
		Example: `  chaperone disclosures --ledger /var/lib/chaperone/ledger --party 203.0.113.7
  chaperone disclosures --patient --since 2026-01-01
  chaperone disclosures --patient --authority CLINIC < number.txt
  chaperone disclosures --patient-id 4f3c9a0b5d2e48719e6d0c8b7a615243 --csv > history.csv
  chaperone disclosures --json | jq 'select(.protection=="none")'`,
		Args: noArguments(ofQuestion),
		RunE: func(c *cobra.Command, _ []string) error { return runDisclosures(c, f) },
	}
	f.ledger.addAsking(c)
	f.question.add(c)
	f.patient.add(c)
	c.Flags().BoolVar(&f.json, "json", false, "write JSON Lines: disclosure, coverage, and summary last")
	c.Flags().BoolVar(&f.csv, "csv", false, "write CSV, safe to open in a spreadsheet")
	c.MarkFlagsMutuallyExclusive("json", "csv")
	return c
}

func runDisclosures(c *cobra.Command, f disclosuresFlags) error {
	q, style, err := f.question.read()
	if err != nil {
		return err
	}
	if _, err := f.patient.check(); err != nil {
		return err
	}
	l, err := f.ledger.ask(c)
	if err != nil {
		return err
	}
	return errors.Join(f.list(c, l, q, style), l.Close())
}

func (f *disclosuresFlags) list(c *cobra.Command, l *disk.Ledger, q ledger.Query, style ask.Style) (err error) {
	if q.Patient, err = f.patient.read(c, l); err != nil {
		return err
	}
	if err := f.question.strangers(l, q); err != nil {
		return err
	}
	format := ask.Table
	switch {
	case f.json:
		format = ask.JSON
	case f.csv:
		format = ask.CSV
	}
	if _, err := ask.Disclosures(c.Context(), c.OutOrStdout(), l, q, format, style); err != nil {
		return unknown(err)
	}
	s, err := l.Scope(c.Context(), q)
	if err != nil {
		return err
	}
	switch format {
	case ask.JSON:
		return ask.ScopeJSON(c.OutOrStdout(), q, s, style)
	case ask.CSV:
		style.Zone = time.UTC // as in the list
		return ask.Foot(c.ErrOrStderr(), q, s, style)
	}
	return ask.Foot(c.OutOrStdout(), q, s, style)
}
