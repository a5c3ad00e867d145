// Command chaperone watches and guards exchanges of patient data. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"chaperone"
	"chaperone/cmd/thrift"
	"chaperone/page"
)

// Exit statuses. 2 beats 1.
const (
	statusDone   = 0
	statusFailed = 1 // done, but what was asked to hold does not
	statusNot    = 2 // could not do it, or not all of it
)

// notHeld is the error of a run that was done but whose condition does not hold.
type notHeld struct{ text string }

func (e notHeld) Error() string { return e.text }

func main() {
	thrift.Begin()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the whole program: results on stdout, everything else on stderr.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	signal.Ignore(syscall.SIGPIPE) // see outlet
	out := &outlet{to: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if out.gone.Load() && !besides(err, errUnread) {
		return statusNot
	}
	if err == nil {
		return statusDone
	}
	text := page.Printable(err.Error())
	if errors.Is(err, context.Canceled) { // by Ctrl-C
		text = strings.ReplaceAll(text, context.Canceled.Error(), "stopped before the end")
	}
	fmt.Fprintln(stderr, "chaperone:", text)
	var failed notHeld
	if errors.As(err, &failed) && !out.gone.Load() {
		return statusFailed
	}
	return statusNot
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "chaperone",
		Short: "Every exchange of patient data has a chaperone",
		Long: "chaperone says whose patient records went where, through which hole, and exactly how many there are.\n" +
			"It only listens: it never tries a password and never talks to an address that is not its operator's own.",
		Example:       "  chaperone watch capture.pcapng",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(flagMistake)
	root.AddCommand(newInvestigate(), newWatch(), newGuard(), newCompanion(), newEnroll(), newApprove(), newBreakGlass(), newSpool(), newPolicy(), newScope(), newDisclosures(), newDigest(), newReport(), newLedger(), newWitness(), newInspect(), newSimulate(), newVersion())
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: `  chaperone version`,
		Args:    noArguments(""),
		Run:     func(c *cobra.Command, _ []string) { fmt.Fprintln(c.OutOrStdout(), "chaperone", chaperone.Version) },
	}
}
