package approval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/ledger"
)

// noon is when the tests begin.
func noon() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }

func usual() Approval {
	return Approval{Version: version, ID: "3f9c0a5b2e48", Kind: Approve, Party: "ct-service", By: "anna", User: "anna", Reason: "tube is replaced",
		From: noon(), Until: noon().Add(2 * time.Hour), Patients: 20}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Approval)
		want   string // "" for right
	}{
		{"as it is", func(*Approval) {}, ""},
		{"break-glass", func(a *Approval) { a.Kind, a.Patients, a.Until = BreakGlass, 50, a.From.Add(time.Hour) }, ""},
		{"break-glass of 51", func(a *Approval) { a.Kind, a.Patients, a.Until = BreakGlass, 51, a.From.Add(time.Hour) }, "patients: at most 50"},
		{"break-glass of 61 minutes", func(a *Approval) { a.Kind, a.Until = BreakGlass, a.From.Add(61*time.Minute) }, "at most 60 minutes"},
		{"break-glass by anybody", func(a *Approval) { a.Kind, a.Until, a.By = BreakGlass, a.From.Add(time.Hour), "root" }, "a second person"},
		{"break-glass by anybody of a domain", func(a *Approval) { a.Kind, a.Until, a.By = BreakGlass, a.From.Add(time.Hour), `CLINIC\Administrator` }, "a second person"},
		{"by itself", func(a *Approval) { a.By = "CT-Service" }, "does not approve itself"},
		{"by a number", func(a *Approval) { a.By = "4711" }, "the name of whoever"},
		{"by nobody", func(a *Approval) { a.By = "" }, "the name of whoever"},
		{"no reason", func(a *Approval) { a.Reason = "" }, "reason: one line"},
		{"two lines", func(a *Approval) { a.Reason = "a\nb c" }, "reason: one line"},
		{"steers", func(a *Approval) { a.Reason = "a \x1b[31m" }, "reason: one line"},
		{"a number of a patient", func(a *Approval) { a.Reason = "look for 123456" }, "may be a patient's"},
		{"a short number", func(a *Approval) { a.Reason = "ticket 12345" }, ""},
		{"nobody", func(a *Approval) { a.Patients = 0 }, "at least 1"},
		{"everybody", func(a *Approval) { a.Patients = MostPatients + 1 }, "at most 10000"},
		{"for ever", func(a *Approval) { a.Until = a.From.Add(Longest + 1) }, "at most 31 days"},
		{"backwards", func(a *Approval) { a.Until = a.From }, "not after from"},
		{"a party that is none", func(a *Approval) { a.Party = "../x" }, "not a party's name"},
		{"an id that is none", func(a *Approval) { a.ID = "../../../../" }, "id"},
		{"another kind", func(a *Approval) { a.Kind = "open" }, "kind"},
		{"a later version", func(a *Approval) { a.Version = 2 }, "version"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := usual()
			test.change(&a)
			err := a.Check()
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "123456") {
				t.Errorf("the error quotes: %v", err)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	a := usual()
	if err := Write(dir, a); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, a); err == nil {
		t.Error("a second one of its id was written")
	}
	path := filepath.Join(dir, a.ID+Extension)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v; want mode 0600", info.Mode(), err)
	}
	got, err := Read(dir, a.ID+Extension)
	if err != nil || got != a {
		t.Errorf("got %+v, %v; want %+v", got, err, a)
	}
	if _, ended, err := End(dir, a.ID, noon().Add(time.Minute)); !ended || err != nil {
		t.Errorf("got %t, %v", ended, err)
	}
	if _, ended, err := End(dir, a.ID, noon().Add(time.Hour)); ended || err != nil {
		t.Errorf("a second time: got %t, %v", ended, err)
	}
	if _, _, err := End(dir, "../../etc/abc", noon()); err == nil {
		t.Error("a path was taken for an id")
	}
	got, err = Read(dir, a.ID+Extension)
	if err != nil || !got.Revoked.Equal(noon().Add(time.Minute)) || got.digest() != a.digest() {
		t.Errorf("got %+v, %v", got, err)
	}
}

// rig is a folder and a register.
type rig struct {
	*Register
	t   *testing.T
	dir string
}

func newRig(t *testing.T, past ...Past) *rig {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return &rig{NewRegister(dir, past), t, dir}
}

// look looks, and has everything recorded.
func (r *rig) look(now time.Time) (begun, over, troubles int) {
	begin, ended, bad := r.Look(now)
	for _, c := range begin {
		r.Admit(c.ID, now)
	}
	for _, c := range ended {
		r.Settle(c.ID)
	}
	return len(begin), len(ended), len(bad)
}

func (r *rig) put(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) write(a Approval) (content string) {
	r.t.Helper()
	if err := Write(r.dir, a); err != nil {
		r.t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(r.dir, a.ID+Extension))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// TestLife: it holds from when its begin is on record to its end to the second, and never again.
func TestLife(t *testing.T) {
	r := newRig(t)
	a := usual()
	content := r.write(a)
	if begin, _, _ := r.Look(noon()); len(begin) != 1 || len(r.InForce("ct-service", noon())) != 0 {
		t.Error("it holds before its begin is on record")
	}
	r.look(noon())
	for _, test := range []struct {
		at   time.Duration
		want int
	}{{0, 1}, {2*time.Hour - 1, 1}, {2 * time.Hour, 0}} {
		if got := len(r.InForce("ct-service", noon().Add(test.at))); got != test.want {
			t.Errorf("after %v: got %d in force, want %d", test.at, got, test.want)
		}
	}
	if len(r.InForce("ct1", noon())) != 0 {
		t.Error("it holds for another party")
	}
	if _, over, _ := r.look(noon().Add(2 * time.Hour)); over != 1 {
		t.Errorf("got %d over, want 1", over)
	}
	r.put(a.ID+Extension, content) // the same file again, and a clock that was put back
	if begun, over, _ := r.look(noon()); begun+over != 0 || len(r.InForce("ct-service", noon())) != 0 {
		t.Error("it came back")
	}
}

// TestEnds: whatever happens to the file, it is over for good.
func TestEnds(t *testing.T) {
	for name, act := range map[string]func(r *rig, path, content string){
		"ended":   func(r *rig, _, _ string) { _, _, _ = End(r.dir, usual().ID, noon()) },
		"removed": func(r *rig, path, _ string) { _ = os.Remove(path) },
		"longer": func(r *rig, path, content string) {
			_ = os.WriteFile(path, []byte(strings.Replace(content, "T14:00", "T15:00", 1)), 0o600)
		},
		"broken":            func(r *rig, path, content string) { _ = os.WriteFile(path, []byte(content[:40]), 0o600) },
		"open to everybody": func(r *rig, path, _ string) { _ = os.Chmod(path, 0o666) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			content := r.write(usual())
			r.look(noon())
			act(r, filepath.Join(r.dir, usual().ID+Extension), content)
			if _, over, _ := r.look(noon().Add(time.Second)); over != 1 || len(r.InForce("ct-service", noon().Add(time.Second))) != 0 {
				t.Errorf("got %d over, want 1", over)
			}
			_ = os.Remove(filepath.Join(r.dir, usual().ID+Extension))
			r.put(usual().ID+Extension, content)
			if begun, _, _ := r.look(noon().Add(2 * time.Second)); begun != 0 {
				t.Error("copied back it began again")
			}
		})
	}
}

// TestHeld: what began in its time may come to its end behind it, unless it was ended, before or since.
func TestHeld(t *testing.T) {
	over := usual().Until.Add(time.Minute)
	none := func(*rig, string) {}
	for name, test := range map[string]struct {
		before, since func(r *rig, path string)
		want          bool
	}{
		"its time is over":       {none, none, true},
		"ended":                  {func(r *rig, _ string) { _, _, _ = End(r.dir, usual().ID, noon()) }, none, false},
		"removed":                {func(_ *rig, path string) { _ = os.Remove(path) }, none, false},
		"removed since":          {none, func(_ *rig, path string) { _ = os.Remove(path) }, false},
		"open to everybody then": {none, func(_ *rig, path string) { _ = os.Chmod(path, 0o666) }, false},
		"settled":                {none, func(r *rig, _ string) { r.Settle(usual().ID) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.write(usual())
			if r.Held(usual().ID, noon()) {
				t.Error("it holds before its begin is on record")
			}
			r.look(noon())
			if !r.Held(usual().ID, noon()) || r.Held(usual().ID, usual().Until) {
				t.Error("it holds for another time than its own")
			}
			path := filepath.Join(r.dir, usual().ID+Extension)
			for i, act := range []func(*rig, string){test.before, test.since} {
				act(r, path)
				r.Look(noon().Add(time.Second)) // nothing is settled
				r.Look(over.Add(time.Duration(i) * time.Minute))
			}
			if got := r.Held(usual().ID, noon()); got != test.want || len(r.InForce("ct-service", noon())) != 0 {
				t.Errorf("got %t, want %t, and not in force", got, test.want)
			}
		})
	}
}

// TestUnrecorded: while its begin is not on record it does not hold; ended meanwhile, it never begins.
func TestUnrecorded(t *testing.T) {
	r := newRig(t)
	r.write(usual())
	for range 2 {
		if begin, _, _ := r.Look(noon()); len(begin) != 1 || len(r.InForce("ct-service", noon())) != 0 {
			t.Errorf("got %d begin, want 1 again and again", len(begin))
		}
	}
	if _, ended, err := End(r.dir, usual().ID, noon()); !ended || err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if begin, over, _ := r.Look(noon()); len(begin)+len(over) != 0 {
			t.Errorf("got %d begin, %d over, want none", len(begin), len(over))
		}
	}
}

// TestBad: what is not good permits nothing, and is reported once.
func TestBad(t *testing.T) {
	good := `{"version":1,"id":"3f9c0a5b2e48","kind":"approve","party":"ct-service","by":"anna","user":"","reason":"why not","from":"2026-03-02T12:00:00Z","until":"2026-03-02T14:00:00Z","patients":20}`
	for name, text := range map[string]string{
		"empty": "", "cut": good[:50], "a key twice": strings.Replace(good, `"patients"`, `"party":"ct1","patients"`, 1),
		"an unknown key": strings.Replace(good, `{`, `{"x":1,`, 1), "another id": strings.Replace(good, "3f9c", "0000", 1),
		"two": good + good, "too long": good + strings.Repeat(" ", maxFile), "no patients": strings.Replace(good, `,"patients":20`, "", 1),
		"later": strings.NewReplacer("2026-03-02T12", "2026-03-02T13").Replace(good),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.put("3f9c0a5b2e48.json", text)
			if begun, _, troubles := r.look(noon()); begun != 0 || troubles != 1 {
				t.Errorf("got %d begun and %d troubles, want 0 and 1", begun, troubles)
			}
			if _, _, troubles := r.look(noon()); troubles != 0 {
				t.Error("it was reported twice")
			}
		})
	}
	r := newRig(t)
	r.put("3f9c0a5b2e48.json", good)
	if begun, _, _ := r.look(noon()); begun != 1 {
		t.Error("the good one does not hold")
	}
	if err := os.Chmod(r.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, _, troubles := r.look(noon()); troubles != 1 || len(r.InForce("ct-service", noon())) != 0 {
		t.Error("a folder that everybody may write to is believed")
	}
}

// TestRestart: what began before goes on until its end, and no longer; what was over stays over.
func TestRestart(t *testing.T) {
	a := usual()
	note := a.Begins(noon().Add(-time.Hour)) // the guard saw it an hour before: the clock was put back since
	past, ok := OfNote(note)
	if !ok || past.ID != a.ID || past.Party != a.Party || past.Kind != a.Kind || past.By != a.By || past.Over || past.Digest != a.digest() {
		t.Fatalf("got %+v of %q", past, note.Text)
	}
	r := newRig(t, past)
	r.write(a)
	r.look(noon())
	if len(r.InForce(a.Party, noon().Add(time.Hour-1))) != 1 || len(r.InForce(a.Party, noon().Add(time.Hour))) != 0 {
		t.Error("it does not end two hours after it was first seen")
	}
	over, ok := OfNote(a.Ends(noon(), "nothing"))
	if !ok || !over.Over {
		t.Fatalf("got %+v", over)
	}
	r = newRig(t, past, over)
	r.write(a)
	if begun, _, _ := r.look(noon()); begun != 0 || len(r.InForce(a.Party, noon())) != 0 {
		t.Error("what was over began again")
	}
	r = newRig(t, past) // its file is gone
	if _, ended, _ := r.Look(noon()); len(ended) != 1 || !ended[0].Restored || ended[0].Party != a.Party {
		t.Errorf("got %+v, want its end", ended)
	}
	r = newRig(t, past)
	r.write(a)
	if _, ended, _ := r.Look(noon().Add(-2 * time.Hour)); len(ended) != 1 || len(r.InForce(a.Party, noon().Add(-2*time.Hour))) != 0 {
		t.Error("a clock that was put back makes it longer")
	}
	changed := a
	changed.Patients = 200
	r = newRig(t, past)
	r.write(changed)
	if _, ended, bad := r.Look(noon()); len(ended) != 1 || len(bad) != 1 || len(r.InForce(a.Party, noon())) != 0 {
		t.Errorf("a changed file: got %d over, %d troubles", len(ended), len(bad))
	}
	early, reason := past, a
	early.Digest, reason.Reason = past.Digest[:leastDigest], a.Reason+"!"
	for _, test := range []struct {
		name string
		past Past
		says Approval
		want bool
	}{
		{"as it was", past, a, true}, {"another reason", past, reason, false}, {"a note of an early guard", early, a, true}, {"another reason and an early note", early, reason, false},
		{"no digest", Past{ID: a.ID}, a, false}, {"another's", Past{ID: "0123456789ab", Digest: past.Digest}, a, false},
	} {
		if got := test.past.Says(&test.says); got != test.want {
			t.Errorf("%s: got %t", test.name, got)
		}
	}
	for _, text := range []string{"policy 0123456789ab of north holds", "approval 3f9c0a5b2e48 waits", "approval x begins: party y"} {
		if _, ok := OfNote(ledger.Note{Kind: ledger.Policy, Text: text}); ok {
			t.Errorf("%q was taken for one", text)
		}
	}
	note.Kind = ledger.Remark // a person's words
	if _, ok := OfNote(note); ok {
		t.Error("a remark was believed")
	}
}

// FuzzParse: whatever a file holds, it is within the bounds or an error that quotes nothing.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"id":"3f9c0a5b2e48","kind":"approve","party":"a","by":"anna","user":"","reason":"why not","from":"2026-03-02T12:00:00Z","until":"2026-03-02T14:00:00Z","patients":20}`))
	f.Add([]byte(`{"version":1,"id":"3f9c0a5b2e48","kind":"break-glass","party":"a","by":"b","user":"c","reason":"why","from":"2026-03-02T12:00:00Z","until":"2026-03-02T13:00:00Z","patients":50,"revoked":"2026-03-02T12:10:00Z"}`))
	f.Add([]byte(`{"revoked":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Parse(b)
		if err != nil {
			if a != (Approval{}) || len(err.Error()) > 200 {
				t.Errorf("got %+v with %v", a, err)
			}
			return
		}
		if err := a.Check(); err != nil || a.Kind == BreakGlass && (a.Patients > 50 || a.Until.Sub(a.From) > time.Hour) {
			t.Errorf("got %+v, %v", a, err)
		}
		again := a
		again.Revoked = noon()
		if again.digest() != a.digest() || len(a.digest()) != 64 {
			t.Error("the digest depends on the end")
		}
	})
}
