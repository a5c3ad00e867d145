package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone/identity"
)

// TestLife: how long a certificate is meant to live.
func TestLife(t *testing.T) {
	day := 24 * time.Hour
	for text, want := range map[string]time.Duration{"1d": day, "30d": 30 * day, "3m": 90 * day, "3y": 3 * 365 * day} {
		if got, err := lifeOf(text); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "0d", "-1d", "1w", "1.5y", "30", "1 d", "99999999d"} {
		if got, err := lifeOf(text); err == nil {
			t.Errorf("%q: got %s, want an error", text, got)
		}
	}
}

// TestEnrolled: what is said of certificates as time goes by, and what is renewed then.
func TestEnrolled(t *testing.T) {
	a, err := identity.Create(filepath.Join(t.TempDir(), "authority"), "north-clinic")
	if err != nil {
		t.Fatal(err)
	}
	for party, life := range map[string]time.Duration{"ct1": 30 * 24 * time.Hour, "mr1": 60 * 24 * time.Hour, "us1": 60 * 24 * time.Hour} {
		if _, _, err := a.Issue(identity.Issue{Party: party, Life: life}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Revoke("us1", "superseded"); err != nil {
		t.Fatal(err)
	}
	issued, err := a.Issued()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		days    int
		says    []string
		renewed []string
	}{
		{"new", 0, []string{"REVOKED"}, nil},
		{"the last week", 24, []string{"ENDS SOON", "REVOKED", "1 certificate ends within 7 days"}, []string{"ct1"}},
		{"one has run out", 31, []string{"EXPIRED", "REVOKED"}, nil},
		{"and the other is about to", 55, []string{"EXPIRED", "ENDS SOON", "REVOKED"}, []string{"mr1"}},
		{"all have", 61, []string{"EXPIRED", "1 certificate that ran out"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := time.Now().AddDate(0, 0, test.days)
			var out bytes.Buffer
			if err := enrolledText(&out, a, issued, now); err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{"REVOKED", "ENDS SOON", "EXPIRED"} {
				if got, want := strings.Contains(out.String(), text), slices.Contains(test.says, text); got != want {
					t.Errorf("%s: got %t, want %t:\n%s", text, got, want, out.String())
				}
			}
			for _, text := range test.says {
				if !strings.Contains(out.String(), text) {
					t.Errorf("it does not say %q:\n%s", text, out.String())
				}
			}
			got, err := (&renewFlags{}).meant(issued, nil, now)
			if err != nil || !slices.Equal(got, test.renewed) {
				t.Errorf("renewed: got %q, %v, want %q", got, err, test.renewed)
			}
		})
	}
	if got, err := (&renewFlags{}).meant(issued, []string{"ct1"}, time.Now().AddDate(1, 0, 0)); err != nil || len(got) != 1 {
		t.Errorf("by name: got %q, %v, want one that has run out, too", got, err)
	}
}
