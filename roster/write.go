package roster

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"chaperone"
)

// List writes people to notify as CSV. It is patient data: the caller keeps it where only they can read it.
type List struct{ w *csv.Writer }

// NewList writes the header.
func NewList(w io.Writer) (*List, error) {
	l := &List{csv.NewWriter(w)}
	return l, l.put("family name", "given names", "birth date", "sex", "street", "city", "state", "zip", "phone", "numbers", "roster line", "look at it")
}

// Write adds a person. It is made to be called by Join.
func (l *List) Write(p *Person, doubt bool) error {
	name := append(strings.Split(p.Record.Name.Reveal(), "^"), "", "") // the list is for those who write to these people
	numbers := make([]string, 0, 4)
	for _, id := range p.Record.Identifiers {
		number := id.Value.Reveal() // likewise
		if !id.Authority.Empty() {
			number += " (" + id.Authority.Reveal() + ")" // likewise
		}
		numbers = append(numbers, number)
	}
	look := ""
	if doubt {
		look = "the roster gives this number to another name, birth date or sex too"
	}
	cells := []string{name[0], strings.TrimSpace(name[1] + " " + name[2])}
	for _, value := range []chaperone.PHI{p.Record.Birth, p.Record.Sex, p.Street, p.City} {
		cells = append(cells, value.Reveal()) // likewise
	}
	return l.put(append(cells, p.State, p.Zip.Reveal(), p.Phone.Reveal(), // likewise
		strings.Join(numbers, "; "), strconv.FormatInt(p.Line, 10), look)...)
}

// Close writes what is left.
func (l *List) Close() error {
	l.w.Flush()
	if err := l.w.Error(); err != nil {
		return fmt.Errorf("roster: list of people: %w", err)
	}
	return nil
}

func (l *List) put(cells ...string) error {
	for i := range cells {
		cells[i] = safe(cells[i])
	}
	if err := l.w.Write(cells); err != nil {
		return fmt.Errorf("roster: list of people: %w", err)
	}
	return nil
}

// safe keeps a spreadsheet from taking a cell for a formula: whoever filled the roster may have meant it so.
func safe(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// Summary writes what the list amounts to, by state, and what the law makes of it. It is about nobody in particular: what is
// given in the place of a state and is none is not repeated.
func (n *Notice) Summary(w io.Writer) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("people to notify: %d (%d affected persons of the ledger)", n.People, n.Named)
	line("affected persons whom the roster does not name: %d", n.Unnamed)
	line("without a street or a city: %d", n.NoAddress)
	line("roster: %s, %d people, %d rows that could not be read, %d others passed over", n.Format, n.Rows, n.Bad, n.Other)
	line("duplicates in the roster among them: %d, of which %d look like somebody else and are listed too", n.Duplicates, n.Doubtful)
	elsewhere := 0
	for _, r := range n.States {
		if _, ok := stateNames[r.State]; !ok {
			elsewhere += r.People
		}
	}
	open := elsewhere + n.Unnamed + n.Doubtful
	line("")
	for _, r := range n.States {
		name, ok := stateNames[r.State]
		if !ok {
			continue
		}
		duty := ""
		switch {
		case MediaNotice(r.People):
			duty = "media notice (45 CFR 164.406)"
		case MediaNotice(r.People + open):
			duty = "media notice if enough of those who are not placed live there (45 CFR 164.406)"
		}
		line("%s", strings.TrimRight(fmt.Sprintf("%-26s %9d  %s", name, r.People, duty), " "))
	}
	line("%-26s %9d", "elsewhere, or not known", elsewhere)
	line("")
	switch {
	case SecretaryNow(n.Individuals()):
		line("Secretary: %d individuals; notify without unreasonable delay, with the individuals (45 CFR 164.408(b))", n.Individuals())
	case SecretaryNow(n.Individuals() + n.Doubtful):
		line("Secretary: %d individuals, and %d in doubt; look at those: 500 is the limit (45 CFR 164.408)", n.Individuals(), n.Doubtful)
	default:
		line("Secretary: %d individuals; within 60 days after the end of the year (45 CFR 164.408(c))", n.Individuals())
	}
	n.lists(line)
	_, err := io.WriteString(w, b.String())
	return err
}

// lists names lines to look at.
func (n *Notice) lists(line func(string, ...any)) {
	for _, bad := range n.First {
		line("line %d could not be read: %s", bad.Line, bad.Why)
	}
	for _, pair := range n.Pairs {
		what := "the same person"
		if pair.Doubtful {
			what = "the same number, but another name, birth date or sex"
		}
		line("line %d: %s as on line %d", pair.Line, what, pair.Stands)
	}
}
