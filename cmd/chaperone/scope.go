package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"chaperone/ask"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/page"
)

// scopeFlags are the options of chaperone scope as they are typed.
type scopeFlags struct {
	ledger       ledgerFlags
	question     questionFlags
	patient      patientFlags
	roster       rosterFlags
	detail, json bool
}

func newScope() *cobra.Command {
	var f scopeFlags
	c := &cobra.Command{
		Use:   "scope",
		Short: "Say exactly how many patients' records went to somebody",
		Long: `Count the distinct patients whose records went to a recipient, to several, or to anybody: exactly, with the least and the
most they can be however one counts, and with what the answer rests on: which part of the period was watched, what was
purged, and what can be proven to whom.

With --roster, the hospital's own list of patients (CSV, HL7 v2 messages, or FHIR Patient resources, one a line) is joined
back on: those who are affected are written to a new file that only you can read (patient data!), and the answer says how
many there are by state, and whom the law says to tell. This needs the token key. A list that does not say who gave its
numbers needs --authority: in 4711^^^CLINIC^MR, as messages write it (PID-3), that is CLINIC.

` + patientHelp + `

Exit status: 0 done; 1 with --roster, when it names none of those who are affected (look at --authority); 2 could not be answered.`,
		Example: `  chaperone scope --ledger /var/lib/chaperone/ledger
  chaperone scope --party 203.0.113.7 --since 2026-11-01 --detail
  chaperone scope --party-file vendors.txt --json | jq 'select(.kind=="summary") | .patients'
  chaperone scope --party 203.0.113.7 --roster patients.csv --authority CLINIC --out notify.csv`,
		Args: noArguments(ofQuestion),
		RunE: func(c *cobra.Command, _ []string) error { return runScope(c, f) },
	}
	f.ledger.addAsking(c)
	f.question.add(c)
	f.patient.add(c)
	f.roster.add(c)
	c.Flags().BoolVar(&f.detail, "detail", false, "also by day, by protocol, and by who gave to whom")
	c.Flags().BoolVar(&f.json, "json", false, "write JSON Lines: day, protocol, edge (with --detail), coverage, notice (with --roster), and summary last")
	return c
}

func runScope(c *cobra.Command, f scopeFlags) error {
	q, style, err := f.question.read()
	if err != nil {
		return err
	}
	if _, err := f.patient.check(); err != nil {
		return err
	}
	if err := f.roster.check(); err != nil {
		return err
	}
	q.Detail = f.detail
	if err := f.ledger.outside("--out", f.roster.out); err != nil {
		return err
	}
	l, err := f.ledger.ask(c)
	if err != nil {
		return err
	}
	return errors.Join(f.answer(c, l, q, style), l.Close())
}

func (f *scopeFlags) answer(c *cobra.Command, l *disk.Ledger, q ledger.Query, style ask.Style) (err error) {
	if q.Patient, err = f.patient.read(c, l); err != nil {
		return err
	}
	if err := f.question.strangers(l, q); err != nil {
		return err
	}
	out := c.OutOrStdout()
	var s ledger.Scope
	var people []ledger.PatientID
	if f.roster.path == "" {
		s, err = l.Scope(c.Context(), q)
	} else {
		s, people, err = l.People(c.Context(), q)
	}
	if err != nil {
		return unknown(err)
	}
	if f.roster.path == "" {
		if f.json {
			return ask.ScopeJSON(out, q, s, style)
		}
		return ask.Scope(out, q, s, style)
	}
	notice, err := f.roster.join(l, people, f.patient.authorities)
	if err != nil {
		return err
	}
	why := whyNobody(notice)
	nobody := notice.Named == 0 && notice.Unnamed > 0
	if nobody { // a count of 0 that stands alone would be read as "nobody needs to be told"
		why = fmt.Sprintf("of %s, none is in this list: %s", page.Count(notice.Unnamed, "affected person"), why)
	} else if why != "" {
		fmt.Fprintln(c.ErrOrStderr(), "chaperone: --roster:", why)
	}
	if f.json {
		err = errors.Join(noticeJSON(out, notice, why), ask.ScopeJSON(out, q, s, style))
	} else {
		err = errors.Join(ask.Scope(out, q, s, style), f.roster.say(out, notice, nobody, why))
	}
	if nobody && err == nil {
		return notHeld{"--roster: " + why}
	}
	return err
}

// unknown says what to do about a patient whom the ledger does not know.
func unknown(err error) error {
	if errors.Is(err, ledger.ErrUnknown) {
		return errors.New("no such patient is in this ledger; ids are those that this ledger's own answers print")
	}
	return err
}
