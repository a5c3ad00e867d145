package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"chaperone/ledger/disk"
	"chaperone/ledger/keys"
	"chaperone/page"
	"chaperone/watch"
)

// ledgerVariable names the ledger where --ledger does not.
const ledgerVariable = "CHAPERONE_LEDGER"

const keysHelp = "`folder` of the keys (default: /etc/chaperone/keys for root, else chaperone/keys in the user's configuration folder)"

// ledgerFlags say which ledger is meant, and where its keys are.
type ledgerFlags struct {
	dir, keys, reserve string
	live               bool // ask or copy it beside a process that records
	anyClock           bool // record with a clock that is behind, too
}

func (f *ledgerFlags) add(c *cobra.Command) {
	f.addDir(c)
	c.Flags().StringVar(&f.keys, "keys", "", keysHelp)
	_ = c.MarkFlagDirname("keys")
}

func (f *ledgerFlags) addDir(c *cobra.Command) {
	c.Flags().StringVar(&f.dir, "ledger", "", "`folder` of the ledger (default: $"+ledgerVariable+")")
	_ = c.MarkFlagDirname("ledger")
}

// addAsking is add for commands that ask a ledger.
func (f *ledgerFlags) addAsking(c *cobra.Command) {
	f.add(c)
	c.Flags().BoolVar(&f.live, "live", false,
		"ask also while another process records, and keep none from beginning to: an index is made for this question alone, and the answer is as of the last checkpoint")
}

// addRecording is add for commands that make a ledger and go on with it.
func (f *ledgerFlags) addRecording(c *cobra.Command) {
	f.add(c)
	c.Flags().StringVar(&f.reserve, "ledger-reserve", "",
		"keep this `size`, such as 64MiB, free for notes, findings and purges on a full disk; 0 gives it up (default: as much as before, and 16MiB for a new ledger where ten times as much is free)")
	c.Flags().BoolVar(&f.anyClock, "any-clock", false, "record with a clock that is behind what was recorded last, too: the one before was ahead")
	_ = c.RegisterFlagCompletionFunc("ledger-reserve", cobra.FixedCompletions([]string{"16MiB", "64MiB", "1GiB"}, cobra.ShellCompDirectiveNoFileComp))
}

// units are how amounts of space are written.
var units = map[string]int64{"mib": 1 << 20, "gib": 1 << 30, "mb": 1e6, "gb": 1e9}

// maxReserve bounds what is kept free: what is recorded out of it is small.
const maxReserve = 1 << 30

// usualReserve is what a new ledger keeps when nobody says, where spacious times as much is free.
const (
	usualReserve = 16 << 20
	spacious     = 10
)

// usual gives the reserve of a new ledger, and says when there is none.
func usual(dir string, say io.Writer) int64 {
	if free, ok := disk.Room(dir); !ok || free < spacious*usualReserve {
		fmt.Fprintln(say, "chaperone: the disk of the new ledger has little room: none is kept for refusals on a full disk (--ledger-reserve keeps some)")
		return 0
	}
	return usualReserve
}

// reserved reads --ledger-reserve as disk.Options.Reserve.
func reserved(text string) (int64, error) {
	switch text {
	case "":
		return 0, nil
	case "0":
		return -1, nil
	}
	digits := strings.TrimRight(text, " BGMIbgmi")
	n, err := strconv.ParseUint(digits, 10, 31)
	unit := units[strings.ToLower(strings.TrimSpace(text[len(digits):]))]
	if err != nil || n < 1 || unit == 0 || int64(n) > maxReserve/unit {
		return 0, errors.New("--ledger-reserve: a size from 1MiB to 1GiB, or 0 for none; for example --ledger-reserve 64MiB")
	}
	return int64(n) * unit, nil
}

// folder gives the ledger's folder, "" when nobody named one.
func (f *ledgerFlags) folder() string {
	if f.dir != "" {
		return f.dir
	}
	return os.Getenv(ledgerVariable)
}

// keysFolder gives the folder of the keys.
func (f *ledgerFlags) keysFolder() string {
	if f.keys != "" {
		return f.keys
	}
	return keys.DefaultFolder()
}

// outside refuses to write what a flag asks for into the ledger's own folder. Without a ledger there is nothing to keep out of.
func (f *ledgerFlags) outside(flag, out string) error {
	if dir := f.folder(); dir != "" && out != "" && disk.Inside(dir, out) {
		return fmt.Errorf("%s: %s lies in the folder of the ledger, where only the ledger writes; name another place", flag, out)
	}
	return nil
}

// named gives the ledger's folder to a command that cannot do without.
func (f *ledgerFlags) named(c *cobra.Command) (string, error) {
	if dir := f.folder(); dir != "" {
		return dir, nil
	}
	return "", fmt.Errorf("%s: which ledger? Name its folder with --ledger or $%s (--help says more)", spoken(c), ledgerVariable)
}

// ask opens a ledger for questions: several may do so at a time, and nothing is changed.
func (f *ledgerFlags) ask(c *cobra.Command) (*disk.Ledger, error) {
	return f.open(c, disk.Options{ReadOnly: true, Live: f.live})
}

// write opens a ledger that is there for writing.
func (f *ledgerFlags) write(c *cobra.Command) (*disk.Ledger, error) {
	return f.open(c, disk.Options{Existing: true})
}

func (f *ledgerFlags) open(c *cobra.Command, o disk.Options) (*disk.Ledger, error) {
	dir, err := f.named(c)
	if err != nil {
		return nil, err
	}
	o.Dir, o.Keys, o.Clock = dir, f.keysFolder(), !f.anyClock
	stderr := c.ErrOrStderr()
	o.Warn = func(text string) { fmt.Fprintln(stderr, "chaperone: ledger:", page.Printable(text)) }
	bar := progressOf(stderr, &o.Progress)
	l, err := disk.Open(c.Context(), o)
	bar()
	return l, err
}

// record opens the ledger that a run writes to, nil when nobody named one. A new one is made only when check has nothing
// against it, so that a slip of the pen leaves nothing behind.
func (f *ledgerFlags) record(c *cobra.Command, check func() error) (*disk.Ledger, error) {
	dir := f.folder()
	reserve, err := reserved(f.reserve)
	switch {
	case err != nil:
		return nil, err
	case dir == "" && f.reserve != "":
		return nil, errors.New("--ledger-reserve: of which ledger? Name its folder with --ledger or $" + ledgerVariable)
	case dir == "":
		return nil, nil
	}
	_, err = os.Stat(filepath.Join(dir, keys.MetaFile))
	made := errors.Is(err, fs.ErrNotExist)
	switch {
	case made:
		err = check()
	case err == nil:
		err = f.checkTokens(dir)
	default: // opening it says what is wrong
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if made && f.reserve == "" {
		reserve = usual(dir, c.ErrOrStderr())
	}
	l, err := f.open(c, disk.Options{Reserve: reserve})
	if err != nil {
		return nil, err
	}
	if made {
		fmt.Fprintf(c.ErrOrStderr(), "chaperone: made a ledger in %s, with its keys in %s: back up both, apart from each other\n", dir, f.keysFolder())
	}
	return l, nil
}

// checkTokens makes sure that a ledger's patients were recorded with the token key that is here, before anything is touched.
func (f *ledgerFlags) checkTokens(dir string) error {
	meta, err := keys.ReadMeta(dir)
	if err != nil {
		return err
	}
	tokens, err := keys.LoadToken(f.keysFolder())
	if err != nil {
		return err
	}
	return meta.Check(f.keysFolder(), nil, nil, tokens)
}

// checkKeys makes sure, without making anything, that a start finds the keys that it needs, apart from the ledger and nobody else's to read:
// all those of one that is there. One that is not there yet is made with the keys that are there, and makes the others.
func (f *ledgerFlags) checkKeys() error {
	dir, folder := f.folder(), f.keysFolder()
	if dir == "" {
		return nil
	}
	if err := disk.KeysApart(dir, folder); err != nil {
		return err
	}
	if err := keys.Private(folder); err != nil {
		return err
	}
	_, err := os.Stat(filepath.Join(dir, keys.MetaFile))
	made := !errors.Is(err, fs.ErrNotExist)
	tokens, err1 := keys.LoadToken(folder)
	seed, err2 := keys.LoadSigning(folder)
	data, err3 := keys.LoadData(folder)
	for _, err := range []error{err1, err2, err3} {
		if err != nil && (made || !errors.Is(err, keys.ErrNoKey)) {
			return err
		}
	}
	if !made {
		return nil
	}
	meta, err := keys.ReadMeta(dir)
	if err != nil {
		return err
	}
	return meta.Check(folder, &data, &seed, tokens)
}

// recorded closes the ledger of a run that ended with err. What could not be recorded was told already.
func recorded(l *disk.Ledger, r *watch.Recording, err error) error {
	closing := l.Close()
	if r.Err() != nil {
		return err
	}
	return errors.Join(err, closing)
}
