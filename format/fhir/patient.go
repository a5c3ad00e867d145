package fhir

import (
	"bytes"
	"fmt"
	"strings"

	"chaperone"
	"chaperone/format"
)

// Patient is what a Patient resource says of who somebody is and where they live.
type Patient struct {
	Record chaperone.Record
	Street chaperone.PHI // the lines of the address
	City   chaperone.PHI
	State  chaperone.PHI
	Zip    chaperone.PHI
	Phone  chaperone.PHI
}

// maxMany bounds the identifiers, names, addresses, numbers and lines of one person.
const maxMany = 256

// read takes a person from the nodes of a Patient resource.
func (p *parser) read() (Patient, error) {
	var out Patient
	identifiers, err := p.list(0, "identifier")
	if err != nil {
		return out, err
	}
	for _, i := range identifiers {
		if err := p.identifier(&out.Record, i); err != nil {
			return out, err
		}
	}
	names, err := p.list(0, "name")
	if err != nil {
		return out, err
	}
	if name, ok := p.best(names, "official", "usual"); ok {
		if out.Record.Name, err = p.name(name); err != nil {
			return out, err
		}
	}
	birth, err1 := p.string(0, "birthDate")
	gender, err2 := p.string(0, "gender")
	if err := first(err1, err2); err != nil {
		return out, err
	}
	out.Record.Birth = chaperone.NewPHI(strings.ReplaceAll(birth, "-", ""))
	out.Record.Sex = chaperone.NewPHI(sex(gender))
	if err := p.address(&out); err != nil {
		return out, err
	}
	out.Phone, err = p.phone()
	return out, err
}

// identifier takes one business identifier. Its system is the authority; that of an object identifier is written as HL7 v2
// writes a universal id. Licences, passports and tax numbers name no patient; an old number still does.
func (p *parser) identifier(r *chaperone.Record, i int) error {
	value, err1 := p.string(i, "value")
	system, err2 := p.string(i, "system")
	kind, err3 := p.typed(i)
	if err := first(err1, err2, err3); err != nil {
		return err
	}
	if value = strings.TrimSpace(value); value == "" {
		return nil
	}
	switch {
	case kind == "SS" || kind == "SB" || system == "http://hl7.org/fhir/sid/us-ssn" || system == "urn:oid:2.16.840.1.113883.4.1":
		digits := strings.ReplaceAll(value, "-", "")
		r.Alternates = append(r.Alternates, chaperone.Identifier{Kind: chaperone.SSN, Value: chaperone.NewPHI(digits)})
	case kind == "DL" || kind == "PPN" || kind == "TAX":
	default:
		authority := chaperone.NewPHI(strings.TrimPrefix(strings.TrimSpace(system), "urn:oid:"))
		r.Identifiers = append(r.Identifiers, chaperone.Identifier{Kind: chaperone.HL7PatientID, Authority: authority, Value: chaperone.NewPHI(value)})
	}
	return nil
}

// typed gives the code of an identifier's type (HL7 table 0203), "" without one.
func (p *parser) typed(i int) (string, error) {
	kind, ok := p.get(i, "type")
	if !ok {
		return "", nil
	}
	codings, err := p.list(kind, "coding")
	if err != nil || len(codings) == 0 {
		return "", err
	}
	return p.string(codings[0], "code")
}

// name gives family^given^middle.
func (p *parser) name(i int) (chaperone.PHI, error) {
	family, err := p.string(i, "family")
	if err != nil {
		return chaperone.PHI{}, err
	}
	given, err := p.strings(i, "given")
	if err != nil {
		return chaperone.PHI{}, err
	}
	if family == "" && len(given) == 0 {
		family, err = p.string(i, "text")
	}
	parts := []string{strings.TrimSpace(family), "", ""}
	if len(given) > 0 {
		parts[1], parts[2] = given[0], strings.Join(given[1:], " ")
	}
	return chaperone.NewPHI(strings.TrimRight(strings.Join(parts, "^"), "^")), err
}

// sex gives the letter that HL7 v2 and DICOM write.
func sex(gender string) string {
	switch gender {
	case "male":
		return "M"
	case "female":
		return "F"
	case "other":
		return "O"
	case "unknown":
		return "U"
	}
	return ""
}

func (p *parser) address(out *Patient) error {
	addresses, err := p.list(0, "address")
	if err != nil {
		return err
	}
	i, ok := p.best(addresses, "home", "")
	if !ok {
		return nil
	}
	lines, err := p.strings(i, "line")
	if err != nil {
		return err
	}
	street := strings.Join(lines, ", ")
	if street == "" {
		if street, err = p.string(i, "text"); err != nil {
			return err
		}
	}
	out.Street = chaperone.NewPHI(strings.TrimSpace(street))
	for _, part := range []struct {
		to  *chaperone.PHI
		key string
	}{{&out.City, "city"}, {&out.State, "state"}, {&out.Zip, "postalCode"}} {
		text, err := p.string(i, part.key)
		if err != nil {
			return err
		}
		*part.to = chaperone.NewPHI(strings.TrimSpace(text))
	}
	return nil
}

// phone gives the first telephone number.
func (p *parser) phone() (chaperone.PHI, error) {
	points, err := p.list(0, "telecom")
	if err != nil {
		return chaperone.PHI{}, err
	}
	for _, i := range points {
		system, err1 := p.string(i, "system")
		value, err2 := p.string(i, "value")
		if err := first(err1, err2); err != nil {
			return chaperone.PHI{}, err
		}
		if value = strings.TrimSpace(value); system == "phone" && value != "" {
			return chaperone.NewPHI(value), nil
		}
	}
	return chaperone.PHI{}, nil
}

// best chooses among names or addresses by their use: one of the best, else of the second, else the first that still holds.
func (p *parser) best(list []int, best, second string) (chosen int, ok bool) {
	rank := 0
	for _, i := range list {
		use, _ := p.string(i, "use") // one that is no text is as good as none
		r := 1
		switch use {
		case "old", "maiden":
			continue
		case best:
			r = 3
		case second:
			r = 2
		}
		if r > rank {
			chosen, rank = i, r
		}
	}
	return chosen, rank > 0
}

// get finds a key of an object.
func (p *parser) get(outer int, key string) (int, bool) {
	for i := outer + 1; i < p.nodes[outer].end; i = p.nodes[i].end {
		if string(p.nodes[i].key) == key {
			return i, true
		}
	}
	return 0, false
}

// list gives the objects of an array, none when there is no such key.
func (p *parser) list(outer int, key string) ([]int, error) { return p.elements(outer, key, object) }

// strings gives the texts of an array. A null stands for one that is said in another way, by an extension.
func (p *parser) strings(outer int, key string) ([]string, error) {
	elements, err := p.elements(outer, key, text)
	var texts []string
	for _, i := range elements {
		if value := bytes.TrimSpace(p.nodes[i].value); len(value) > 0 {
			texts = append(texts, string(value))
		}
	}
	return texts, err
}

func (p *parser) elements(outer int, key string, want kind) ([]int, error) {
	at, ok := p.get(outer, key)
	if !ok {
		return nil, nil
	}
	if p.nodes[at].kind != array {
		return nil, fmt.Errorf("fhir: %s is not a list: %w", key, format.ErrMalformed)
	}
	var found []int
	for i := at + 1; i < p.nodes[at].end; i = p.nodes[i].end {
		switch {
		case p.nodes[i].kind == want:
			found = append(found, i)
		case p.nodes[i].kind != other:
			return nil, fmt.Errorf("fhir: %s holds something else than it should: %w", key, format.ErrMalformed)
		}
		if len(found) > maxMany {
			return nil, fmt.Errorf("fhir: more than %d of %s: %w", maxMany, key, format.ErrLimit)
		}
	}
	return found, nil
}

// string gives the text of a key, "" when there is no such key.
func (p *parser) string(outer int, key string) (string, error) {
	i, ok := p.get(outer, key)
	if !ok {
		return "", nil
	}
	if p.nodes[i].kind != text {
		return "", fmt.Errorf("fhir: %s is not a text: %w", key, format.ErrMalformed)
	}
	return string(p.nodes[i].value), nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
