package site

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzLoad: whatever the bytes, reading ends, says little, and what is taken can be written and read again.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(Example))
	f.Add([]byte(findable))
	archive, err := txtar.ParseFile("testdata/bad.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		f.Add(file.Data)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, problems := Parse(b)
		if len(problems) > maxProblems+1 {
			t.Fatalf("%d problems", len(problems))
		}
		for _, p := range problems {
			if len(p.Text) > 1000 || p.Line < 0 || p.Line > bytes.Count(b, []byte("\n"))+2 {
				t.Fatalf("line %d, %d bytes of text", p.Line, len(p.Text))
			}
		}
		if (s == nil) != (len(wrong(problems)) > 0) {
			t.Fatal("a site with errors, or none without")
		}
		if s == nil {
			return
		}
		var out bytes.Buffer
		if err := s.Write(&out); err != nil {
			t.Fatal(err)
		}
		again, problems := Parse(out.Bytes())
		if again == nil {
			t.Fatalf("written and not read: %v", problems)
		}
		if !reflect.DeepEqual(bare(again), bare(s)) {
			t.Fatal("written and read as another")
		}
	})
}
