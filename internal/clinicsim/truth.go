package clinicsim

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// Truth is what a program that reads the capture must find. It is kept from what the people of the clinic were
// made to send; no decoder has a part in it.
type Truth struct {
	Packets           int64  `json:"packets"`
	Bytes             int64  `json:"bytes"` // of the frames
	Flows             int    `json:"flows"` // TCP connections
	LostBytes         int64  `json:"lost_bytes"`
	HL7Messages       int    `json:"hl7_messages"` // without ACKs
	HL7Acks           int    `json:"hl7_acks"`
	DICOMAssociations int    `json:"dicom_associations"` // requests, rejected ones too
	DICOMObjects      int    `json:"dicom_objects"`      // C-STORE data sets whose last fragment passed
	Disclosures       int    `json:"disclosures"`
	Records           int    `json:"records"`
	Patients          int    `json:"patients"` // after merges and un-merges
	PatientsWeak      int    `json:"patients_weak"`
	PatientsUnmerged  int    `json:"patients_unmerged"`
	PatientsMin       int    `json:"patients_min"`
	PatientsMax       int    `json:"patients_max"`
	Unidentified      int    `json:"unidentified"` // records without any identity
	Malformed         int    `json:"malformed"`
	Edges             []Edge `json:"edges"`

	// Disclosed has every disclosure in the order of its first byte. Write leaves it empty.
	Disclosed []Disclosure `json:"-"`
}

// Edge is all that passed from one address to another by one protocol.
type Edge struct {
	From             string `json:"from"`
	To               string `json:"to"` // "" when the receiver was named but not seen
	ToName           string `json:"to_name,omitempty"`
	Protocol         string `json:"protocol"`
	Disclosures      int    `json:"disclosures"`
	Records          int    `json:"records"`
	Patients         int    `json:"patients"`
	PatientsUnmerged int    `json:"patients_unmerged"`
	Unidentified     int    `json:"unidentified"`
}

// Disclosure is one release of records. From and To follow the data.
type Disclosure struct {
	Time        time.Time // of its first byte, or a few milliseconds before
	Protocol    string    // hl7 or dicom
	Action      string    // ADT^A01, C-STORE, C-FIND, C-MOVE
	From, To    string    // addresses
	ToName      string    // AE title of a receiver outside the capture
	RequestedBy string    // address of who asked, "" when it was pushed
	Outcome     string    // delivered, refused, unknown, partial
	Unseen      bool      // known from the answer to a C-MOVE only
	Records     []Record
	Extra       int     // records of an unseen delivery beyond len(Records)
	Merges      []Merge // what a merge message said
}

// Merge says that two lists of numbers are one person, or with Undo that they are not.
type Merge struct {
	Survivor, Prior []Identifier
	Undo            bool
	MRG             bool // Prior stood in a MRG segment: disclosed, but not a record
}

// JSON gives the truth as an indented JSON document.
func (t Truth) JSON() []byte {
	b, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		panic(err) // a struct of numbers and strings
	}
	return append(b, '\n')
}

// tally keeps the books while the day goes on.
type tally struct {
	truth   Truth
	keep    bool // keep every disclosure
	people  []Identifier
	index   map[Identifier]int
	joins   [][2]int // numbers that one PID gave to one person
	joined  map[[2]int]bool
	merges  []merge
	looks   []look
	looked  map[look]bool
	weak    int
	studies map[string]Identifier // study instance UID → patient, of stored data sets
	edges   []*edge
}

type merge struct {
	survivor, prior []int
	undo            bool
}

// look says that a person appeared under a name, birth date and sex.
type look struct {
	person       int
	demographics string
}

type edge struct {
	Edge
	people []int
	seen   map[int]bool
}

func newTally(keep bool) *tally {
	return &tally{keep: keep, index: map[Identifier]int{}, joined: map[[2]int]bool{}, looked: map[look]bool{}, studies: map[string]Identifier{}}
}

// disclose enters one disclosure.
func (t *tally) disclose(d Disclosure) {
	e := t.edge(d)
	n := len(d.Records) + d.Extra
	t.truth.Disclosures++
	t.truth.Records += n
	e.Disclosures++
	e.Records += n
	for _, r := range d.Records {
		who := t.identify(r)
		if who < 0 {
			t.truth.Unidentified++
			e.Unidentified++
			continue
		}
		e.add(who)
		if l := (look{who, r.demographics()}); r.Name != "" && !t.looked[l] {
			t.looked[l] = true
			t.looks = append(t.looks, l)
		}
	}
	for _, m := range d.Merges {
		list := merge{t.persons(m.Survivor), t.persons(m.Prior), m.Undo}
		t.merges = append(t.merges, list)
		if m.MRG {
			for _, who := range list.prior {
				e.add(who)
			}
		}
	}
	if t.keep {
		t.truth.Disclosed = append(t.truth.Disclosed, d)
	}
}

// stored remembers whose study a data set was, for matches that do not say.
func (t *tally) stored(r Record) {
	if len(r.Numbers) > 0 {
		t.studies[r.Study] = r.Numbers[0]
	}
}

// identify gives the person a record is about: -1 for nobody.
func (t *tally) identify(r Record) int {
	numbers := r.Numbers
	if known, ok := t.studies[r.Study]; len(numbers) == 0 && r.Study != "" && ok {
		numbers = []Identifier{known}
	}
	if len(numbers) == 0 && len(r.Other) > 0 {
		numbers = r.Other[:1]
	}
	if len(numbers) == 0 {
		if r.Name == "" {
			return -1
		}
		numbers = []Identifier{{Kind: kindName, Value: r.demographics()}}
	}
	list := t.persons(numbers)
	for _, x := range list[1:] {
		if pair := [2]int{list[0], x}; !t.joined[pair] {
			t.joined[pair] = true
			t.joins = append(t.joins, pair)
		}
	}
	return list[0]
}

// persons gives the place of each identifier in the list of all.
func (t *tally) persons(numbers []Identifier) []int {
	var list []int
	for _, n := range numbers {
		i, ok := t.index[n]
		if !ok {
			i = len(t.people)
			t.index[n] = i
			t.people = append(t.people, n)
			if n.Kind == kindName {
				t.weak++
			}
		}
		list = append(list, i)
	}
	return list
}

func (t *tally) edge(d Disclosure) *edge {
	for _, e := range t.edges {
		if e.From == d.From && e.To == d.To && e.ToName == d.ToName && e.Protocol == d.Protocol {
			return e
		}
	}
	e := &edge{Edge: Edge{From: d.From, To: d.To, ToName: d.ToName, Protocol: d.Protocol}, seen: map[int]bool{}}
	t.edges = append(t.edges, e)
	return e
}

func (e *edge) add(who int) {
	if !e.seen[who] {
		e.seen[who] = true
		e.people = append(e.people, who)
	}
}

// close counts the patients and gives the truth of the day.
func (t *tally) close() Truth {
	t.truth.PatientsWeak = t.weak
	t.truth.PatientsMax = len(t.people)
	g := newGroups(len(t.people))
	for _, pair := range t.joins {
		g.join(pair[0], pair[1])
	}
	t.truth.PatientsUnmerged = g.count()
	unmerged := g.clone()
	for _, m := range standing(t.merges) {
		g.join(append(slices.Clone(m.survivor), m.prior...)...)
	}
	t.truth.Patients = g.count()
	for _, e := range t.edges {
		e.PatientsUnmerged, e.Patients = unmerged.distinct(e.people), g.distinct(e.people)
		t.truth.Edges = append(t.truth.Edges, e.Edge)
	}
	slices.SortFunc(t.truth.Edges, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.ToName, b.ToName))
	})
	first := map[string]int{}
	for _, l := range t.looks {
		if other, ok := first[l.demographics]; ok {
			g.join(other, l.person)
		} else {
			first[l.demographics] = l.person
		}
	}
	t.truth.PatientsMin = g.count()
	slices.SortStableFunc(t.truth.Disclosed, func(a, b Disclosure) int { return a.Time.Compare(b.Time) })
	return t.truth
}
