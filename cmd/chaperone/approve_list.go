package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chaperone/approval"
	"chaperone/page"
)

func newApproveList(f *approveFlags) *cobra.Command {
	var asJSON, all, check bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List what is approved, and for how long",
		Long: `List the approvals that hold, broken glass among them, by their files. What was done with one stands in its receipt: on record, as a
finding, when it is over.

The reason stands in the file alone, which is no part of the record, since a person's words may name somebody. The record has a digest of
all that the file said when it began to hold. --check compares them, of all that ever held: a file that was changed since and one that is
gone are named, and so is one that is over for good because its file was changed or away for a while, though it is back: by its file alone
it holds. What a lost file said, nobody can tell any more. While a guard runs, compare with --live.

Exit status: 0 done; 1 with --check, a file was changed or is gone; 2 could not do it.`,
		Example: `  chaperone approve list --site site.yaml
  chaperone approve list --check --live --site site.yaml
  chaperone approve list --ledger /var/lib/chaperone/ledger --all --json`,
		Args: noArguments("; it lists all of them"),
		RunE: func(c *cobra.Command, _ []string) error {
			dir, ledger, s, err := f.folder(c)
			if err != nil {
				return err
			}
			list, err := approvalsIn(dir, c.ErrOrStderr())
			if err != nil {
				return err
			}
			now := time.Now()
			if check {
				begun, err := f.begun(c, ledger, s)
				if err != nil {
					return err
				}
				return compared(c.OutOrStdout(), list, begun, asJSON)
			}
			if !all {
				list = slices.DeleteFunc(list, func(a approval.Approval) bool { return stateOfApproval(&a, now) != approvalHolds })
			}
			if asJSON {
				return approvalsJSON(c.OutOrStdout(), list, now)
			}
			return approvalsText(c.OutOrStdout(), list, now)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "also those that are over")
	c.Flags().BoolVar(&check, "check", false, "compare the files of all that ever held with the record")
	c.Flags().StringVar(&f.ledger.keys, "keys", "", keysHelp)
	_ = c.MarkFlagDirname("keys")
	c.Flags().BoolVar(&f.ledger.live, "live", false, "with --check: also while another process records")
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON Lines: approval (with --check: comparison), and summary last")
	return c
}

// approvalsIn reads a folder, the newest first. Files that are no approvals are told of on stderr.
func approvalsIn(dir string, stderr io.Writer) (list []approval.Approval, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("approve: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), approval.Extension) {
			continue
		}
		a, err := approval.Read(dir, e.Name())
		if err != nil {
			fmt.Fprintln(stderr, "chaperone: this file permits nothing:", page.Printable(err.Error()))
			continue
		}
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b approval.Approval) int { return cmp.Or(b.From.Compare(a.From), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

// States of an approval, by its file.
const (
	approvalHolds = "holds"
	approvalEnded = "ended" // before its time
	approvalOver  = "over"
)

func stateOfApproval(a *approval.Approval, now time.Time) string {
	switch {
	case !a.Revoked.IsZero():
		return approvalEnded
	case !now.Before(a.Until):
		return approvalOver
	}
	return approvalHolds
}

func approvalsText(out io.Writer, list []approval.Approval, now time.Time) error {
	p := page.Writer{Out: out}
	if len(list) == 0 {
		p.Line("Nothing is approved.")
		return p.Err
	}
	party, by := len("PARTY"), len("BY")
	for i := range list {
		party, by = max(party, min(len(list[i].Party), 20)), max(by, min(len([]rune(list[i].By)), 16))
	}
	holds := false
	p.Line("ID            %s  UNTIL             PATIENTS  %s  WHY", page.Cell("PARTY", party), page.Cell("BY", by))
	for i := range list {
		a := &list[i]
		why := a.Reason
		if a.Kind == approval.BreakGlass {
			why = "BREAK-GLASS: " + why
		}
		if state := stateOfApproval(a, now); state != approvalHolds {
			why = strings.ToUpper(state) + " " + why
		} else {
			holds = true
		}
		p.Line("%s", page.Clean(fmt.Sprintf("%s  %s  %s  %8d  %s  %s", a.ID, page.Cell(page.Middle(a.Party, 20), party), a.Until.In(time.Local).Format("2006-01-02 15:04"),
			a.Patients, page.Cell(page.Clean(a.By, 16), by), why), page.Width))
	}
	if holds {
		p.Wrap("", "By their files, now. One whose file was changed or away for a moment is over for good, also when it is back as it was: --check --live asks the record.")
	}
	return p.Err
}

func approvalsJSON(out io.Writer, list []approval.Approval, now time.Time) (err error) {
	type line struct {
		Kind     string     `json:"kind"`
		ID       string     `json:"id"`
		Of       string     `json:"of"`
		Party    string     `json:"party"`
		By       string     `json:"by"`
		User     string     `json:"user"`
		Reason   string     `json:"reason"`
		From     time.Time  `json:"from"`
		Until    time.Time  `json:"until"`
		Patients int        `json:"patients_at_most"`
		State    string     `json:"state"`
		Ended    *time.Time `json:"ended"`
	}
	holds := 0
	for i := range list {
		a := &list[i]
		state := stateOfApproval(a, now)
		if state == approvalHolds {
			holds++
		}
		err = errors.Join(err, page.JSONLine(out, line{"approval", a.ID, string(a.Kind), a.Party, a.By, a.User, a.Reason, a.From.UTC(), a.Until.UTC(), a.Patients, state, utc(a.Revoked)}))
	}
	return errors.Join(err, page.JSONLine(out, struct {
		Kind      string `json:"kind"`
		Approvals int    `json:"approvals"`
		Holds     int    `json:"holds"`
	}{"summary", len(list), holds}))
}

func newApproveEnd(f *approveFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "end ID",
		Short: "End an approval, or broken glass, before its time",
		Long: `End an approval now. Connections that rest on it are cut within a few seconds, and its receipt goes on record. It cannot be taken
back: approve anew.`,
		Example:           `  chaperone approve end 3f9c0a5b2e48 --site site.yaml`,
		Args:              onePath("which one? chaperone approve list shows their ids"),
		ValidArgsFunction: f.ids,
		RunE: func(c *cobra.Command, args []string) error {
			dir, _, _, err := f.folder(c)
			if err != nil {
				return err
			}
			a, ended, err := approval.End(dir, args[0], time.Now())
			if errors.Is(err, fs.ErrNotExist) {
				return errors.New("approve end: there is no approval of this id; chaperone approve list --all shows them")
			}
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			if !ended {
				_, err = fmt.Fprintf(out, "%s of %s was ended already, at %s.\n", a.ID, a.Party, a.Revoked.In(time.Local).Format(time.DateTime))
				return err
			}
			_, err = fmt.Fprintf(out, "%s of %s is over. What was done with it goes on record within a few seconds.\n", a.ID, a.Party)
			return err
		},
	}
}

// ids completes to what holds.
func (f *approveFlags) ids(c *cobra.Command, _ []string, _ string) (ids []string, _ cobra.ShellCompDirective) {
	if dir, _, _, err := f.folder(c); err == nil {
		list, _ := approvalsIn(dir, io.Discard) // who cannot be read is not proposed
		for i := range list {
			if stateOfApproval(&list[i], time.Now()) == approvalHolds {
				ids = append(ids, list[i].ID+"\t"+list[i].Party)
			}
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
