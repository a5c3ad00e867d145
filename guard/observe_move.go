package guard

import (
	"slices"

	"chaperone"
	"chaperone/wire"
)

// moved gives how many objects a C-MOVE sent that ends with an event, 0 for any other: they pass where no listener may stand, and
// the counts in its answers are all that is seen of them. Of one that ends well and counts nothing, one at least.
func moved(e *wire.Event) int {
	m := e.Message
	if e.Stage != wire.Tail || m.Role != wire.Move || m.Retrieve == nil {
		return 0
	}
	if !m.Retrieve.Counted && m.Outcome == chaperone.Delivered {
		return 1
	}
	return m.Retrieve.Completed
}

// movedWish is what a C-MOVE that passed would have asked for: the records of whoever its keys name by number, for the party of
// its destination. Nothing is looked up for a listener that observes, so that by any other key each object is of somebody unknown.
func (o *observer) movedWish(r *rules, e *wire.Event, objects int) *wish {
	w, m := o.wish(e), e.Message
	client := o.from
	client.claimed = m.Requester
	w.client, w.asked, w.claims = &client, true, []string{m.Requester}
	if w.to = destination(r.site, o.listener.name, m.Retrieve.Destination); w.to == nil {
		w.to = &side{claimed: m.Retrieve.Destination}
	}
	w.records = nil
	named := slices.DeleteFunc(slices.Clone(m.Retrieve.Keys), func(key chaperone.Record) bool {
		return len(key.Identifiers) == 0 || !exact(key.Identifiers[0].Value)
	})
	if len(named) > 0 {
		w.records = named[:1] // a study of theirs each: one patient
		return w
	}
	w.records = make([]chaperone.Record, objects)
	return w
}
