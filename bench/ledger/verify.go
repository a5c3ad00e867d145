package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// verify times the command that checks a whole ledger, as an operator runs it.
func verify(ctx context.Context, o options, all results, stderr io.Writer) error {
	fmt.Fprintln(stderr, "verify …")
	binary := filepath.Join(o.Dir, "chaperone")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "chaperone/cmd/chaperone").CombinedOutput(); err != nil {
		return fmt.Errorf("bench: go build: %w\n%s", err, out)
	}
	began := time.Now()
	cmd := exec.CommandContext(ctx, binary, "ledger", "verify", o.ledger(), "--keys", o.keys())
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "unknown command") {
		fmt.Fprintln(stderr, "this chaperone has no ledger verify: going on without")
		return nil
	}
	if err != nil {
		return fmt.Errorf("bench: ledger verify: %w\n%s", err, out)
	}
	all["verify"] = weigh(o.ledger())["record"] / 1e6 / time.Since(began).Seconds()
	if peak := childMemory(cmd.ProcessState); peak > 0 {
		all["verify memory"] = peak
	}
	return nil
}
