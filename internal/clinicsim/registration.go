package clinicsim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// registration plays REG's long connection to the EHR: arrivals, updates, discharges, and merges of patients who
// were registered twice.
func (d *day) registration() {
	r := d.net.random("registration")
	d.net.actor(d.share(0.001), func(wait func(time.Duration)) {
		l := d.link(r, wait, d.share(0.001), registration, records, portHL7)
		plan := d.visits(r, l)
		plan = append(plan, d.merges(r, l)...)
		plan = append(plan, planned{d.share(0.55), func() { // the connection is made anew at noon
			l.flow.close(FromServer)
			again := d.link(r, wait, l.flow.now+2*time.Second, registration, records, portHL7)
			l.flow = again.flow
		}})
		sortPlan(plan)
		for _, p := range plan {
			if p.at-l.flow.now > d.share(0.002) {
				l.until(p.at - d.share(0.001))
				l.flow.keepAlive(FromClient)
			}
			l.until(p.at)
			p.do()
		}
		l.until(d.share(0.99))
		l.flow.close(FromClient)
	})
}

// adt sends one ADT message about one person.
func (l *link) adt(trigger, structure, code string, p *Person, f face, control string) outgoing {
	segment, record := l.pid(1, p, f)
	segments := []string{l.evn(trigger), segment}
	segments = append(segments, l.pv1(pick(l.rand, "I", "O", "E")))
	family := l.family()
	if len(family) > 0 && family[0][:3] == "NK1" { // NK1 stands before PV1
		segments = []string{segments[0], segments[1], family[0], segments[2]}
		family = family[1:]
	}
	segments = append(segments, family...)
	o := l.message(Header{Type: "ADT^" + trigger + "^" + structure, Control: control}, segments, []Record{record}, nil)
	l.push(code, o)
	return o
}

// visits plans what happens to each patient.
func (d *day) visits(r *rand.Rand, l *link) []planned {
	var plan []planned
	for i, p := range d.patients() {
		arrival := d.between(r, 0.01, 0.7)
		first := pick(r, "A01", "A04")
		code := "AA"
		switch i {
		case 3:
			code = "AR"
		case 5:
			code = "AE"
		}
		plan = append(plan, planned{arrival, func() {
			o := l.adt(first, "ADT_A01", code, p, p.usual(), "")
			if code == "AE" { // an error may be repaired and sent again, a reject not
				l.until(l.flow.now + 5*time.Second)
				l.push("AA", o)
			}
		}})
		if one(r, 3) {
			trigger, structure := "A08", "ADT_A01"
			if one(r, 4) {
				trigger, structure = "A31", "ADT_A05"
			}
			f := p.usual()
			if f == allNumbers && one(r, 2) {
				f = firstNumber
			}
			plan = append(plan, planned{arrival + d.between(r, 0.01, 0.1), func() { l.adt(trigger, structure, "AA", p, f, "") }})
		}
		if one(r, 2) {
			plan = append(plan, planned{arrival + d.between(r, 0.1, 0.25), func() { l.adt("A03", "ADT_A03", "AA", p, p.usual(), "") }})
		}
	}
	return plan
}

// merges plans what registration repairs. The first two happen in every clinic, the others in some.
func (d *day) merges(r *rand.Rand, l *link) []planned {
	var twice []*Person
	for _, p := range d.patients() {
		if p.usual() == allNumbers {
			twice = append(twice, p)
		}
	}
	r.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
	var plan []planned
	at := func(part float64, do func()) { plan = append(plan, planned{d.between(r, part, part+0.02), do}) }
	take := func() *Person {
		p := twice[0]
		twice = twice[1:]
		p.Former = []Number{{Value: fmt.Sprintf("D%07d", r.IntN(1e7)), Namespace: "CLINIC", Type: "MR"}}
		return p
	}
	seen := take()
	at(0.3, func() { l.adt("A04", "ADT_A01", "AA", seen, formerNumber, "") })
	at(0.6, func() { l.merge("A40", "ADT_A39", seen) })
	unseen := take()
	at(0.5, func() { l.merge("A40", "ADT_A39", unseen) })
	for len(twice) > 0 && len(plan) < d.Patients/100 {
		p := take()
		at(0.62, func() { l.merge("A40", "ADT_A39", p) })
	}
	for _, variant := range []func(p *Person){
		func(p *Person) { at(0.65, func() { l.merge("A18", "ADT_A18", p) }) },
		func(p *Person) { at(0.66, func() { l.merge("A34", "ADT_A30", p) }) },
		func(p *Person) { at(0.67, func() { l.merge("A47", "ADT_A30", p) }) },
		func(p *Person) { // linked, and unlinked again
			at(0.4, func() { l.pair("A24", "ADT_A24", p) })
			at(0.7, func() { l.pair("A37", "ADT_A37", p) })
		},
		func(p *Person) { at(0.41, func() { l.pair("A24", "ADT_A24", p) }) },
		func(p *Person) { // merged by mistake
			at(0.42, func() { l.merge("A40", "ADT_A39", p) })
			at(0.72, func() { l.pair("A37", "ADT_A37", p) })
		},
		func(p *Person) { // merged after all
			at(0.43, func() { l.merge("A40", "ADT_A39", p) })
			at(0.73, func() { l.pair("A37", "ADT_A37", p) })
			at(0.8, func() { l.merge("A40", "ADT_A39", p) })
		},
		func(p *Person) { // two former numbers
			p.Former = append(p.Former, Number{Value: fmt.Sprintf("E%06d", r.IntN(1e6)), Type: "MR"})
			at(0.75, func() { l.merge("A40", "ADT_A39", p) })
		},
	} {
		if one(r, 3) && len(twice) > 2 {
			variant(take())
		}
	}
	if one(r, 3) && len(twice) > 2 { // two merges in one message
		a, b := take(), take()
		at(0.77, func() { l.merge("A40", "ADT_A39", a, b) })
	}
	return plan
}

// merge says that each person's former numbers are theirs (PID, then MRG).
func (l *link) merge(trigger, structure string, people ...*Person) {
	segments := []string{l.evn(trigger)}
	var list []Record
	var merges []Merge
	for i, p := range people {
		segment, record := l.pid(i+1, p, allNumbers)
		mrg := "MRG|"
		m := Merge{Survivor: record.Numbers, MRG: true}
		for j, n := range p.Former {
			if j > 0 {
				mrg += "~"
			}
			mrg += n.cx(l.spelling())
			m.Prior = append(m.Prior, n.as(kindHL7))
		}
		segments = append(segments, segment, mrg)
		list, merges = append(list, record), append(merges, m)
	}
	if structure != "ADT_A39" && structure != "ADT_A30" {
		segments = append(segments, l.pv1("O"))
	}
	l.push("AA", l.message(Header{Type: "ADT^" + trigger + "^" + structure}, segments, list, merges))
}

// pair links (A24) or unlinks (A37) a person's two registrations.
func (l *link) pair(trigger, structure string, p *Person) {
	a, first := l.pid(1, p, allNumbers)
	b, second := l.pid(2, p, formerNumber)
	m := Merge{Survivor: first.Numbers, Prior: second.Numbers, Undo: trigger == "A37"}
	segments := []string{l.evn(trigger), a, l.pv1("O"), b, l.pv1("O")}
	l.push("AA", l.message(Header{Type: "ADT^" + trigger + "^" + structure}, segments, []Record{first, second}, []Merge{m}))
}
