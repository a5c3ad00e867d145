package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"chaperone"
	"chaperone/guard"
	"chaperone/identity"
	"chaperone/ledger"
	"chaperone/page"
	"chaperone/policy"
	"chaperone/site"
)

// explainRefusal says what is on record of a refusal.
func (f *policyFlags) explainRefusal(c *cobra.Command, reference uint64) error {
	var s *site.Site
	if f.site != "" || f.ledger.folder() == "" {
		var err error
		if s, err = f.load(c); err != nil {
			return err
		}
		f.onRecord(s)
	}
	l, err := f.ledger.ask(c)
	if err != nil {
		return err
	}
	r, ok, err := guard.FindRefusal(c.Context(), reference, func(ctx context.Context, each func(chaperone.Finding) error) error {
		return l.Findings(ctx, ledger.Query{}, each)
	})
	if err = errors.Join(err, l.Close()); err != nil {
		return err
	}
	name := fmt.Sprintf("%012x", reference)
	if !ok {
		return errors.New("policy explain: no refusal of this reference is on record: it was a moment ago, or one of very many at once, or is another guard's, purged, or no refusal's. " +
			"The log may have it: journalctl -u chaperone-guard | grep REFERENCE") // which is not repeated: it may be a patient's number
	}
	return refusedThen(c.OutOrStdout(), name, &r, s)
}

// refusedThen writes what is known of a refusal. s may be nil.
func refusedThen(out io.Writer, name string, r *guard.Refused, s *site.Site) error {
	p := page.Writer{Out: out}
	clean := func(text string) string { return page.Clean(text, 80) }
	at := func(t time.Time) string { return t.In(time.Local).Format(time.DateTime) }
	p.Line("REFERENCE %s", name)
	switch {
	case r.Uncounted:
		p.Wrap("  ", "It is not on record itself. One of the same kind, shortly before it, is, and is told below: most likely this one repeated it. Repetitions are on record when their minute is over: ask "+
			"again then. The log has each: journalctl -u chaperone-guard | grep "+name)
		p.Line("  when         soon after %s", at(r.First))
	case r.Count > 1:
		p.Line("  when         between %s and %s", at(r.First), at(r.Last))
		p.Wrap("               ", fmt.Sprintf("It is number %d of %d that followed the first of their kind within a minute and are counted together; "+
			"grant, budget and advice are those of that first.", r.Number, r.Count))
	default:
		p.Line("  when         %s", at(r.First))
	}
	believed := r.Reason == policy.IdentityAddress || r.Reason == policy.Reason(identity.Name) // it may be: older guards did not record of whom
	p.Wrap("  who          ", page.Clean(partyOf(r.Who(), believed), 200))
	other := r.Other()
	switch {
	case r.Action == policy.Move && other.Claimed != "":
		p.Line("  destination  %s", clean(other.Claimed))
	case r.Action == policy.Move && r.Reason == policy.DestinationUnknown:
		p.Wrap("  destination  ", "none that the site file gives the listener. The log has the title: journalctl -u chaperone-guard | grep "+name)
	case other != (chaperone.Party{}):
		p.Line("  other side   %s", clean(partyOf(other, false)))
	}
	if r.Action != "" {
		p.Line("  action       %s", clean(string(r.Action)))
	} else {
		p.Line("  action       to connect, or what could not be read")
	}
	p.Line("  listener     %s", clean(r.Listener))
	decision := "refused"
	if r.Observed() {
		decision = "passed, because the listener only observes; it would be refused"
	}
	p.Wrap("  decision     ", fmt.Sprintf("%s, %s. %s", decision, clean(string(r.Reason)), guard.ExplainReason(r.Reason)))
	if r.Grant != "" {
		p.Line("  grant        %s, which came nearest", clean(r.Grant))
	}
	if r.Budget != "" {
		p.Line("  budget       %s", clean(r.Budget))
	}
	if r.Advice != "" {
		p.Wrap("  would do     ", sentence(r.Advice))
	}
	version := clean(r.Version)
	switch {
	case s != nil && r.Version == s.Version:
		version += ", as in the site file"
	case s != nil:
		version += "; the site file's is " + s.Version + ": chaperone policy test says what it would do"
	}
	p.Wrap("  policy       ", version)
	p.Line("")
	p.Wrap("", becameOf(r))
	return p.Err
}

// becameOf says whether what a refusal is about is on record and counted.
func becameOf(r *guard.Refused) string {
	switch {
	case !r.Observed():
		return "Of whom it was is not on record: what was held back is in no count of patients."
	case r.Reason == "not-recorded" || r.Reason == "not-recordable":
		return "It passed, and whose records it bore is not on record: they are in no count of patients, and have to be looked for in the systems of both sides."
	}
	return "Nothing was held back. What it bore of patients' records is on record like all that passes, and its patients are in every count: chaperone disclosures lists it, by its time and parties. " +
		"Only a finding of the same time that something is not-recorded or not-recordable says otherwise."
}

// partyOf says who somebody is: as proven, else by the address, and what it calls itself. Of who may be believed it does not say that
// it is not.
func partyOf(p chaperone.Party, believed bool) string {
	text := p.Proven
	switch {
	case p.Addr.IsValid() && text != "":
		text += ", " + p.Addr.String()
	case p.Addr.IsValid() && believed:
		text = p.Addr.String()
	case p.Addr.IsValid():
		text = p.Addr.String() + ", without a certificate that is believed"
	case text == "":
		text = "not known"
	}
	if p.Claimed != "" {
		text += ", calls itself " + p.Claimed
	}
	return text
}
