package fhir

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"chaperone"
	"chaperone/format"
)

// erika is an invented person with everything that is read.
const erika = `{"resourceType":"Patient","id":"x","text":{"div":"<div>…</div>"},
"extension":[{"url":"u","valueAddress":{"city":"Elsewhere","state":"ZZ"}}],
"identifier":[
 {"type":{"coding":[{"code":"MR"}]},"system":"urn:oid:1.2.3","value":" 1001 "},
 {"use":"old","system":"http://clinic.example","value":"77"},
 {"type":{"coding":[{"code":"SS"}]},"system":"http://hl7.org/fhir/sid/us-ssn","value":"999-12-3456"},
 {"type":{"coding":[{"code":"DL"}]},"system":"s","value":"D1"},{"system":"s"}],
"name":[{"use":"maiden","family":"Probe"},{"family":"Other"},{"use":"official","family":"Muster","given":["Erika","Anna","Eva"]}],
"telecom":[{"system":"email","value":"e@example.org"},{"system":"phone","value":"555-0100"},{"system":"phone","value":"555-0101"}],
"gender":"female","birthDate":"1962-08-12","_birthDate":{"extension":[]},
"address":[{"use":"old","city":"Before"},{"line":["1 First Street"," Floor 2"],"city":"Springfield","state":"IL","postalCode":"62701"}]}`

func reveal(p Patient) string {
	var b strings.Builder
	for _, list := range [][]chaperone.Identifier{p.Record.Identifiers, p.Record.Alternates} {
		for _, id := range list {
			fmt.Fprintf(&b, "%s %s=%s ", id.Kind, id.Authority.Reveal(), id.Value.Reveal()) // invented
		}
		b.WriteString("/ ")
	}
	for _, v := range []chaperone.PHI{p.Record.Name, p.Record.Birth, p.Record.Sex, p.Street, p.City, p.State, p.Zip, p.Phone} {
		b.WriteString(v.Reveal() + "|") // invented
	}
	return b.String()
}

func TestParse(t *testing.T) {
	with := func(fields string) string { return `{"resourceType":"Patient",` + fields + `}` }
	for _, test := range []struct{ name, text, want string }{
		{"everything", erika, "hl7.PID-3 1.2.3=1001 hl7.PID-3 http://clinic.example=77 / ssn =999123456 / " +
			"Muster^Erika^Anna Eva|19620812|F|1 First Street, Floor 2|Springfield|IL|62701|555-0100|"},
		{"nothing", `{"resourceType":"Patient"}`, "/ / ||||||||"},
		{"name as one text", with(`"name":[{"text":"Erika Muster"}]`), "/ / Erika Muster||||||||"},
		{"given name only", with(`"name":[{"given":["Erika"]}]`), "/ / ^Erika||||||||"},
		{"usual name before one without use", with(`"name":[{"family":"A"},{"use":"usual","family":"B"}]`), "/ / B||||||||"},
		{"only a name of before", with(`"name":[{"use":"old","family":"A"}]`), "/ / ||||||||"},
		{"null beside a given name", with(`"name":[{"given":[null,"Erika"]}]`), "/ / ^Erika||||||||"},
		{"month of birth", with(`"birthDate":"1962-08","gender":"male"`), "/ / |196208|M||||||"},
		{"other genders", with(`"gender":"other"`), "/ / ||O||||||"},
		{"unknown gender", with(`"gender":"unknown"`), "/ / ||U||||||"},
		{"gender outside the list", with(`"gender":"F"`), "/ / ||||||||"},
		{"home address first", with(`"address":[{"use":"work","city":"A"},{"use":"home","city":"B"}]`), "/ / ||||B||||"},
		{"address as one text", with(`"address":[{"text":"1 First Street, Springfield"}]`), "/ / |||1 First Street, Springfield|||||"},
		{"other case of a key", with(`"BirthDate":"1962-08-12"`), "/ / ||||||||"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok, err := Parse([]byte(test.text))
			if err != nil || !ok {
				t.Fatalf("got %t and %v", ok, err)
			}
			if text := reveal(got); text != test.want {
				t.Errorf("got  %s\nwant %s", text, test.want)
			}
		})
	}
}

func TestParseBad(t *testing.T) {
	with := func(fields string) string { return `{"resourceType":"Patient",` + fields + `}` }
	for _, test := range []struct {
		name, text string
		want       error
	}{
		{"no type", `{"id":"x"}`, format.ErrMalformed},
		{"type is a number", `{"resourceType":1}`, format.ErrMalformed},
		{"list", `[{"resourceType":"Patient"}]`, format.ErrMalformed},
		{"cut", erika[:len(erika)-1], format.ErrMalformed},
		{"birth is a number", with(`"birthDate":19620812`), format.ErrMalformed},
		{"birth twice", with(`"birthDate":"1962-08-12","birthDate":"1962-08-13"`), format.ErrMalformed},
		{"identifier is no list", with(`"identifier":{"value":"1"}`), format.ErrMalformed},
		{"identifier of texts", with(`"identifier":["1"]`), format.ErrMalformed},
		{"value is a list", with(`"identifier":[{"value":["1"]}]`), format.ErrMalformed},
		{"value is a number", with(`"identifier":[{"value":1}]`), format.ErrMalformed},
		{"given is a text", with(`"name":[{"given":"Erika"}]`), format.ErrMalformed},
		{"too many identifiers", with(`"identifier":[` + strings.Repeat("{},", maxMany) + `{}]`), format.ErrLimit},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok, err := Parse([]byte(test.text))
			if !errors.Is(err, test.want) || ok {
				t.Fatalf("got %t and %v, want %v", ok, err, test.want)
			}
			if text := reveal(got); text != "/ / ||||||||" {
				t.Error("a part of a person comes with the error")
			}
			for _, secret := range []string{"1962", "Erika", "1001"} {
				if strings.Contains(err.Error(), secret) {
					t.Error("the error says who it is")
				}
			}
		})
	}
}

func TestReader(t *testing.T) {
	one := strings.ReplaceAll(erika, "\n", " ")
	long := strings.Replace(one, "<div>", "<div>"+strings.Repeat("x", 200<<10), 1)
	huge := strings.Replace(one, "<div>", "<div>"+strings.Repeat("x", maxLine), 1)
	text := "\xEF\xBB\xBF" + one + "\r\n\n" + `{"resourceType":"Observation"}` + "\n{\n" + huge + "\n" + long + "\n" + one
	var got []string
	r := NewReader(strings.NewReader(text))
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		switch {
		case err == nil:
			if !strings.Contains(reveal(p), "1001") {
				t.Errorf("line %d: got another person", r.Line())
			}
			got = append(got, fmt.Sprintf("%d person", r.Line()))
		case errors.Is(err, format.ErrMalformed):
			got = append(got, fmt.Sprintf("%d malformed", r.Line()))
		case errors.Is(err, format.ErrLimit):
			got = append(got, fmt.Sprintf("%d limit", r.Line()))
		default:
			t.Fatal(err)
		}
	}
	want := "1 person, 4 malformed, 5 limit, 6 person, 7 person"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("got %s, want %s", text, want)
	}
	if r.Others() != 1 {
		t.Errorf("got %d other resources, want 1", r.Others())
	}
}

func TestReaderFails(t *testing.T) {
	broken := errors.New("broken")
	one := strings.ReplaceAll(erika, "\n", " ")
	r := NewReader(io.MultiReader(strings.NewReader(one+"\n"+one[:50]), iotest.ErrReader(broken)))
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); !errors.Is(err, broken) || errors.Is(err, format.ErrMalformed) {
		t.Errorf("got %v, want the error of the source", err)
	}
}

func BenchmarkParse(b *testing.B) {
	line := []byte(strings.ReplaceAll(erika, "\n", " "))
	b.SetBytes(int64(len(line)))
	var p parser
	for b.Loop() {
		if _, _, err := p.patient(line); err != nil {
			b.Fatal(err)
		}
	}
}
