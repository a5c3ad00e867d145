package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/page"
	"chaperone/roster"
)

// rosterFlags are the options of chaperone scope that join the hospital's own list of patients.
type rosterFlags struct {
	path, out string
	dayFirst  bool
}

// noticeFile is what the list of people to notify is called in a folder.
const noticeFile = "people-to-notify.csv"

func (f *rosterFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.path, "roster", "", "the hospital's own list of patients: a `file`")
	flags.StringVar(&f.out, "out", "", "with --roster: the new CSV `file` of the people to notify (patient data!), or a folder for it")
	flags.BoolVar(&f.dayFirst, "day-first", false, "dates of the roster like 1/2/2006 have the day first")
	_ = c.MarkFlagFilename("roster")
	_ = c.MarkFlagFilename("out", "csv")
}

// check refuses what cannot work before anything is asked.
func (f *rosterFlags) check() error {
	switch {
	case f.path == "" && f.out == "":
		return nil
	case f.path == "":
		return errors.New("--out: only with --roster, which says who the people are")
	case f.out == "":
		return errors.New("--roster: where to? Name a new file with --out: it will hold patient data")
	}
	if info, err := os.Stat(f.out); err == nil && info.IsDir() {
		f.out = filepath.Join(f.out, noticeFile)
	}
	if _, err := os.Lstat(f.out); err == nil {
		return fmt.Errorf("--out: %s is there already, and nothing is overwritten; name another file", f.out)
	}
	return nil
}

// join writes the people of a roster who are among some of a ledger's. The authorities gave the numbers for which the roster
// names none.
func (f *rosterFlags) join(l *disk.Ledger, people []ledger.PatientID, authorities []string) (n *roster.Notice, err error) {
	tokens, err := l.Tokens()
	if err != nil {
		return nil, err
	}
	list, err := os.Open(f.path)
	if err != nil {
		return nil, fmt.Errorf("--roster: %w", err)
	}
	defer list.Close()
	out, err := os.OpenFile(f.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			_ = os.Remove(f.out) // a part of a list is worse than none
		}
	}()
	w, err := roster.NewList(out)
	if err != nil {
		return nil, err
	}
	q := roster.Question{
		Options: roster.Options{Authorities: authorities, DayFirst: f.dayFirst}, Tokens: tokens, Persons: len(people),
		Affected: func(t chaperone.PatientToken) (ledger.PatientID, bool) {
			id, ok := l.Lookup(t)
			if ok {
				_, ok = slices.BinarySearchFunc(people, id, func(a, b ledger.PatientID) int { return bytes.Compare(a[:], b[:]) })
			}
			return id, ok
		},
	}
	if n, err = roster.Join(list, q, w.Write); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return n, out.Sync()
}

// whyNobody says why affected persons may not be among those of a roster, and what to do; "" when there is nothing to say. A
// ledger cannot tell which authorities it has: they are in its tokens.
func whyNobody(n *roster.Notice) string {
	switch {
	case n.Unnamed == 0:
		return ""
	case n.Numbered == 0:
		return "no row has a number, so that only people are found of whom nothing but the name is on record; a column of numbers (mrn, patient id) finds the others"
	case n.Bare > 0:
		return fmt.Sprintf("%s and not who gave it, which most HL7 messages say: CLINIC in 4711^^^CLINIC^MR (PID-3); say it with --authority CLINIC, or in a column called authority",
			page.Count(int(n.Bare), "row gives a number", "rows give a number"))
	case n.Named == 0:
		return "none has these numbers of these authorities: what is said with --authority is to be written as messages write it (CLINIC in 4711^^^CLINIC^MR, PID-3). A ledger cannot name those it has: it keeps tokens; one message of the sending system shows them"
	}
	return ""
}

// say writes what the list amounts to.
func (f *rosterFlags) say(out io.Writer, n *roster.Notice, nobody bool, why string) error {
	p := page.Writer{Out: out}
	p.Line("")
	p.Line("PEOPLE TO NOTIFY (%s: patient data, only you can read it)", f.out)
	if nobody {
		p.Wrap("", "NOBODY WAS FOUND: "+why)
	}
	return errors.Join(p.Err, n.Summary(out))
}

// stateLine is how many people of one state are to be notified.
type stateLine struct {
	State  string `json:"state"` // "" is elsewhere, or not known
	People int    `json:"people"`
	Media  bool   `json:"media_notice"`
}

// noticeJSON writes what the list amounts to as a JSON line, and why it may be too little.
func noticeJSON(out io.Writer, n *roster.Notice, why string) error {
	states, elsewhere := []stateLine{}, 0
	for _, r := range n.States {
		if len(r.State) != 2 { // what is given in the place of a state and is none may be anything
			elsewhere += r.People
			continue
		}
		states = append(states, stateLine{r.State, r.People, roster.MediaNotice(r.People)})
	}
	if elsewhere > 0 {
		states = append(states, stateLine{People: elsewhere})
	}
	return page.JSONLine(out, struct {
		Kind       string      `json:"kind"`
		People     int         `json:"people"`
		Named      int         `json:"persons_named"`
		Unnamed    int         `json:"persons_not_in_roster"`
		NoAddress  int         `json:"without_address"`
		Bare       int64       `json:"rows_without_authority"` // rows with a number whose authority nobody names
		Rows       int64       `json:"roster_rows"`
		Bad        int64       `json:"roster_rows_bad"`
		Duplicates int         `json:"duplicates"`
		Doubtful   int         `json:"duplicates_doubtful"`
		Secretary  bool        `json:"secretary_now"`
		States     []stateLine `json:"states"`
		Problem    string      `json:"problem,omitempty"` // why people may not be found, and what to do
	}{
		"notice", n.People, n.Named, n.Unnamed, n.NoAddress, n.Bare, n.Rows, n.Bad, n.Duplicates, n.Doubtful,
		roster.SecretaryNow(n.Individuals()), states, why,
	})
}
