package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/approval"
	"chaperone/ledger"
	"chaperone/ledger/disk"
)

// TestApproveCheck: the reason of broken glass is found again, and one that was changed since it began to hold, or whose file is gone,
// is told of, while the record has no word of it.
func TestApproveCheck(t *testing.T) {
	dir := t.TempDir()
	books, keys, files := filepath.Join(dir, "ledger"), filepath.Join(dir, "keys"), filepath.Join(dir, "approvals")
	l, err := disk.Open(t.Context(), disk.Options{Dir: books, Keys: keys, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(files, 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	var all []approval.Approval
	for i, reason := range []string{"mass accident", "archive is away", "tube is replaced"} {
		a := approval.Approval{ID: approval.NewID(), Kind: approval.BreakGlass, Party: "viewer1", By: "Anna, at most Berg", User: "anna", Reason: reason, From: now, Until: now.Add(time.Hour), Patients: 50}
		if err := approval.Write(files, a); err != nil {
			t.Fatal(err)
		}
		a, err := approval.Read(files, a.ID+approval.Extension) // as the guard does
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Record(t.Context(), ledger.Batch{Notes: []ledger.Note{a.Begins(now.Add(time.Duration(i) * time.Second)), a.Ends(now.Add(time.Minute), "its time is over")}}); err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	list := func(want int, more ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		args := append([]string{"approve", "list", "--check", "--ledger", books, "--keys", keys}, more...)
		if got := run(t.Context(), args, strings.NewReader(""), &out, &errs); got != want {
			t.Errorf("got exit status %d, want %d: %s", got, want, &errs)
		}
		return out.String() + errs.String()
	}
	if got := list(statusDone); strings.Count(got, "WHY: ") != 3 || !strings.Contains(got, "viewer1, by Anna, at most Berg\n    WHY: mass accident") {
		t.Errorf("got %s", got)
	}
	path := filepath.Join(files, all[1].ID+approval.Extension)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(b, []byte("archive is away"), []byte("archive was slow"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(files, all[2].ID+approval.Extension)
	if err := os.Rename(gone, filepath.Join(dir, "copy")); err != nil {
		t.Fatal(err)
	}
	got := list(statusFailed)
	if words := strings.Join(strings.Fields(got), " "); strings.Count(words, "is lost, unless a copy of the file is found: put back, it is compared again.") != 2 {
		t.Errorf("got %s, want of both that a copy may be put back", got)
	}
	for _, want := range []string{"WHY: mass accident", "CHANGED: ", "GONE: ", "2 files are changed or gone"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %q", got, want)
		}
	}
	if strings.Contains(got, "slow") || strings.Contains(got, "tube") {
		t.Errorf("a reason that nobody vouches for is told: %s", got)
	}
	if got := list(statusFailed, "--json"); strings.Count(got, `"file":"as given"`) != 1 || strings.Count(got, `"file":"changed"`) != 1 || strings.Count(got, `"file":"gone"`) != 1 || !strings.Contains(got, `"bad":2`) {
		t.Errorf("got %s", got)
	}
	if _, _, err := approval.End(files, all[0].ID, time.Now()); err != nil { // which changes the file, and nothing that it said
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "copy"), gone); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := list(statusDone); strings.Count(got, "WHY: ") != 3 || strings.Count(got, "OVER, for good") != 2 {
		t.Errorf("put back: got %s, want that two are over all the same", got)
	}
	if got := list(statusDone, "--json"); strings.Count(got, `"over":true`) != 3 {
		t.Errorf("put back: got %s", got)
	}
	if got := list(statusDone, "--check=false"); !strings.Contains(got, "By their files, now.") {
		t.Errorf("by their files: got %s", got)
	}
}
