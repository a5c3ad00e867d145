package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"chaperone/identity"
)

// partyFiles are where the files of a party go.
type partyFiles struct{ dir, certificate, key, authority string }

func filesOf(dir, party string) partyFiles {
	return partyFiles{dir, filepath.Join(dir, party+".pem"), filepath.Join(dir, party+".key"), filepath.Join(dir, identity.CertificateFile)}
}

func (f partyFiles) width() int { return max(len(f.certificate), len(f.key), len(f.authority)) }

// free makes sure that nothing would be overwritten, and says what is there.
func (f partyFiles) free(a *identity.Authority, key bool) error {
	if b, err := readSmall(f.certificate); err == nil {
		if is, err := a.Describe(b); err == nil {
			return fmt.Errorf("enroll: %s is there already: a certificate of %s until %s, serial number %s; renew it (chaperone enroll renew %s), or name another folder with --out",
				f.certificate, is.Party, is.NotAfter.In(time.Local).Format(time.DateOnly), is.Serial, is.Party)
		}
	}
	paths := []string{f.certificate}
	if key {
		paths = append(paths, f.key)
	}
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("enroll: %s is there already, and nothing is overwritten; name another folder with --out", path)
		}
	}
	b, err := readSmall(f.authority)
	if err == nil && string(b) != string(a.Certificate()) {
		return fmt.Errorf("enroll: %s is there already and is another authority's; name another folder with --out", f.authority)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("enroll: %w", err)
	}
	return os.MkdirAll(f.dir, 0o700)
}

func (f partyFiles) write(a *identity.Authority, certificate, key []byte) error {
	if key != nil {
		if err := identity.WriteKey(f.key, key); err != nil {
			return err
		}
	}
	if err := identity.WriteCertificate(f.certificate, certificate); err != nil {
		return err
	}
	return identity.WriteCertificate(f.authority, a.Certificate())
}

// readSmall reads a file that a person named, and not a large one by mistake.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	return io.ReadAll(io.LimitReader(f, 1<<20))
}
