package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/patient"
)

// guardSenders is how many clients send at a time; each has one message in flight.
const guardSenders = 8

// killGuard kills a guard under load, again and again. For each message that the engine got there must be exactly one
// disclosure on record; more may be on record only for what was in flight at a kill; and a budget is never exceeded.
func killGuard(ctx context.Context, o options) error {
	g, err := newGuarded(ctx, o.dir)
	if err != nil {
		return err
	}
	defer g.engine.Close()
	r := rand.New(rand.NewPCG(o.seed, 11))
	l := &guardLoad{address: g.address}
	unknown := 0
	for i := range o.n {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := g.start(ctx); err != nil {
			return err
		}
		if r.IntN(4) > 0 { // else it may be killed while it starts
			if err := g.ready(); err != nil {
				return fmt.Errorf("round %d: %w", i, err)
			}
		}
		stop := l.run(ctx)
		time.Sleep(time.Duration(1+r.IntN(250)) * time.Millisecond)
		err := g.kill()
		lost, brokenErr := stop()
		if err := errors.Join(err, brokenErr); err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
		unknown += lost
	}
	if err := g.start(ctx); err != nil {
		return err
	}
	if err := errors.Join(g.ready(), g.stop()); err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond) // what the engine has in its sockets
	return errors.Join(l.check(ctx, o, g, unknown), g.withoutKey(ctx))
}

// withoutKey: a guard that cannot make its patients' tokens does not listen, and ends with status 2.
func (g *guarded) withoutKey(ctx context.Context) error {
	key := filepath.Join(g.dir, "keys", patient.KeyFile)
	if err := os.Rename(key, key+".away"); err != nil {
		return err
	}
	if err := g.start(ctx); err != nil {
		return err
	}
	select {
	case <-g.ended:
	case <-time.After(patience):
		_ = g.kill() // it is wrong already
		return broken("without the token key the guard goes on")
	}
	if code := g.cmd.ProcessState.ExitCode(); code != 2 || strings.Contains(g.stderr.String(), "listening") {
		return broken("without the token key the guard ended with status %d: %s", code, g.stderr)
	}
	if _, err := os.Stat(key); err == nil {
		return broken("a new token key was made for an old ledger")
	}
	return nil
}

// guardLoad is what clients sent.
type guardLoad struct {
	address string
	next    atomic.Int64
	acked   atomic.Int64
	refused atomic.Int64
}

// run lets clients send until stop is called, which gives how many messages were without an answer.
func (l *guardLoad) run(ctx context.Context) (stop func() (unknown int, err error)) {
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	var unknown atomic.Int64
	var failed atomic.Pointer[error]
	for k := range guardSenders {
		from := feeder
		if k == 0 {
			from = limited
		}
		wait.Go(func() {
			s := &sender{address: l.address, from: from}
			defer s.close()
			for ctx.Err() == nil {
				n := l.next.Add(1)
				id := fmt.Sprintf("n%d", n)
				if from == limited {
					id = fmt.Sprintf("b%d", n)
				}
				code, err := s.send(id, id)
				switch {
				case errors.Is(err, errPromise):
					failed.Store(&err)
					return
				case errors.Is(err, errNoAnswer):
					unknown.Add(1)
				case err != nil: // nobody listens
					time.Sleep(2 * time.Millisecond)
				case code == "AA":
					l.acked.Add(1)
				default:
					l.refused.Add(1)
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	return func() (int, error) {
		cancel()
		wait.Wait()
		if err := failed.Load(); err != nil {
			return 0, *err
		}
		return int(unknown.Load()), nil
	}
}

// check compares what the engine got with the record.
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
	of := map[ledger.PatientID][][16]byte{}
	rows := 0
	err = d.Disclosures(ctx, ledger.Query{}, func(row ledger.Row) error {
		rows++
		if len(row.People) != 1 || row.Records != 1 {
			return broken("a disclosure of %d people and %d records", len(row.People), row.Records)
		}
		of[row.People[0]] = append(of[row.People[0]], row.ID)
		return nil
	})
	if err != nil {
		return err
	}
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	budget, proven := 0, 0
	for id, times := range g.engine.got {
		if times != 1 {
			return broken("the engine got one message %d times", times)
		}
		if id[0] == 'b' {
			budget++
		}
		token := tokens.Token(chaperone.Identifier{Kind: chaperone.HL7PatientID, Authority: chaperone.NewPHI("NORTH"), Value: chaperone.NewPHI(id)})
		who, ok := d.Lookup(token)
		if !ok || len(of[who]) != 1 {
			return broken("the engine got a message that is on record %d times", len(of[who]))
		}
		if proven < 50 {
			if _, err := d.Prove(ctx, of[who][0]); err != nil {
				return broken("a disclosure cannot be proven: %w", err)
			}
			proven++
		}
	}
	got := len(g.engine.got)
	switch {
	case got < int(l.acked.Load()):
		return broken("%d messages were acknowledged and the engine got %d", l.acked.Load(), got)
	case rows-got > unknown:
		return broken("%d are on record that the engine did not get; %d were in flight at the kills", rows-got, unknown)
	case budget > budgetOf:
		return broken("a budget of %d let %d patients pass", budgetOf, budget)
	}
	fmt.Fprintf(o.stdout, "guard: %d kills, %d messages acknowledged, the engine got %d, on record %d (%d in flight at the kills), %d proven; a budget of %d let %d pass, %d refused\n",
		o.n, l.acked.Load(), got, rows, unknown, proven, budgetOf, budget, l.refused.Load())
	return nil
}
