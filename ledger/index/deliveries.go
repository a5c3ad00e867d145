package index

import "chaperone/ledger"

// Hour is what one way did in one hour of a day.
type Hour struct {
	Hour         int // of the day
	Numbers      []ledger.Number
	Unidentified int
}

// Hours calls a function with what a way did in each hour of a day, in no order; an hour may come in several parts, with
// numbers that repeat. It is valid until the function returns.
func (v *View) Hours(day ledger.Day, way Way, each func(Hour) error) error {
	err := v.rows(day, []Way{way}, func(l *lent) error {
		for hour := range l.cells.hours {
			one := &l.cells.hours[hour]
			if one.disclosures == 0 {
				continue
			}
			var err error
			if l.numbers, err = ofHours(l.numbers[:0], &l.cells.numbers, hour, hour+1); err != nil {
				return err
			}
			if err := each(Hour{hour, l.numbers, int(one.unidentified)}); err != nil {
				return err
			}
		}
		return nil
	})
	v.memoryOf(day, way, func(p *part, at int32, e *event) {
		if err == nil {
			err = each(Hour{e.hour(), p.numbersOf(at), int(e.unidentified)})
		}
	})
	return err
}
