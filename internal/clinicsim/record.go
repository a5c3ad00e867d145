package clinicsim

import (
	"fmt"
	"strings"
)

// Identifier is a number that identifies: its kind, who gave it, and the number.
type Identifier struct {
	Kind, Authority, Value string
}

// Kinds of identifiers. They never equal each other.
const (
	kindHL7       = "hl7"       // PID-3
	kindExternal  = "external"  // PID-2
	kindAlternate = "alternate" // PID-4
	kindSSN       = "ssn"       // PID-19
	kindAccount   = "account"   // PID-18
	kindDICOM     = "dicom"     // (0010,0020)
	kindName      = "name"      // of weak persons
)

func (n Number) as(kind string) Identifier { return Identifier{kind, n.authority(), n.Value} }

// Record is what one PID group, data set or match said about whom. The writers of messages fill it from the person
// they write about.
type Record struct {
	Numbers []Identifier // PID-3 or (0010,0020)
	Other   []Identifier // the other numbers, in the order in which they would identify
	Name    string       // FAMILY^GIVEN^MIDDLE, "" without a name
	Birth   string
	Sex     string
	Study   string // of data sets and matches
}

// demographics is what equal persons have in common: "" without a name.
func (r Record) demographics() string {
	if r.Name == "" {
		return ""
	}
	return r.Name + "|" + r.Birth + "|" + r.Sex
}

func (p *Person) key() string {
	return strings.ToUpper(p.Family + "^" + p.Given + "^" + p.Middle)
}

// face is how much of a person a sender shows in a PID segment.
type face uint8

const (
	allNumbers  face = iota
	firstNumber      // the first of PID-3's repetitions
	lastNumber       // the last of them
	formerNumber
	externalOnly // PID-2
	alternateOnly
	ssnOnly
	accountOnly
	nameOnly
	nobody // PID|1
)

// usual is the face under which registration knows a person.
func (p *Person) usual() face {
	switch {
	case p.Walkin:
		return nameOnly
	case p.Bare:
		return ssnOnly
	}
	return allNumbers
}

// numbers gives the repetitions of PID-3 under a face.
func (p *Person) numbers(f face) []Number {
	switch f {
	case allNumbers:
		return p.Numbers
	case firstNumber:
		return p.Numbers[:1]
	case lastNumber:
		return p.Numbers[len(p.Numbers)-1:]
	case formerNumber:
		return p.Former[:1]
	}
	return nil
}

// pid writes a PID segment and says what it discloses.
func (w *hl7Writer) pid(set int, p *Person, f face) (string, Record) {
	if f == nobody {
		return fmt.Sprintf("PID|%d", set), Record{}
	}
	var rec Record
	s := make([]string, 20)
	s[0], s[1] = "PID", fmt.Sprint(set)
	numbers := p.numbers(f)
	var cx []string
	for _, n := range numbers {
		rec.Numbers = append(rec.Numbers, n.as(kindHL7))
		cx = append(cx, n.cx(w.spelling()))
	}
	s[3] = strings.Join(cx, "~")
	if len(numbers) == 0 {
		s[3] = []string{"", `""`, "^^^CLINIC^MR"}[w.rand.IntN(3)] // ways to say: none
	}
	other := func(i int, kind string, n Number) {
		s[i] = n.cx(escape)
		if kind == kindSSN {
			s[i] = n.Value
		}
		rec.Other = append(rec.Other, n.as(kind))
	}
	known := len(numbers) > 0
	if f == externalOnly || known && w.rand.IntN(6) == 0 {
		other(2, kindExternal, p.External)
	}
	if f == alternateOnly || known && w.rand.IntN(8) == 0 {
		other(4, kindAlternate, p.Alternate)
	}
	if f == ssnOnly || known && w.rand.IntN(3) == 0 {
		other(19, kindSSN, Number{Value: p.SSN})
	} else if w.rand.IntN(6) == 0 {
		s[19] = `""`
	}
	if f == ssnOnly || f == accountOnly || known && w.rand.IntN(2) == 0 {
		other(18, kindAccount, p.Account)
	}
	w.name(s, p, &rec)
	s[11] = fmt.Sprintf("%d Invented Way^^Nowhere^ZZ^%05d", 1+w.rand.IntN(90), 90000+w.rand.IntN(999))
	s[13] = []string{"", `""`, fmt.Sprintf("(555)0100-%03d", w.rand.IntN(1000))}[w.rand.IntN(3)]
	return fields(s...), rec
}

// name fills PID-5, PID-7 and PID-8.
func (w *hl7Writer) name(s []string, p *Person, rec *Record) {
	s[5] = p.Family + "^" + p.Given + "^" + p.Middle
	switch w.rand.IntN(8) {
	case 0:
		s[5] += "^^Dr." // a prefix is no part of the name
	case 1:
		s[5] = strings.ToUpper(s[5])
	}
	s[5] = strings.TrimRight(s[5], "^")
	rec.Name, rec.Birth, rec.Sex = p.key(), p.Birth, p.Sex
	s[7], s[8] = p.Birth, p.Sex
	if p.Newborn {
		s[7] += "0412" // the hour is no part of the key
	}
	if len(rec.Numbers) > 0 && w.rand.IntN(60) == 0 {
		s[8], rec.Sex = `""`, ""
	}
}

// spelling gives a way to write a number that does not change what it is.
func (w *hl7Writer) spelling() func(string) string {
	switch w.rand.IntN(24) {
	case 0:
		return hexEscape
	case 1:
		return func(s string) string { return escape(s) + " " }
	}
	return escape
}
