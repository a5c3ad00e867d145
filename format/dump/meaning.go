package dump

import (
	"strings"
	"unicode"

	"chaperone/format"
)

// header reports whether fields are a header, and what it says. Nothing in it looks like a value, and it has words for two
// columns (for one, in a narrow table): a person must not be taken for a header, whose words are shown to people.
func header(fields [][]byte) (bool, []Column) {
	columns := make([]Column, len(fields))
	known, filled := 0, 0
	for i, field := range fields {
		name := strings.TrimSpace(format.Text(field, format.Guess))
		if len(name) > 64 || valueLike(name) {
			return false, nil
		}
		if name != "" {
			filled++
		}
		columns[i] = Column{Name: name}
		if w, ok := lookUp(name); ok {
			columns[i].Means, columns[i].sure = w.means, w.sure
			known++
		}
	}
	if known < 2 && (known == 0 || filled > 3) {
		return false, nil
	}
	settle(columns)
	return true, columns
}

// valueLike reports whether a field has what names of columns do not: an address of e-mail, or more digits than letters.
func valueLike(name string) bool {
	digits, letters := 0, 0
	for _, c := range name {
		switch {
		case c == '@' || unicode.IsControl(c):
			return true
		case unicode.IsDigit(c):
			digits++
		case unicode.IsLetter(c):
			letters++
		}
	}
	return digits > 0 && digits >= letters
}

// settle decides on words that mean different things in different company.
func settle(columns []Column) {
	has := map[Meaning]bool{}
	for _, column := range columns {
		has[column.Means] = has[column.Means] || column.Means != Number || column.sure
	}
	for i := range columns {
		column := &columns[i]
		switch {
		case column.Means == Number && !column.sure:
			if has[Number] { // an account or the number of the row, beside the patient's own
				column.Means = Unknown
			}
			has[Number] = true
		case column.Means == FullName && !column.sure && has[FirstName] && !has[LastName]:
			column.Means, has[LastName] = LastName, true // Name, Vorname
		}
	}
}

// lookUp finds what a header's word means. Words that begin with whose column it is ("pat_", "patient") mean the same
// without; of anybody else's we know nothing.
func lookUp(name string) (word, bool) {
	key := squeeze(name)
	if w, ok := words[key]; ok {
		return w, true
	}
	key = strings.TrimRight(key, "0123456789")
	if w, ok := words[key]; ok {
		return w, true
	}
	for _, whose := range []string{"patienten", "patient", "pat", "pt"} {
		if rest, ok := strings.CutPrefix(key, whose); ok {
			if w, ok := words[rest]; ok {
				w.sure = w.sure || w.means == FullName || w.means == Number
				return w, true
			}
		}
	}
	return word{}, false
}

// squeeze makes spellings equal that differ in case, blanks, punctuation and accents.
func squeeze(name string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		switch {
		case c == '#':
			b.WriteString("no")
		case unicode.IsLetter(c) || unicode.IsDigit(c):
			if plain, ok := accents[c]; ok {
				b.WriteString(plain)
			} else {
				b.WriteRune(c)
			}
		}
	}
	return b.String()
}

var accents = map[rune]string{
	'ä': "ae", 'ö': "oe", 'ü': "ue", 'ß': "ss", 'é': "e", 'è': "e", 'ê': "e", 'á': "a", 'à': "a", 'â': "a", 'ç': "c",
	'í': "i", 'ó': "o", 'ô': "o", 'ú': "u", 'ñ': "n",
}

// word is what a header's word means. sure says that only a table about people has it.
type word struct {
	means Meaning
	sure  bool
}

// words are spellings in English, German, French, Spanish, Dutch and Italian, squeezed.
var words = collect([]spelling{
	{Number, true, `mrn mrno mrnumber mr medrec medrecno medrecnum medrecnumber medicalrecord medicalrecordno
		medicalrecordnum medicalrecordnumber medicalrecordid chart chartno chartnum chartnumber chartid patid patno
		patnum patnr patnumber patientid patientno patientnum patientnr patientnumber patientidentifier
		patientkey patientcode ptid ptno ptnum ptnr ptnumber hospno hospitalno hospitalnumber nhsno nhsnumber emrid ehrid
		empi mpi enterpriseid unitno unitnumber patientenid patientennr patientennummer patientnummer patientenkennung
		numeropatient nopatient idpatient ipp numeropaciente idpaciente nhc personnummer`},
	{Number, false, `id pid no nr num number nummer acct acctno acctnum account accountno accountnum accountnumber accountid
		patientaccount patacct recordid recordno recordnumber recno personid clientid clientno customerid kundennummer
		kundennr key`},
	{SSN, true, `ssn ssnno ss ssno socsec socsecno socialsecurity socialsecurityno socialsecuritynum
		socialsecuritynumber social socialno ssnumber ssnum sozialversicherungsnummer svnr svnummer ahvnr ahvnummer nir
		bsn`},
	{FirstName, true, `firstname fname forename given givenname givennames vorname vornamen rufname prenom
		voornaam nombres primernombre namefirst firstnm`},
	{FirstName, false, `first nombre`},
	{MiddleName, true, `middle middlename mname mi middleinitial minitial namemiddle secondname zweitname`},
	{LastName, true, `lastname lname surname family familyname nachname familienname zuname nomdefamille
		achternaam apellido apellidos cognome namelast lastnm`},
	{LastName, false, `last nom`},
	{FullName, true, `patient patientname patname ptname fullname namefull patientfullname patientenname nomcomplet
		nombrecompleto`},
	{FullName, false, `name`},
	{Birth, true, `dob birth birthdate birthday birthdt bdate bday dateofbirth datebirth birthd dobirth geburtsdatum
		gebdatum gebdat gebdt geburtstag geboren gebtag geburt datenaissance datedenaissance ddn naissance
		fechanacimiento fechadenacimiento fechanac geboortedatum datanascita datadinascita`},
	{Sex, true, `sex gender geschlecht sexe sexo geslacht sesso sexcode gendercode`},
	{Phone, false, `phone phoneno phonenum phonenumber tel telephone telephoneno telephonenumber telno homephone phonehome
		cell cellphone phonecell mobile mobilephone phonemobile workphone phonework dayphone hphone wphone telefon
		telefonnummer telefonnr handy mobil mobiltelefon rufnummer telefono telefoon`},
	{Address, false, `address addr addressline street streetaddress homeaddress mailingaddress strasse anschrift adresse
		str direccion domicilio rue indirizzo adres straat`},
	{City, false, `city town ort wohnort stadt ville ciudad plaats citta comune`},
	{State, false, `state st statecode province prov bundesland kanton`},
	{Zip, false, `zip zipcode zipplus postal postalcode postcode plz postleitzahl codepostal codigopostal cp cap`},
	{Insurer, false, `insurer insurance ins insname insurancename inscompany insco insurancecompany insurancecarrier
		insurancecarriername carrier carriername payer payor payername payorname primaryinsurance primaryins
		primarypayer primarypayor insuranceplan planname healthplan krankenkasse kasse krankenversicherung versicherung
		versicherer kostentraeger mutuelle aseguradora`},
	{Email, true, `email emailaddr emailaddress mailaddress mailadresse emailadresse courriel correo`},
	{Email, false, `mail`},
})

type spelling struct {
	means Meaning
	sure  bool
	words string
}

func collect(table []spelling) map[string]word {
	all := map[string]word{}
	for _, row := range table {
		for _, key := range strings.Fields(row.words) {
			all[key] = word{row.means, row.sure}
		}
	}
	return all
}

// logWords are names of columns that records of what users did have.
var logWords = map[string]bool{
	"event": true, "eventid": true, "eventtype": true, "action": true, "level": true, "loglevel": true, "severity": true,
	"user": true, "userid": true, "username": true, "workstation": true, "ip": true, "ipaddress": true, "sourceip": true,
	"srcip": true, "destip": true, "protocol": true, "message": true, "timestamp": true, "logtime": true, "host": true,
	"hostname": true, "accesstime": true, "accessedby": true,
}
