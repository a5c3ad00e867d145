package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child is a running worker.
type child struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	first  chan struct{} // closed at the first acknowledgement
	read   chan error    // the stream of acknowledgements ended
}

// start starts a worker with the books as they are. Its acknowledgements go into them.
func (b *books) start(ctx context.Context, task, home string, round uint32) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{first: make(chan struct{}), read: make(chan error, 1)}
	c.cmd = exec.CommandContext(ctx, self, "worker", "--task", task, "--home", home,
		"--seed", strconv.Itoa(int(b.seed)), "--round", strconv.Itoa(int(round)))
	c.cmd.Stderr, c.cmd.Stdin = &c.stderr, bytes.NewReader(b.text())
	c.cmd.WaitDelay = patience
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { c.read <- b.read(out, func() { close(c.first) }) }()
	return c, nil
}

// wait waits for the end of the worker, of whatever kind, and kills it when that does not come.
func (c *child) wait() error {
	var err error
	select {
	case err = <-c.read: // ends when the worker does
	case <-time.After(patience):
		_ = c.cmd.Process.Signal(syscall.SIGQUIT) // it says where it hangs
		timer := time.AfterFunc(time.Second, func() { _ = c.cmd.Process.Kill() })
		_ = c.cmd.Wait()
		timer.Stop()
		return broken("the worker did not end within %v: %s", patience, c.said())
	}
	ended := c.cmd.Wait()
	var exit *exec.ExitError
	switch {
	case bytes.Contains(c.stderr.Bytes(), []byte("panic: ")) || bytes.Contains(c.stderr.Bytes(), []byte("fatal error: ")):
		return broken("the worker crashed: %s", c.said())
	case c.cmd.ProcessState.ExitCode() == exitBroken:
		return fmt.Errorf("%w: %s", errPromise, strings.TrimPrefix(c.said(), errPromise.Error()+": "))
	case ended != nil && !errors.As(ended, &exit):
		return errors.Join(err, fmt.Errorf("torture: worker: %w", ended))
	}
	return err
}

// said gives what the worker said, cut where it is long.
func (c *child) said() string {
	b := c.stderr.Bytes()
	if len(b) > 16000 {
		return fmt.Sprintf("%s\n[…]\n%s", b[:8000], b[len(b)-8000:])
	}
	return string(bytes.TrimSpace(b))
}

// do runs a worker that ends by itself, and gives its exit status.
func (b *books) do(ctx context.Context, task, home string, round uint32) (status int, said string, err error) {
	c, err := b.start(ctx, task, home, round)
	if err != nil {
		return 0, "", err
	}
	err = c.wait()
	return c.cmd.ProcessState.ExitCode(), c.said(), err
}

// recheck lets a worker open the ledger, compare everything and record on.
func (b *books) recheck(ctx context.Context, home string, round uint32) error {
	return b.must(ctx, "check", home, round)
}

// must runs a worker that has to succeed.
func (b *books) must(ctx context.Context, task, home string, round uint32) error {
	status, said, err := b.do(ctx, task, home, round)
	if err == nil && status != 0 {
		err = broken("the worker ended with status %d: %s", status, said)
	}
	return err
}
