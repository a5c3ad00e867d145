package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/ledger/keys"
	"chaperone/page"
)

func newStatus() *cobra.Command {
	var f ledgerFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Say what a ledger holds, how large it is, and who has seen it",
		Long: `Say what a ledger holds and since when, how much room it takes, how full its disk is (and what to do from 80 % on), and how much of it is sealed and
witnessed. The public key that it prints is to be kept outside: with it ledger verify need not take the ledger's own word.`,
		Example: `  chaperone ledger status /var/lib/chaperone/ledger
  chaperone ledger status --json | jq .disk_used_percent`,
		RunE: func(c *cobra.Command, _ []string) error {
			l, err := f.ask(c)
			if err != nil {
				return err
			}
			s, err := l.Status()
			if err == nil && asJSON {
				err = statusJSON(c.OutOrStdout(), &s)
			} else if err == nil {
				err = statusText(c.OutOrStdout(), &s)
			}
			return errors.Join(err, l.Close())
		},
	}
	f.addAsking(c)
	f.place(c)
	c.Flags().BoolVar(&asJSON, "json", false, "write one JSON line")
	return c
}

func statusText(out io.Writer, s *disk.Status) error {
	p := page.Writer{Out: out}
	p.Line("%s, made %s", s.Origin, s.Made.In(time.Local).Format(time.DateTime))
	p.Line("public key  %s", s.Verifier)
	p.Wrap("keys        ", "in "+page.Clean(s.Keys, 200)+", to be backed up apart from the ledger:")
	p.Line("            %s %s, %s %s, %s %s", keys.DataFile, s.DataKey, keys.SigningFile, s.SigningKey, keys.TokenFile, s.TokenKey)
	p.Line("on record   %s of patients with %s", page.Count(int(s.Disclosures), "disclosure"), page.Count(s.Identifiers, "identifier"))
	p.Wrap("days        ", days(s.Days))
	if len(s.Purged) > 0 {
		p.Wrap("purged      ", days(s.Purged))
	}
	p.Line("room        record %s, index %s, seal %s", page.Size(s.RecordBytes), page.Size(s.IndexBytes), page.Size(s.SealBytes))
	if advice := s.Filling(); advice != "" {
		p.Wrap("disk        ", fmt.Sprintf("%d %% full: %s; %s are free", s.DiskUsed, advice, page.Size(s.DiskFree)))
	} else if s.DiskUsed >= 0 {
		p.Line("disk        %d %% full, %s free", s.DiskUsed, page.Size(s.DiskFree))
	}
	if s.Reserve > 0 {
		p.Line("reserve     %s are kept for when the disk is full", page.Size(s.Reserve))
	}
	p.Line("sealed      %s of %s", page.Number(int(s.Seal.Sealed)), page.Count(int(s.Seal.Batches), "batch", "batches"))
	if s.Seal.Witnesses == 0 {
		p.Wrap("witnessed   ", "nobody is asked: name witnesses in the file "+witnessesFile+" of the ledger's folder (chaperone witness --help)")
	} else {
		p.Line("witnessed   %s of %s; %d of %s needed", page.Number(int(s.Seal.Witnessed)), page.Count(int(s.Seal.Batches), "batch", "batches"),
			s.Seal.Needed, page.Count(s.Seal.Witnesses, "witness", "witnesses"))
	}
	for _, w := range s.Witnesses {
		p.Line("            %s at %s", page.Clean(w.Name, 40), page.Clean(w.URL, 60))
	}
	return p.Err
}

// witnessesFile says in a ledger's folder who is asked to cosign.
const witnessesFile = "witnesses"

// days says which days there are: how many, the first and the last.
func days(list []ledger.Day) string {
	switch len(list) {
	case 0:
		return "none"
	case 1:
		return list[0].String()
	}
	return fmt.Sprintf("%s, %s to %s (UTC)", page.Count(len(list), "day"), list[0], list[len(list)-1])
}

func statusJSON(out io.Writer, s *disk.Status) error {
	type witness struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	}
	witnesses := []witness{}
	for _, w := range s.Witnesses {
		witnesses = append(witnesses, witness{w.Name, w.URL})
	}
	return page.JSONLine(out, struct {
		Kind        string       `json:"kind"`
		ID          string       `json:"id"`
		Origin      string       `json:"origin"`
		Verifier    string       `json:"verifier"`
		Made        time.Time    `json:"made"`
		Disclosures uint64       `json:"disclosures"`
		Identifiers int          `json:"identifiers"`
		Days        []ledger.Day `json:"days"`
		Purged      []ledger.Day `json:"purged_days"`
		RecordBytes int64        `json:"record_bytes"`
		IndexBytes  int64        `json:"index_bytes"`
		SealBytes   int64        `json:"seal_bytes"`
		Reserve     int64        `json:"reserve_bytes"`
		DiskUsed    int          `json:"disk_used_percent"` // -1 when it is not known
		DiskFree    int64        `json:"disk_free_bytes"`
		ledger.Seal
		Asked []witness         `json:"witnesses_asked"`
		Keys  map[string]string `json:"keys"` // the files, and what recognises them
	}{
		"status", hex.EncodeToString(s.ID[:]), s.Origin, s.Verifier, s.Made.UTC(), s.Disclosures, s.Identifiers, some(s.Days), some(s.Purged),
		s.RecordBytes, s.IndexBytes, s.SealBytes, s.Reserve, s.DiskUsed, s.DiskFree, s.Seal, witnesses,
		map[string]string{keys.DataFile: s.DataKey.String(), keys.SigningFile: s.SigningKey.String(), keys.TokenFile: s.TokenKey.String()},
	})
}

// some makes JSON write a list that is empty as one.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
