package guard

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"chaperone"
	"chaperone/identity"
	"chaperone/ledger"
	"chaperone/policy"
)

// refusal is one thing that was not granted. It bears no patient data.
type refusal struct {
	listener  string
	word      string // the protocol's own
	action    policy.Action
	decision  policy.Decision
	reference uint64          // what somebody may ask about it by; note gives it
	said      bool            // an answer may bear the reference, and the log has no line of its own about it
	quiet     bool            // of a connection: its end is no line of the log
	from, to  chaperone.Party // who acted, on whom: wish.acts
	aim       string          // the title of a destination that the site file does not have: the log has it, the record does not
	observed  bool            // it passed all the same: the listener only observes
	offset    int64
	at        time.Time
}

// refusals puts refusals into the log and on record. The first of a kind goes there at once; those that follow within a while
// are counted, so that nobody fills the record by asking again and again. The log has the reference of each: somebody may read it
// out from a device's screen.
type refusals struct {
	record  func(ledger.Batch) error
	log     *slog.Logger
	mu      sync.Mutex
	kinds   map[kindOfRefusal]*repeated
	waiting []refusal
	owed    []chaperone.Finding // that the record did not take
	seen    ledger.Seen         // what passed unread since the last note
	wake    chan struct{}

	flushing sync.Mutex // one at a time: who has flushed finds everything on record that was noted before
}

// connection is the word of refusals that end the connection. The log has a line of its own for that, unless it is quiet.
const connection = "connection"

type kindOfRefusal struct{ listener, word, reason, from, to string }

type repeated struct {
	first  refusal
	since  time.Time
	count  int // after the first
	last   time.Time
	untold []string  // references after the first that the log does not have yet
	from   time.Time // of the first of them
}

// lineOfReferences is how many references one line of the log has.
const lineOfReferences = 64

// refusalWindow is how long refusals of a kind are counted before they are told again.
const refusalWindow = time.Minute

// mostRefusals bounds what waits to be recorded and what is counted; beyond it, kinds fall together by their reason.
const mostRefusals = 4096

// mostStrangers is that bound for connections that are not let in, which may come from any number of addresses, and for presentation
// contexts, of which a client can make up any number.
const mostStrangers = 256

func newRefusals(log *slog.Logger, record func(ledger.Batch) error) *refusals {
	return &refusals{record: record, log: log, kinds: map[kindOfRefusal]*repeated{}, wake: make(chan struct{}, 1)}
}

// note takes a refusal, and gives its reference. It does not wait for the record: nothing was released.
func (r *refusals) note(f refusal) string {
	k := kindOfRefusal{f.listener, f.word, string(f.decision.Reason), f.who(), f.whom()}
	r.mu.Lock()
	if n := len(r.kinds); n >= mostRefusals || n >= mostStrangers && (f.word == connection || f.word == fullListener || strings.HasPrefix(f.word, contextWord)) {
		k = kindOfRefusal{listener: f.listener, reason: string(f.decision.Reason)}
	}
	have := r.kinds[k]
	var line func()
	if have != nil {
		have.count++
		have.last = f.at
		if f.reference = have.first.reference + uint64(have.count); k.word == "" {
			f.reference = newReference()
		}
		line = r.refer(have, &f, k.word == "")
	} else {
		f.reference = newReference()
		r.kinds[k] = &repeated{first: f, since: f.at, last: f.at}
		r.waiting = append(r.waiting, f)
	}
	r.mu.Unlock()
	if line != nil {
		line()
	}
	if have == nil {
		if f.word != heldQueue && (f.word != connection || f.observed || f.quiet) { // those have lines of their own
			r.log.Warn("refused", "listener", f.listener, "what", f.word, "reason", f.decision.Reason, "from", name(f.from), "to", cmp.Or(f.whom(), f.aim), "budget", f.decision.Budget,
				"policy", f.decision.Version, "reference", referenceOf(f.reference), "observed", f.observed, f.client())
		}
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	return referenceOf(f.reference)
}

// refer keeps the reference of one more of a kind, with whose it is where kinds fell together. It gives the line to be written when
// there are enough of them for one. Called with the lock.
func (r *refusals) refer(have *repeated, f *refusal, mixed bool) func() {
	if !f.said || f.observed {
		return nil // nobody was told one
	}
	if len(have.untold) == 0 {
		have.from = f.at
	}
	text := referenceOf(f.reference)
	switch {
	case mixed:
		text += " (" + f.word + ", " + f.who() + ")"
	case f.aim != have.first.aim:
		text += " (to " + f.aim + ")"
	}
	if have.untold = append(have.untold, text); len(have.untold) < lineOfReferences {
		return nil
	}
	return r.line(have)
}

// line gives the line about references that the log does not have yet, or of how many a full listener turned away; nil when there
// are none. Called with the lock, and the line without.
func (r *refusals) line(have *repeated) func() {
	f, untold, from, last, count := have.first, have.untold, have.from, have.last, have.count
	if f.word == fullListener && len(untold) == 0 { // where kinds fell together, the first may be one of these
		return func() {
			r.log.Warn("a listener is full: connections were turned away", "listener", f.listener, "from", name(f.from), "count", count, "since", f.at, "until", last)
		}
	}
	if len(untold) == 0 {
		return nil
	}
	have.untold = nil
	return func() {
		r.log.Warn("refused again", "listener", f.listener, "what", f.word, "reason", f.decision.Reason, "from", name(f.from), "to", cmp.Or(f.whom(), f.aim),
			"policy", f.decision.Version, "count", len(untold), "since", from, "until", last, "observed", f.observed, f.client(), "references", strings.Join(untold, " "))
	}
}

// tell has a finding put on record with the refusals.
func (r *refusals) tell(f chaperone.Finding) {
	r.mu.Lock()
	r.owed = append(r.owed, f)
	r.owed = r.owed[:min(len(r.owed), mostRefusals)]
	r.mu.Unlock()
	r.log.Warn("finding", "rule", f.Rule, "from", name(f.From), "to", name(f.To))
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// unread notes bytes that passed a listener that observes and were not read.
func (r *refusals) unread(n int64, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen.LostBytes == 0 {
		r.seen.From = at
	}
	r.seen.Until = at
	r.seen.LostBytes += n
}

// name gives a party as logs do: proven, else its address.
func name(p chaperone.Party) string {
	if p.Proven != "" {
		return p.Proven
	}
	if p.Addr.IsValid() {
		return p.Addr.String()
	}
	return ""
}

// client gives where a connection came from, as the log does: a certificate that was stolen is shown from several places. Of anything
// else it is none, which a log leaves out.
func (f *refusal) client() slog.Attr {
	if f.word != connection || !f.from.Addr.IsValid() {
		return slog.Attr{}
	}
	return slog.String("client", f.from.Addr.String())
}

// who gives whose it was; of a connection with where that came from.
func (f *refusal) who() string {
	text, at := name(f.from), f.client()
	if at.Key == "" || at.Value.String() == text {
		return text
	}
	return text + " at " + at.Value.String()
}

// whom gives on whom it was, as logs do; the destination of a C-MOVE has a title alone, which is the site file's.
func (f *refusal) whom() string {
	if text := name(f.to); text != "" || f.action != policy.Move {
		return text
	}
	return f.to.Claimed
}

// run records refusals until the context ends, then what is left.
func (r *refusals) run(ctx context.Context, now func() time.Time) {
	tick := time.NewTicker(refusalWindow / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			r.flush(now(), true)
			return
		case <-r.wake:
		case <-tick.C:
		}
		r.flush(now(), false)
	}
}

// flush records what waits, and the kinds whose time is over.
func (r *refusals) flush(now time.Time, all bool) {
	r.flushing.Lock()
	defer r.flushing.Unlock()
	r.mu.Lock()
	batch := ledger.Batch{Findings: r.owed}
	r.owed = nil
	if seen := r.seen; seen.LostBytes > 0 && (all || now.Sub(seen.From) >= refusalWindow) {
		batch.Notes = append(batch.Notes, ledger.Note{Kind: ledger.Coverage, At: now, Text: "the guard passed bytes on unread", Seen: seen})
		r.seen = ledger.Seen{}
	}
	for _, f := range r.waiting {
		batch.Findings = append(batch.Findings, f.finding(1, f.at))
	}
	r.waiting = nil
	var lines []func()
	for k, have := range r.kinds {
		if !all && now.Sub(have.since) < refusalWindow {
			continue
		}
		if have.count > 0 {
			f := have.first
			f.at = have.since.Add(time.Microsecond) // not the finding that was told already
			if f.reference++; k.word == "" {
				f.reference = 0 // they are not all of one kind: only the log knows which is whose
			}
			batch.Findings = append(batch.Findings, f.finding(have.count, have.last))
			if line := r.line(have); line != nil {
				lines = append(lines, line)
			}
		}
		delete(r.kinds, k)
	}
	r.mu.Unlock()
	for _, line := range lines {
		line()
	}
	if len(batch.Findings)+len(batch.Notes) == 0 {
		return
	}
	err := r.record(batch)
	if err == nil {
		return
	}
	r.log.Error("refusals are not on record", "count", len(batch.Findings), "error", err)
	r.mu.Lock() // it is tried again
	defer r.mu.Unlock()
	r.owed = append(batch.Findings, r.owed...)
	r.owed = r.owed[:min(len(r.owed), mostRefusals)]
	for _, note := range batch.Notes {
		r.seen.LostBytes += note.Seen.LostBytes
		r.seen.From, r.seen.Until = note.Seen.From, now
	}
}

// RefusedRule and ObservedRule begin the rules of findings about what was refused, and about what would have been. The reason
// follows.
const (
	RefusedRule  = "refused-"
	ObservedRule = "would-refuse-"
)

func (f *refusal) finding(count int, last time.Time) chaperone.Finding {
	out := chaperone.Finding{
		Rule: RefusedRule + string(f.decision.Reason), Severity: severity(f.decision.Reason), From: f.from, To: f.to, First: f.at, Last: last, Count: count,
		Title: "An exchange was refused: " + explain(f.decision.Reason), Advice: f.decision.Hint,
		Evidence: chaperone.Evidence{File: f.ground(), Record: f.reference, Offset: f.offset},
	}
	if f.word == heldQueue {
		held(&out, f.decision.Reason)
	}
	if f.observed {
		out.Rule, out.Title = ObservedRule+string(f.decision.Reason), "An exchange passed that would be refused: "+explain(f.decision.Reason)
	}
	return out
}

// ofIdentity reports whether a reason is about who somebody is.
func ofIdentity(reason policy.Reason) bool { return strings.HasPrefix(string(reason), "identity-") }

// severity says how much a reason for refusing is worth somebody's attention.
func severity(reason policy.Reason) chaperone.Severity {
	switch {
	case ofIdentity(reason):
		return chaperone.High
	case reason == ownCertificate:
		return chaperone.High
	case strings.HasPrefix(string(reason), "budget-"), reason == unrecorded, reason == impossible, reason == busy, reason == away, reason == policy.ClockLeap, reason == policy.PolicyError:
		return chaperone.Medium
	}
	return chaperone.Low
}

// explain says what a reason means.
func explain(reason policy.Reason) string {
	switch reason {
	case unknown:
		return "Nobody whom the site file knows asked for it."
	case ambiguous:
		return "Two receivers could read it in two ways, or it is a query and brings something of a patient."
	case malformed:
		return "It is not in the listener's protocol."
	case unrecorded:
		return "It could not be put on record."
	case impossible:
		return "It can never be put on record."
	case busy:
		return "More came at once than there is room for."
	case away:
		return "The system behind the listener is away, and the message is not kept."
	case unasked:
		return "Nobody asked for it on this connection, it has been answered, or an answer to a message names others than the message did."
	case tooMany:
		return "The answer has more patients than were asked for."
	case policy.Reason(identity.Name):
		return "The certificate names no party of the site file, or not one alone."
	case policy.Reason(identity.None):
		return "It showed no certificate."
	case policy.Reason(identity.Untrusted):
		return "The certificate is of no authority that is believed."
	case policy.Reason(identity.Expired):
		return "The certificate's time is over."
	case policy.Reason(identity.Early):
		return "The certificate's time has not come."
	case policy.Reason(identity.Revoked):
		return "The certificate was revoked."
	case policy.Reason(identity.Unknown):
		return "Whether the certificate was revoked cannot be known now."
	case policy.Reason(identity.Use):
		return "The certificate is not for this side of a connection."
	case policy.Reason(identity.Weak):
		return "The key of the certificate is too short."
	case policy.Reason(identity.Other):
		return "The certificate proves another party than the one that was wanted."
	case policy.Reason(identity.Protocol):
		return "The client came for another protocol."
	case handshake:
		return "The other side did not prove itself by TLS and a certificate."
	case untransferable:
		return "None of the transfer syntaxes that were proposed for it can be read by the guard."
	case ownCertificate:
		return "The other side does not believe the guard's own certificate."
	case spentApproval:
		return "The approval's number of patients is used up."
	case endedApproval:
		return "The approval that it rests on ended before it was on record."
	}
	if text := policy.Explain(reason); text != "" {
		return text
	}
	return "The certificate is not believed."
}
