package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chaperone"
	"chaperone/identity"
	"chaperone/ledger/keys"
	"chaperone/page"
)

// enrollFlags are the options of chaperone enroll as they are typed.
type enrollFlags struct {
	authority      string
	out, life, csr string
	dns, addresses []string
	server         bool
}

func newEnroll() *cobra.Command {
	var f enrollFlags
	c := &cobra.Command{
		Use:   "enroll PARTY",
		Short: "Give parties certificates, and take them back",
		Long: `Sign a certificate for a party (a device, a program, a vendor) with the site's own authority. Three files are written: the
certificate PARTY.pem, its key PARTY.key, and authority.pem, whom the party is to believe. No file is ever overwritten.

With --csr, a device that made its own key gives a request, and its key never leaves it. A certificate lives for 30 days and is
renewed. One for longer than 90 days, for a device that nobody can visit so often, is bound to the address of the device.

Exit status: 0 done; 2 could not do it.`,
		Example: `  chaperone enroll init --site north-clinic            # once: make the authority
  chaperone enroll ct1                                 # ct1.pem, ct1.key and authority.pem, here
  chaperone enroll pacs --server --dns pacs.north-clinic.example --address 10.1.0.5 --out /media/usb
  chaperone enroll mr1 --csr mr1.csr                   # the key stays on the device
  chaperone enroll xray --life 3y --address 10.1.0.77  # a device that cannot be renewed every month`,
		Args:              onePath("which party? For example: chaperone enroll ct1"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, args []string) error { return runEnroll(c, f, args[0]) },
	}
	c.PersistentFlags().StringVar(&f.authority, "authority", "",
		"`folder` of the authority (default: /etc/chaperone/authority for root, else chaperone/authority in the user's configuration folder)")
	flags := c.Flags()
	flags.StringVar(&f.out, "out", ".", "`folder` for the files; it is made when it is not there")
	flags.StringVar(&f.life, "life", "30d", "how `long` it is good: a number and d, m or y")
	flags.StringVar(&f.csr, "csr", "", "sign the key of this certificate request, a `file` (PKCS #10, PEM)")
	flags.StringArrayVar(&f.dns, "dns", nil, "with --server: a `name` by which clients know it; again for more")
	flags.StringArrayVar(&f.addresses, "address", nil, "an `address` where alone it is good; again for more")
	flags.BoolVar(&f.server, "server", false, "it also answers connections, as an archive or the guard does")
	_ = c.MarkPersistentFlagDirname("authority")
	_ = c.MarkFlagDirname("out")
	_ = c.MarkFlagFilename("csr", "csr", "pem", "req")
	_ = c.RegisterFlagCompletionFunc("life", cobra.FixedCompletions([]string{"30d", "90d", "1y", "3y"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("dns", cobra.NoFileCompletions)
	_ = c.RegisterFlagCompletionFunc("address", cobra.NoFileCompletions)
	c.AddCommand(newEnrollInit(&f), newEnrollList(&f), newEnrollRevoke(&f), newEnrollRenew(&f))
	return c
}

// folder gives the authority's folder: beside that of the keys.
func (f *enrollFlags) folder() (string, error) {
	if f.authority != "" {
		return f.authority, isFolder("enroll", f.authority)
	}
	beside := keys.DefaultFolder()
	if beside == "" {
		return "", errors.New("enroll: where is the authority? Name its folder with --authority")
	}
	return filepath.Join(filepath.Dir(beside), "authority"), nil
}

// isFolder refuses an authority that was named by a file of it. A folder that is not there is not told of here.
func isFolder(command, authority string) error {
	if info, err := os.Stat(authority); err == nil && !info.IsDir() {
		return fmt.Errorf("%s: %s is a file; --authority names the folder that authority.pem is in, here perhaps %s", command, authority, filepath.Dir(authority))
	}
	return nil
}

// open opens the authority.
func (f *enrollFlags) open() (*identity.Authority, error) {
	dir, err := f.folder()
	if err != nil {
		return nil, err
	}
	a, err := identity.OpenAuthority(dir)
	if errors.Is(err, identity.ErrNoAuthority) {
		return nil, fmt.Errorf("enroll: there is no authority in %s; make it, once, with: chaperone enroll init --site NAME", dir)
	}
	return a, err
}

// parties completes to those who have been enrolled.
func (f *enrollFlags) parties(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	a, err := f.open()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	issued, _ := a.Issued() // who cannot be read is not proposed
	var list []string
	for _, is := range issued {
		if len(list) == 0 || list[len(list)-1] != is.Party {
			list = append(list, is.Party)
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// lifeOf reads how long a certificate is to be good.
func lifeOf(text string) (time.Duration, error) {
	units := map[byte]time.Duration{'d': 1, 'm': 30, 'y': 365}
	if text != "" {
		n, err := strconv.Atoi(text[:len(text)-1])
		if days := units[text[len(text)-1]]; err == nil && n > 0 && n < 10000 && days > 0 {
			return time.Duration(n) * days * 24 * time.Hour, nil
		}
	}
	return 0, errors.New("--life: a number and d, m or y, for days, months or years; for example --life 30d")
}

func (f *enrollFlags) issue(party string) (o identity.Issue, err error) {
	o = identity.Issue{Party: party, Server: f.server, DNS: f.dns}
	if err := identity.CheckName(party); err != nil {
		return o, err
	}
	if o.Life, err = lifeOf(f.life); err != nil {
		return o, err
	}
	for _, text := range f.addresses {
		address, err := chaperone.ParseAddress(text)
		if err != nil {
			return o, errors.New("--address: an address such as 10.1.0.5")
		}
		o.Addresses = append(o.Addresses, address)
	}
	if len(f.dns) > 0 && !f.server {
		return o, errors.New("--dns: only with --server: names are what clients look at")
	}
	if o.Life > identity.ShortLife && len(o.Addresses) == 0 {
		return o, errors.New("--life: longer than 90 days only with --address, so that a stolen key is good nowhere else")
	}
	if f.csr != "" {
		if o.CSR, err = readSmall(f.csr); err != nil {
			return o, fmt.Errorf("--csr: %w", err)
		}
	}
	return o, nil
}

func runEnroll(c *cobra.Command, f enrollFlags, party string) error {
	o, err := f.issue(party)
	if err != nil {
		return err
	}
	a, err := f.open()
	if err != nil {
		return err
	}
	if f.out == "" {
		return errors.New("--out: the name of the folder is empty")
	}
	files := filesOf(f.out, party)
	if err := files.free(a, o.CSR == nil); err != nil {
		return err
	}
	before, err := a.Issued()
	if err != nil {
		return err
	}
	certificate, key, err := a.Issue(o)
	if err != nil {
		return err
	}
	is, err := a.Describe(certificate)
	if err == nil {
		err = files.write(a, certificate, key)
	}
	if err != nil {
		return fmt.Errorf("enroll: %w; the certificate %s was signed and is not of use: chaperone enroll revoke %s --reason superseded", err, is.Serial, is.Serial)
	}
	return toldEnrolled(c.OutOrStdout(), a, &is, files, key != nil, before)
}

func toldEnrolled(out io.Writer, a *identity.Authority, is *identity.Issued, files partyFiles, key bool, before []identity.Issued) error {
	p := page.Writer{Out: out}
	p.Line("Enrolled %s of %s until %s, serial number %s.", is.Party, a.Site, is.NotAfter.In(time.Local).Format(time.DateOnly), is.Serial)
	p.Line("")
	p.Line("  %s  the certificate; anybody may see it", page.Cell(files.certificate, files.width()))
	if key {
		p.Line("  %s  its key: whoever has it is %s", page.Cell(files.key, files.width()), is.Party)
	}
	p.Line("  %s  whom it is to believe", page.Cell(files.authority, files.width()))
	p.Line("")
	p.Line("Next:")
	if key {
		p.Wrap("  1. ", "Bring all three to "+is.Party+", by hand or over an encrypted connection, and delete the key here. Never by mail.")
	} else {
		p.Wrap("  1. ", "Bring both back to "+is.Party+". Its key is there already.")
	}
	p.Wrap("  2. ", "In its TLS settings: the certificate as its own, with the key; authority.pem as the trusted authority (root, CA). Before a device that knows no TLS goes a companion (docs/guard-identity.md).")
	p.Wrap("  3. ", "Before it ends: chaperone enroll renew "+is.Party+", and bring the new certificate. chaperone enroll list says what ends soon.")
	if len(is.Addresses) > 0 {
		p.Wrap("  4. ", "It is good only at "+joined(is.Addresses)+": keep the address as it is, also in the list of what the network gives out.")
	}
	now := time.Now()
	for i := range before {
		if old := &before[i]; old.Party == is.Party && old.Good(now) {
			p.Line("")
			p.Wrap("", "An earlier certificate of "+is.Party+" is good until "+old.NotAfter.In(time.Local).Format(time.DateOnly)+". If it is not needed any more: chaperone enroll revoke "+old.Serial+" --reason superseded")
		}
	}
	return p.Err
}

func joined[T fmt.Stringer](list []T) string {
	var words []string
	for _, one := range list {
		words = append(words, one.String())
	}
	return strings.Join(words, ", ")
}
