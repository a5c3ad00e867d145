package dump

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
)

const (
	head  = "MRN,Last,First,DOB,SSN\n"
	row1  = "1001,Muster,Erika,1962-08-12,219-09-9999\n"
	row2  = "1002,Beispiel,Otto,1958-01-30,078-05-1120\n"
	row3  = "1003,Probe,Anna,1990-11-02,219-09-9998\n"
	row4  = "1004,Weiss,Jan,2001-05-17,219-09-9997\n"
	small = head + row1 + row2 + row3 + row4
)

// readAll gives the rows of a table, their values joined with "·".
func readAll(t testing.TB, source io.Reader) (*Reader, []string) {
	t.Helper()
	r, err := NewReader(source)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r, rows
		}
		if err != nil {
			t.Fatal(err)
		}
		values := make([]string, row.Len())
		for i := range values {
			values[i] = row.At(i).Reveal() // invented people, compared
		}
		rows = append(rows, strings.Join(values, "·"))
	}
}

func TestRead(t *testing.T) {
	want := []string{
		"1001·Muster·Erika·1962-08-12·219-09-9999", "1002·Beispiel·Otto·1958-01-30·078-05-1120",
		"1003·Probe·Anna·1990-11-02·219-09-9998", "1004·Weiss·Jan·2001-05-17·219-09-9997",
	}
	quoted := strings.NewReplacer(",", `","`, "\n", "\"\n\"").Replace("\"" + small)
	quoted = quoted[:len(quoted)-1]
	for name, text := range map[string]string{
		"comma":                      small,
		"semicolon":                  strings.ReplaceAll(small, ",", ";"),
		"tab":                        strings.ReplaceAll(small, ",", "\t"),
		"pipe":                       strings.ReplaceAll(small, ",", "|"),
		"CRLF":                       strings.ReplaceAll(small, "\n", "\r\n"),
		"CR":                         strings.ReplaceAll(small, "\n", "\r"),
		"quoted":                     quoted,
		"quoted, CRLF":               strings.ReplaceAll(quoted, "\n", "\r\n"),
		"quoted, CR":                 strings.ReplaceAll(quoted, "\n", "\r"),
		"blanks around quotes":       strings.ReplaceAll(quoted, ",", " , "),
		"no line end at the end":     strings.TrimSuffix(small, "\n"),
		"UTF-8 byte order mark":      "\xEF\xBB\xBF" + small,
		"UTF-16, little":             utf16Text(small, false),
		"UTF-16, big":                utf16Text(small, true),
		"UTF-16, odd byte":           utf16Text(small, false) + "x",
		"empty lines":                strings.ReplaceAll(small, "\n", "\n\n"),
		"rows without values":        small + ",,,,\n",
		"delimiter after rows only":  head + strings.ReplaceAll(row1+row2+row3+row4, "\n", ",\n"),
		"blanks around values":       strings.ReplaceAll(small, ",", " , "),
		"banner above":               "FRESH DUMP\ncontact, me\n\n" + small,
		"sep line":                   "sep=,\n" + small,
		"ruler under the header":     head + "----,----,----,----------,-----------\n" + row1 + row2 + row3 + row4,
		"header repeated":            head + row1 + row2 + head + row3 + row4,
		"NULs around a value":        strings.ReplaceAll(small, "Muster", "Muster\x00\x00"),
		"a line in the middle":       head + row1 + row2 + "(part two)\n" + row3 + row4,
		"rows affected":              small + "\n(4 rows affected)\n",
		"a wider row":                head + row1 + "7,a,b,c,d,e\n" + row2 + row3 + row4,
		"a shorter row":              head + row1 + "7,a,b\n" + row2 + row3 + row4,
		"a run of NULs":              head + row1 + row2 + strings.Repeat("\x00", 300_000) + "\n" + row3 + row4,
		"one huge line":              head + row1 + row2 + strings.Repeat("x,", 2<<20) + "\n" + row3 + row4,
		"one huge field":             head + row1 + row2 + "7," + strings.Repeat("x", maxField+1) + ",a,b,c\n" + row3 + row4,
		"a huge last line":           small + strings.Repeat("y", 3<<20),
		"stray quote in a value":     strings.ReplaceAll(small, "1002,Beispiel", `1002,"Beispiel`),
		"stray quotes in all values": strings.ReplaceAll(small, ",", `,"`),
		"a quote at a line's end":    strings.Replace(small, "219-09-9999\n", "\"219-09-9999\n", 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, rows := readAll(t, strings.NewReader(text))
			if !slices.Equal(rows, want) {
				t.Errorf("got %q", rows)
			}
			_, rows = readAll(t, iotest.OneByteReader(strings.NewReader(text)))
			if len(text) < 1<<16 && !slices.Equal(rows, want) {
				t.Errorf("byte by byte: got %q", rows)
			}
		})
	}
}

func utf16Text(text string, big bool) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune("\uFEFF" + text)) {
		if big {
			b.Write([]byte{byte(unit >> 8), byte(unit)})
		} else {
			b.Write([]byte{byte(unit), byte(unit >> 8)})
		}
	}
	return b.String()
}

func TestValues(t *testing.T) {
	for name, test := range map[string]struct{ cell, want string }{
		"plain":                  {"Muster", "Muster"},
		"quoted delimiter":       {`"Muster, Dr."`, "Muster, Dr."},
		"doubled quotes":         {`"Erika ""Eri"" Muster"`, `Erika "Eri" Muster`},
		"only doubled quotes":    {`""""`, `"`},
		"quote inside":           {`5'10"`, `5'10"`},
		"stray quote in quotes":  {`"the "big" one"`, `the "big" one`},
		"line in quotes":         {"\"Hauptstr. 1\nBern\"", "Hauptstr. 1\nBern"},
		"CRLF in quotes":         {"\"Hauptstr. 1\r\nBern\"", "Hauptstr. 1\r\nBern"},
		"ISO 8859-1":             {"M\xFCller", "Müller"},
		"UTF-8":                  {"Müller", "Müller"},
		"empty quotes":           {`""`, ""},
		"NULL":                   {"NULL", ""},
		"backslash N":            {`\N`, ""},
		"a person called Null":   {"Null", "Null"},
		"blank":                  {"  ", ""},
		"backslash before close": {`"a, C:\"`, `a, C:\`},
	} {
		t.Run(name, func(t *testing.T) {
			text := head + row1 + "7," + test.cell + ",x,y,z\n" + row2
			r, err := NewReader(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = r.Next()
			row, err := r.Next()
			if err != nil || row.At(0).Reveal() != "7" {
				t.Fatalf("not the row: %v", err)
			}
			if got := row.At(1).Reveal(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := row.At(4).Reveal(); got != "z" {
				t.Errorf("behind it: got %q, want z", got)
			}
			if row, err = r.Next(); err != nil || row.Of(LastName).Reveal() != "Beispiel" {
				t.Errorf("the next row: %v", err)
			}
		})
	}
}

// A quote that is never closed, or by another stray one rows later, must cost one row at most.
func TestResynchronise(t *testing.T) {
	var b strings.Builder
	b.WriteString("MRN,Last,First,DOB,Height,City\n")
	stray := map[int]string{50: `"5'6`, 57: `5'10"`, 300: `"tall`, 301: `"tall`, 302: `"tall`, 900: `"`}
	for i := range 1000 {
		height := "5'8"
		if s, ok := stray[i]; ok {
			height = s
		}
		fmt.Fprintf(&b, "%d,Muster,Erika,1962-08-12,%s,Bern\n", 1000+i, height)
	}
	r, rows := readAll(t, strings.NewReader(b.String()))
	if len(rows) != 1000 || r.Stats() != (Stats{Rows: 1000}) {
		t.Errorf("got %d rows, %+v", len(rows), r.Stats())
	}
	if !strings.HasPrefix(rows[50], "1050·Muster·Erika·1962-08-12·5'6·Bern") {
		t.Errorf("row 50: got %q", rows[50])
	}
}

func TestStats(t *testing.T) {
	r, rows := readAll(t, strings.NewReader("banner\n"+head+row1+"x\n"+row2+"7,a\n\n8,a,b,c,d,e,f\n"+row3))
	if len(rows) != 3 || r.Stats() != (Stats{Rows: 3, Bad: 3}) {
		t.Errorf("got %d rows, %+v", len(rows), r.Stats())
	}
}

func TestLine(t *testing.T) {
	r, err := NewReader(strings.NewReader("banner\n" + head + row1 + "7,\"a\nb\",c,d,e\n\n" + row2))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int64{3, 4, 7} {
		if row, err := r.Next(); err != nil || row.Line != want {
			t.Errorf("got line %d, %v, want %d", row.Line, err, want)
		}
	}
}

// Rows that lack values behind those that say who it is are read; others are not.
func TestShortRows(t *testing.T) {
	r, rows := readAll(t, strings.NewReader("MRN,Last,DOB,City,Phone\n1,a,1962-08-12\n2,b,1962-08-12,Bern\n3,c\n4,d,1962-08-12,Bern,5\n"))
	if len(rows) != 3 || r.Stats().Bad != 1 {
		t.Errorf("got %q, %+v", rows, r.Stats())
	}
}
