package exchange

import (
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/wire"
)

// Bounds of the correlation of C-MOVE with what it delivers.
const (
	maxMoves     = 4096
	movePatience = 10 * time.Second // capture time in which deliveries may still show after the final answer
	moveSlack    = time.Second      // by which the clocks of two captures may differ
	moveEvents   = 1024             // and so many events: packets that are out of order may be far apart in time
)

// moves remembers the C-MOVEs that deliver now, or did a moment ago, and deliveries whose C-MOVE has not shown yet:
// two connections of a capture are not in step. Oldest first.
type moves struct {
	list    []*move
	waiting []delivery
	unnamed []delivery // deliveries that name no C-MOVE; already recorded
}

// move is a C-MOVE: its answers come on the asking association, its objects go to a third party on another.
type move struct {
	caller  chaperone.Party
	archive netip.Addr
	draft   *draft
	message wire.Message
	conn    *Connection
	studies []chaperone.PatientToken // that were asked for
	numbers []chaperone.PatientToken // whose were asked for
	seen    int                      // objects that were seen to be delivered
	end     time.Time                // of its final answer; zero before it came
	over    moment                   // likewise, in the order of events
}

// moment is a point in capture time and in the order of events.
type moment struct {
	time  time.Time
	event int64
}

// delivery is a C-STORE that serves a C-MOVE, or may.
type delivery struct {
	out        Disclosed
	originator string
	id         uint16
	study      chaperone.PatientToken
	number     chaperone.PatientToken // its patient's
	at         moment
}

// open notes a C-MOVE and takes the deliveries that were waiting for it.
func (ms *moves) open(c *Connection, d *draft, m *wire.Message) {
	r := c.recorder
	from, to := c.ends(m.Data)
	v := &move{
		caller:  chaperone.Party{Addr: to.Addr(), Port: to.Port(), Claimed: m.Requester},
		archive: from.Addr(), draft: d, message: *m, conn: c,
	}
	for _, k := range m.Retrieve.Keys {
		i := r.tokens.Identify(k)
		v.numbers = append(v.numbers, i.Numbers...)
		if i.Study != (chaperone.PatientToken{}) {
			v.studies = append(v.studies, i.Study)
		}
	}
	ms.list = append(ms.list, v)
	ms.waiting = slices.DeleteFunc(ms.waiting, func(w delivery) bool {
		if !v.fits(&w) {
			return false
		}
		r.deliver(v, w.out)
		return true
	})
	for i := range ms.unnamed {
		if v.fitsUnnamed(&ms.unnamed[i]) {
			v.seen++
		}
	}
	if len(ms.list) > maxMoves {
		oldest := ms.list[0]
		ms.list = slices.Delete(ms.list, 0, 1)
		r.settle(oldest)
	}
}

// during reports whether something that began at t can be a part of the move: message IDs are used again.
func (v *move) during(t time.Time, slack time.Duration) bool {
	return !t.Before(v.message.At.Time.Add(-slack)) && (v.end.IsZero() || !t.After(v.end.Add(slack)))
}

// deliver records a C-STORE that serves a C-MOVE.
func (r *Recorder) deliver(v *move, out Disclosed) {
	v.seen++
	caller := v.caller
	out.RequestedBy = &caller
	r.disclose(out)
}

// store records a C-STORE: at once when its C-MOVE is known or it serves none.
func (r *Recorder) store(m *wire.Message, out Disclosed, number chaperone.PatientToken) {
	ms := &r.moves
	study := r.tokens.Identify(chaperone.Record{Study: m.Study}).Study
	if m.Retrieve != nil {
		w := delivery{out: out, originator: m.Retrieve.Originator, id: m.Retrieve.ID, study: study, at: r.now}
		if v := ms.serves(&w); v != nil {
			r.deliver(v, out)
			return
		}
		ms.waiting = append(ms.waiting, w)
		if len(ms.waiting) > maxMoves {
			r.orphan(ms.waiting[0])
			ms.waiting = slices.Delete(ms.waiting, 0, 1)
		}
		return
	}
	if m.Role == wire.Push {
		w := delivery{out: out, study: study, number: number, at: r.now}
		for i := len(ms.list) - 1; i >= 0; i-- {
			if v := ms.list[i]; v.fitsUnnamed(&w) {
				r.deliver(v, out)
				return
			}
		}
		ms.unnamed = append(ms.unnamed, w)
		if len(ms.unnamed) > maxMoves {
			ms.unnamed = slices.Delete(ms.unnamed, 0, maxMoves/2)
		}
	}
	r.disclose(out)
}

// serves finds the C-MOVE that a delivery names by originator and message ID. Several may run at once under one name: one
// whose time it lies in exactly comes first, then one to the sending archive, then the one that was served least.
func (ms *moves) serves(w *delivery) *move {
	var best *move
	rank := func(v *move) [3]int {
		r := [3]int{2: -v.seen}
		if v.during(w.out.Time, 0) {
			r[0] = 1
		}
		if v.archive == w.out.From.Addr {
			r[1] = 1
		}
		return r
	}
	for _, v := range ms.list {
		if v.fits(w) && (best == nil || !less(rank(v), rank(best))) {
			best = v
		}
	}
	return best
}

// fits reports whether a delivery can be a part of the move: it names it, goes where it was asked to go, lies in its time,
// and is of a study that was asked for, as far as studies were. The originator of a move whose association was not seen
// from its beginning is not known.
func (v *move) fits(w *delivery) bool {
	detail := v.message.Retrieve
	return detail.ID == w.id && (detail.Originator == w.originator || detail.Originator == "") && v.during(w.out.Time, moveSlack) && v.goes(w) &&
		(len(v.studies) == 0 || w.study == (chaperone.PatientToken{}) || slices.Contains(v.studies, w.study))
}

// fitsUnnamed is fits for a delivery that names no move: it comes from the archive and is what was asked for.
func (v *move) fitsUnnamed(w *delivery) bool {
	return v.archive == w.out.From.Addr && v.during(w.out.Time, moveSlack) && v.goes(w) &&
		(slices.Contains(v.studies, w.study) || slices.Contains(v.numbers, w.number) || v.unasked())
}

// unasked reports whether the request itself was not seen: anything that the archive sends at the time may be its answer.
func (v *move) unasked() bool {
	return len(v.studies)+len(v.numbers) == 0 && v.message.Retrieve.Destination == ""
}

// goes compares the receiver with the destination that was asked for, where both are known.
func (v *move) goes(w *delivery) bool {
	asked, called := v.message.Retrieve.Destination, w.out.To.Claimed
	return asked == called || asked == "" || called == ""
}

func less(a, b [3]int) bool { return slices.Compare(a[:], b[:]) < 0 }

// orphan records a delivery whose C-MOVE was not seen: the originator's title is all that is known of who asked. Before
// that, an archive that changed the study's UID is thought of.
func (r *Recorder) orphan(w delivery) {
	w.study = chaperone.PatientToken{}
	if v := r.moves.serves(&w); v != nil {
		r.deliver(v, w.out)
		return
	}
	w.out.RequestedBy = &chaperone.Party{Claimed: w.originator}
	r.disclose(w.out)
}

// finish notes the final answer of a C-MOVE.
func (ms *moves) finish(d *draft, m *wire.Message, at time.Time, now moment) {
	for _, v := range ms.list {
		if v.draft == d {
			v.message = *m
			v.end, v.over = at, now
		}
	}
}

// settleMoves records what C-MOVEs that are over have delivered unseen. all: without waiting for more.
func (r *Recorder) settleMoves(now time.Time, all bool) {
	r.now.event++
	if now.After(r.now.time) {
		r.now.time = now
	}
	due := func(m moment) bool {
		return all || m.event > 0 && r.now.time.Sub(m.time) > movePatience && r.now.event-m.event > moveEvents
	}
	ms := &r.moves
	for len(ms.waiting) > 0 && due(ms.waiting[0].at) {
		r.orphan(ms.waiting[0])
		ms.waiting = ms.waiting[1:]
	}
	for len(ms.unnamed) > 0 && due(ms.unnamed[0].at) {
		ms.unnamed = ms.unnamed[1:]
	}
	if len(ms.list) > 0 {
		ms.list = slices.DeleteFunc(ms.list, func(v *move) bool {
			if due(v.over) {
				r.settle(v)
				return true
			}
			return false
		})
	}
}

// settle makes one disclosure of the objects that the final answer counts but no captured association delivered. Whose
// they are is known from the keys that were asked for.
func (r *Recorder) settle(v *move) {
	missing := v.message.Retrieve.Completed - v.seen
	if missing <= 0 || v.draft.disclosed.unwanted {
		return
	}
	nodes, who, unknown := r.patients(v.message.Retrieve.Keys)
	out := v.draft.disclosed
	out.To = chaperone.Party{Claimed: v.message.Retrieve.Destination}
	caller := v.caller
	out.RequestedBy = &caller
	out.Records = missing
	out.Unseen = true
	out.Outcome = v.message.Outcome
	out.Protection = ""
	out.Nodes, out.Who = nodes, who
	out.Unidentified = min(unknown, missing)
	if len(nodes) == 0 {
		out.Unidentified = missing
	}
	out.ID = v.conn.id(&v.message, out)
	r.disclose(out)
}
