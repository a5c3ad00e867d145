package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"chaperone/companion"
	"chaperone/identity"
)

// companionFlags are the options of chaperone companion as they are typed.
type companionFlags struct {
	listen, to, party, site     string
	authority, certificate, key string
	inward                      bool
}

func newCompanion() *cobra.Command {
	var f companionFlags
	c := &cobra.Command{
		Use:   "companion --listen ADDRESS --to ADDRESS",
		Short: "Stand beside an old device: plain on its own machine, mutual TLS to the guard",
		Long: `Give a device that knows no TLS an identity. It is told to send to this machine instead of to the guard; the companion passes every
connection on over mutual TLS, with the device's own certificate. For a device that answers connections, such as an archive, turn it
round with --inward: it listens with TLS, and only the guard may come.

What passes is neither read nor changed. Certificate, key and authority are those that chaperone enroll wrote; they are read again when
they change, so that a renewed certificate needs no restart. Before the certificate ends, the log says so. It runs on Windows too.

Exit status: 0 ended by Ctrl-C; 2 could not do it.`,
		Example: `  chaperone companion --site north-clinic --listen 127.0.0.1:2575 --to guard.north-clinic.example:2575 --certificate ct1.pem --key ct1.key
  chaperone companion --site north-clinic --listen 127.0.0.1:2575 --to 10.1.0.5:2575 --certificate /etc/ct1/ct1.pem --key /etc/ct1/ct1.key --authority /etc/ct1
  chaperone companion --site north-clinic --inward --listen 0.0.0.0:11112 --to 127.0.0.1:104 --certificate pacs.pem --key pacs.key`,
		Args: noArguments("; addresses go with --listen and --to"),
		RunE: func(c *cobra.Command, _ []string) error { return runCompanion(c, f) },
	}
	flags := c.Flags()
	flags.StringVar(&f.listen, "listen", "", "`address` to listen at")
	flags.StringVar(&f.to, "to", "", "`address` to pass connections on to")
	flags.StringVar(&f.party, "party", "guard", "the `party` that has to be at the other end of TLS")
	flags.StringVar(&f.site, "site", "", "the `name` of the site, as in its certificates")
	flags.StringVar(&f.authority, "authority", ".", "`folder` with authority.pem, and revoked.crl if there is one")
	flags.StringVar(&f.certificate, "certificate", "", "the device's certificate, a `file`")
	flags.StringVar(&f.key, "key", "", "its key, a `file`")
	flags.BoolVar(&f.inward, "inward", false, "the device answers connections: TLS is on the listening side")
	for _, name := range []string{"listen", "to", "party", "site"} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	_ = c.MarkFlagDirname("authority")
	_ = c.MarkFlagFilename("certificate", "pem")
	_ = c.MarkFlagFilename("key", "key")
	return c
}

func runCompanion(c *cobra.Command, f companionFlags) error {
	for name, value := range map[string]string{"--listen": f.listen, "--to": f.to, "--site": f.site, "--certificate": f.certificate, "--key": f.key} {
		if value == "" {
			return fmt.Errorf("companion: %s is missing (--help has examples)", name)
		}
	}
	if err := isFolder("companion", f.authority); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(f.authority, identity.CertificateFile)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("companion: there is no %s in the folder %s; name the folder that it is in with --authority", identity.CertificateFile, f.authority)
	}
	log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
	trust, err := companion.Trust(f.authority, f.site, f.party, f.certificate, f.key)
	if err != nil {
		return err
	}
	one, err := companion.Listen(companion.Options{Listen: f.listen, To: f.to, Party: f.party, Inward: f.inward, Trust: trust, Log: log})
	if err != nil {
		return err
	}
	go trust.Watch(c.Context(), identity.Poll, func(err error) {
		if err != nil {
			log.Error("a file of identities is not good", "error", err)
		}
	})
	if _, err := fmt.Fprintf(c.OutOrStdout(), "listening at %s, for %s\n", one.Address(), f.to); err != nil {
		return err
	}
	return one.Run(c.Context())
}
