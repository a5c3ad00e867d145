package dump

import (
	"slices"
	"strings"
	"testing"
)

func meanings(columns []Column) []Meaning {
	var all []Meaning
	for _, c := range columns {
		all = append(all, c.Means)
	}
	return all
}

func TestHeader(t *testing.T) {
	for name, test := range map[string]struct {
		header string
		want   []Meaning
	}{
		"clinic":        {"MRN,Last Name,First Name,MI,DOB,Sex,SSN", []Meaning{Number, LastName, FirstName, MiddleName, Birth, Sex, SSN}},
		"capitals":      {"PAT_NO,LNAME,FNAME,BIRTH_DATE,GENDER", []Meaning{Number, LastName, FirstName, Birth, Sex}},
		"camel case":    {"PatientId,PatientLastName,PatientFirstName,DateOfBirth", []Meaning{Number, LastName, FirstName, Birth}},
		"prefixes":      {"pt_id,pt_last,pt_first,pt_dob,pt_zip", []Meaning{Number, LastName, FirstName, Birth, Zip}},
		"German":        {"PatNr,Nachname,Vorname,Geburtsdatum,Geschlecht,Straße,PLZ,Ort,Krankenkasse", []Meaning{Number, LastName, FirstName, Birth, Sex, Address, Zip, City, Insurer}},
		"German, long":  {"Patientennummer,Name,Vorname,Geb.-Datum,Telefon,Kostenträger", []Meaning{Number, LastName, FirstName, Birth, Phone, Insurer}},
		"French":        {"Nom,Prénom,Date de naissance,Sexe,Téléphone,Ville", []Meaning{LastName, FirstName, Birth, Sex, Phone, City}},
		"contacts":      {"Name,DOB,Home Phone,Cell Phone,E-mail,Address 1,Address2,City,ST,Zip Code", []Meaning{FullName, Birth, Phone, Phone, Email, Address, Address, City, State, Zip}},
		"number sign":   {"Chart #,SS#,Patient Name", []Meaning{Number, SSN, FullName}},
		"own number":    {"id,mrn,account,last", []Meaning{Unknown, Number, Unknown, LastName}},
		"account only":  {"acct_no,patient", []Meaning{Number, FullName}},
		"two weak":      {"id,account,dob", []Meaning{Number, Unknown, Birth}},
		"other people":  {"mrn,dob,guarantor_last_name,provider name,emergency_phone,employer", []Meaning{Number, Birth, Unknown, Unknown, Unknown, Unknown}},
		"insurance":     {"Patient Name,DOB,Primary Insurance,Plan Name,Member ID", []Meaning{FullName, Birth, Insurer, Insurer, Unknown}},
		"accented name": {"Apellido,Nombre,Fecha de nacimiento,Teléfono", []Meaning{LastName, FirstName, Birth, Phone}},
		"a blank one":   {"mrn,,dob", []Meaning{Number, Unknown, Birth}},
	} {
		t.Run(name, func(t *testing.T) {
			values := strings.Repeat(",x", strings.Count(test.header, ","))[1:] + ",x\n"
			r, err := NewReader(strings.NewReader(test.header + "\n" + strings.Repeat(values, 3)))
			if err != nil {
				t.Fatal(err)
			}
			if got := meanings(r.Columns()); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// A person must not be taken for a header: a header's words are shown to people.
func TestNoHeader(t *testing.T) {
	for name, row := range map[string]string{
		"digits":      "1001,Muster,Erika",
		"birth":       "Muster,Erika,1962-08-12",
		"e-mail":      "Muster,Erika,e@example.org",
		"one word":    "Chart,James,Bern,Mason",
		"no word":     "Muster,Erika",
		"long name":   "MRN,DOB," + strings.Repeat("x", 65),
		"control":     "MRN,DOB,a\x01b",
		"street":      "MRN,DOB,12 St",
		"SSN as word": "SSN,219-09-9999",
	} {
		t.Run(name, func(t *testing.T) {
			r, err := NewReader(strings.NewReader(strings.Repeat(row+"\n", 3)))
			if err != nil {
				t.Fatal(err)
			}
			if r.Headed() || r.Columns()[0].Name != "" {
				t.Error("it was taken for a header")
			}
		})
	}
}

func TestContent(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []Meaning
	}{
		"plain": {
			"1001|Muster|Erika|08/12/1962|F|219-09-9999|555-010-0001|e@example.org\n" +
				"1002|Beispiel|Otto|01/30/1958|M|078-05-1120|555-010-0002|o@example.org\n" +
				"1003|Probe|Anna|11/02/1990|F|219-09-9998|(555) 010-0003|a@example.org\n",
			[]Meaning{Unknown, Unknown, Unknown, Birth, Sex, SSN, Phone, Email},
		},
		"dates of visits": {"1,2016-01-02,a\n2,2016-03-04,b\n3,2015-12-24,c\n", []Meaning{Unknown, Unknown, Unknown}},
		"digits alone":    {"219099999,a\n078051120,b\n219099998,c\n", []Meaning{Unknown, Unknown}},
		"never given out": {"900-01-1234,a\n000-12-1234,b\n666-12-1234,c\n", []Meaning{Unknown, Unknown}},
		"one sex":         {"M,a\nM,b\nM,c\n", []Meaning{Unknown, Unknown}},
		"under a header": {
			"MRN,Last,when,taxno\n1,a,1950-01-01,219-09-9999\n2,b,1980-01-01,219-09-9998\n3,c,2001-01-01,219-09-9997\n",
			[]Meaning{Number, LastName, Unknown, SSN},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := NewReader(strings.NewReader(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := meanings(r.Columns()); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// Decimal commas must not win over the semicolons, nor the commas of addresses over tabs.
func TestDelimiter(t *testing.T) {
	for name, test := range map[string]struct {
		text  string
		width int
	}{
		"decimal commas": {"PatNr;Name;Betrag;Rest\n1;a;12,5;3,0\n2;b;13,5;1,5\n3;c;14,5;2,2\n", 4},
		"addresses":      {"1\tMuster, Erika, Bern\n2\tProbe, Anna, Basel\n3\tWeiss, Jan, Chur\n" + "mrn\tname\n", 2},
		"pipes":          {"mrn|name|notes\n1|a|x, y\n2|b|x, z\n3|c|u, v\n", 3},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := NewReader(strings.NewReader(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Columns()) != test.width {
				t.Errorf("got %d columns, want %d", len(r.Columns()), test.width)
			}
		})
	}
}
