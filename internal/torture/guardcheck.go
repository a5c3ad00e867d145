package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/patient"
)

// check verifies the ledger and compares what the engine got with it. A comparison that does not miss a message that it is told of and
// that is not on record, has shown nothing: so that is tried too.
func (l *guardLoad) check(ctx context.Context, o options, g *guarded, unknown int) error {
	out, err := exec.CommandContext(ctx, g.binary, "ledger", "verify", filepath.Join(g.dir, "ledger")).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "self-declared") {
		return broken("chaperone ledger verify: %v: %s", err, out)
	}
	d, err := disk.Open(ctx, disk.Options{Dir: filepath.Join(g.dir, "ledger"), Keys: filepath.Join(g.dir, "keys"), ReadOnly: true})
	if err != nil {
		return broken("opening the ledger: %w", err)
	}
	defer d.Close()
	tokens, err := patient.LoadKey(filepath.Join(g.dir, "keys"))
	if err != nil {
		return err
	}
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	c := &captured{got: g.engine.got, acked: int(l.acked.Load()), unknown: unknown}
	if err := c.compare(ctx, d, tokens); err != nil {
		return err
	}
	more := *c
	more.got = maps.Clone(c.got)
	more.got["unrecorded"] = 1
	if err := more.compare(ctx, d, tokens); !errors.Is(err, errPromise) {
		return broken("a message that is not on record was not missed, %v: the run shows nothing", err)
	}
	fmt.Fprintf(o.stdout, "guard: %d kills, %d messages acknowledged, the engine got %d, on record %d (%d in flight at the kills), %d proven; a budget of %d let %d pass, %d refused\n",
		o.n, c.acked, len(c.got), c.rows, unknown, c.proven, budgetOf, c.budget, l.refused.Load())
	return nil
}

// captured is what the engine got, by control ID, which is the patient's number too, and what the clients know of it.
type captured struct {
	got            map[string]int
	acked, unknown int // messages with and without an answer

	rows, proven, budget int // what was found
}

// mostProven bounds the disclosures that are proven one by one.
const mostProven = 50

// compare compares it with the record: each message is there once, and no more is there than was in flight when the guard was killed.
func (c *captured) compare(ctx context.Context, d *disk.Ledger, tokens *patient.Tokenizer) error {
	c.rows, c.proven, c.budget = 0, 0, 0
	of := map[ledger.PatientID][][16]byte{}
	err := d.Disclosures(ctx, ledger.Query{}, func(row ledger.Row) error {
		c.rows++
		if len(row.People) != 1 || row.Records != 1 {
			return broken("a disclosure of %d people and %d records", len(row.People), row.Records)
		}
		of[row.People[0]] = append(of[row.People[0]], row.ID)
		return nil
	})
	if err != nil {
		return err
	}
	for id, times := range c.got {
		if times != 1 {
			return broken("the engine got one message %d times", times)
		}
		if id[0] == 'b' {
			c.budget++
		}
		who, ok := d.Lookup(tokenOf(tokens, id))
		if !ok || len(of[who]) != 1 {
			return broken("the engine got a message that is on record %d times", len(of[who]))
		}
		if c.proven < mostProven {
			if _, err := d.Prove(ctx, of[who][0]); err != nil {
				return broken("a disclosure cannot be proven: %w", err)
			}
			c.proven++
		}
	}
	got := len(c.got)
	switch {
	case got == 0:
		return broken("the engine got nothing: the run shows nothing")
	case got < c.acked:
		return broken("%d messages were acknowledged and the engine got %d", c.acked, got)
	case c.rows-got > c.unknown:
		return broken("%d are on record that the engine did not get; %d were in flight at the kills", c.rows-got, c.unknown)
	case c.budget > budgetOf:
		return broken("a budget of %d let %d patients pass", budgetOf, c.budget)
	}
	return nil
}

// tokenOf gives the token of the patient of a message.
func tokenOf(tokens *patient.Tokenizer, id string) chaperone.PatientToken {
	return tokens.Token(chaperone.Identifier{Kind: chaperone.HL7PatientID, Authority: chaperone.NewPHI("NORTH"), Value: chaperone.NewPHI(id)})
}
