package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chaperone/guard"
	"chaperone/ledger"
	"chaperone/page"
)

func newPolicyExplain() *cobra.Command {
	var f policyFlags
	c := &cobra.Command{
		Use:   "explain DISCLOSURE|REFERENCE",
		Short: "Say why a disclosure was permitted, or why an exchange was refused",
		Long: `Of one disclosure on record, by its id: which grant permitted it, by which version of the policy, in which budgets it counts, and
whether the policy of the site file would permit it now, with budgets that are empty; if not, what would.

Of one refusal, by the reference that its answer had (CHAP4f3c9a0b5d2e or ref 4f3c9a0b5d2e in HL7, CHAP ref=4f3c9a0b5d2e in DICOM) and
the log has: when, who, by which rule, grant and budget it was refused, and what would have permitted it. It needs no site file where the ledger is named.
What is refused again within a minute is counted and on record when the minute is over; until then, and of very many at once, only
the log has the reference.

` + whileGuarding + `

Exit status: 0 done, also when it would be refused now; 2 could not do it.`,
		Example: `  chaperone policy explain 4f3c9a0b5d2e48719e6d0c8b7a615243 --site site.yaml --ledger backup
  chaperone disclosures --ledger backup --json | jq -r .id     # the ids
  chaperone policy explain CHAP4f3c9a0b5d2e --live --ledger /var/lib/chaperone/ledger`,
		Args:              oneReference,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, args []string) error { return f.explain(c, strings.Join(args, " ")) },
	}
	f.add(c)
	f.ledger.addAsking(c)
	return c
}

// oneReference wants one argument, or a reference in the words of its answer, which may be several.
func oneReference(c *cobra.Command, args []string) error {
	if _, err := guard.ReadReference(strings.Join(args, " ")); err == nil {
		return nil
	}
	return onePath("which disclosure, or which refusal? By its id, which chaperone disclosures --json shows, or by the reference in its answer")(c, args)
}

func (f *policyFlags) explain(c *cobra.Command, text string) error {
	if reference, err := guard.ReadReference(text); err == nil {
		return f.explainRefusal(c, reference)
	}
	var id [16]byte
	if n, err := hex.Decode(id[:], []byte(text[:min(len(text), 2*len(id))])); err != nil || n != len(id) || len(text) != 2*len(id) {
		return errors.New("policy explain: the id of a disclosure has 32 hexadecimal digits (chaperone disclosures --json shows them), the reference of a refusal 12")
	}
	s, err := f.load(c)
	if err != nil {
		return err
	}
	t, err := guard.NewTrial(s, time.Now())
	if err != nil {
		return err
	}
	f.onRecord(s)
	l, err := f.ledger.ask(c)
	if err != nil {
		return err
	}
	row, err := l.Find(c.Context(), id)
	if err = errors.Join(err, l.Close()); errors.Is(err, ledger.ErrUnknown) {
		return errors.New("policy explain: no disclosure of this id is in this ledger")
	}
	if err != nil {
		return err
	}
	return explained(c.OutOrStdout(), &row, t, s.Version)
}

func explained(out io.Writer, row *ledger.Row, t *guard.Trial, version string) error {
	p := page.Writer{Out: out}
	clean := func(s string) string { return page.Clean(s, 80) }
	p.Line("%s  %s %s of %s", row.Time.In(time.Local).Format(time.DateTime), row.Protocol, clean(row.Action), page.Count(row.Persons, "patient"))
	judged, ok := guard.JudgedBy(&row.Evidence)
	p.Line("")
	p.Line("THEN")
	if !ok {
		p.Wrap("  ", "No guard decided it: it was seen on the network, or in a capture.")
	} else {
		p.Line("  listener     %s", clean(judged.Listener))
		p.Line("  grant        %s", clean(judged.Grant))
		same := "; the site file's is " + version
		if judged.Version == version {
			same = ", as in the site file"
		}
		p.Line("  policy       %s%s", clean(judged.Version), same)
		if judged.Approval != "" {
			p.Line("  approval     %s", judged.Approval)
		}
	}
	q := t.QuestionOf(row)
	a := t.Decide(q)
	p.Line("")
	p.Line("NOW, by policy %s", version)
	p.Line("  who asks     %s", orNobody(q.Party))
	p.Line("  action       %s", q.Action)
	p.Line("  data goes to %s", orNobody(q.To))
	if a.Permit {
		p.Wrap("  decision     ", fmt.Sprintf("permitted, %s: grant %s", a.Reason, clean(a.Grant)))
	} else {
		p.Wrap("  decision     ", fmt.Sprintf("refused, %s. %s", a.Reason, guard.ExplainReason(a.Reason)))
		if a.Hint != "" {
			p.Wrap("  would do     ", sentence(a.Hint))
		}
	}
	p.Line("")
	p.Line("BUDGETS in which it counts")
	for _, k := range a.Budgets {
		limits := "counted, without a limit"
		if text := k.Limits.String(); text != "" {
			limits = "at most " + text
		}
		p.Line("  %s  %s", page.Cell(clean(string(k.Key)), 30), limits)
	}
	if len(a.Budgets) == 0 {
		p.Line("  none: the site file does not know who is meant, or lets nothing through")
	}
	return p.Err
}

func orNobody(party string) string {
	if party == "" {
		return "nobody whom the site file knows"
	}
	return party
}
