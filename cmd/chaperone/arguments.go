package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// place lets a command that is about one folder alone take the ledger as its argument, too.
func (f *ledgerFlags) place(c *cobra.Command) {
	c.Use += " [DIR]"
	c.ValidArgsFunction = folders
	c.Args = func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return nil
		case len(args) > 1:
			return fmt.Errorf("%s: of one ledger at a time (--help says more)", spoken(c))
		case args[0] == "":
			return fmt.Errorf("%s: which ledger? The name of the folder is empty", spoken(c))
		case f.dir != "" && f.dir != args[0]:
			return fmt.Errorf("%s: two ledgers are named, %s and %s: which one?", spoken(c), f.dir, args[0])
		}
		f.dir = args[0]
		return nil
	}
}

// folders completes to folders.
func folders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// spoken gives the name of a command as one says it.
func spoken(c *cobra.Command) string { return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ") }

// noArguments refuses arguments and says how what may be meant is given. It does not repeat them: one may be a patient's number.
func noArguments(hint string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return fmt.Errorf("%s: takes no argument%s (--help says more)", spoken(c), hint)
	}
}

// What commands say that take no argument.
const (
	ofLedger   = "; the ledger's folder goes with --ledger"
	ofQuestion = ofLedger + ", a recipient with --party, and a patient's number is typed on standard input"
	ofPatient  = ofLedger + ", and a patient's number is typed on standard input"
)

// flagMistake says what is wrong with a flag. As with arguments, what may be a patient's number is not repeated.
func flagMistake(_ *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	if errors.As(err, &value) {
		flag := value.GetFlag()
		wanted := map[string]string{"bool": "takes no value", "int": "wants a whole number", "uint64": "wants a whole number", "duration": "wants a length of time, such as 30s"}
		return fmt.Errorf("--%s: %s (--help says more)", flag.Name, cmp.Or(wanted[flag.Value.Type()], "its value is not understood"))
	}
	if strings.ContainsAny(err.Error(), "0123456789^") { // no flag's name
		return errors.New("there is no such flag (--help lists them)")
	}
	return err
}

// noSuchCommand is for commands that only have others below them.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	c.SuggestionsMinimumDistance = 2
	hint := "--help lists them"
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "is it " + strings.Join(near, " or ") + "?"
	}
	if strings.ContainsAny(args[0], "0123456789^ ") { // no command's name: perhaps a patient's number or name
		return fmt.Errorf("unknown command for %q; %s", c.CommandPath(), hint)
	}
	return fmt.Errorf("unknown command %q for %q; %s", args[0], c.CommandPath(), hint)
}

// onePath is for commands that are about a folder beside the ledger's.
func onePath(question string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return errors.New(spoken(c) + ": " + question + " (--help says more)")
		}
		return nil
	}
}
