package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"chaperone/identity"
	"chaperone/page"
)

func newEnrollInit(f *enrollFlags) *cobra.Command {
	var site string
	c := &cobra.Command{
		Use:   "init --site NAME",
		Short: "Make the site's own authority",
		Long: `Make the authority that signs the certificates of a site's parties: a folder with its certificate and its key, for ten years. It is
done once; where there is one, it is left as it is.`,
		Example: `  chaperone enroll init --site north-clinic
  chaperone enroll init --site north-clinic --authority /media/usb/authority   # the key stays off every network`,
		Args: noArguments("; the site's name goes with --site"),
		RunE: func(c *cobra.Command, _ []string) error { return runEnrollInit(c, f, site) },
	}
	c.Flags().StringVar(&site, "site", "", "`name` of the site, as in its site file: it is in every certificate, and stays the same")
	_ = c.RegisterFlagCompletionFunc("site", cobra.NoFileCompletions)
	return c
}

func runEnrollInit(c *cobra.Command, f *enrollFlags, site string) error {
	if site == "" {
		return errors.New("enroll init: of which site? For example: --site north-clinic; it must stay the same")
	}
	dir, err := f.folder()
	if err != nil {
		return err
	}
	p := page.Writer{Out: c.OutOrStdout()}
	a, err := identity.Create(dir, site)
	if errors.Is(err, fs.ErrExist) {
		if a, err = identity.OpenAuthority(dir); err != nil {
			return err
		}
		if a.Site != site {
			return fmt.Errorf("enroll init: %s is the authority of %s; name another folder with --authority", dir, a.Site)
		}
		issued, err := a.Issued()
		if err != nil {
			return err
		}
		p.Line("The authority of %s is in %s already, until %s; it has signed %s. Nothing was changed.",
			a.Site, dir, a.NotAfter.In(time.Local).Format(time.DateOnly), page.Count(len(issued), "certificate"))
		return p.Err
	}
	if err != nil {
		return err
	}
	p.Line("Made the authority of %s, until %s.", a.Site, a.NotAfter.In(time.Local).Format(time.DateOnly))
	p.Line("")
	for _, file := range [][2]string{
		{identity.CertificateFile, "whom all parties and the guard are to believe; anybody may see it"},
		{identity.KeyFile, "the key: whoever has it can make anybody. Only for you"},
		{identity.RevokedFile, "what was revoked; the guard reads it"},
	} {
		p.Line("  %s  %s", page.Cell(filepath.Join(dir, file[0]), len(dir)+1+len(identity.CertificateFile)), file[1])
	}
	p.Line("")
	p.Line("Next:")
	p.Wrap("  1. ", "Back up the folder, apart from the backups of everything else.")
	p.Wrap("  2. ", "A certificate for the guard itself: chaperone enroll guard --server --dns NAME --address ADDRESS")
	p.Wrap("  3. ", "One for each party: chaperone enroll PARTY")
	p.Wrap("  4. ", "If the guard runs on another machine, it needs copies of "+identity.CertificateFile+" and "+identity.RevokedFile+" alone, and a new one of the latter after each revocation. The key is best on no machine that anybody can reach.")
	return p.Err
}
