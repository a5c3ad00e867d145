package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// mark is in every number, name and text of the invented patients, and nowhere else in the world.
const mark = "QZXVKJWY"

const markedPatients = 10_000

// TestPrivate brings marked patients through every command and then looks at every byte that was written anywhere, but for
// what was asked for by name: --reveal, --events, and the list of --roster. What systems call themselves, control IDs in a spool and names of
// files are shown as they are: no mark is in them.
func TestPrivate(t *testing.T) {
	if raceDetector {
		t.Skip("thousands of patients take too long under the race detector; the other tests run the same code under it")
	}
	p := newPrivate(t)
	p.evidence()
	p.recorded()
	p.guarded()
	p.mistakes()
	p.everyCommand()
	if files := p.unmarked(p.written); files < 1000 {
		t.Errorf("looked at %d files: the test looks at nothing", files)
	}
}

// notCalled are the commands that get nothing of a patient to see: neither evidence, nor a ledger, nor what a system sends.
var notCalled = map[string]string{
	"chaperone":                       "says what commands there are",
	"chaperone help":                  "says what commands there are",
	"chaperone version":               "says its version",
	"chaperone ledger":                "only has others below it",
	"chaperone policy":                "only has others below it",
	"chaperone simulate":              "reads nothing: it invents its people itself",
	"chaperone completion":            "writes a script for a shell",
	"chaperone completion bash":       "writes a script for a shell",
	"chaperone completion fish":       "writes a script for a shell",
	"chaperone completion powershell": "writes a script for a shell",
	"chaperone completion zsh":        "writes a script for a shell",
}

// otherOutput are the flags that make a command write something else. What has one is called with it, too.
var otherOutput = []string{"json", "csv", "html", "out", "live", "all", "detail", "count", "cosigned", "deep", "check", "propose-site", "as-branch", "names", "follow", "inward", "dry-run"}

// private is a folder in which all is written, and what was called.
type private struct {
	*testing.T
	dir     string                     // evidence
	written string                     // by the program: no mark may be in it
	asked   string                     // what holds patients because it was asked for
	called  map[string]map[string]bool // commands that did what they were to do, and with which flags
	said    map[string]string          // by which command, by the file of what it said
}

func newPrivate(t *testing.T) *private {
	dir := t.TempDir()
	p := &private{T: t, dir: filepath.Join(dir, "evidence"), written: filepath.Join(dir, "written"), asked: filepath.Join(dir, "asked"), called: map[string]map[string]bool{}, said: map[string]string{}}
	for _, folder := range []string{p.dir, p.asked, p.at("temp"), p.at("said")} {
		p.must(os.MkdirAll(folder, 0o700))
	}
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, p.at("temp"))
	}
	t.Setenv("XDG_CONFIG_HOME", p.at("config"))
	t.Setenv(ledgerVariable, "")
	return p
}

// must ends the test at an error of its own making.
func (p *private) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// at gives the path of something that the program writes.
func (p *private) at(name string) string { return filepath.Join(p.written, name) }

// put writes a file into the evidence.
func (p *private) put(name string, b []byte) string {
	p.Helper()
	path := filepath.Join(p.dir, name)
	p.must(os.MkdirAll(filepath.Dir(path), 0o700))
	p.must(os.WriteFile(path, b, 0o600))
	return path
}

// call runs a command, keeps what it says, and gives its standard output.
func (p *private) call(want int, stdin string, args ...string) string {
	p.Helper()
	out, errs := p.files(args)
	got := run(p.Context(), args, strings.NewReader(stdin), out, errs)
	text := p.end(out)
	if said := p.end(errs); got != want {
		p.Errorf("%s: got exit status %d, want %d: %s", strings.Join(args, " "), got, want, said)
	} else if want != statusNot {
		p.note(args)
	}
	return text
}

// start runs a command until stop is called, which wants it to end well. said gives what it has said so far.
func (p *private) start(args ...string) (said func() string, stop func()) {
	p.Helper()
	out, errs := p.files(args)
	ctx, cancel := context.WithCancel(p.Context())
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, args, strings.NewReader(""), out, errs) }()
	said = func() string {
		a, err := os.ReadFile(out.Name())
		b, too := os.ReadFile(errs.Name())
		p.must(errors.Join(err, too))
		return string(a) + string(b)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		if got := <-ended; got != statusDone {
			p.Errorf("%s: got exit status %d: %s", args[0], got, said())
		}
		p.end(out)
		p.end(errs)
		p.note(args)
	})
	p.Cleanup(stop)
	return said, stop
}

// files are for what a command says, on standard output and standard error.
func (p *private) files(args []string) (out, errs *os.File) {
	p.Helper()
	name := p.at(fmt.Sprintf("said/%d", len(p.said)/2))
	out, err := os.Create(name + ".out")
	p.must(err)
	errs, err = os.Create(name + ".err")
	p.must(err)
	p.said[out.Name()], p.said[errs.Name()] = strings.Join(args, " "), strings.Join(args, " ")
	return out, errs
}

func (p *private) end(f *os.File) string {
	p.Helper()
	p.must(f.Close())
	b, err := os.ReadFile(f.Name())
	p.must(err)
	return string(b)
}

// note remembers that a command did what it was to do.
func (p *private) note(args []string) {
	c, _, err := newRoot().Find(args)
	if err != nil {
		return // one of cobra's own, such as __complete
	}
	path := c.CommandPath()
	if p.called[path] == nil {
		p.called[path] = map[string]bool{}
	}
	for _, arg := range args {
		if name, ok := strings.CutPrefix(arg, "--"); ok {
			p.called[path][name] = true
		}
	}
}

// everyCommand makes sure that the test has called every command there is, also one that is new.
func (p *private) everyCommand() {
	root := newRoot()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	left := len(notCalled)
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		path := c.CommandPath()
		_, out := notCalled[path]
		if out {
			left--
		}
		if !out && p.called[path] == nil {
			p.Errorf("no marked patient comes to %s: call it here, or say in notCalled why not", path)
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !out && slices.Contains(otherOutput, f.Name) && !p.called[path][f.Name] {
				p.Errorf("no marked patient comes to %s --%s: call it here", path, f.Name)
			}
		})
		for _, below := range c.Commands() {
			walk(below)
		}
	}
	walk(root)
	if left != 0 {
		p.Errorf("%d of notCalled are not there", left)
	}
}

// unmarked looks for marks in all files of a folder, and in their names.
func (p *private) unmarked(folder string) (files int) {
	p.Helper()
	p.must(filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		name := strings.TrimPrefix(path, p.written)
		for _, how := range search(append([]byte(name+"\n"), b...)) {
			p.Errorf("%s has a patient, %s %s", name, how, p.said[path])
		}
		return err
	}))
	return files
}

// whatever runs a command of which it matters only what it says.
func (p *private) whatever(stdin string, args ...string) {
	p.Helper()
	out, errs := p.files(args)
	run(p.Context(), args, strings.NewReader(stdin), out, errs)
	p.must(errors.Join(out.Close(), errs.Close()))
}
