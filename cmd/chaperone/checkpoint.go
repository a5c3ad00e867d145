package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"chaperone/ledger/keys"
	"chaperone/ledger/seal"
	"chaperone/page"
)

func newCheckpoint() *cobra.Command {
	var f ledgerFlags
	var cosigned bool
	c := &cobra.Command{
		Use:   "checkpoint",
		Short: "Print the latest signed checkpoint, to be kept elsewhere",
		Long: `Print the latest checkpoint: how many batches are on record and the root of the tree over them, signed (C2SP tlog-checkpoint).
Whoever keeps one somewhere else can tell later that the record was shortened or changed. It says nothing about patients, no
key is needed for it, and it can be read while the ledger is in use.`,
		Example: `  chaperone ledger checkpoint --ledger /var/lib/chaperone/ledger | mail -s checkpoint auditor@example.org
  chaperone ledger checkpoint --cosigned /var/lib/chaperone/ledger`,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := f.named(c)
			if err != nil {
				return err
			}
			text, err := checkpoint(dir, cosigned)
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		},
	}
	f.addDir(c)
	f.place(c)
	c.Flags().BoolVar(&cosigned, "cosigned", false, "the latest one that enough witnesses have cosigned, with their signatures")
	return c
}

// checkpoint reads a ledger's latest checkpoint, and checks that its key signed it.
func checkpoint(dir string, cosigned bool) ([]byte, error) {
	meta, err := keys.ReadMeta(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no ledger (no %s in it)", dir, keys.MetaFile)
	}
	if err != nil {
		return nil, err
	}
	verifier, err := keys.ParseVerifier(meta.Verifier)
	if err != nil {
		return nil, err
	}
	if !cosigned {
		_, text, err := seal.ReadCheckpoint(dir, verifier)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: nothing was signed yet: nothing is on record", dir)
		}
		return text, err
	}
	policy, err := seal.ReadWitnesses(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "log", "cosigned")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: not enough witnesses cosigned a checkpoint yet (%s asked)", dir, page.Count(len(policy.Witnesses), "witness is", "witnesses are"))
	}
	if err != nil {
		return nil, err
	}
	if _, _, err := policy.Open(text, verifier); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}
