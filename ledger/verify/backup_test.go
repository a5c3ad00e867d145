package verify

import (
	"errors"
	"net/http"
	"testing"

	"chaperone/ledger/keys"
)

// TestCalledBackup: a backup is behind its witnesses as soon as the ledger goes on, which is no sign of tampering, and is said. A ledger
// that was in use is none for being called one; and what is left of a ledger is told as a backup of so much, and of when, wherever it is told.
func TestCalledBackup(t *testing.T) {
	whole := newHouse(t, true)
	whole.week(2)
	older := whole.copied(t)
	whole.week(1)
	h := older.copied(t)
	h.write("backup", []byte(`{"version": 1, "made": "2026-11-03T09:00:00Z", "batches": 8}`))
	backup := func(o *Options) { o.Backup = true }
	r := h.verify(backup)
	if h.noticed(r, "log/checkpoint", "shorter than what was signed"); r.Backup {
		t.Error("a ledger that was in use passes for a backup")
	}
	said(h, r, "--backup does not count: this folder is no backup, because it was in use as a ledger")
	h.remove("lock", "index", "people", "closed", "reserve")
	h.noticed(h.verify(), "log/checkpoint", "say so (--backup)") // nobody has said that it is one
	r = h.verify(backup)
	h.whole(r)
	if !r.Backup || r.Batches != 8 || r.Known != 12 || r.Witnessed != 8 {
		t.Errorf("got %+v", r)
	}
	said(h, r, "this is a backup as of 2026-11-03T08:06:00Z: the index and the table of people are made when it is restored; what came since is in the ledger")
	if w := r.Witnesses[0]; len(r.Warnings) != 1 || w.Known != 12 || w.Said != "by now 12" {
		t.Errorf("got the warnings %q and %+v, want one and what the witness has seen", r.Warnings, w)
	}
	h.write("log/cosigned", whole.read("log/cosigned"))
	h.noticed(h.verify(backup), "log/checkpoint", "an older one was put back") // what it has itself must fit
}

// TestBackupSays compares a backup with what it says of itself, which restoring goes by.
func TestBackupSays(t *testing.T) {
	h := newHouse(t, false)
	h.week(1)
	h.remove("lock", "index", "people", "closed", "reserve")
	for _, test := range []struct{ name, text, file, words string }{
		{"as many", `{"version": 1, "made": "2026-11-03T09:00:00Z", "batches": 4}`, "", "this is a backup as of"},
		{"fewer, of the time before a crash", `{"version": 1, "made": "2026-11-03T09:00:00Z", "batches": 3}`, "", "this is a backup as of"},
		{"more", `{"version": 1, "made": "2026-11-03T09:00:00Z", "batches": 6}`, "backup", "has 4 batches, and had 6 when it was made"},
		{"not finished", `{"version": 1, "made": "0001-01-01T00:00:00Z", "batches": 0}`, "", "was not finished"},
		{"nothing", "", "backup", "not understood"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := h.copied(t)
			h.write("backup", []byte(test.text))
			for _, called := range []bool{false, true} {
				r := h.verify(func(o *Options) { o.Backup = called })
				if test.file == "" {
					h.whole(r)
					said(h, r, test.words)
				} else if h.noticed(r, test.file, test.words); r.Problems[0].Kind != Changed {
					t.Errorf("got %+v", r.Problems)
				}
			}
		})
	}
	h.write("backup", []byte(`{"version": 2}`))
	if _, err := Run(t.Context(), Options{Dir: h.dir, Keys: h.keys}); !errors.Is(err, keys.ErrNewer) {
		t.Errorf("of a later version: got %v, want %v", err, keys.ErrNewer)
	}
	h.remove("backup")
	said(h, h.verify(func(o *Options) { o.Backup = true }), "--backup does not count: this folder is no backup, because it has no file backup")
}

// TestSlowWitness: a copy was made while its checkpoint was not cosigned, and the witness has seen more by now. It is told apart from one that is away.
func TestSlowWitness(t *testing.T) {
	h := newHouse(t, true)
	h.week(1)
	usual := h.client
	h.client = cut
	h.week(1)
	copied := h.copied(t)
	copied.remove("lock", "index", "people", "closed", "reserve")
	copied.write("backup", []byte(`{"version": 1, "made": "2026-11-03T09:00:00Z", "batches": 8}`))
	h.client = usual
	h.week(1)
	for _, test := range []struct {
		name   string
		client *http.Client
		words  string
	}{
		{"it has seen more", nil, "in this copy. By now 12 were seen, but just this checkpoint was not cosigned"},
		{"it is away", cut, "Bring the witnesses back, and make a new backup"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := copied.verify(func(o *Options) { o.Backup, o.Client = true, test.client })
			copied.noticed(r, "log/cosigned", test.words)
			if len(r.Problems) != 1 || r.Problems[0].Kind != Unseen || r.Witnessed != 4 || r.Sealed != 8 {
				t.Errorf("got %v, and %d of %d witnessed", r.Problems, r.Witnessed, r.Sealed)
			}
		})
	}
}
