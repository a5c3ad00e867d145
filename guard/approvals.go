package guard

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chaperone"
	"chaperone/approval"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/page"
	"chaperone/policy/budget"
)

// memory is what a guard needs of the record to go on with approvals, and with what passed unread, after a start.
type memory interface {
	Notes(ctx context.Context, each func(ledger.Note) error) error
	Findings(ctx context.Context, q ledger.Query, each func(chaperone.Finding) error) error
	Evidenced(ctx context.Context, since time.Time, keep func(file string) bool, each func(disk.Evidenced) error) error
}

// approvals are what somebody has approved, and what was done with it.
type approvals struct {
	register *approval.Register // nil: nothing can be approved
	looking  sync.Mutex         // one look after the other

	mu   sync.Mutex
	uses map[string]*use // by id
}

// use is one approval with what was done with it since it began.
type use struct {
	approval.Approval
	disclosures, connections, bytes atomic.Int64
	open                            atomic.Int64 // connections that are open because of it, and studies that are under way
	writing                         atomic.Int64 // disclosures that are being put on record because of it
}

// Rules of findings about approvals.
const (
	ApprovedRule     = "approved"      // it begins
	ApprovalOverRule = "approval-over" // its receipt
	GlassRule        = "break-glass"
	GlassOverRule    = "break-glass-over"
	ApprovalBadRule  = "approval-bad" // a file that is no approval
)

// openApprovals begins with what the record says of approvals. Error: the record cannot be read.
func (g *Guard) openApprovals(ctx context.Context, r *rules, dir string) error {
	g.approvals.uses = map[string]*use{}
	if dir == "" {
		return g.restoreTunnels(ctx, r, nil)
	}
	if err := approval.MakeFolder(dir, filepath.Dir(dir)); err != nil {
		return err
	}
	var past []approval.Past
	err := g.ledger.Notes(ctx, func(n ledger.Note) error {
		if p, ok := approval.OfNote(n); ok {
			past = append(past, p)
		}
		return nil
	})
	if err != nil {
		return err
	}
	g.approvals.register = approval.NewRegister(dir, past)
	return g.restore(ctx, r, past)
}

// restore counts what was done with approvals that began before this start.
func (g *Guard) restore(ctx context.Context, r *rules, past []approval.Past) error {
	begun := map[string]approval.Past{}
	for _, p := range past {
		if begun[p.ID] = p; p.Over {
			delete(begun, p.ID)
		}
	}
	if err := g.restoreTunnels(ctx, r, begun); err != nil || len(begun) == 0 {
		return err
	}
	since := g.now()
	for _, p := range begun {
		if p.Begun.Before(since) {
			since = p.Begun
		}
	}
	keep := func(file string) bool { _, ok := begun[approvalOf(file)]; return ok }
	return g.ledger.Evidenced(ctx, since, keep, func(d disk.Evidenced) error {
		p := begun[approvalOf(d.File)]
		u := g.approvals.use(&approval.Approval{ID: p.ID, Kind: p.Kind, Party: p.Party})
		hour := g.now().Unix() / 3600
		unknown := d.Unidentified
		if d.Unseen { // see unknownIn
			unknown = 0
		}
		g.book.Load(u.key(), hour, patientsOf(d.Numbers), unknown)
		g.count(u, hour, d.Numbers, d.Unidentified, d.Bytes)
		return nil
	})
}

// use gives what was done with an approval, from its first use on. What restore made of one knows its name only, until its
// file is read.
func (a *approvals) use(of *approval.Approval) *use {
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.uses[of.ID]
	switch {
	case u == nil:
		u = &use{Approval: *of}
		a.uses[of.ID] = u
	case u.Patients == 0 && of.Patients > 0:
		u.Approval = *of
	}
	return u
}

// count counts a disclosure that is on record because of an approval.
func (g *Guard) count(u *use, hour int64, numbers []ledger.Number, unidentified int, bytes int64) {
	u.disclosures.Add(1)
	u.bytes.Add(bytes)
	g.book.Load(u.released(), hour, patientsOf(numbers), unidentified)
}

// key is the budget of an approval: it begins empty with it, and is charged until it is over.
func (u *use) key() budget.Key { return budget.Key(u.Name()) }

// released counts for the receipt who is on record because of an approval: what it was charged for and could not be recorded
// is not among them.
func (u *use) released() budget.Key { return "released by " + u.key() }

// watchApprovals looks every second at what is approved.
func (g *Guard) watchApprovals(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		g.lookApprovals(context.WithoutCancel(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// settling is how long after an end its receipt is written: what was decided in the last moment is on record by then.
const settling = 3 * time.Second

// lookApprovals puts what begins on record, so that it holds, and what is over with its receipt.
func (g *Guard) lookApprovals(ctx context.Context) {
	g.approvals.looking.Lock()
	defer g.approvals.looking.Unlock()
	now := g.now()
	begin, over, troubles := g.approvals.register.Look(now)
	for _, t := range troubles {
		g.log.Error("a file is no approval, and permits nothing", "file", t.File, "error", t.Err)
		g.enter(ctx, ledger.Batch{Findings: []chaperone.Finding{{
			Rule: ApprovalBadRule, Severity: chaperone.Medium, First: now, Last: now, Count: 1,
			Title: "A file in the folder of approvals is no approval: it permits nothing.", Advice: "Make approvals with chaperone approve; look who put it there.",
			Evidence: chaperone.Evidence{File: page.Clean(t.File, 80)},
		}}})
	}
	for _, c := range begin {
		if g.enter(ctx, ledger.Batch{Notes: []ledger.Note{c.Begins(now)}, Findings: []chaperone.Finding{begins(&c.Approval, now)}}) {
			g.approvals.use(&c.Approval)
			g.approvals.register.Admit(c.ID, now)
			g.log.Warn("approved", "approval", c.Name(), "party", c.Party, "by", c.By, "until", c.Until.Format(time.RFC3339), "patients", c.Patients)
		}
	}
	for _, c := range over {
		u := g.approvals.use(&c.Approval)
		g.cut(u)
		if now.Sub(c.At) < settling || u.open.Load()+u.writing.Load() > 0 {
			continue
		}
		patients := g.book.Count(u.released(), budget.Year, now)
		if g.enter(ctx, ledger.Batch{Notes: []ledger.Note{c.Ends(now, c.Why+"; "+u.receipt(patients))}, Findings: []chaperone.Finding{u.ends(&c, patients, now)}}) {
			g.approvals.register.Settle(c.ID)
			g.log.Warn("an approval is over", "approval", c.Name(), "party", c.Party, "why", c.Why, "patients", patients, "disclosures", u.disclosures.Load())
		}
	}
}

// enter records, and reports whether it is on record.
func (g *Guard) enter(ctx context.Context, b ledger.Batch) bool {
	if _, err := g.ledger.Record(ctx, b); err != nil {
		g.log.Error("what is approved, or over, is not on record yet", "error", err)
		return false
	}
	return true
}

func begins(a *approval.Approval, now time.Time) chaperone.Finding {
	f := chaperone.Finding{
		Rule: ApprovedRule, Severity: chaperone.Info, From: chaperone.Party{Claimed: a.Party}, Account: a.By, First: now, Last: now, Count: 1,
		Title:    fmt.Sprintf("%s may come in until %s, for at most %s.", a.Party, a.Until.UTC().Format(time.RFC3339), page.Count(a.Patients, "patient")),
		Advice:   "Its receipt follows at its end.",
		Evidence: chaperone.Evidence{File: a.Name()},
	}
	if a.Kind == approval.BreakGlass {
		f.Rule, f.Severity = GlassRule, chaperone.High
		f.Title = fmt.Sprintf("The glass was broken for %s: until %s it may do what its role may do at all, for at most %s.",
			a.Party, a.Until.UTC().Format(time.RFC3339), page.Count(a.Patients, "patient"))
		f.Advice = whyGlass + " Ask " + a.By + ", and look at the receipt at its end."
	}
	return f
}

// receipt says what was done.
func (u *use) receipt(patients int) string {
	text := fmt.Sprintf("%s of %s, %s", page.Count(int(u.disclosures.Load()), "disclosure"), page.Count(patients, "patient"), page.Size(u.bytes.Load()))
	if n := u.connections.Load(); n > 0 {
		text += fmt.Sprintf("; %s, whose content was not read", page.Count(int(n), "connection"))
	}
	return text
}

// whyGlass says where the reason stands: a person's words are not for the record, which keeps a digest of them.
const (
	whyGlass  = "The reason is in its file: chaperone approve list --check shows it, and that it is the one that was given."
	lostGlass = "The reason that was given is lost with its file, which was changed or is gone: ask who did that. A copy of it, put back, is compared again (chaperone approve list --check)."
)

func (u *use) ends(c *approval.Change, patients int, now time.Time) chaperone.Finding {
	f := chaperone.Finding{
		Rule: ApprovalOverRule, Severity: chaperone.Info, From: chaperone.Party{Claimed: c.Party}, Account: c.By,
		First: now, Last: now, Count: patients, Bytes: u.bytes.Load(),
		Title:    fmt.Sprintf("What %s did under an approval that is over (%s): %s.", c.Party, c.Why, u.receipt(patients)),
		Evidence: chaperone.Evidence{File: c.Name()},
	}
	if c.Kind == approval.BreakGlass {
		f.Rule, f.Severity = GlassOverRule, chaperone.High
		f.Title = fmt.Sprintf("What %s did behind broken glass, which is over (%s): %s.", c.Party, c.Why, u.receipt(patients))
		reason := whyGlass
		if c.Lost {
			reason = lostGlass
		}
		f.Advice = "Have somebody look at each of them: chaperone disclosures lists them. " + reason
	}
	return f
}

// approvalOf gives the id of the approval that evidence names, "" when it names none.
func approvalOf(file string) string {
	_, grant, _ := strings.Cut(file, ", grant ")
	rest, ok := strings.CutPrefix(grant, string(approval.BreakGlass)+" ")
	if i := strings.LastIndex(grant, ", approval "); !ok && i >= 0 {
		rest = grant[i+len(", approval "):]
	}
	id, _, _ := strings.Cut(rest, " ")
	if !approval.IsID(id) {
		return ""
	}
	return id
}
