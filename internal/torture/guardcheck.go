package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/patient"
)

// check verifies the ledger and compares what the engine got with it. A comparison that does not miss a message that it is told of and
// that is not on record, or one that was acknowledged and did not arrive, has shown nothing: so that is tried too.
func (l *guardLoad) check(ctx context.Context, o options, g *guarded, c *captured) error {
	d, tokens, err := g.books(ctx)
	if err != nil {
		return err
	}
	defer d.Close()
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	c.got, c.first, c.links, c.acked = g.engine.got, g.engine.first, l.links[:], int(l.acked.Load())
	if err := c.compare(ctx, d, tokens); err != nil {
		return err
	}
	fmt.Fprintf(o.stdout, "guard: %d kills, %d messages acknowledged, the engine got %d (%d more than once), on record %d (%d in flight at the kills), %d proven; a budget of %d let %d pass, %d refused\n",
		o.n, c.acked, len(c.got), c.again, c.rows, c.unknown, c.proven, budgetOf, c.budget, l.refused.Load())
	more, less := *c, *c
	more.got, less.got = maps.Clone(c.got), maps.Clone(c.got)
	more.got["unrecorded"] = 1
	if err := more.compare(ctx, d, tokens); !errors.Is(err, errPromise) {
		return broken("a message that is not on record was not missed, %v: the run shows nothing", err)
	}
	delete(less.got, slices.MaxFunc(c.links, func(a, b []string) int { return len(a) - len(b) })[0])
	if err := less.compare(ctx, d, tokens); !errors.Is(err, errPromise) {
		return broken("a message that was acknowledged and did not arrive was not missed, %v: the run shows nothing", err)
	}
	return nil
}

// books verifies the ledger, and opens it to be read.
func (g *guarded) books(ctx context.Context) (*disk.Ledger, *patient.Tokenizer, error) {
	out, err := exec.CommandContext(ctx, g.binary, "ledger", "verify", filepath.Join(g.dir, "ledger")).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "self-declared") {
		return nil, nil, broken("chaperone ledger verify: %v: %s", err, out)
	}
	tokens, err := patient.LoadKey(filepath.Join(g.dir, "keys"))
	if err != nil {
		return nil, nil, err
	}
	d, err := disk.Open(ctx, disk.Options{Dir: filepath.Join(g.dir, "ledger"), Keys: filepath.Join(g.dir, "keys"), ReadOnly: true})
	if err != nil {
		return nil, nil, broken("opening the ledger: %w", err)
	}
	return d, tokens, nil
}

// captured is what the engine got, by control ID, which is the patient's number too, and what the clients know of it.
type captured struct {
	got            map[string]int
	first          []string   // the same, as each came for the first time
	links          [][]string // what each client was told has arrived, in the order of sending
	acked, unknown int        // messages with and without an answer
	mayRepeat      int        // how often one may have come again

	rows, proven, budget, again int // what was found
}

// mostProven bounds the disclosures that are proven one by one.
const mostProven = 50

// compare compares it with the record: each message is there once, and no more is there than was in flight when the guard was killed.
func (c *captured) compare(ctx context.Context, d *disk.Ledger, tokens *patient.Tokenizer) error {
	c.rows, c.proven, c.budget, c.again = 0, 0, 0, 0
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
		c.again += times - 1
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
	case c.again > c.mayRepeat:
		return broken("%d messages came again; %d may have", c.again, c.mayRepeat)
	case got < c.acked:
		return broken("%d messages were acknowledged and the engine got %d", c.acked, got)
	case c.rows-got > c.unknown:
		return broken("%d are on record that the engine did not get; %d were in flight at the kills", c.rows-got, c.unknown)
	case c.budget > budgetOf:
		return broken("a budget of %d let %d patients pass", budgetOf, c.budget)
	}
	return c.ordered()
}

// ordered: what was acknowledged to a client has arrived, in the order in which the client sent it.
func (c *captured) ordered() error {
	place := map[string]int{}
	for i, id := range c.first {
		place[id] = i
	}
	for k, link := range c.links {
		last := -1
		for n, id := range link {
			if c.got[id] == 0 {
				return broken("message %d of %d of client %d was acknowledged and did not arrive", n, len(link), k)
			}
			if place[id] < last {
				return broken("message %d of %d of client %d was overtaken", n, len(link), k)
			}
			last = place[id]
		}
	}
	return nil
}

// tokenOf gives the token of the patient of a message.
func tokenOf(tokens *patient.Tokenizer, id string) chaperone.PatientToken {
	return tokens.Token(chaperone.Identifier{Kind: chaperone.HL7PatientID, Authority: chaperone.NewPHI("NORTH"), Value: chaperone.NewPHI(id)})
}
