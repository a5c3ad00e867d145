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

// check compares what the engine got with the ledger.
func (l *guardLoad) check(ctx context.Context, o options, g *guarded, c *captured) error {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	c.got, c.taken, c.late, c.links, c.acked, c.delivery = maps.Clone(g.engine.got), g.engine.first, g.engine.not, l.links[:], int(l.acked.Load()), message
	for id, times := range c.late {
		c.got[id] += times
	}
	if err := c.check(ctx, g, "unrecorded"); err != nil {
		return err
	}
	fmt.Fprintf(o.stdout, "guard: %d kills, %d messages acknowledged, the engine got %d (%d more than once), on record %d (%d that did not arrive; %d in flight at the kills), %d proven; a budget of %d let %d pass, %d refused\n",
		o.n, c.acked, len(c.got), c.again, c.rows, c.ahead, c.unknown, c.proven, budgetOf, c.budget, l.refused.Load())
	return nil
}

// check is compare with the ledger of a guard, and with lies, because a comparison that does not miss anything has shown nothing: some have
// what is not on record, one has not what was acknowledged, and in one it all went to somebody else.
func (c *captured) check(ctx context.Context, g *guarded, unrecorded ...string) error {
	d, tokens, err := g.books(ctx)
	if err != nil {
		return err
	}
	defer d.Close()
	less, other := *c, *c
	if err := c.compare(ctx, d, tokens); err != nil {
		return err
	}
	for _, id := range unrecorded {
		more := *c
		more.got = maps.Clone(c.got)
		more.got[id] = 1
		if err := more.compare(ctx, d, tokens); !errors.Is(err, errPromise) {
			return broken("what is not on record was not missed, %v: the run shows nothing", err)
		}
	}
	other.delivery = func(id string) (chaperone.Identifier, []release) {
		number, releases := c.delivery(id)
		for i := range releases {
			releases[i].to += " ELSE"
		}
		return number, releases
	}
	if err := other.compare(ctx, d, tokens); !errors.Is(err, errPromise) {
		return broken("that it went to somebody else was not noticed, %v: the run shows nothing", err)
	}
	lost := slices.MaxFunc(c.links, func(a, b []string) int { return len(a) - len(b) })[0]
	less.taken = slices.DeleteFunc(slices.Clone(c.taken), func(id string) bool { return id == lost })
	if err := less.compare(ctx, d, tokens); !errors.Is(err, errPromise) {
		return broken("what was acknowledged and did not arrive was not missed, %v: the run shows nothing", err)
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

// captured is what arrived, by the patient's number, which is the control ID of a message too, and what the clients know of it. delivery says
// of whom something is, and which disclosures have to be on record of it.
type captured struct {
	got            map[string]int
	taken          []string       // what was taken of it, as each came for the first time
	late           map[string]int // what was not taken the first time: it may be overtaken
	links          [][]string     // what each client was told has arrived, in the order of sending
	acked, unknown int            // messages with and without an answer
	mayRepeat      int            // how often one may have come again
	delivery       func(id string) (number chaperone.Identifier, releases []release)

	rows, proven, budget, again, ahead int // what was found; ahead: people on record of whom nothing arrived
}

// release is what is on record of a delivery: as what, to whom and who asked for it, as they call themselves.
type release struct{ action, to, by string }

// mostProven bounds the disclosures that are proven one by one.
const mostProven = 50

// compare compares it with the record: each delivery is there once, and no more is there than was in flight when the guard was killed.
func (c *captured) compare(ctx context.Context, d *disk.Ledger, tokens *patient.Tokenizer) error {
	c.rows, c.proven, c.budget, c.again = 0, 0, 0, 0
	of := map[ledger.PatientID]map[string]ledger.Row{} // disclosures, by what they are
	err := d.Disclosures(ctx, ledger.Query{}, func(row ledger.Row) error {
		c.rows++
		if len(row.People) == 0 || row.Unidentified > 0 {
			return broken("a disclosure of %d people and %d unidentified", len(row.People), row.Unidentified)
		}
		for _, who := range row.People {
			if of[who] == nil {
				of[who] = map[string]ledger.Row{}
			}
			if _, ok := of[who][row.Action]; ok {
				return broken("a delivery by %s is on record twice", row.Action)
			}
			of[who][row.Action] = row
		}
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
		number, releases := c.delivery(id)
		who, ok := d.Lookup(tokens.Token(number))
		for _, r := range releases {
			disclosure, recorded := of[who][r.action]
			by := ""
			if disclosure.RequestedBy != nil {
				by = disclosure.RequestedBy.Claimed
			}
			switch {
			case !ok || !recorded:
				return broken("something arrived by %s that is not on record", r.action)
			case disclosure.To.Claimed != r.to || by != r.by:
				return broken("what arrived by %s is on record as for %q, asked for by %q; want %q and %q", r.action, disclosure.To.Claimed, by, r.to, r.by)
			}
			if c.proven < mostProven {
				if _, err := d.Prove(ctx, disclosure.ID); err != nil {
					return broken("a disclosure cannot be proven: %w", err)
				}
				c.proven++
			}
		}
	}
	got := len(c.got)
	c.ahead = len(of) - got
	switch {
	case got == 0:
		return broken("nothing arrived: the run shows nothing")
	case c.again > c.mayRepeat:
		return broken("%d messages came again; %d may have", c.again, c.mayRepeat)
	case got < c.acked:
		return broken("%d were acknowledged and %d arrived", c.acked, got)
	case c.ahead > c.unknown:
		return broken("%d are on record that did not arrive; %d were in flight at the kills", c.ahead, c.unknown)
	case c.budget > budgetOf:
		return broken("a budget of %d let %d patients pass", budgetOf, c.budget)
	}
	return c.ordered()
}

// ordered: what was acknowledged to a client has arrived, in the order in which the client sent it.
func (c *captured) ordered() error {
	place := map[string]int{}
	for i, id := range c.taken {
		place[id] = i
	}
	for k, link := range c.links {
		last := -1
		for n, id := range link {
			at, ok := place[id]
			if !ok {
				return broken("message %d of %d of client %d was acknowledged and did not arrive", n, len(link), k)
			}
			if c.late[id] > 0 {
				continue
			}
			if at < last {
				return broken("message %d of %d of client %d was overtaken", n, len(link), k)
			}
			last = at
		}
	}
	return nil
}

// message gives the patient of an HL7 message by its control ID, and what its disclosure is on record as.
func message(id string) (chaperone.Identifier, []release) {
	return chaperone.Identifier{Kind: chaperone.HL7PatientID, Authority: chaperone.NewPHI("NORTH"), Value: chaperone.NewPHI(id)}, []release{{"ORU^R01", "EHR@NORTH", ""}}
}
