package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"chaperone/site"
)

func newPolicy() *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "Try a policy before it holds: by cases, and on what is on record",
		Long: `A policy is what a site file says: parties, grants, budgets, and own Cedar files. The commands below decide as the guard would, and
change nothing.`,
		Example: `  chaperone policy test cases.yaml --site site.yaml
  chaperone policy replay --site draft.yaml --since 7d --ledger /var/lib/chaperone/ledger
  chaperone policy explain 4f3c9a0b5d2e48719e6d0c8b7a615243 --site site.yaml`,
		Args: noSuchCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newPolicyTest(), newPolicyExplain(), newPolicyReplay())
	return c
}

// policyFlags say which policy is meant, and which record.
type policyFlags struct {
	site   string
	ledger ledgerFlags
	json   bool
}

func (f *policyFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.site, "site", "", "the site `file` whose policy is tried (docs/site-file.md)")
	_ = c.MarkFlagFilename("site", "yaml", "yml")
}

// load reads the policy.
func (f *policyFlags) load(c *cobra.Command) (*site.Site, error) {
	if f.site == "" {
		return nil, fmt.Errorf("%s: whose policy? Name a site file with --site (--help says more)", spoken(c))
	}
	return site.Load(f.site)
}

// zone is where the clocks of a site are.
func zone(s *site.Site) *time.Location {
	if s.Zone == "" {
		return time.Local
	}
	l, _ := time.LoadLocation(s.Zone) // it was found when the file was read
	return l
}

// onRecord completes the ledger from the site file: its folders, where nobody named others.
func (f *policyFlags) onRecord(s *site.Site) {
	if f.ledger.folder() == "" {
		f.ledger.dir = s.Ledger
	}
	if f.ledger.keys == "" {
		f.ledger.keys = s.Keys
	}
}

const whileGuarding = `While a guard runs, the ledger is its own: ask beside it with --live.`

// sinceOf reads a time, or how long ago it was: 7d, 12h.
func sinceOf(text string, now time.Time) (time.Time, error) {
	if span, err := spanOf(text); err == nil {
		return now.Add(-span), nil
	}
	t, err := moment("--since", text)
	if err != nil {
		return t, errors.New("--since: a time such as 2026-11-08, or how long ago: 7d, 12h")
	}
	return t, nil
}
