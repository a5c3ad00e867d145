package post

import (
	"strings"
	"testing"
)

// FuzzRead reads any bytes: what is claimed is within its bounds, and parts of the text.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{listing, note, german, "WTS 9.3M SSN $5", "Patients: 1'000 Price: 1 Date: 1.1.2000"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, ok := Read(text)
		if !ok {
			if p != (Post{}) {
				t.Fatalf("claims of no post: %+v", p)
			}
			return
		}
		if p.Claimed < fewest || p.Claimed > most || len(p.Price) > 400 || len(p.Place) > 400 {
			t.Fatalf("got %+v", p)
		}
		if y := p.Posted.Year(); !p.Posted.IsZero() && (y < 1989 || y > 2101) {
			t.Fatalf("posted %v", p.Posted)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for name, text := range map[string]string{
		"listing": listing, "prose": strings.Repeat("The clinic has 48,000 patients, and so on, until June 26, 2016. ", 900),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				Read([]byte(text))
			}
		})
	}
}
