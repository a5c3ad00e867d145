package roster

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"chaperone"
)

// reveal writes an invented person down.
func reveal(p *Person) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d: ", p.Line)
	for _, list := range [][]chaperone.Identifier{p.Record.Identifiers, p.Record.Alternates} {
		for _, id := range list {
			kind := map[chaperone.IdentifierKind]string{chaperone.HL7PatientID: "", chaperone.SSN: "ssn:"}[id.Kind]
			b.WriteString(kind + id.Authority.Reveal() + "/" + id.Value.Reveal() + " ")
		}
	}
	for _, v := range []chaperone.PHI{p.Record.Name, p.Record.Birth, p.Record.Sex, p.Street, p.City, p.Zip, p.Phone} {
		b.WriteString("|" + v.Reveal())
	}
	return b.String() + "|" + p.State
}

func readAll(t *testing.T, text string, o Options) (people []string, s Stats, err error) {
	t.Helper()
	s, err = Read(strings.NewReader(text), o, func(p *Person) error {
		people = append(people, reveal(p))
		return nil
	})
	if int64(len(people)) != s.Rows {
		t.Errorf("got %d people and %d rows", len(people), s.Rows)
	}
	return people, s, err
}

const csvText = "mrn,last name,first name,middle name,dob,sex,address 1,address 2,city,state,zip,phone\n" +
	"1001,Muster,Erika,Anna,08/12/1962,Female,1 First Street,Floor 2,Springfield,illinois,62701,555-0100\n"

func TestReadTable(t *testing.T) {
	const erika = "|Muster^Erika^Anna|19620812|F|1 First Street, Floor 2|Springfield|62701|555-0100|IL"
	for _, test := range []struct {
		name, text string
		options    Options
		want       []string
		bad        []int64
	}{
		{"usual", csvText, Options{}, []string{"2: /1001 " + erika}, nil},
		{"with a mark and CRLF", "\xEF\xBB\xBF" + strings.ReplaceAll(csvText, "\n", "\r\n"), Options{}, []string{"2: /1001 " + erika}, nil},
		{"semicolons and day first", "Patient ID;Name;Birth date\n7;Muster, Erika Anna;1/2/1962\n8;Otto Probe;13.2.1962\n", Options{DayFirst: true},
			[]string{"2: /7 |Muster^Erika^Anna|19620201||||||", "3: /8 |Probe^Otto|19620213||||||"}, nil},
		{"month first, unless it is none", "mrn,name,dob\n7,A^B^C,1/2/1962\n8,Probe,13/2/1962\n", Options{},
			[]string{"2: /7 |A^B^C|19620102||||||", "3: /8 |Probe|19620213||||||"}, nil},
		{"authority behind the number", "mrn,assigning authority,family,given\n7,CLINIC,Muster,Erika\n8,,Probe,Otto\n", Options{},
			[]string{"2: CLINIC/7 |Muster^Erika|||||||", "3: /8 |Probe^Otto|||||||"}, nil},
		{"authority before the number", "MRN_Authority,mrn,family\nCLINIC,7,Muster\n", Options{}, []string{"2: CLINIC/7 |Muster|||||||"}, nil},
		{"several numbers with their own", "mrn,authority,hospital no,authority 2,last name\n7,A,8,B,Muster\n9,A,,B,Probe\n", Options{},
			[]string{"2: A/7 B/8 |Muster|||||||", "3: A/9 |Probe|||||||"}, nil},
		{"several numbers with one", "mrn,patient id,issuer,last name\n7,8,A,Muster\n", Options{}, []string{"2: A/7 A/8 |Muster|||||||"}, nil},
		{"social security number", "ssn,last name,first name\n999-12-3456,Muster,Erika\n", Options{}, []string{"2: ssn:/999123456 |Muster^Erika|||||||"}, nil},
		{"bad rows between", "mrn,last name,city\n1,Muster,Bern\n2,Probe\n,,Chur\n3,x,y,z,too,many\n4,Otto,Chur\n", Options{},
			[]string{"2: /1 |Muster||||Bern|||", "3: /2 |Probe|||||||", "6: /4 |Otto||||Chur|||"}, []int64{4, 5}},
		{"quoted over two lines", "mrn,last name,address\n1,Muster,\"1 First Street\nFloor 2\"\n2,Probe,x\n", Options{},
			[]string{"2: /1 |Muster|||1 First Street\nFloor 2||||", "4: /2 |Probe|||x||||"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, s, err := readAll(t, test.text, test.options)
			if err != nil {
				t.Fatal(err)
			}
			if text := strings.Join(got, "\n"); text != strings.Join(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", text, strings.Join(test.want, "\n"))
			}
			checkBad(t, s, Table, test.bad)
		})
	}
}

func checkBad(t *testing.T, s Stats, format Format, lines []int64) {
	t.Helper()
	var got []int64
	for _, b := range s.First {
		got = append(got, b.Line)
	}
	if fmt.Sprint(got) != fmt.Sprint(lines) || s.Bad != int64(len(lines)) || s.Format != format {
		t.Errorf("got %s with %d bad rows on lines %d, want %s with %d", s.Format, s.Bad, got, format, lines)
	}
}

const (
	adt1 = "MSH|^~\\&|ADT|CLINIC|||20261128||ADT^A04|1|P|2.5\rEVN|A04\r" +
		"PID|1||1001^^^CLINIC^MR~77^^^&1.2.3&ISO||Muster^Erika^Anna||19620812|F|||1 First Street&First Street&1^Floor 2^Springfield^IL^62701||555-0100||||||999-12-3456\r" +
		"NK1|1|Probe^Otto\r"
	adt2 = "MSH|^~\\&|ADT|CLINIC|||20261128||ADT^A08|2|P|2.5\rPID|1||1002^^^CLINIC||Probe^Otto||19700101|M|||^^Chur^New York||^^^^^^^^^^^555-0101\r"
	none = "MSH|^~\\&|ADT|CLINIC|||20261128||ACK|3|P|2.5\rMSA|AA|1\r"
	anon = "MSH|^~\\&|ADT|CLINIC|||20261128||ADT^A08|4|P|2.5\rPID|1||||||19700101|M\r"
)

func TestReadMessages(t *testing.T) {
	one := "CLINIC/1001 1.2.3/77 ssn:/999123456 |Muster^Erika^Anna|19620812|F|1 First Street, Floor 2|Springfield|62701|555-0100|IL"
	two := "CLINIC/1002 |Probe^Otto|19700101|M||Chur||555-0101|NY"
	long := strings.Replace(adt1, "EVN|A04", "EVN|"+strings.Repeat("x", maxMessage), 1)
	many := strings.Replace(adt1, "EVN|A04\r", strings.Repeat("OBX|"+strings.Repeat("x", 1<<10)+"\r", 1<<10), 1)
	for _, test := range []struct {
		name, text string
		want       []string
		bad        []int64
		other      int64
	}{
		{"CR", adt1 + adt2, []string{"1: " + one, "5: " + two}, nil, 0},
		{"LF", strings.ReplaceAll(adt1+adt2, "\r", "\n"), []string{"1: " + one, "5: " + two}, nil, 0},
		{"CRLF and empty lines", strings.ReplaceAll(adt1+"\r"+adt2, "\r", "\r\n"), []string{"1: " + one, "6: " + two}, nil, 0},
		{"no end of the last line", strings.TrimSuffix(adt1+adt2, "\r"), []string{"1: " + one, "5: " + two}, nil, 0},
		{"MLLP", "\x0b" + adt1 + "\x1c\r\x0b" + adt2 + "\x1c\r", []string{"1: " + one, "6: " + two}, nil, 0},
		{"batch", "FHS|^~\\&|A\rBHS|^~\\&|A\r" + adt1 + "BTS|1\rBHS|^~\\&|A\r" + adt2 + "BTS|1\rFTS|2\r", []string{"3: " + one, "9: " + two}, nil, 0},
		{"with a mark", "\xEF\xBB\xBF" + adt2, []string{"1: " + two}, nil, 0},
		{"without people", none + adt2 + none, []string{"3: " + two}, nil, 2},
		{"nobody", anon + adt2, []string{"3: " + two}, []int64{1}, 0},
		{"bad message", "MSH|AAAA|\r" + adt2, []string{"2: " + two}, []int64{1}, 0},
		{"line too long", long + adt2, []string{"5: " + two}, []int64{1}, 0},
		{"message too long", many + adt2, []string{"1028: " + two}, []int64{1}, 0},
		{"two people in one", adt1 + adt2[strings.Index(adt2, "PID"):], []string{"1: " + one, "1: " + two}, nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, s, err := readAll(t, test.text, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if text := strings.Join(got, "\n"); text != strings.Join(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", text, strings.Join(test.want, "\n"))
			}
			checkBad(t, s, Messages, test.bad)
			if s.Other != test.other {
				t.Errorf("got %d others, want %d", s.Other, test.other)
			}
		})
	}
}

const resource = `{"resourceType":"Patient","identifier":[{"system":"http://clinic.example/mrn","value":"1001"}],` +
	`"name":[{"family":"Muster","given":["Erika","Anna"]}],"gender":"female","birthDate":"1962-08-12",` +
	`"address":[{"line":["1 First Street"],"city":"Springfield","state":"Illinois","postalCode":"62701"}]}` + "\n"

func TestReadResources(t *testing.T) {
	got, s, err := readAll(t, resource+`{"resourceType":"Group"}`+"\n{}\n"+`{"resourceType":"Patient"}`+"\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := "1: http://clinic.example/mrn/1001 |Muster^Erika^Anna|19620812|F|1 First Street|Springfield|62701||IL"
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	checkBad(t, s, Resources, []int64{3, 4})
	if s.Other != 1 {
		t.Errorf("got %d others, want 1", s.Other)
	}
}

func TestReadBad(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "empty"},
		{"blank", " \r\n\n", "empty"},
		{"prose", "Dear patient\nwe write to you\n", "neither a table"},
		{"no header", "1001|Muster|Erika|08/12/1962|F\n1002|Beispiel|Otto|01/30/1958|M\n1003|Probe|Anna|11/02/1990|F\n", "header"},
		{"header without people", "city,state,zip\nChur,GR,7000\n", "names no column"},
		{"header only", "mrn,last name,first name\n", "nobody"},
		{"no row is anybody", "mrn,last name,city\n,,Chur\n,,Bern\n", "none of 2 rows"},
		{"spreadsheet", "PK\x03\x04....", "spreadsheet"},
		{"compressed", "\x1f\x8b\x08", "unpack"},
		{"JSON list", "[" + resource + "]", "NDJSON"},
		{"JSON over several lines", "{\n" + resource[1:], "none of 2 rows"},
		{"XML", "<Patient/>", "XML"},
		{"messages without people", none + none, "nobody"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, _, err := readAll(t, test.text, Options{})
			if !errors.Is(err, ErrRoster) || !strings.Contains(err.Error(), test.want) || len(got) > 0 {
				t.Fatalf("got %d people and %v, want ErrRoster with %q", len(got), err, test.want)
			}
			if strings.Contains(err.Error(), "Muster") || strings.Contains(err.Error(), "\n") {
				t.Error("the error says who it is, or has several lines")
			}
		})
	}
}

func TestReadEnds(t *testing.T) {
	broken := errors.New("broken")
	for name, text := range map[string]string{"table": csvText, "messages": adt1, "resources": resource} {
		t.Run(name, func(t *testing.T) {
			if _, err := Read(strings.NewReader(text), Options{}, func(*Person) error { return broken }); !errors.Is(err, broken) {
				t.Errorf("got %v, want the error of each", err)
			}
			source := io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken))
			if _, err := Read(source, Options{}, func(*Person) error { return nil }); !errors.Is(err, broken) || errors.Is(err, ErrRoster) {
				t.Errorf("got %v, want the error of the source", err)
			}
		})
	}
}

func TestBirth(t *testing.T) {
	for text, want := range map[string]string{
		"1962-08-12": "19620812", "19620812": "19620812", "1962/8/12": "19620812", "12.8.1962": "19620812", "8/12/1962": "19620812",
		"08-12-1962": "19620812", "12-Aug-1962": "19620812", "Aug 12, 1962": "19620812", "August 12, 1962": "19620812",
		"1962-08-12T00:00:00Z": "19620812", "8/12/1962 00:00": "19620812", "13/12/1962": "19621213",
		"1962": "1962", "8/12/62": "8/12/62", "31.2.1962": "31.2.1962", "": "", " ": "", "soon": "soon",
	} {
		if got := birth(text, false); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := birth("8/12/1962", true); got != "19621208" {
		t.Errorf("day first: got %q", got)
	}
}

func TestState(t *testing.T) {
	for text, want := range map[string]string{
		"IL": "IL", " il ": "IL", "Illinois": "IL", "NEW  YORK": "NY", "Washington, DC": "DC", "Puerto Rico": "PR", "Bayern": "Bayern",
		"": "", "ZZ": "ZZ", "a\x00b\x1b": "ab", strings.Repeat("ü", 30): strings.Repeat("ü", 20), "x" + strings.Repeat("ü", 30): "x" + strings.Repeat("ü", 19),
	} {
		if got := state(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if len(stateNames) != 56 {
		t.Errorf("got %d states, want 50, the District and 5 territories", len(stateNames))
	}
}

// FuzzRead reads any bytes: everybody who comes out has a number or a name, and counts add up.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{csvText, adt1 + adt2, "\x0b" + anon + "\x1c\r", resource, "FHS|\r" + adt1} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var people int64
		s, err := Read(strings.NewReader(string(b)), Options{}, func(p *Person) error {
			people++
			if len(p.State) > maxState || p.Line < 1 {
				t.Errorf("line %d: a state of %d bytes", p.Line, len(p.State))
			}
			if len(p.Record.Identifiers) == 0 && len(p.Record.Alternates) == 0 && p.Record.Name.Empty() {
				t.Errorf("line %d: nobody", p.Line)
			}
			return nil
		})
		if people != s.Rows || err == nil && people == 0 || int64(len(s.First)) > s.Bad {
			t.Errorf("got %d people, %d rows, %d bad and %v", people, s.Rows, s.Bad, err)
		}
		if err != nil && !errors.Is(err, ErrRoster) {
			t.Errorf("got %v, want ErrRoster", err)
		}
	})
}
