package dicom

import (
	"bytes"
	"slices"

	"chaperone"
)

// People reads whom a data set shows: the records of whom it is about, which come first, and one for each other who stands in an
// item. Items about the patient of the data set itself (other numbers, those before coercion) are part of the first, unless it has
// no number at all: then each name may be somebody's. An item of other numbers has no name of its own (PS3.3 table 10-18): one that has
// another name than the data set is somebody else.
func People(elements []Element) []chaperone.Record {
	var own, charset []Element
	var items []int // in stream order
	others := map[int][]Element{}
	foreign := strangers(elements)
	for _, e := range elements {
		switch {
		case e.same && !foreign[e.item]:
			own = append(own, e)
			if e.Tag == SpecificCharacterSet && e.item == 0 {
				charset = append(charset, e)
			}
			continue
		case others[e.item] == nil:
			items = append(items, e.item)
		}
		e.Depth = 0 // an item is read as a data set is
		others[e.item] = append(others[e.item], e)
	}
	all := Records(own)
	if len(all[0].Identifiers)+len(all[0].Alternates) == 0 {
		for _, e := range own {
			if e.Tag == PatientName && e.item > 0 {
				items = append(items, e.item)
				e.Depth = 0
				others[e.item] = append(others[e.item], e)
			}
		}
	}
	c := crowd{map[string][]chaperone.PHI{}, map[string]bool{}}
	for _, r := range all {
		c.add(r)
	}
	for _, item := range items {
		for _, r := range Records(slices.Concat(others[item], charset)) { // its own character set comes first, and holds
			r.Study = chaperone.PHI{} // a study that is referred to is nobody's record
			if c.add(r) {
				all = append(all, r)
			}
		}
	}
	return all
}

// strangers gives the items of other numbers that have another name than the data set has.
func strangers(elements []Element) map[int]bool {
	name := func(e Element) string { return personName(string(bytes.TrimRight(e.Value, "\x00 "))).Reveal() } // compared, not shown
	var own []string
	var foreign map[int]bool
	for _, e := range elements {
		if e.Tag == PatientName && e.item == 0 && name(e) != "" {
			own = append(own, name(e))
		}
	}
	for _, e := range elements {
		if e.Tag == PatientName && e.item > 0 && e.same && e.within == OtherPatientIDsSeq && len(own) > 0 && name(e) != "" && !slices.Contains(own, name(e)) {
			if foreign == nil {
				foreign = map[int]bool{}
			}
			foreign[e.item] = true
		}
	}
	return foreign
}

// crowd is whom the records so far show: the authorities by number, and the names. It is looked up in, not shown.
type crowd struct {
	numbers map[string][]chaperone.PHI
	names   map[string]bool
}

// add notes a record, and reports whether it shows somebody who is not there. A number is there when the same authority gave it, or
// when it is not told again who did.
func (c crowd) add(r chaperone.Record) bool {
	name := r.Name.Reveal()
	known := c.names[name]
	c.names[name] = true
	if len(r.Identifiers) == 0 { // any of the alternates may be who is meant
		return len(r.Alternates) > 0 || name != "" && !known
	}
	id := r.Identifiers[0]
	value := id.Value.Reveal()
	for _, authority := range c.numbers[value] {
		if id.Authority.Empty() || authority.Reveal() == id.Authority.Reveal() {
			return false
		}
	}
	c.numbers[value] = append(c.numbers[value], id.Authority)
	return true
}
