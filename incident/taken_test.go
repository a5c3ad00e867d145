package incident

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/detect"
	"chaperone/exchange"
	"chaperone/wire/dimse"
)

// Edits of a disclosure.
func hl7(d *exchange.Disclosed) { d.Protocol, d.Action = chaperone.HL7, "ADT^A01" }

func appointments(d *exchange.Disclosed) { d.Class = dimse.Worklist }

func images(d *exchange.Disclosed) { d.Action, d.Class = "C-STORE", "1.2" }

func to(title string) func(*exchange.Disclosed) {
	return func(d *exchange.Disclosed) { d.To.Claimed = title }
}

// TestTaken: how many patients were taken is counted exactly: those who passed because the intruder asked, and no others.
func TestTaken(t *testing.T) {
	pass := func(when time.Time, asker netip.Addr, letters string, edits ...func(*exchange.Disclosed)) func(*scene) {
		return func(s *scene) { s.passed(when, archive, asker, asker, letters, edits...) }
	}
	push := func(when time.Time, from, to netip.Addr, letters string, edits ...func(*exchange.Disclosed)) func(*scene) {
		return func(s *scene) { s.passed(when, from, to, none, letters, edits...) }
	}
	device := func(s *scene) { // the intruder goes on to the modality, which sweeps the archive from three to four
		s.opened(gate, ct, night(2, 30))
		s.sweeps(ct, night(3, 0), until(night(3, 59)))
	}
	for _, test := range []struct {
		name    string
		play    func(*scene)
		want    int // patients
		records int
	}{
		{"nothing", func(*scene) {}, 0, 0},
		{"what the entered system asked for", pass(night(3, 0), gate, "A B C"), 3, 3},
		{"before the entry", pass(night(1, 0), gate, "A B C"), 0, 0},
		{"before the entry, by clocks that differ", pass(night(1, 59), gate, "A B C"), 3, 3},
		{"days later", pass(night(3, 0).Add(days(2)), gate, "A B C"), 3, 3},
		{"the same people twice", all(pass(night(3, 0), gate, "A B C"), pass(night(4, 0), gate, "B C D")), 4, 6},
		{"the same people by query and as images", all(pass(night(3, 0), gate, "A B"), pass(night(3, 0), gate, "B C", images)), 3, 4},
		{"two numbers of one person", pass(night(3, 0), gate, "AB B C"), 2, 3},
		{"what another system asked for", pass(night(3, 0), desk, "A B C"), 0, 0},
		{"what was sent to it without being asked for", push(night(3, 0), archive, gate, "A B C"), 0, 0},
		{"what it sent by itself, inside", push(night(3, 0), gate, archive, "A B C"), 0, 0},
		{"what it had sent to another system", func(s *scene) { s.passed(night(3, 0), archive, desk, gate, "A B") }, 2, 2},
		{"messages that it asked for", pass(night(3, 0), gate, "A B", hl7), 2, 2},
		{"a way that it used before: not its worst hour, not counted", all(pass(night(1, 0), gate, "A"), pass(night(3, 0), gate, "B C")), 0, 0},
		{"a way that it used before, and another", all(pass(night(1, 0), gate, "A"), pass(night(3, 0), gate, "B C"), pass(night(3, 0), gate, "D", images)), 1, 1},
		{"a way that it used before, in an hour that is flagged", all(pass(night(1, 0), gate, "A"), pass(night(3, 10), gate, "B C"), pass(night(5, 0), gate, "D"), func(s *scene) {
			s.sweeps(gate, night(3, 0), until(night(3, 59)))
		}), 2, 2},
		{"a way that it used before, in the hour of the entry", all(pass(night(1, 0), gate, "A"), pass(night(2, 30), gate, "B C"), func(s *scene) {
			s.sweeps(gate, night(2, 10), until(night(2, 50)))
		}), 2, 2},
		{"a system that was reached later", all(device, pass(night(3, 10), ct, "A B C")), 3, 3},
		{"a system that was reached later, before it was", all(device, pass(night(2, 10), ct, "A"), pass(night(3, 10), ct, "B C")), 2, 2},
		{"the worklist, that a device goes on asking for", all(device, pass(night(3, 10), ct, "A B C", appointments), pass(night(3, 10), ct, "D")), 1, 1},
		{"the worklist, in an hour that is flagged", all(device, pass(night(1, 10), ct, "A"), pass(night(3, 10), ct, "B", appointments), pass(night(3, 10), ct, "C")), 1, 1},
		{"a device's everyday images", all(device, push(night(3, 10), ct, archive, "A B C", images)), 0, 0},
		{"a viewer's work goes on after it was reached", all(func(s *scene) {
			s.opened(gate, viewer, night(2, 30))
			s.sweeps(viewer, night(3, 0), until(night(3, 59)))
		}, pass(night(3, 10), viewer, "A B C"), pass(night(9, 0), viewer, "D E")), 3, 3},
		{"pushed to an outside address, which is flagged", all(push(night(4, 0), gate, drop, "A B", hl7), func(s *scene) {
			s.found(detect.NewParty, chaperone.Critical, gate, drop, night(4, 0))
		}), 2, 2},
		{"pushed to an outside address, in another hour than is flagged", all(push(night(6, 0), gate, drop, "A B", hl7), func(s *scene) {
			s.found(detect.NewParty, chaperone.Critical, gate, drop, night(4, 0))
		}), 0, 0},
		{"pushed inside, which is flagged: a system's work", all(push(night(4, 0), gate, archive, "A B", hl7), func(s *scene) {
			s.found(detect.PatientSurge, chaperone.Medium, gate, archive, night(4, 0))
		}), 0, 0},
		{"sent to an outside address at its request, which is flagged", all(func(s *scene) {
			s.passed(night(1, 0), archive, drop, gate, "A")
			s.passed(night(4, 0), archive, drop, gate, "B C")
			s.found(detect.PatientSurge, chaperone.Critical, gate, drop, night(4, 0))
		}), 2, 2},
		{"another archive than the one that is flagged", all(pass(night(1, 0), gate, "A"), func(s *scene) {
			s.passed(night(1, 0), files, gate, gate, "A")
			s.passed(night(3, 10), files, gate, gate, "B C")
			s.sweeps(gate, night(3, 0), until(night(3, 59)))
		}), 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene()
			s.guessedIn()
			test.play(s)
			got := s.build().Taken
			if got.Patients.Patients != test.want || got.Records != test.records {
				t.Errorf("got %d patients in %d records, want %d in %d: %+v", got.Patients.Patients, got.Records, test.want, test.records, got.Sources)
			}
		})
	}
}

// TestTakenBounds: with the patients come the bounds of their number, and what could not be counted.
func TestTakenBounds(t *testing.T) {
	s := newScene()
	s.guessedIn()
	s.passed(night(3, 0), archive, gate, gate, "AB C D", func(d *exchange.Disclosed) { d.Unidentified = 2 })
	s.Census.Merge([]chaperone.PatientToken{{'C'}}, []chaperone.PatientToken{{'D'}}, false, night(9, 0))
	s.passed(night(3, 0), archive, viewer, viewer, "E F G")
	got := s.build().Taken
	if p := got.Patients; p.Patients != 2 || p.Unmerged != 3 || p.Min != 2 || p.Max != 4 {
		t.Errorf("got %+v, want 2 patients, 3 unmerged, 2 to 4", p)
	}
	if got.Unidentified != 2 || got.Bytes != 100 {
		t.Errorf("got %d unidentified, %d bytes; want 2 and 100", got.Unidentified, got.Bytes)
	}
}

// TestSources: where the patients came from, by the way they went; the most first, kinds of images as one.
func TestSources(t *testing.T) {
	s := newScene()
	s.guessedIn()
	s.passed(night(3, 0), archive, gate, gate, "A B C", to("THIEF"))
	s.passed(night(4, 30), archive, gate, gate, "A B C D", images, to("THIEF"))
	s.passed(night(3, 30), archive, gate, gate, "D E", images, to("THIEF"), func(d *exchange.Disclosed) { d.Class, d.Unidentified = "1.3", 1 })
	s.passed(night(4, 0), files, desk, gate, "A", to("OTHER"))
	story := s.build()
	var out []string
	for _, x := range story.Taken.Sources {
		out = append(out, fmt.Sprintf("%s>%s for %s %s %s: %d patients, %d records, %d unidentified, %s to %s", called[x.From.Addr], called[x.To.Addr], called[x.By], x.To.Claimed, x.Action,
			x.Patients, x.Records, x.Unidentified, x.First.Format("15:04"), x.Last.Format("15:04")))
	}
	want := `archive>gate for gate THIEF C-STORE: 5 patients, 6 records, 1 unidentified, 03:30 to 04:30
archive>gate for gate THIEF C-FIND: 3 patients, 3 records, 0 unidentified, 03:00 to 03:00
files>desk for gate OTHER C-FIND: 1 patients, 1 records, 0 unidentified, 04:00 to 04:00`
	if got := strings.Join(out, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if story.Taken.Patients.Patients != 5 {
		t.Errorf("got %d patients in all, want 5", story.Taken.Patients.Patients)
	}
	step := story.Steps[6]
	if !step.Found || step.Says != "Records of 5 patients were collected." || !step.First.Equal(night(3, 0)) || !step.Last.Equal(night(4, 30)) || list(step.By) != "gate" || list(step.At) != "archive+files" {
		t.Errorf("got %+v, want the five, from three to half past four, by the gate", step)
	}
}

// TestFiles: which copied files are the intruder's.
func TestFiles(t *testing.T) {
	for _, test := range []struct {
		name string
		copy detect.Copy
		want int
	}{
		{"by the entered system", detect.Copy{Client: gate, First: night(3, 0)}, 1},
		{"before the entry", detect.Copy{Client: gate, First: night(1, 0)}, 0},
		{"before the entry, by clocks that differ", detect.Copy{Client: gate, First: night(1, 58)}, 1},
		{"by another system", detect.Copy{Client: desk, First: night(3, 0)}, 0},
		{"as on other days", detect.Copy{Client: gate, First: night(3, 0), Regular: true}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene()
			s.guessedIn()
			test.copy.Server, test.copy.Name, test.copy.Size, test.copy.Read = files, `\\FILES01\p\a.mdb`, 2000, 1900
			s.Copies = []detect.Copy{test.copy}
			story := s.build()
			if got := len(story.Taken.Files); got != test.want || story.Steps[6].Found != (test.want > 0) {
				t.Fatalf("got %d files, collected %t; want %d", got, story.Steps[6].Found, test.want)
			}
			if test.want == 0 {
				return
			}
			if f := story.Taken.Files[0]; f.Name != test.copy.Name || f.Size != 2000 || f.Read != 1900 || f.By != gate || f.At != files || !f.Time.Equal(test.copy.First) {
				t.Errorf("got %+v, want what the copy says", f)
			}
		})
	}
}
