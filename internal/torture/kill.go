package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// lap is after how many rounds a new ledger is begun: reading all of a large one takes long.
const lap = 16

// killNine kills the worker at any moment: while it opens the ledger, while it recovers it from the last kill, while it
// records. What the kernel was given stays; what the program only remembered is gone.
func killNine(ctx context.Context, o options) error {
	r := rand.New(rand.NewPCG(o.seed, 9))
	var b *books
	home, acked, checks := "", 0, 0
	for i := range o.n {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i%lap == 0 {
			if home != "" {
				_ = os.RemoveAll(home) // the whole folder goes in the end
			}
			b, home = newBooks(uint32(i+1)), filepath.Join(o.dir, fmt.Sprint("kill", i))
			if err := os.Mkdir(home, 0o700); err != nil {
				return err
			}
		}
		before := b.len()
		if err := b.killOnce(ctx, home, uint32(2*i), r); err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
		acked += b.len() - before
		// A ledger that is not looked at between two kills must recover in the worker, which is killed then too.
		if r.IntN(3) > 0 || i%lap == lap-1 || i == o.n-1 {
			if err := b.recheck(ctx, home, uint32(2*i+1)); err != nil {
				return fmt.Errorf("round %d: %w", i, err)
			}
			checks++
		}
	}
	fmt.Fprintf(o.stdout, "kill9: %d kills, %d disclosures acknowledged, all compared %d times\n", o.n, acked, checks)
	return nil
}

func (b *books) killOnce(ctx context.Context, home string, round uint32, r *rand.Rand) error {
	after := time.Duration(1+r.IntN(300)) * time.Millisecond
	fromFirst := r.IntN(2) == 0
	c, err := b.start(ctx, "record", home, round)
	if err != nil {
		return err
	}
	if fromFirst {
		select {
		case <-c.first:
		case err := <-c.read: // it ended before; wait says why
			c.read <- err
		case <-time.After(patience):
		}
	}
	select {
	case <-time.After(after):
	case err := <-c.read:
		c.read <- err
	}
	_ = c.cmd.Process.Kill() // it may have ended
	if err := c.wait(); err != nil {
		return err
	}
	if c.cmd.ProcessState.Exited() {
		return broken("the worker ended by itself, %v: %s", c.cmd.ProcessState, c.said())
	}
	return nil
}
