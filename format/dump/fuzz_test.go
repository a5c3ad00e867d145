package dump

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"chaperone/format"
	"pgregory.net/rapid"
)

// FuzzRead reads any bytes as a table: it ends, within its bounds, and however the bytes come the rows are the same.
func FuzzRead(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(utf16Text(small, true)))
	f.Add([]byte("\xEF\xBB\xBFPatNr;Name;Vorname\r\n1;\"a\r\n\"\"b\";c\r\n2;\"d;e\r\n3;f\";g\r\n"))
	f.Add([]byte("a|\"b\r\"\"|\"c\rd|e\r" + strings.Repeat("\"|", 20)))
	f.Add([]byte("x\ty\n\x00\x00\n\"\t\"\n\"\"\t\"\"\n\"\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		Sniff(text)
		whole, rows := drain(t, bytes.NewReader(text))
		if whole == nil {
			return
		}
		pieces, again := drain(t, iotest.HalfReader(bytes.NewReader(text)))
		if whole.Stats() != pieces.Stats() || !slices.Equal(rows, again) {
			t.Fatalf("whole %+v, in pieces %+v", whole.Stats(), pieces.Stats())
		}
	})
}

func drain(t *testing.T, source io.Reader) (*Reader, []string) {
	r, err := NewReader(source)
	if err != nil {
		if !errors.Is(err, format.ErrMalformed) && !errors.Is(err, format.ErrLimit) {
			t.Fatalf("got %v, want a known error", err)
		}
		return nil, nil
	}
	var rows []string
	line := int64(0)
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if row.Line <= line || row.Len() > len(r.Columns()) || row.Len() == 0 {
			t.Fatalf("row of %d values in line %d, after line %d", row.Len(), row.Line, line)
		}
		line = row.Line
		rows = append(rows, string(bytes.Join(r.fields, []byte{0})))
	}
	if int64(len(rows)) != r.Stats().Rows || len(r.Columns()) < 2 {
		t.Fatalf("%d rows, %+v", len(rows), r.Stats())
	}
	return r, rows
}

// TestWritten reads back what encoding/csv writes.
func TestWritten(t *testing.T) {
	cell := rapid.OneOf(
		rapid.StringOfN(rapid.RuneFrom([]rune("ab\",;|\t\n\r 'ü")), 0, 12, -1),
		rapid.StringMatching(`[A-Za-z0-9]{1,12}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(3, 8).Draw(t, "width")
		comma := rapid.RuneFrom([]rune(delimiters)).Draw(t, "comma")
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.Comma = comma
		want := [][]string{append([]string{"MRN", "DOB", "Last"}, slices.Repeat([]string{"x"}, width-3)...)}
		_ = w.Write(want[0])
		for i := range rapid.IntRange(0, 20).Draw(t, "rows") {
			row := rapid.SliceOfN(cell, width, width).Draw(t, "row")
			row[0] = strconv.Itoa(i) // so that it is not empty as a whole
			w.Flush()
			before := b.Len()
			_ = w.Write(row)
			w.Flush()
			if ambiguous(b.Bytes()[before:], byte(comma), width) {
				b.Truncate(before)
				continue
			}
			want = append(want, row)
		}
		w.Flush()
		r, err := NewReader(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range want[1:] {
			got, err := r.Next()
			if err != nil {
				t.Fatalf("%v in %q", err, b.String())
			}
			for i, value := range row {
				if string(got.field(i)) != value {
					t.Fatalf("line %d: got %q, want %q, in %q", got.Line, got.field(i), value, b.String())
				}
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) || r.Stats().Bad != 0 {
			t.Fatalf("%v, %+v behind the last row of %q", err, r.Stats(), b.String())
		}
	})
}

// ambiguous reports whether each line of a written row has the width of a row: stray quotes are more likely then than a
// value of several lines that happens to look like rows.
func ambiguous(written []byte, comma byte, width int) bool {
	lines := bytes.Split(bytes.TrimSuffix(written, []byte("\n")), []byte("\n"))
	for _, line := range lines {
		if bytes.Count(line, []byte{comma})+1 != width {
			return false
		}
	}
	return len(lines) > 1
}

func BenchmarkRead(b *testing.B) {
	plain := "1001,Muster,Erika,1962-08-12,F,219-09-9999,12 Main St,Farmington,MO,63640,555-010-0001,Invented Health\n"
	quoted := `"` + strings.ReplaceAll(strings.TrimSpace(plain), ",", `","`) + "\"\n"
	header := "mrn,last,first,dob,sex,ssn,address,city,state,zip,phone,insurer\n"
	stray := strings.ReplaceAll(plain, ",Muster", `,"Muster`)
	for name, row := range map[string]string{"plain": plain, "quoted": quoted, "stray quotes": stray} {
		text := header + strings.Repeat(row, 8<<20/len(row))
		for _, phi := range []bool{false, true} {
			name := name
			if phi {
				name += ", six values a row"
			}
			b.Run(name, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					r, err := NewReader(strings.NewReader(text))
					if err != nil {
						b.Fatal(err)
					}
					for {
						row, err := r.Next()
						if err != nil {
							break
						}
						if phi {
							for i := range 6 {
								_ = row.At(i)
							}
						}
					}
					if r.Stats().Bad > 0 || r.Stats().Rows == 0 {
						b.Fatalf("%+v", r.Stats())
					}
				}
			})
		}
	}
}

// Tables made to be slow must not be: quotes that open and never close, everywhere.
func BenchmarkHostile(b *testing.B) {
	for name, row := range map[string]string{
		"a quote a line":    ",\"a\n",
		"in every field":    strings.Repeat(",\"a", 500) + "\n",
		"in one huge line":  strings.Repeat(",\"a", 300_000) + "\n",
		"closed after long": strings.Repeat(",\"a\n", 10_000) + "x\",\n",
		"several lines":     "1,\"a\nb\",\"c\nd\",\"e\nf\",\"\n\n",
	} {
		text := "MRN,DOB,Last\n" + strings.Repeat(row, 1+4<<20/len(row))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				r, err := NewReader(strings.NewReader(text))
				for err == nil {
					_, err = r.Next()
				}
			}
		})
	}
}
