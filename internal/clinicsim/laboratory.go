package clinicsim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// laboratory plays LAB's connection to the EHR. It asks for accept acknowledgements (enhanced mode) and knows
// patients less well than registration does.
func (d *day) laboratory() {
	r := d.net.random("laboratory")
	d.net.actor(d.share(0.002), func(wait func(time.Duration)) {
		l := d.link(r, wait, d.share(0.002), laboratory, records, portHL7)
		var plan []planned
		for i, p := range d.patients() {
			if i >= 16 && !one(r, 2) {
				continue
			}
			f := labFace(r, p)
			switch i {
			case 12:
				f = nameOnly // somebody with a number, but the lab sends only the name
			case 13:
				f = nobody
			}
			plan = append(plan, planned{d.between(r, 0.02, 0.9), func() { l.observe(d, p, f) }})
		}
		if d.Seed%3 == 2 {
			people := d.patients()
			plan = append(plan, planned{d.between(r, 0.4, 0.5), func() {
				l.pushBatch("CA", l.oru(people[0], firstNumber, nil), l.oru(pick(r, people...), nobody, nil), l.oru(people[1], allNumbers, nil))
			}})
		}
		sortPlan(plan)
		for _, p := range plan {
			l.until(p.at)
			p.do()
		}
		l.until(d.share(0.98))
		l.flow.close(FromClient)
	})
}

// labFace says what the laboratory knows of a patient.
func labFace(r *rand.Rand, p *Person) face {
	if p.Bare {
		return pick(r, ssnOnly, ssnOnly, accountOnly, externalOnly, alternateOnly)
	}
	if p.Walkin {
		return nameOnly
	}
	switch n := r.IntN(100); {
	case n < 60:
		return firstNumber
	case n < 75:
		return allNumbers
	case n < 88:
		return lastNumber
	case n < 90:
		return externalOnly
	case n < 92:
		return alternateOnly
	case n < 94:
		return ssnOnly
	case n < 95:
		return accountOnly
	case n < 98:
		return nameOnly
	}
	return nobody
}

// observe sends results, sometimes of two patients in one message, sometimes two messages at once.
func (l *link) observe(d *day, p *Person, f face) {
	switch l.rand.IntN(12) {
	case 0:
		other := pick(l.rand, d.patients()...)
		l.push("CA", l.oru(p, f, other))
	case 1:
		l.push("CA", l.oru(p, f, nil), l.oru(p, f, nil))
	default:
		l.push("CA", l.oru(p, f, nil))
	}
}

// oru makes an ORU^R01 about one person, or two.
func (l *link) oru(p *Person, f face, other *Person) outgoing {
	segment, record := l.pid(1, p, f)
	segments := append([]string{segment, l.pv1("O")}, l.results(1)...)
	list := []Record{record}
	if other != nil {
		segment, record = l.pid(2, other, labFace(l.rand, other))
		segments = append(append(segments, segment), l.results(1)...)
		list = append(list, record)
	}
	return l.message(Header{Type: "ORU^R01", Version: "2.3.1", AcceptAck: "AL", AppAck: "NE"}, segments, list, nil)
}

// orders plays the EHR's connection to radiology: an order for each study of somebody whom registration knows.
func (d *day) orders() {
	r := d.net.random("orders")
	d.net.actor(d.share(0.003), func(wait func(time.Duration)) {
		l := d.link(r, wait, d.share(0.003), records, radiology, portOrders)
		var plan []planned
		for _, s := range d.held {
			if s.today && !s.person.ImagingOnly && s.person.usual() == allNumbers {
				plan = append(plan, planned{s.at - d.share(0.02), func() { l.order(s) }})
			}
		}
		sortPlan(plan)
		for _, p := range plan {
			l.until(p.at)
			p.do()
		}
		l.until(d.share(0.97))
		l.flow.close(FromServer)
	})
}

func (l *link) order(s *study) {
	segment, record := l.pid(1, s.person, allNumbers)
	segments := []string{segment, l.pv1("O"), "ORC|NW|" + s.accession,
		"OBR|1|" + s.accession + "||" + s.modality + "HEAD^" + s.description + "^L"}
	l.push("AA", l.message(Header{Type: "ORM^O01^ORM_O01", Version: "2.4"}, segments, []Record{record}, nil))
}

// portal plays short connections that ask the EHR for patients.
func (d *day) portal() {
	r := d.net.random("portal")
	people := d.patients()
	for i := range 4 + len(people)/25 {
		at := d.between(r, 0.05, 0.95)
		d.net.actor(at, func(wait func(time.Duration)) {
			l := d.link(r, wait, at, portal, records, portHL7)
			l.control = 100 * i
			for j := range 1 + r.IntN(3) {
				l.until(l.flow.now + time.Duration(r.IntN(4000))*time.Millisecond)
				switch (i + j) % 3 {
				case 0:
					l.candidates(people, r.IntN(7))
				case 1:
					l.candidates(people, 2)
				default:
					l.legacy(people, 1+r.IntN(3))
				}
			}
			l.flow.close(pick(r, FromClient, FromServer))
		})
	}
}

// reply makes the head of the answer to a query.
func (l *link) reply(query outgoing, kind string, segments []string, list []Record) outgoing {
	h := Header{From: query.head.To, To: query.head.From, Time: query.head.Time, Type: kind,
		Control: "R" + query.head.Control, Charset: l.charset(segments), Version: query.head.Version}
	return outgoing{head: h, bytes: Message(h, segments...), records: list}
}

// candidates asks who fits (QBP^Q22) and gets n patients.
func (l *link) candidates(people []*Person, n int) {
	tag := fmt.Sprintf("T%06d", l.rand.IntN(1e6))
	key := "@PID.5.1^" + pick(l.rand, familyNames...)[:1] + "*"
	if one(l.rand, 3) {
		if p := pick(l.rand, people...); len(p.Numbers) > 0 {
			key = "@PID.3.1^" + escape(p.Numbers[0].Value)
		}
	}
	qpd := "QPD|Q22^Find Candidates^HL7|" + tag + "|" + key
	query := l.message(Header{Type: "QBP^Q22^QBP_Q21"}, []string{qpd, "RCP|I|20^RD"}, nil, nil)
	status := "OK"
	if n == 0 {
		status = "NF"
	}
	segments := []string{"MSA|AA|" + query.head.Control, fmt.Sprintf("QAK|%s|%s|Q22|%d|%d|0", tag, status, n, n), qpd}
	var list []Record
	for i := range n {
		p := pick(l.rand, people...)
		segment, record := l.pid(i+1, p, p.usual())
		segments = append(segments, segment, fmt.Sprintf("QRI|%d", 100-i))
		list = append(list, record)
	}
	l.ask(query, l.reply(query, "RSP^K22^RSP_K21", segments, list))
}

// legacy asks in the way of version 2.3 (QRY^A19).
func (l *link) legacy(people []*Person, n int) {
	who := pick(l.rand, people...)
	filter := "*"
	if len(who.Numbers) > 0 {
		filter = escape(who.Numbers[0].Value) + "^" + who.Family + "^" + who.Given
	}
	qrd := fmt.Sprintf("QRD|%s|R|I|Q%06d|||10^RD|%s|DEM", l.day.clock(l.flow.now), l.rand.IntN(1e6), filter)
	query := l.message(Header{Type: "QRY^A19", Version: "2.3"}, []string{qrd}, nil, nil)
	segments := []string{"MSA|AA|" + query.head.Control, qrd}
	var list []Record
	for i := range n {
		p := who
		if i > 0 {
			p = pick(l.rand, people...)
		}
		segment, record := l.pid(i+1, p, p.usual())
		segments = append(segments, segment, l.pv1("O"))
		list = append(list, record)
	}
	l.ask(query, l.reply(query, "ADR^A19", segments, list))
}
