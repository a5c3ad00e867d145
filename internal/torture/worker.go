package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"chaperone/ledger"
)

// work is the child that records until it is killed. It says on stdout what was acknowledged, after it was.
func work(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("torture worker", flag.ContinueOnError)
	f.SetOutput(stderr)
	home := f.String("home", "", "`folder` of ledger and keys")
	seed := f.Uint64("seed", 0, "of the load")
	round := f.Uint64("round", 0, "of the run")
	if err := f.Parse(args); err != nil {
		return err
	}
	// Without a parent it must end too.
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	s, err := open(ctx, *home, false)
	if err != nil {
		return err
	}
	err = drive(ctx, s, uint32(*seed), uint32(*round), math.MaxInt32, func(b ledger.Batch) error { return writeAck(stdout, b) })
	return errors.Join(err, s.Close())
}

// child is a running worker.
type child struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	first  chan struct{} // closed at the first acknowledgement
	read   chan error    // the stream of acknowledgements ended
}

// start starts a worker whose acknowledgements go into the books.
func (b *books) start(home string, round uint32) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{first: make(chan struct{}), read: make(chan error, 1)}
	c.cmd = exec.Command(self, "worker", "--home", home, "--seed", strconv.Itoa(int(b.seed)), "--round", strconv.Itoa(int(round)))
	c.cmd.Stderr = &c.stderr
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
		return broken("the worker did not end within %v: %s", patience, c.tail())
	}
	ended := c.cmd.Wait()
	if bytes.Contains(c.stderr.Bytes(), []byte("panic: ")) || bytes.Contains(c.stderr.Bytes(), []byte("fatal error: ")) {
		return broken("the worker crashed: %s", c.tail())
	}
	var exit *exec.ExitError
	if ended != nil && !errors.As(ended, &exit) {
		return errors.Join(err, fmt.Errorf("torture: worker: %w", ended))
	}
	return err
}

// tail gives the end of what the worker said.
func (c *child) tail() string {
	b := c.stderr.Bytes()
	return string(b[max(0, len(b)-8000):])
}
