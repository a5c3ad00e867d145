package clinicsim

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// row is one line of a dump.
type row struct {
	*Person
	number   string // as the dump has it: right, mistyped, or missing
	right    bool
	phone    string
	address  string
	insurer  string
	security string
}

// column is one kind of value, with the headers that sellers give it.
type column struct {
	headers []string
	value   func(x row) string
}

// layout is how a dump is written.
type layout struct {
	delimiter rune
	crlf      bool
	date      string
	columns   []column
	headers   []string
}

func newLayout(r *rand.Rand) layout {
	l := layout{delimiter: pick(r, ',', ';', '|', '\t'), crlf: one(r, 2), date: pick(r, "2006-01-02", "01/02/2006", "02.01.2006", "20060102")}
	number := column{[]string{"MRN", "PatientID", "pat_no", "CHART", "Medical Record Number"}, func(x row) string { return x.number }}
	list := []column{
		number,
		{[]string{"DOB", "BirthDate", "birth_date", "Date of Birth"}, func(x row) string { return l.birth(x) }},
		{[]string{"SEX", "Gender", "sex"}, func(x row) string { return x.Sex }},
		{[]string{"PHONE", "Phone", "telephone"}, func(x row) string { return x.phone }},
		{[]string{"ADDRESS", "Address", "street"}, func(x row) string { return x.address }},
		{[]string{"INSURER", "Insurance", "payer"}, func(x row) string { return x.insurer }},
	}
	if one(r, 2) {
		list = append(list, column{[]string{"NAME", "PatientName", "name"}, func(x row) string { return x.Family + ", " + x.Given }})
	} else {
		list = append(list, column{[]string{"LAST_NAME", "LastName", "surname"}, func(x row) string { return x.Family }},
			column{[]string{"FIRST_NAME", "FirstName", "given"}, func(x row) string { return x.Given }})
	}
	if !one(r, 3) {
		list = append(list, column{[]string{"SSN", "ssn", "SocialSecurity"}, func(x row) string { return x.security }})
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	l.columns = list
	for _, c := range list {
		l.headers = append(l.headers, pick(r, c.headers...))
	}
	return l
}

func (l layout) birth(x row) string {
	t, err := time.Parse("20060102", x.Birth)
	if err != nil {
		return x.Birth
	}
	return t.Format(l.date)
}

// dump is what the seller shows: most of it true, with the noise that such lists have.
func (t *theft) dump(r *rand.Rand) []byte {
	o := &t.offer
	known := map[string]bool{}
	for _, p := range t.week.people {
		known[p.Imaging] = true
		for _, n := range p.Numbers {
			known[n.Value] = true
		}
	}
	var rows []row
	for _, p := range t.people {
		if r.IntN(100) >= o.share {
			continue
		}
		x := newRow(r, p)
		x.number, x.right, x.security = p.Imaging, true, p.SSN
		switch r.IntN(40) {
		case 0:
			x.number, x.right = "", false
		case 1, 2:
			if wrong := mistype(r, p.Imaging); !known[wrong] {
				x.number, x.right = wrong, false
			}
		}
		if !x.right || one(r, 4) {
			x.security = ""
		}
		rows = append(rows, x)
	}
	for range len(rows) * (5 + r.IntN(20)) / 100 { // people who were never here make a list longer
		p := invent(r, 200000+o.padding)
		x := newRow(r, p)
		x.number = fmt.Sprintf("M%07d", 9000000+o.padding*13+r.IntN(13))
		o.padding++
		rows = append(rows, x)
	}
	for range len(rows) / 30 {
		rows = append(rows, pick(r, rows...))
	}
	r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return t.write(newLayout(r), rows)
}

// write gives the file, and counts what is in it.
func (t *theft) write(l layout, rows []row) []byte {
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	out.Comma, out.UseCRLF = l.delimiter, l.crlf
	lines := map[string]bool{}
	proven := map[string]bool{}
	_ = out.Write(l.headers) // a buffer takes everything
	for _, x := range rows {
		var cells []string
		for _, c := range l.columns {
			cells = append(cells, c.value(x))
		}
		_ = out.Write(cells)
		if line := strings.Join(cells, "\x00"); !lines[line] {
			lines[line] = true
			t.offer.rows++
			if !x.right {
				t.offer.unmatched++
			}
		}
		if x.right {
			proven[x.number] = true
		}
	}
	out.Flush()
	t.offer.proven = len(proven)
	return b.Bytes()
}

func newRow(r *rand.Rand, p *Person) row {
	return row{Person: p, phone: fmt.Sprintf("(555) 0100-%03d", r.IntN(1000)),
		address: fmt.Sprintf("%d Invented Way, Nowhere ZZ %05d", 1+r.IntN(90), 90000+r.IntN(999)),
		insurer: pick(r, "Invented Mutual", "Nowhere Health", "Example Care", "Self pay")}
}

// mistype changes one digit.
func mistype(r *rand.Rand, number string) string {
	b := []byte(number)
	i := len(b) - 1 - r.IntN(4)
	b[i] = '0' + (b[i]-'0'+byte(1+r.IntN(9)))%10
	return string(b)
}
