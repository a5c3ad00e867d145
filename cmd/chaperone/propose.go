package main

import (
	"errors"
	"fmt"
	"os"

	"chaperone/site"
)

// newProposal makes sure, before anything is read, that a proposal does not replace what somebody went through already, and does not
// lie where only the ledger writes.
func (f watchFlags) newProposal() error {
	if f.proposeSite == "" {
		return nil
	}
	if _, err := os.Lstat(f.proposeSite); err == nil {
		return fmt.Errorf("--propose-site: %s is there already; name a new file, and compare the two", f.proposeSite)
	}
	return f.ledger.outside("--propose-site", f.proposeSite)
}

// writeProposal writes a site file that is not there yet, whole or not at all.
func writeProposal(path string, s *site.Site) error {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("--propose-site: %w", err)
	}
	if err := errors.Join(s.Write(out), out.Close()); err != nil {
		_ = os.Remove(path) // half a policy is worse than none
		return fmt.Errorf("--propose-site: %w", err)
	}
	return nil
}
