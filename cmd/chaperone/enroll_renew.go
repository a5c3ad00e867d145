package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"chaperone/identity"
	"chaperone/page"
)

// renewFlags are the options of chaperone enroll renew as they are typed.
type renewFlags struct{ within, out string }

func newEnrollRenew(f *enrollFlags) *cobra.Command {
	var r renewFlags
	c := &cobra.Command{
		Use:   "renew [PARTY…]",
		Short: "Give parties the next certificate",
		Long: `Sign the latest certificate of parties anew, for as long again and for the same key: only PARTY.pem has to be exchanged on the device.
In the folder, it replaces the earlier certificate of the same party and nothing else. Without a name, those are renewed
whose certificate ends within 7 days. What has run out already is renewed only by name: it may be out of service.`,
		Example: `  chaperone enroll renew                      # all that end within 7 days
  chaperone enroll renew ct1 --out /media/usb
  chaperone enroll renew --within 14d`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: f.parties,
		RunE:              func(c *cobra.Command, args []string) error { return runEnrollRenew(c, f, r, args) },
	}
	c.Flags().StringVar(&r.within, "within", "", "those that end within this `time` (default 7d)")
	c.Flags().StringVar(&r.out, "out", ".", "`folder` for the certificates; it is made when it is not there")
	_ = c.RegisterFlagCompletionFunc("within", cobra.FixedCompletions([]string{"7d", "14d", "30d"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagDirname("out")
	return c
}

// meant gives the parties to renew.
func (r *renewFlags) meant(issued []identity.Issued, names []string, now time.Time) ([]string, error) {
	newest := identity.Newest(issued)
	if len(names) > 0 {
		if r.within != "" {
			return nil, errors.New("enroll renew: either by name or by --within")
		}
		for _, name := range names {
			if newest[name] == nil {
				return nil, notRenewable(issued, name)
			}
		}
		return names, nil
	}
	within := identity.Soon
	if r.within != "" {
		var err error
		if within, err = lifeOf(r.within); err != nil {
			return nil, errors.New("--within: a number and d, m or y, for days, months or years; for example --within 7d")
		}
	}
	for _, party := range slices.Sorted(maps.Keys(newest)) {
		if is := newest[party]; is.Good(now) && is.NotAfter.Sub(now) <= within {
			names = append(names, party)
		}
	}
	return names, nil
}

// notRenewable says why a party has no certificate that could be renewed. A name that nothing was signed for is not repeated: it may be
// anything.
func notRenewable(issued []identity.Issued, name string) error {
	var last *identity.Issued
	for i := range issued {
		if is := &issued[i]; is.Party == name && (last == nil || is.Revoked.After(last.Revoked)) {
			last = is
		}
	}
	if last == nil {
		return errors.New("enroll renew: one of these parties has no certificate that could be renewed; chaperone enroll list says who has")
	}
	return fmt.Errorf("enroll renew: %s was revoked on %s (%s): if it may come back, enroll it again (chaperone enroll %s)", name, last.Revoked.UTC().Format(time.DateOnly), last.Reason, name)
}

func runEnrollRenew(c *cobra.Command, f *enrollFlags, r renewFlags, names []string) error {
	a, err := f.open()
	if err != nil {
		return err
	}
	issued, err := a.Issued()
	if err != nil {
		return err
	}
	names, err = r.meant(issued, names, time.Now())
	if err != nil {
		return err
	}
	p := page.Writer{Out: c.OutOrStdout()}
	if len(names) == 0 {
		p.Line("Nothing ends so soon. chaperone enroll list says when what ends.")
		return p.Err
	}
	// All is looked at before anything is signed.
	newest := identity.Newest(issued)
	for _, party := range names {
		if err := replaceable(a, filesOf(r.out, party).certificate, newest[party]); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(r.out, 0o700); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	for _, party := range names {
		certificate, err := a.Renew(newest[party])
		if err != nil {
			return err
		}
		is, err := a.Describe(certificate)
		if err != nil {
			return err
		}
		path := filesOf(r.out, party).certificate
		if err := identity.WriteCertificate(path, certificate); err != nil {
			return fmt.Errorf("enroll renew: %w", err)
		}
		p.Line("%s  until %s  for %s", path, is.NotAfter.In(time.Local).Format(time.DateOnly), party)
	}
	p.Line("")
	p.Wrap("", "Bring each to its device, in the place of the earlier certificate. The key there stays, and the earlier one is good until it ends.")
	return p.Err
}

// replaceable makes sure that a file is not there, or is an earlier certificate for the same key.
func replaceable(a *identity.Authority, path string, newest *identity.Issued) error {
	b, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("enroll renew: %w", err)
	}
	if is, err := a.Describe(b); err != nil || is.Key != newest.Key || is.Party != newest.Party {
		return fmt.Errorf("enroll renew: %s is there already, and is not an earlier certificate for the same key; name another folder with --out", path)
	}
	return nil
}
