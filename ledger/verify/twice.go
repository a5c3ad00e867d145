package verify

import (
	"fmt"

	"chaperone/ledger"
	"chaperone/ledger/index"
	"chaperone/ledger/record"
)

// otherID is a disclosure whose id the index does not give its place.
type otherID struct {
	id         [16]byte
	seq, found uint64
	ok         bool // something was found
	place      index.Place
}

// twice tells whether an id that has another place in the index is on record twice, or the index is wrong.
func (c *counter) twice(day ledger.Day) error {
	one := &c.first
	same := false
	err := c.view.Places(day, func(p index.Place) error {
		if !one.ok || one.found < p.First || one.found >= p.First+uint64(p.Count) {
			return nil
		}
		seq := p.First
		return c.each(day, p, func(d *record.Disclosure) error {
			same = same || seq == one.found && d.ID == one.id
			seq++
			return nil
		})
	})
	if err != nil {
		return err
	}
	if !same {
		return fmt.Errorf("%w: in the id of disclosure %d", errOther, one.seq)
	}
	c.run.report.problem(record.Folder+"/"+record.SegmentName(one.place.Segment), one.place.Offset, int64(one.place.Batch),
		"disclosure %d has the id of disclosure %d: it is on record twice, and counted twice (as %d of %s are); this program records one again only when it is given a false index",
		one.seq, one.found, c.other, day)
	return nil
}
