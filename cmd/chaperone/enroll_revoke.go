package main

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"chaperone/identity"
	"chaperone/page"
)

func newEnrollRevoke(f *enrollFlags) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "revoke PARTY|SERIAL --reason REASON",
		Short: "Take certificates back",
		Long: `Take back all certificates of a party, or the one with a serial number (32 digits, as enroll list prints it). It cannot be undone: to let
the party in again, enroll it again. Reasons are those of RFC 5280:

  keyCompromise         the device or its key was lost or stolen: the key is never signed again
  superseded            another certificate has replaced it
  cessationOfOperation  the device is out of service
  affiliationChanged    the vendor's contract ended
  unspecified           none of these`,
		Example: `  chaperone enroll revoke ct1 --reason keyCompromise
  chaperone enroll revoke 3fa1c09d5e77482b9c61d0e2f4a58b13 --reason superseded`,
		Args:              onePath("whose? For example: chaperone enroll revoke ct1 --reason keyCompromise"),
		ValidArgsFunction: f.parties,
		RunE:              func(c *cobra.Command, args []string) error { return runEnrollRevoke(c, f, args[0], reason) },
	}
	c.Flags().StringVar(&reason, "reason", "", "`why`: "+strings.Join(identity.Reasons(), ", "))
	_ = c.RegisterFlagCompletionFunc("reason", cobra.FixedCompletions(identity.Reasons(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func runEnrollRevoke(c *cobra.Command, f *enrollFlags, what, reason string) error {
	if reason == "" {
		return errors.New("enroll revoke: why? --reason is one of " + strings.Join(identity.Reasons(), ", "))
	}
	a, err := f.open()
	if err != nil {
		return err
	}
	n, err := a.Revoke(what, reason)
	if err != nil {
		return err
	}
	p := page.Writer{Out: c.OutOrStdout()}
	if n == 0 {
		p.Line("Nothing to revoke: all of it was revoked before, or has run out.")
		return p.Err
	}
	p.Line("Revoked %s.", page.Count(n, "certificate"))
	p.Line("")
	p.Wrap("", "A guard that reads "+filepath.Join(a.Dir, identity.RevokedFile)+" refuses whoever shows what was revoked, within seconds, on connections that are open, too. To a guard on another machine, bring a copy of that file now.")
	return p.Err
}
