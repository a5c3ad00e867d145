package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chaperone/ledger"
	"chaperone/ledger/verify"
	"chaperone/page"
)

// verifyFlags are the options of chaperone ledger verify as they are typed.
type verifyFlags struct {
	ledger              ledgerFlags
	verifier, witnesses string
	offline, deep, json bool
	backup              bool
}

func newVerify() *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check that nobody removed or changed anything on record",
		Long: `Check a whole ledger: every byte of the record against its sums, every batch against the hash tree, the tree against the signed
checkpoint and against what the witnesses have seen, the derived files against what the last close signed. The first bad file
is named, with the offset in it. Nothing is changed. It needs no token key; without data.key what is encrypted is not opened,
and the answer says so.

The ledger's public key and its witnesses are best given from outside, as ledger status and chaperone witness key print them:
a ledger that was replaced as a whole vouches for itself.

Answers are taken from the index, whose files are compared with what the last close signed. Whoever has the signing key can sign false
ones: --deep compares what is in them with the record.

Exit status: 0 whole; 1 something was removed or changed, or its making was never finished; 2 could not be checked, as while somebody
records in it: then verify a copy, which ledger backup --live makes beside a guard. Of a backup that you made, say --backup: that a
witness has seen more is no sign of tampering then, for the ledger goes on. The report says how much it has seen, and as of when the
backup is. Without it the same is what a ledger looks like whose end was removed.`,
		Example: `  chaperone ledger verify /var/lib/chaperone/ledger
  chaperone ledger verify --verifier "$(cat /media/usb/ledger.vkey)" --witnesses /media/usb /var/lib/chaperone/ledger
  chaperone ledger verify --backup /mnt/backup
  chaperone ledger verify --offline --deep --json | jq .whole`,
		RunE: func(c *cobra.Command, _ []string) error { return runVerify(c, f) },
	}
	f.ledger.add(c)
	f.ledger.place(c)
	flags := c.Flags()
	flags.StringVar(&f.verifier, "verifier", "", "the ledger's public `key`, kept outside (default: the ledger's own word)")
	flags.StringVar(&f.witnesses, "witnesses", "", "`folder` with a file "+witnessesFile+" that was kept outside (default: the ledger's own)")
	flags.BoolVar(&f.offline, "offline", false, "ask no witness: only what they cosigned before counts")
	flags.BoolVar(&f.backup, "backup", false, "you made it, as a backup of a ledger that goes on: its witnesses may have seen more")
	flags.BoolVar(&f.deep, "deep", false, "also compare the index with the record: every count, every patient's disclosures, every id; and find an id that is on record twice")
	flags.BoolVar(&f.json, "json", false, "write JSON Lines: problem, warning, and summary last")
	_ = c.RegisterFlagCompletionFunc("verifier", cobra.NoFileCompletions)
	_ = c.MarkFlagDirname("witnesses")
	return c
}

func runVerify(c *cobra.Command, f verifyFlags) error {
	dir, err := f.ledger.named(c)
	if err != nil {
		return err
	}
	if f.witnesses != "" {
		if _, err := os.Stat(filepath.Join(f.witnesses, witnessesFile)); err != nil {
			return fmt.Errorf("--witnesses: there is no file %s in %s", witnessesFile, f.witnesses)
		}
	}
	o := verify.Options{Dir: dir, Keys: f.ledger.keysAtHand(), Verifier: f.verifier, Witnesses: f.witnesses, Offline: f.offline, Deep: f.deep, Backup: f.backup}
	bar := progressOf(c.ErrOrStderr(), &o.Progress)
	r, err := verify.Run(c.Context(), o)
	bar()
	if err != nil {
		return err
	}
	if f.json {
		err = verifyJSON(c.OutOrStdout(), r)
	} else {
		err = verifyText(c.OutOrStdout(), r)
	}
	if err == nil && unmade(r) {
		return notHeld{"there is no ledger yet: " + page.Clean(r.Problems[0].String(), 500)}
	}
	if err == nil && !r.Whole() {
		_, short := verdict(r)
		return notHeld{short + ": " + page.Clean(r.Problems[0].String(), 500)}
	}
	return err
}

// verdict says what a ledger is that is not whole: in the words above its problems, and in short. Keys of purged days that are there, and
// batches that too few witnesses have seen, are no sign that anything was removed or changed.
func verdict(r *verify.Report) (text, short string) {
	kinds := map[verify.Kind]bool{}
	for _, p := range r.Problems {
		kinds[p.Kind] = true
	}
	kept, unseen := kinds[verify.Kept], kinds[verify.Unseen]
	delete(kinds, verify.Kept)
	delete(kinds, verify.Unseen)
	switch {
	case len(kinds) > 0:
		return "NOT WHOLE. Keep this folder as it is: it is evidence.", "the ledger is not whole"
	case kept && unseen:
		return "NOT ALL PURGED, NOT VOUCHED FOR. Nothing here contradicts itself, but what was purged is not gone, and witnesses do not confirm all of it:",
			"not all that was purged is gone, and witnesses do not vouch for all of the ledger"
	case kept:
		return "NOT ALL PURGED. Nothing was removed or changed, but what was purged is not gone:", "not all that was purged is gone"
	}
	return "NOT VOUCHED FOR. Nothing here contradicts itself, but witnesses do not confirm all of it:", "witnesses do not vouch for all of the ledger"
}

// unmade reports whether all there is to say of a ledger is that its making was never finished.
func unmade(r *verify.Report) bool {
	return len(r.Problems) == 1 && r.Problems[0].Kind == verify.Unmade
}

func verifyText(out io.Writer, r *verify.Report) error {
	p := page.Writer{Out: out}
	if unmade(r) {
		p.Line("NOT A LEDGER YET.")
		p.Wrap("  - ", page.Clean(r.Problems[0].String(), 500))
		return p.Err
	}
	switch {
	case r.Whole() && r.Known > 0:
		p.Line("WHOLE AS FAR AS IT GOES: a backup of the first %s; a witness has seen %s.", page.Count(int(r.Batches), "batch", "batches"), page.Number(int(r.Known)))
	case r.Whole():
		p.Line("WHOLE: nothing was removed or changed, as far as what follows goes.")
	default:
		text, _ := verdict(r)
		p.Wrap("", text)
		for _, problem := range r.Problems {
			p.Wrap("  - ", page.Clean(problem.String(), 500))
		}
		if r.More > 0 {
			p.Line("  and %s more", page.Count(r.More, "problem"))
		}
	}
	if r.Origin == "" { // there is nothing that could be counted
		return p.Err
	}
	p.Line("")
	p.Line("%s, made %s", page.Clean(r.Origin, 60), r.Made.In(time.Local).Format(time.DateTime))
	p.Line("checked by  %s", page.Clean(r.Verifier, 200))
	what := page.Count(int(r.Batches), "batch", "batches") + " with " + page.Count(int(r.Disclosures), "disclosure")
	if r.Opened {
		what += " and " + page.Count(int(r.Numbers), "identifier") + " of patients"
	}
	p.Line("record      %s, %s, %s", what, page.Count(r.Days, "day"), page.Size(r.Bytes))
	if len(r.Purged) > 0 {
		p.Wrap("purged      ", days(r.Purged)+": by the ledger's keeper, and on record")
	}
	p.Line("sealed      %s of %s", page.Number(int(r.Sealed)), page.Count(int(r.Batches), "batch", "batches"))
	p.Wrap("index       ", r.Counts())
	for _, w := range r.Witnesses {
		says := "did not say how much it has seen"
		if w.Size > 0 {
			says = "has seen " + page.Count(int(w.Size), "batch", "batches")
		}
		if w.Said != "" {
			says += "; " + page.Clean(w.Said, 200)
		}
		p.Wrap("witness     ", page.Clean(w.Name, 60)+" "+says)
	}
	p.Line("")
	p.Line("WHO VOUCHES FOR IT")
	for _, says := range r.Vouched() {
		p.Wrap("  - ", says)
	}
	for _, says := range r.Warnings {
		p.Wrap("  - ", page.Clean(says, 500))
	}
	return p.Err
}

// sorts are the words for kinds of problems.
var sorts = map[verify.Kind]string{verify.Changed: "changed", verify.Kept: "kept", verify.Unseen: "unseen", verify.Ahead: "ahead", verify.Forked: "forked", verify.Unmade: "unmade"}

// verifyJSON writes what was found, a line each, and the summary last.
func verifyJSON(out io.Writer, r *verify.Report) error {
	type problem struct {
		Kind   string `json:"kind"`
		Sort   string `json:"sort"`
		File   string `json:"file"`
		Offset *int64 `json:"offset"` // null when it is about the file as a whole
		Batch  *int64 `json:"batch"`
		What   string `json:"what"`
	}
	type warning struct {
		Kind string `json:"kind"`
		What string `json:"what"`
	}
	type witness struct {
		Name string     `json:"name"`
		Size uint64     `json:"batches"`
		Time *time.Time `json:"time"`
		Said string     `json:"said,omitempty"`
	}
	known := func(n int64) *int64 {
		if n < 0 {
			return nil
		}
		return &n
	}
	var err error
	for _, p := range r.Problems {
		err = errors.Join(err, page.JSONLine(out, problem{"problem", sorts[p.Kind], p.File, known(p.Offset), known(p.Batch), p.What}))
	}
	for _, text := range r.Warnings {
		err = errors.Join(err, page.JSONLine(out, warning{"warning", text}))
	}
	witnesses := []witness{}
	for _, one := range r.Witnesses {
		witnesses = append(witnesses, witness{one.Name, one.Size, utc(one.Time), one.Said})
	}
	return errors.Join(err, page.JSONLine(out, struct {
		Kind        string       `json:"kind"`
		Whole       bool         `json:"whole"`
		Problems    int          `json:"problems"`
		Origin      string       `json:"origin"`
		Verifier    string       `json:"verifier"`
		Outside     bool         `json:"verifier_from_outside"`
		Batches     uint64       `json:"batches"`
		Disclosures uint64       `json:"disclosures"`
		Bytes       int64        `json:"record_bytes"`
		Days        int          `json:"days"`
		Purged      []ledger.Day `json:"purged_days"`
		Kept        []ledger.Day `json:"kept_days"` // purged as well, and their keys are there
		Opened      bool         `json:"opened"`
		Closed      bool         `json:"closed_cleanly"`
		Backup      bool         `json:"backup"`
		Recounted   bool         `json:"recounted"`
		Sealed      uint64       `json:"sealed"`
		Witnessed   uint64       `json:"witnessed"`
		Since       *time.Time   `json:"unwitnessed_since"`
		Known       uint64       `json:"known"` // the most batches that a witness has seen, when it has seen more than there are; else 0
		Needed      int          `json:"needed"`
		Witnesses   []witness    `json:"witnesses"`
		Vouched     string       `json:"vouched"`
	}{
		"summary", r.Whole(), len(r.Problems) + r.More, r.Origin, r.Verifier, r.Outside, r.Batches, r.Disclosures, r.Bytes, r.Days, some(r.Purged), some(r.Kept),
		r.Opened, r.Closed, r.Backup, r.Recounted, r.Sealed, r.Witnessed, utc(r.Since), r.Known, r.Needed, witnesses, strings.Join(r.Vouched(), " "),
	}))
}

// utc gives a time in UTC, nil for none.
func utc(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
