package disk

import "chaperone/ledger"

// Resolve gives for each that a disclosure would cover the number of its first identifier, in their order and with repetitions:
// the number that the disclosure's entry would bear. It is for whoever has to decide before there is a disclosure, such as a
// budget. Nothing is joined: what a sender says of several numbers being one person's counts when it is on record, and a budget
// must not be made wider by it. Who is new gets a number now; its definition goes on record with the next batch, whatever that
// says.
//
// Errors: the ledger is open for asking only, or is being closed.
func (l *Ledger) Resolve(covered []ledger.Covered) ([]ledger.Number, error) {
	if l.readOnly {
		return nil, ledger.ErrReadOnly
	}
	numbers := make([]ledger.Number, len(covered))
	d := l.dictionary
	d.Lock()
	defer d.Unlock()
	if l.closing {
		return nil, ledger.ErrClosed
	}
	in := intake{ledger: l, ahead: true}
	for i := range covered {
		if c := &covered[i]; c.Weak() {
			numbers[i] = in.number(c.Demographic, true)
		} else {
			numbers[i] = in.number(c.Numbers[0], false)
		}
	}
	return numbers, nil
}

// catchUp puts into the group's first frame what was defined ahead of it. It is called when a request was admitted: then today
// has a key.
func (in *intake) catchUp() {
	l := in.ledger
	for _, entry := range l.ahead {
		in.define(entry)
	}
	l.ahead = nil
}

// recordAhead puts on record what is defined and in no frame, so that what a clean close saves of the people is no more than
// the record says. Nothing more is defined ahead from then on.
func (l *Ledger) recordAhead() error {
	l.dictionary.Lock()
	l.closing = true
	ahead := len(l.ahead) > 0
	l.dictionary.Unlock()
	if !ahead {
		return nil
	}
	_, err := l.enter(ledger.Batch{})
	return err
}
