package dump

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"chaperone"
	"chaperone/format"
)

func TestNoTable(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want error
	}{
		"empty":            {"", format.ErrMalformed},
		"blank":            {" \n\n \n", format.ErrMalformed},
		"one column":       {"MRN\n1\n2\n", format.ErrMalformed},
		"only a mark":      {"\xFF\xFE", format.ErrMalformed},
		"NULs":             {strings.Repeat("\x00", 1000), format.ErrMalformed},
		"one huge line":    {strings.Repeat("x", 5<<20), format.ErrMalformed},
		"too many columns": {strings.Repeat("a,", maxColumns) + "a\n", format.ErrLimit},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewReader(strings.NewReader(test.text)); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
	r, rows := readAll(t, strings.NewReader(head))
	if len(rows) != 0 || len(r.Columns()) != 5 || !r.Headed() {
		t.Errorf("header only: got %d rows, %d columns", len(rows), len(r.Columns()))
	}
}

// A source that breaks says so, after the rows before; the row it broke in is cut, and a cut number is no number.
func TestBrokenSource(t *testing.T) {
	broken := errors.New("disk")
	padding := strings.Repeat(row1, 2*sampleSize/len(row1))
	r, err := NewReader(io.MultiReader(strings.NewReader(head+padding+"1002,Beispiel,Otto,1958-01-30,07"), failing{broken}))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = r.Next()
	}
	if want := int64(2 * sampleSize / len(row1)); !errors.Is(err, broken) || r.Stats() != (Stats{Rows: want, Bad: 1}) {
		t.Errorf("got %v, %+v, want %d rows", err, r.Stats(), want)
	}
	if _, err := NewReader(failing{broken}); !errors.Is(err, broken) {
		t.Errorf("at the beginning: got %v", err)
	}
}

// Nothing that prints may show a value.
func TestSilence(t *testing.T) {
	r, err := NewReader(strings.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	row, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	asJSON, _ := json.Marshal(struct {
		Row    Row
		Reader *Reader
	}{row, r})
	nested := struct {
		row Row
		phi chaperone.PHI
	}{row, row.At(1)}
	shown := fmt.Sprintf("%v %+v %#v %s %x %v %+v %s %v %s", row, row, row, row, row, r, r, r, nested, asJSON)
	for _, secret := range []string{"Muster", "4d7573746572", "77 117 115", "0x4d, 0x75"} {
		if strings.Contains(shown, secret) {
			t.Errorf("a value shows in %s", shown)
		}
	}
}
