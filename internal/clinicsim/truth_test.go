package clinicsim

import (
	"testing"
	"time"
)

// TestCounting states the rule of who counts as one patient, case by case.
func TestCounting(t *testing.T) {
	id := func(v string) Identifier { return Identifier{kindHL7, "CLINIC", v} }
	rec := func(values ...string) Record {
		r := Record{}
		for _, v := range values {
			r.Numbers = append(r.Numbers, id(v))
		}
		return r
	}
	name := func(r Record, n string) Record {
		r.Name, r.Birth, r.Sex = n, "19700101", "F"
		return r
	}
	mrg := func(survivor, prior string) Merge {
		return Merge{Survivor: []Identifier{id(survivor)}, Prior: []Identifier{id(prior)}, MRG: true}
	}
	undo := func(a, b string) Merge {
		return Merge{Survivor: []Identifier{id(a)}, Prior: []Identifier{id(b)}, Undo: true}
	}
	list := func(r ...Record) Disclosure { return Disclosure{Records: r} }
	with := func(m Merge, r ...Record) Disclosure { return Disclosure{Records: r, Merges: []Merge{m}} }
	other := Record{Other: []Identifier{{kindSSN, "", "900"}, {kindAccount, "", "1"}}}

	for _, c := range []struct {
		name                                            string
		day                                             []Disclosure
		lowest, patients, unmerged, most, weak, unknown int
	}{
		{"repetitions join", []Disclosure{list(rec("1", "2")), list(rec("2")), list(rec("3"))}, 2, 2, 2, 3, 0, 0},
		{"repetitions join over three", []Disclosure{list(rec("1", "2")), list(rec("3", "2")), list(rec("3"))}, 1, 1, 1, 3, 0, 0},
		{"a prior number counts", []Disclosure{with(mrg("1", "9"), rec("1"))}, 1, 1, 2, 2, 0, 0},
		{"a merge of known people", []Disclosure{list(rec("9")), with(mrg("1", "9"), rec("1"))}, 1, 1, 2, 2, 0, 0},
		{"undone", []Disclosure{with(mrg("1", "9"), rec("1")), with(undo("1", "9"), rec("1"), rec("9"))}, 2, 2, 2, 2, 0, 0},
		{"undone the other way round", []Disclosure{with(mrg("1", "9"), rec("1")), with(undo("9", "1"), rec("9"), rec("1"))}, 2, 2, 2, 2, 0, 0},
		{"merged again", []Disclosure{with(mrg("1", "9"), rec("1")), with(undo("1", "9"), rec("1"), rec("9")), with(mrg("1", "9"), rec("1"))}, 1, 1, 2, 2, 0, 0},
		{"the first other number identifies", []Disclosure{list(other), list(Record{Other: other.Other[1:]})}, 2, 2, 2, 2, 0, 0},
		{"other numbers join nothing", []Disclosure{list(Record{Numbers: rec("1").Numbers, Other: other.Other}), list(other)}, 2, 2, 2, 2, 0, 0},
		{"a name is weak", []Disclosure{list(name(Record{}, "A^B^")), list(name(Record{}, "A^B^"))}, 1, 1, 1, 1, 1, 0},
		{"a name joins in the least count only", []Disclosure{list(name(rec("1"), "A^B^")), list(name(Record{}, "A^B^")), list(name(rec("2"), "A^B^"))}, 1, 3, 3, 3, 1, 0},
		{"nobody", []Disclosure{list(Record{}), list(Record{})}, 0, 0, 0, 0, 0, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newTally(false)
			for _, d := range c.day {
				d.Time = time.Time{}
				k.disclose(d)
			}
			got := k.close()
			if got.PatientsMin != c.lowest || got.Patients != c.patients || got.PatientsUnmerged != c.unmerged ||
				got.PatientsMax != c.most || got.PatientsWeak != c.weak || got.Unidentified != c.unknown {
				t.Errorf("got %d %d %d %d weak %d unknown %d, want %d %d %d %d %d %d", got.PatientsMin, got.Patients, got.PatientsUnmerged, got.PatientsMax,
					got.PatientsWeak, got.Unidentified, c.lowest, c.patients, c.unmerged, c.most, c.weak, c.unknown)
			}
		})
	}
}

func TestStudyTellsWhose(t *testing.T) {
	k := newTally(false)
	k.disclose(Disclosure{Records: []Record{{Study: "2.25.1"}}}) // not known yet
	stored := Record{Numbers: []Identifier{{kindDICOM, "", "7"}}, Study: "2.25.1"}
	k.disclose(Disclosure{Records: []Record{stored}})
	k.stored(stored)
	k.disclose(Disclosure{Records: []Record{{Study: "2.25.1"}, {Study: "2.25.1", Name: "A^B^"}}, Extra: 2})
	got := k.close()
	if got.Patients != 1 || got.PatientsWeak != 0 || got.Unidentified != 1 || got.Records != 6 {
		t.Errorf("got %d patients, %d weak, %d unidentified, %d records", got.Patients, got.PatientsWeak, got.Unidentified, got.Records)
	}
}
