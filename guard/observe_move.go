package guard

import (
	"chaperone"
	"chaperone/format/dicom"
	"chaperone/ledger"
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

// movedWish is what a C-MOVE that passed would have asked for: the records of whoever its keys name, for the party of its
// destination, and of how many nobody knows whose they are.
func (o *observer) movedWish(r *rules, e *wire.Event, objects int) (w *wish, unknown int) {
	w = o.wish(e)
	w.unseen, w.everybody = objects, e.Message.Everybody
	m, client := e.Message, o.from
	client.claimed = m.Requester
	w.client, w.asked, w.claims = &client, true, []string{m.Requester}
	if w.to = destination(r.site, o.listener.name, m.Retrieve.Destination); w.to == nil {
		w.to = &side{claimed: m.Retrieve.Destination}
	}
	w.records, w.known, unknown = o.named(m.Retrieve.Keys)
	if len(w.records)+len(w.known)+unknown == 0 {
		unknown = objects
	}
	return w, min(unknown, objects)
}

// named gives whose records keys lead to: who is named by number, else whose the studies are that they name. A study is one
// patient's (PS3.3 section A.1.2), of unknown the one whom nothing that passed here has told. Nothing is looked up for a listener
// that observes; where keys name neither, as by a wildcard, it gives nobody, and any number of patients can be behind them.
func (o *observer) named(keys []chaperone.Record) (records []chaperone.Record, known []ledger.Covered, unknown int) {
	for _, key := range keys {
		if len(key.Identifiers) > 0 && exact(key.Identifiers[0].Value) {
			return []chaperone.Record{key}, nil, 0 // a study of theirs each: one patient
		}
	}
	var owners retrieval
	asked := map[chaperone.PatientToken]bool{}
	for _, key := range keys {
		study, single := oneStudy(key)
		if !single || len(keys) == dicom.MaxKeys { // there may have been more
			return nil, nil, 0
		}
		token := o.judge.study(&o.to, chaperone.StudyUID, study)
		if asked[token] {
			continue
		}
		asked[token] = true
		if who, ok := o.ownerOf(token); ok {
			owners.add(who)
		} else {
			unknown++
		}
	}
	return nil, owners.covered(), unknown
}

// ownerOf gives whose a study is, as far as anything has told it that passed the guard.
func (o *observer) ownerOf(study chaperone.PatientToken) (owner, bool) {
	if who, ok := o.guard.studies.owner(study, false); ok {
		return who, true
	}
	return o.guard.observed.owner(study, false)
}

// learn remembers whose study passes.
func (o *observer) learn(e *wire.Event) {
	if len(e.Records) != 1 || e.Message.Role == wire.Move {
		return
	}
	study, single := oneStudy(e.Records[0])
	if who, ok := o.judge.ownerOf(e.Records[0]); ok && single {
		o.guard.observed.learn(o.judge.study(&o.to, chaperone.StudyUID, study), told{who, e.Message.Data == wire.FromServer})
	}
}

// oneStudy gives the study that a record is of, if it names one.
func oneStudy(r chaperone.Record) (chaperone.PHI, bool) {
	uids, ok := list(r.Study)
	if !ok || len(uids) != 1 {
		return chaperone.PHI{}, false
	}
	return uids[0], true
}
