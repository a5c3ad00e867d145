package disk

import (
	"bytes"
	"cmp"
	"context"
	"fmt"

	"chaperone"
	"chaperone/ledger"
)

// Lookup gives the person behind a token, merges applied.
func (l *Ledger) Lookup(t chaperone.PatientToken) (ledger.PatientID, bool) {
	d := l.dictionary
	d.RLock()
	defer d.RUnlock()
	n, ok := d.people.Find(t)
	if !ok {
		return ledger.PatientID{}, false
	}
	return l.names.ID(d.people.Person(n)), true
}

// Find gives the disclosure of an id. Error: ledger.ErrUnknown.
func (l *Ledger) Find(ctx context.Context, id [16]byte) (ledger.Row, error) {
	a, err := l.take(&ledger.Query{})
	if err != nil {
		return ledger.Row{}, err
	}
	defer a.close()
	defer a.unlock()
	r := l.reader(a.view)
	for _, day := range a.days { // rows are kept by day, and an id does not say its own
		if err := ctx.Err(); err != nil {
			return ledger.Row{}, err
		}
		seq, ok, err := l.index.Find(id, day)
		if err != nil {
			return ledger.Row{}, fmt.Errorf("ledger: %w", err)
		}
		if !ok {
			continue
		}
		if _, on, err := a.view.Place(seq, &r.near); err != nil || !on { // recorded after this question began
			return ledger.Row{}, cmp.Or(err, ledger.ErrUnknown)
		}
		d, _, err := r.row(seq)
		if err != nil {
			return ledger.Row{}, fmt.Errorf("ledger: %w", err)
		}
		if !bytes.Equal(d.ID[:], id[:]) {
			return ledger.Row{}, fmt.Errorf("ledger: the index names another disclosure: run ledger reindex")
		}
		var row ledger.Row
		err = r.spell(&row, seq, nil)
		return row, err
	}
	return ledger.Row{}, ledger.ErrUnknown
}

// Parties gives everybody who ever gave or received something, without ports, in the order of recording.
func (l *Ledger) Parties() (givers, receivers []chaperone.Party) {
	l.dictionary.RLock()
	defer l.dictionary.RUnlock()
	for i := range l.dictionary.parties {
		p := &l.dictionary.parties[i]
		givers, receivers = append(givers, p.from), append(receivers, p.to)
	}
	return givers, receivers
}
