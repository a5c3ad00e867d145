package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chaperone"
	"chaperone/guard"
	"chaperone/ledger"
	"chaperone/page"
	"chaperone/policy"
)

func newPolicyReplay() *cobra.Command {
	var f policyFlags
	var since string
	c := &cobra.Command{
		Use:   "replay",
		Short: "Say what a site file would have refused of what is on record",
		Long: `Decide everything on record since a time by a site file that does not hold yet, in the order of time: what would it have refused, of
whom, why, and of how many patients? Budgets begin empty at the start and fill as they would have.

The record does not say of which class DICOM objects were, of which type an HL7 query was (what RSP^K22, ADR^A19 and their like answer is
known), on which ward a patient lies, or whether a query named somebody: grants for single classes, types or wards come out as refused
(attribute-missing, ward), queries as named ones. What was seen on the network, and not
decided by a guard, is taken as if each party had proved who it is by its certificate.

` + whileGuarding + `

Exit status: 0 done; 2 could not do it.`,
		Example: `  chaperone policy replay --site draft.yaml --since 7d --ledger /var/lib/chaperone/ledger
  chaperone policy replay --site draft.yaml --since 2026-11-01 --json`,
		Args: noArguments("; the site file goes with --site" + ofLedger),
		RunE: func(c *cobra.Command, _ []string) error { return f.replay(c, since) },
	}
	f.add(c)
	f.ledger.addAsking(c)
	c.Flags().StringVar(&since, "since", "", "from this `time` on, or as long ago: 7d, 12h, 2026-11-08 (default: all of it)")
	c.Flags().BoolVar(&f.json, "json", false, "write JSON Lines: refusal, and summary last")
	_ = c.RegisterFlagCompletionFunc("since", cobra.FixedCompletions([]string{"1d", "7d", "30d"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (f *policyFlags) replay(c *cobra.Command, since string) error {
	var q ledger.Query
	if since != "" {
		from, err := sinceOf(since, time.Now())
		if err != nil {
			return err
		}
		q.From = from
	}
	s, err := f.load(c)
	if err != nil {
		return err
	}
	t, err := guard.NewTrial(s, q.From)
	if err != nil {
		return err
	}
	f.onRecord(s)
	l, err := f.ledger.ask(c)
	if err != nil {
		return err
	}
	r := guard.NewReplay(t)
	then := 0
	err = l.Disclosures(c.Context(), q, func(row ledger.Row) error { r.Row(&row); return nil })
	err = errors.Join(err, l.Findings(c.Context(), q, func(found chaperone.Finding) error {
		if strings.HasPrefix(found.Rule, guard.RefusedRule) {
			then += found.Count
		}
		return nil
	}))
	if err = errors.Join(err, l.Close()); err != nil {
		return err
	}
	if f.json {
		return replayJSON(c.OutOrStdout(), r, s.Version, then)
	}
	return replayText(c.OutOrStdout(), r, s.Version, then)
}

func replayText(out io.Writer, r *guard.Replay, version string, then int) error {
	p := page.Writer{Out: out}
	list := r.Refused()
	n := 0
	for i := range list {
		n += list[i].Disclosures
	}
	if n == 0 {
		p.Line("Policy %s would have refused none of %s.", version, page.Count(r.Disclosures, "disclosure"))
	} else {
		p.Line("Policy %s would have refused %s of %s, of %s.", version, page.Number(n), page.Count(r.Disclosures, "disclosure"), page.Count(r.Patients(), "patient"))
		p.Line("")
		width := len("WHO ASKS")
		for i := range list {
			width = max(width, min(len(list[i].Party), 30))
		}
		p.Line("%s  ACTION           REASON                DISCLOSURES  PATIENTS", page.Cell("WHO ASKS", width))
		for i := range list {
			f := &list[i]
			p.Line("%s  %s  %s  %11s  %8s", page.Cell(page.Clean(f.Party, width), width), page.Cell(string(f.Action), 15), page.Cell(string(f.Reason), 20), page.Number(f.Disclosures), page.Number(f.Patients))
		}
		p.Line("")
		p.Line("WHAT THE REASONS MEAN")
		seen := map[policy.Reason]bool{}
		for i := range list {
			if f := &list[i]; !seen[f.Reason] {
				seen[f.Reason] = true
				p.Wrap("  "+page.Cell(string(f.Reason), 20)+"  ", guard.ExplainReason(f.Reason)+" "+sentence(f.Hint))
			}
		}
	}
	p.Line("")
	if r.Watched > 0 {
		p.Wrap("", fmt.Sprintf("%s decided by no guard: it is taken that the parties would prove who they are.", page.Count(r.Watched, "disclosure was", "disclosures were")))
	}
	if then > 0 {
		p.Wrap("", fmt.Sprintf("The policies that held then refused %s, which this does not look at: a refusal says nothing of patients.", page.Count(then, "exchange")))
	}
	p.Wrap("", "Budgets begin empty at the start of the period. What the record does not know is in --help.")
	return p.Err
}

func replayJSON(out io.Writer, r *guard.Replay, version string, then int) (err error) {
	n := 0
	for _, f := range r.Refused() {
		n += f.Disclosures
		err = errors.Join(err, page.JSONLine(out, struct {
			Kind         string        `json:"kind"`
			Party        string        `json:"party"`
			Action       policy.Action `json:"action"`
			Reason       policy.Reason `json:"reason"`
			Disclosures  int           `json:"disclosures"`
			Patients     int           `json:"patients"`
			Unidentified int           `json:"unidentified"`
			Hint         string        `json:"hint"`
		}{"refusal", f.Party, f.Action, f.Reason, f.Disclosures, f.Patients, f.Unidentified, f.Hint}))
	}
	return errors.Join(err, page.JSONLine(out, struct {
		Kind        string `json:"kind"`
		Policy      string `json:"policy"`
		Disclosures int    `json:"disclosures"`
		Watched     int    `json:"watched"`
		Refused     int    `json:"refused"`
		Patients    int    `json:"patients"`
		Then        int    `json:"refused_then"` // by the policies that held, and not looked at
	}{"summary", version, r.Disclosures, r.Watched, n, r.Patients(), then}))
}
