package main

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"chaperone"
	"chaperone/ask"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/watch"
)

// reportFlags are the options of chaperone report as they are typed.
type reportFlags struct {
	ledger       ledgerFlags
	patient      patientFlags
	as           string
	since, until string
	inside       []string
	names        string
	json         bool
}

func newReport() *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use:   "report --as accounting",
		Short: "Write what a patient may ask for: an accounting of disclosures",
		Long: `Write the accounting of disclosures that a patient may ask for (45 CFR 164.528): date, recipient, what, and what for, of the
six years before now; disclosures to one recipient for one purpose are summarised. Only what left the house belongs into it:
--inside says which networks are the own ones, without it everything is listed.

` + patientHelp + `

Exit status: 0 done, also when nothing is on record; 2 could not be answered.`,
		Example: `  chaperone report --as accounting --patient --ledger /var/lib/chaperone/ledger
  chaperone report --as accounting --patient-id 4f3c9a0b5d2e48719e6d0c8b7a615243 --inside 10.20.0.0/16 --names hosts.csv
  chaperone report --as accounting --patient --authority CLINIC --json < number.txt`,
		Args: noArguments(ofPatient),
		RunE: func(c *cobra.Command, _ []string) error { return runReport(c, f) },
	}
	f.ledger.addAsking(c)
	f.patient.add(c)
	flags := c.Flags()
	flags.StringVar(&f.as, "as", "", "`kind` of report: accounting")
	flags.StringVar(&f.since, "since", "", "from this `time` on, or as long ago: 90d (default: six years before)")
	flags.StringVar(&f.until, "until", "", "before this `time` (default: now)")
	flags.StringSliceVar(&f.inside, "inside", nil, "own `networks`, such as 10.20.0.0/16: what stayed in them is left out")
	flags.StringVar(&f.names, "names", "", "CSV `file` of address,name: shows names instead of addresses")
	flags.BoolVar(&f.json, "json", false, "write JSON Lines: accounting, and summary last")
	_ = c.RegisterFlagCompletionFunc("as", cobra.FixedCompletions([]string{"accounting"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagFilename("names", "csv")
	return c
}

func runReport(c *cobra.Command, f reportFlags) error {
	if f.as != "accounting" {
		return errors.New("report: which kind? --as accounting is the one there is")
	}
	if f.patient.id == "" && !f.patient.typed {
		return errors.New("report: of whom? Name the patient with --patient or --patient-id (--help says more)")
	}
	if _, err := f.patient.check(); err != nil {
		return err
	}
	account := ask.Account{Asked: time.Now()}
	from, until, err := period(f.since, f.until)
	if err != nil {
		return err
	}
	if account.From = from; !until.IsZero() {
		account.Asked = until
	}
	own, err := networks(f.inside)
	if err != nil {
		return err
	}
	if len(own) > 0 {
		account.Outside = func(r ledger.Row) bool { return !within(own, r.To.Addr) }
	}
	style := ask.Style{Zone: time.Local}
	if f.names != "" {
		if style.Names, err = watch.LoadNames(f.names); err != nil {
			return err
		}
	}
	l, err := f.ledger.ask(c)
	if err != nil {
		return err
	}
	return errors.Join(f.write(c, l, account, style), l.Close())
}

func (f *reportFlags) write(c *cobra.Command, l *disk.Ledger, account ask.Account, style ask.Style) error {
	who, err := f.patient.read(c, l)
	if err != nil {
		return err
	}
	account.Patient = *who
	a, err := ask.Accounting(c.Context(), l, account)
	if err != nil {
		return unknown(err)
	}
	if f.json {
		return a.WriteJSON(c.OutOrStdout(), style)
	}
	return a.Write(c.OutOrStdout(), style)
}

// networks reads --inside.
func networks(texts []string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range texts {
		p, err := chaperone.ParseNetwork(text)
		if errors.Is(err, chaperone.ErrNoNetwork) {
			return nil, fmt.Errorf("--inside: %q is not a network; for example --inside 10.20.0.0/16", text)
		}
		if err != nil {
			return nil, fmt.Errorf("--inside: %q: %w", text, err)
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}
