package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"chaperone/approval"
	"chaperone/ledger"
	"chaperone/page"
	"chaperone/site"
)

// What comparing a file with the record comes to.
const (
	asGiven    = "as given" // it says what it said when it began
	wasChanged = "changed"
	isGone     = "gone" // or not good any more
)

// begun gives what of approvals is on record: what each of them said is there as a digest, and whether it is over.
func (f *approveFlags) begun(c *cobra.Command, folder string, s *site.Site) (list []approval.Past, err error) {
	f.ledger.dir = folder
	if f.ledger.keys == "" && s != nil {
		f.ledger.keys = s.Keys
	}
	l, err := f.ledger.ask(c)
	if err != nil {
		return nil, err
	}
	over := map[string]bool{}
	err = l.Notes(c.Context(), func(n ledger.Note) error {
		if p, ok := approval.OfNote(n); ok && p.Over {
			over[p.ID] = true
		} else if ok {
			list = append(list, p)
		}
		return nil
	})
	for i := range list {
		list[i].Over = over[list[i].ID]
	}
	return list, errors.Join(err, l.Close())
}

// compared writes which files still say what they said when they began to hold, the latest first.
func compared(out io.Writer, files []approval.Approval, begun []approval.Past, asJSON bool) error {
	byID := map[string]*approval.Approval{}
	for i := range files {
		byID[files[i].ID] = &files[i]
	}
	p := page.Writer{Out: out}
	bad := 0
	for i := range begun {
		past := &begun[len(begun)-1-i]
		a, state, reason := byID[past.ID], asGiven, ""
		switch {
		case a == nil:
			state = isGone
		case !past.Says(a):
			state = wasChanged
		default:
			reason = a.Reason // what a changed file says is nobody's word
		}
		if state != asGiven {
			bad++
		}
		if asJSON {
			p.Err = errors.Join(p.Err, page.JSONLine(out, struct {
				Kind   string    `json:"kind"`
				ID     string    `json:"id"`
				Of     string    `json:"of"`
				Party  string    `json:"party"`
				Begun  time.Time `json:"begun"`
				File   string    `json:"file"`
				By     string    `json:"by"`
				Reason string    `json:"reason,omitempty"`
				Digest string    `json:"digest"`
				Over   bool      `json:"over"` // on record
			}{"comparison", past.ID, string(past.Kind), past.Party, past.Begun.UTC(), state, past.By, reason, past.Digest, past.Over}))
			continue
		}
		p.Line("%s", page.Clean(fmt.Sprintf("%s  %s  %s  %s", past.ID, past.Begun.In(time.Local).Format("2006-01-02 15:04"), page.Cell(string(past.Kind), 11), past.Party+", by "+past.By), page.Width))
		switch state {
		case asGiven:
			p.Wrap("    ", "WHY: "+page.Printable(reason))
			if past.Over && stateOfApproval(a, time.Now()) == approvalHolds {
				p.Wrap("    ", "OVER, for good: its file was changed or away for a while, or the clock was set back. It permits nothing any more, though the file is as it was: approve anew.")
			}
		case wasChanged:
			p.Wrap("    ", "CHANGED: the file does not say what it said when it began to hold. The reason that was given is lost, unless a copy of the file is found: put back, it is compared again.")
		case isGone:
			p.Wrap("    ", "GONE: there is no file of it, or none that is good. The reason is lost, unless a copy of the file is found: put back, it is compared again.")
		}
	}
	if asJSON {
		p.Err = errors.Join(p.Err, page.JSONLine(out, struct {
			Kind      string `json:"kind"`
			Approvals int    `json:"approvals"`
			Bad       int    `json:"bad"`
		}{"summary", len(begun), bad}))
	} else if len(begun) == 0 {
		p.Line("Nothing that was approved is on record.")
	}
	if p.Err == nil && bad > 0 {
		return notHeld{fmt.Sprintf("approve list: %s changed or gone", page.Count(bad, "file is", "files are"))}
	}
	return p.Err
}
