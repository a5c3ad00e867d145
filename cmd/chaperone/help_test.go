package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestHelp: every command says in a line what it does, and has an example that names it.
func TestHelp(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || !strings.Contains(c.Example, "  "+c.CommandPath()) {
			t.Errorf("%s: says %q, with the example %q", c.CommandPath(), c.Short, c.Example)
		}
		for _, one := range c.Commands() {
			walk(one)
		}
	}
	walk(newRoot())
}
