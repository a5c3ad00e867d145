package clinicsim

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Number is an identifier as a sender writes it: CX-1, CX-4 and CX-5 in HL7.
type Number struct {
	Value     string
	Namespace string // CX-4.1
	Universal string // CX-4.2, an OID
	Type      string // CX-5
}

func (n Number) authority() string {
	if n.Namespace != "" {
		return n.Namespace
	}
	return n.Universal
}

func (n Number) cx(write func(string) string) string {
	authority := n.Namespace
	if n.Universal != "" {
		authority += "&" + n.Universal + "&ISO"
	}
	return strings.TrimRight(write(n.Value)+"^^^"+authority+"^"+n.Type, "^")
}

// Person is one invented patient.
type Person struct {
	Family, Given, Middle string
	Birth, Sex            string // YYYYMMDD; F, M or O
	Numbers               []Number
	Former                []Number // numbers of a duplicate registration, to be merged
	External, Alternate   Number   // PID-2, PID-4
	Account               Number   // PID-18
	SSN                   string   // PID-19
	Imaging               string   // (0010,0020), "" for somebody without images
	Issuer                string   // (0010,0021)
	ImagingOnly           bool     // unknown to registration
	Walkin                bool     // nobody knows a number
	Newborn               bool     // PID-7 has the time of birth
	Bare                  bool     // no number of PID-3, only others
}

const (
	stateOID = "2.16.840.1.113883.4.999"
	otherOID = "2.16.840.1.113883.4.998"
)

var familyNames = strings.Fields(`Abendroth Achterberg Amsinger Bellweather Birkholt Bjornvik Brakenridge Calderane
	Castellor Corvane Dahlquen Delacourtin Dunmarrow Eichwalder Elmstrand Esterbrook Falkenau Farrowind Fenwicket
	Fjellmark Galvanter Glasmere Greifenhorst Hallowmere Harnvik Hollenbrandt Ibervale Ilmensee Jarnholm Jesperow
	Kaltenbrink Kestrelyn Kirkhaven Lindquaver Lorimount Lønnholt Marchbanken Merriwald Müllerhof Nachtigallen Nordhusk
	Núñezal Oakenrue Osterwieck Özkanal Pellworm Pinefield Quarrenton Quillfeather Ravensmoor Rosenquill Sandmeyer
	Silverthwaite Tannenruh Thistlewick Ulvestad Umberfold Valdemoro Vinterbo Wachtelberg Wexcombe Ypsilander Zandvoorten
	Řeháčkov Łukowicz Åkerfeld`)

var womensNames = strings.Fields(`Alda Brunhild Celestine Dorothea Elswyth Fenja Gwendolen Hedda Isaura Jorunn Käthe
	Liesbet Mirabel Noémie Ottilie Petra Quenby Rosalind Sunniva Tamsin Ursel Vesna Wilhelmine Yrsa Zdenka`)

var mensNames = strings.Fields(`Alaric Bertil Caspian Detlev Emeric Florin Gunnar Hartwig Ignaz Jürgen Kasimir
	Leopold Matthis Norbert Ondřej Peregrine Quentin Radomir Sören Tiberius Ulrich Valentin Wendel Yannick Zbigniew`)

// population invents n people, at least 16: the first ones have the rare properties, so that every clinic has them.
func population(r *rand.Rand, n int) []*Person {
	people := make([]*Person, max(n, 16))
	for i := range people {
		people[i] = invent(r, i)
	}
	namesake := people[12] // a different person with the same name, birth date and sex as another
	namesake.Family, namesake.Given, namesake.Middle = people[13].Family, people[13].Given, people[13].Middle
	namesake.Birth, namesake.Sex = people[13].Birth, people[13].Sex
	return people
}

func invent(r *rand.Rand, i int) *Person {
	p := &Person{Sex: "F"}
	given := womensNames
	if r.IntN(2) == 0 {
		p.Sex, given = "M", mensNames
	}
	p.Family = familyNames[r.IntN(len(familyNames))]
	p.Given = given[r.IntN(len(given))]
	if r.IntN(3) == 0 {
		p.Middle = given[r.IntN(len(given))]
	}
	if r.IntN(80) == 0 {
		p.Sex = "O"
	}
	p.Birth = fmt.Sprintf("%04d%02d%02d", 1930+r.IntN(95), 1+r.IntN(12), 1+r.IntN(28))
	p.Newborn = r.IntN(20) == 0
	mrn := Number{Value: fmt.Sprintf("M%07d", 1000000+i*37+r.IntN(37)), Namespace: "CLINIC", Type: "MR"}
	state := Number{Value: fmt.Sprintf("%06d", 100000+i*11+r.IntN(11)), Namespace: "STATE", Universal: stateOID, Type: "PI"}
	p.Account = Number{Value: fmt.Sprintf("V%08d", 20000000+i*53+r.IntN(53)), Namespace: "CLINIC", Type: "AN"}
	p.External = Number{Value: fmt.Sprintf("X%06d", 300000+i*7+r.IntN(7)), Namespace: "GP"}
	p.Alternate = Number{Value: fmt.Sprintf("T%06d", 400000+i*7+r.IntN(7))}
	p.SSN = fmt.Sprintf("9%02d-%02d-%04d", r.IntN(100), i/10000%100, i%10000) // numbers in 900 are never given to a person
	p.number(r, i, mrn, state)
	return p
}

// number decides which numbers a person has.
func (p *Person) number(r *rand.Rand, i int, mrn, state Number) {
	kind := r.IntN(100)
	rare := [...]int{60, 86, 90, 94, 99, 97, 98, 95}
	if i < len(rare) {
		kind = rare[i]
	} else if i < 16 {
		kind %= 85
	}
	switch {
	case kind < 60:
		p.Numbers = []Number{mrn}
	case kind < 85:
		p.Numbers = []Number{mrn, state}
	case kind < 89: // only a universal id says who gave the number
		mrn.Namespace, mrn.Universal = "", otherOID
		p.Numbers = []Number{mrn}
	case kind < 93: // nothing says who gave it
		mrn.Namespace = ""
		p.Numbers = []Number{mrn}
	case kind < 96: // a separator within the number
		mrn.Value = "R&" + mrn.Value[1:]
		p.Numbers = []Number{mrn}
	case kind < 97:
		p.Numbers = []Number{state}
	case kind < 99:
		p.Bare = true
	default:
		p.Walkin = true
	}
	imaging := !p.Walkin && !p.Bare && r.IntN(100) < 35
	switch i {
	case 0, 1, 12:
		imaging = true
	case 8: // with an issuer
		imaging, p.Issuer = true, "CLINIC"
	case 9:
		p.ImagingOnly, imaging = true, true
	case 10:
		imaging = false
	}
	if p.Walkin || p.Bare || !imaging {
		return
	}
	p.Imaging = mrn.Value
	if i > 15 && r.IntN(10) == 0 {
		p.ImagingOnly = true
	}
}
