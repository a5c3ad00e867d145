package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chaperone/approval"
	"chaperone/page"
	"chaperone/site"
)

// approveFlags are the options of chaperone approve and break-glass as they are typed.
type approveFlags struct {
	site, long, reason, by string
	patients               int
	ledger                 ledgerFlags
}

const whereApprovals = `The guard need not be asked, and no network is needed: approvals are files in the folder "approvals" beside the ledger, which the guard
looks at every second. --site names its site file, which says where the ledger is and whom it knows; with --ledger alone nobody
checks the name of the party.`

func newApprove() *cobra.Command {
	var f approveFlags
	c := &cobra.Command{
		Use:   "approve PARTY --reason TEXT",
		Short: "Let a party that needs approval in, for a time and a number of patients",
		Long: `Approve that a party may come in: a vendor who repairs something, say. It may do what its grants permit and nothing more, until the
time is over or as many different patients were reached as you say. Remote desktops and shells are passed on unread; of those the
time and the bytes count. Each use is on record, and at the end a receipt says what was done.

` + whereApprovals + `

No patient data in the reason: no name, no number, no date of birth.

Exit status: 0 done; 2 could not do it.`,
		Example: `  chaperone approve ct-service --site site.yaml --for 2h --reason "tube of ct1 is replaced"
  chaperone approve ct-service --site site.yaml --for 1d --patients 5 --reason "images look wrong" --by "Anna Berg"
  chaperone approve list --site site.yaml
  chaperone approve end 3f9c0a5b2e48 --site site.yaml`,
		Args:              onePath(`which party? For example: chaperone approve ct-service --site site.yaml --reason "tube is replaced"`),
		ValidArgsFunction: f.parties,
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c, approval.Approve, args[0])
		},
	}
	f.place(c)
	f.add(c, "2h")
	c.Flags().IntVar(&f.patients, "patients", 20, "how many different `patients` at most")
	_ = c.RegisterFlagCompletionFunc("patients", cobra.NoFileCompletions)
	c.AddCommand(newApproveList(&f), newApproveEnd(&f))
	return c
}

func newBreakGlass() *cobra.Command {
	f := approveFlags{patients: approval.MostGlassPatients}
	c := &cobra.Command{
		Use:   "break-glass PARTY --reason TEXT",
		Short: "In an emergency: lift a party's budget and hours, for 50 patients and an hour at most",
		Long: `In an emergency, let a party do what its role may do at all, whatever its own grants, hours and budgets say: for 50 different patients
and 60 minutes at most. The budget of the whole site still holds, data does not leave the organisation, and who needs approval
still needs it. Everything is on record at once as a finding of severity high, each use is marked, and a receipt follows at the end.

It takes two: whoever breaks the glass (--by, or else your account) is not the party itself and not an account that many share.

` + whereApprovals + `

No patient data in the reason: no name, no number, no date of birth.

Exit status: 0 done; 2 could not do it.`,
		Example: `  chaperone break-glass viewer1 --site site.yaml --reason "mass accident, budget is spent" --by "Anna Berg"
  chaperone break-glass viewer1 --site site.yaml --for 20m --reason "archive of the other site is away"`,
		Args:              onePath(`which party? For example: chaperone break-glass viewer1 --site site.yaml --reason "mass accident"`),
		ValidArgsFunction: f.parties,
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c, approval.BreakGlass, args[0])
		},
	}
	f.place(c)
	f.add(c, "30m")
	return c
}

// place says where approvals are, to a command and those below it.
func (f *approveFlags) place(c *cobra.Command) {
	flags := c.PersistentFlags()
	flags.StringVar(&f.site, "site", "", "the guard's site `file`")
	flags.StringVar(&f.ledger.dir, "ledger", "", "`folder` of the ledger (default: $"+ledgerVariable+", or what the site file says)")
	_ = c.MarkPersistentFlagFilename("site", "yaml", "yml")
	_ = c.MarkPersistentFlagDirname("ledger")
}

func (f *approveFlags) add(c *cobra.Command, long string) {
	flags := c.Flags()
	flags.StringVar(&f.long, "for", long, "how `long`: a number and m, h or d")
	flags.StringVar(&f.reason, "reason", "", "why, in a `sentence` without patient data")
	flags.StringVar(&f.by, "by", "", "the `name` of whoever approves (default: your account)")
	_ = c.RegisterFlagCompletionFunc("for", cobra.FixedCompletions([]string{"30m", "1h", "2h"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("reason", cobra.NoFileCompletions)
	_ = c.RegisterFlagCompletionFunc("by", cobra.NoFileCompletions)
}

// folder gives the folder of approvals, the ledger it is beside of, and the site file when one is named.
func (f *approveFlags) folder(c *cobra.Command) (dir, ledger string, s *site.Site, err error) {
	if f.site != "" {
		if s, err = site.Load(f.site); err != nil {
			return "", "", nil, err
		}
	}
	if ledger = f.ledger.folder(); ledger == "" && s != nil {
		ledger = s.Ledger
	}
	if ledger == "" {
		return "", "", nil, fmt.Errorf("%s: where is the guard's ledger? Name the site file with --site, or the ledger with --ledger or $%s (--help says more)", spoken(c), ledgerVariable)
	}
	dir, err = approval.Beside(ledger)
	return dir, ledger, s, err
}

// parties completes to the parties of the site file.
func (f *approveFlags) parties(_ *cobra.Command, args []string, _ string) (list []string, _ cobra.ShellCompDirective) {
	if s, err := site.Load(f.site); err == nil && len(args) == 0 { // a file that is not good proposes nobody
		for i := range s.Parties {
			list = append(list, s.Parties[i].Name+"\t"+string(s.Parties[i].Role))
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// spanOf reads a length of time.
func spanOf(text string) (time.Duration, error) {
	units := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	if text != "" {
		n, err := strconv.Atoi(text[:len(text)-1])
		if unit := units[text[len(text)-1]]; err == nil && n > 0 && n < 100_000 && unit > 0 {
			return time.Duration(n) * unit, nil
		}
	}
	return 0, errors.New("--for: a number and m, h or d, for minutes, hours or days; for example --for 2h")
}

// account gives whom the operating system knows, and who that is when it became root with sudo.
func account() (name, person string) {
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if sudo := os.Getenv("SUDO_USER"); os.Geteuid() == 0 && sudo != "" {
		return name, sudo
	}
	return name, name
}

func (f *approveFlags) run(c *cobra.Command, kind approval.Kind, party string) error {
	if f.reason == "" {
		return fmt.Errorf(`%s: why? Say it with --reason, for example --reason "tube is replaced"; no patient data`, spoken(c))
	}
	long, err := spanOf(f.long)
	if err != nil {
		return err
	}
	dir, ledger, s, err := f.folder(c)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	a := approval.Approval{ID: approval.NewID(), Kind: kind, Party: party, By: f.by, Reason: f.reason, From: now, Until: now.Add(long), Patients: f.patients}
	person := ""
	if a.User, person = account(); a.By == "" {
		a.By = person
	}
	if err := known(c, s, &a); err != nil {
		return err
	}
	if _, err := os.Stat(ledger); err != nil { // a slip of the pen would approve nothing
		return fmt.Errorf("%s: there is no ledger at %s, so no guard looks beside it; is the name right? The guard makes it when it first runs", spoken(c), ledger)
	}
	if err := approval.MakeFolder(dir, ledger); err != nil {
		return err
	}
	if err := approval.Write(dir, a); err != nil {
		return fmt.Errorf("%s: %w", spoken(c), err)
	}
	again := ""
	if f.site != "" {
		again = " --site " + page.Printable(f.site)
	}
	if f.ledger.dir != "" {
		again += " --ledger " + page.Printable(f.ledger.dir)
	}
	return toldApproved(c, s, &a, long, again)
}

// known looks whether the site file knows the party. An argument that is none is not repeated: it may be a patient's number.
func known(c *cobra.Command, s *site.Site, a *approval.Approval) error {
	if s == nil {
		fmt.Fprintln(c.ErrOrStderr(), "chaperone: no site file is named (--site), so nobody checks the name of the party")
		return nil
	}
	p := s.Party(a.Party)
	switch {
	case p == nil:
		var names []string
		for i := range s.Parties {
			names = append(names, s.Parties[i].Name)
		}
		slices.Sort(names)
		return fmt.Errorf("%s: the site file has no such party; it has %s", spoken(c), strings.Join(names, ", "))
	case a.Kind == approval.BreakGlass && p.Approval:
		return fmt.Errorf("%s: %s needs an approval, also in an emergency: chaperone approve %s", spoken(c), p.Name, p.Name)
	}
	return nil
}

// toldApproved says what was approved; again is what the next command has to be told of where.
func toldApproved(c *cobra.Command, s *site.Site, a *approval.Approval, long time.Duration, again string) error {
	p := page.Writer{Out: c.OutOrStdout()}
	until := a.Until.In(time.Local).Format("2006-01-02 15:04")
	if a.Kind == approval.BreakGlass {
		p.Line("The glass is broken for %s until %s (%s), for up to %s.", a.Party, until, page.Span(long), page.Count(a.Patients, "patient"))
	} else {
		p.Line("Approved: %s may come in until %s (%s), for up to %s.", a.Party, until, page.Span(long), page.Count(a.Patients, "patient"))
	}
	p.Line("")
	p.Line("  id      %s", a.ID)
	p.Line("  by      %s", page.Clean(a.By, 80))
	p.Line("  reason  %s", page.Clean(a.Reason, 80))
	p.Line("")
	p.Wrap("", "A guard that runs here lets it in within two seconds. It ends by itself; to end it before:")
	p.Line("  chaperone approve end %s%s", a.ID, again)
	if s != nil && a.Kind == approval.Approve && !s.Party(a.Party).Approval {
		p.Line("")
		p.Wrap("", "The site file does not say approval: true of "+a.Party+": what its grants permit it may do without this, too.")
	}
	return p.Err
}
