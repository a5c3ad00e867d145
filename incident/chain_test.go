package incident

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/detect"
	"chaperone/inventory"
)

// theft plays one theft through every stage.
func theft(s *scene) {
	s.found(detect.FanOut, chaperone.Low, thief, none, night(0, 0))
	s.found(detect.RDPGuessed, chaperone.Medium, thief, gate, night(1, 0), logged)
	s.guessedIn()
	s.found(detect.Privileges, chaperone.High, thief, gate, night(2, 1), logged, account("frontdesk"))
	s.found(detect.NewService, chaperone.High, thief, gate, night(2, 2), logged, titled("During the suspicious session a service was installed: Helper."))
	s.found(detect.NewAccount, chaperone.High, thief, gate, night(2, 3), logged, titled("During the suspicious session an account was made: support2."))
	s.opened(gate, ct, night(2, 30))
	s.sweeps(ct, night(3, 0), until(night(3, 59)))
	s.passed(night(3, 10), archive, ct, ct, "A B C")
	s.found(detect.WholeFile, chaperone.High, gate, files, night(4, 0))
	s.Copies = append(s.Copies, detect.Copy{Client: gate, Server: files, Name: `\\FILES01\p\a.mdb`, Size: 1000, Read: 1000, First: night(4, 0)})
	s.leaves(gate, night(5, 0))
	s.Claims = append(s.Claims, Claim{Place: "a market", Price: "300 BTC", Claimed: 48_000, Posted: entered.Add(days(2))})
}

// TestStages: every stage with what was found of it, in order, and in one sentence each.
func TestStages(t *testing.T) {
	s := newScene()
	theft(s)
	story := s.build()
	want := "scanned observed thief>, guessed logged thief>gate, entered logged thief>gate, escalated logged thief>gate, persisted logged thief>gate, moved observed gate>ct, " +
		"collected observed ct+gate>archive+files, left observed gate>drop, offered inferred > | gate+ct | drop+thief"
	if got := tell(story); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	says := map[Stage]string{
		Persisted: "During the suspicious session a service was installed: Helper; an account was made: support2.",
		Moved:     "Systems were opened from one to the next that never were before: GATE01 to CT1.",
		Collected: "Records of 3 patients were collected, and 1 database file was copied as a whole.",
		Offered:   "The records are offered at a market for 300 BTC.",
	}
	if len(story.Steps) != len(Stages) {
		t.Fatalf("got %d steps, want %d", len(story.Steps), len(Stages))
	}
	for i, step := range story.Steps {
		if step.Stage != Stages[i] {
			t.Errorf("got stage %s, want %s", step.Stage, Stages[i])
		}
		if step.Because == "" || step.Says == "" || step.First.IsZero() || step.Last.Before(step.First) {
			t.Errorf("%s lacks something: %+v", step.Stage, step)
		}
		if want := says[step.Stage]; want != "" && step.Says != want {
			t.Errorf("got  %s\nwant %s", step.Says, want)
		}
	}
	if story.Entry != gate || story.Taken.Outside != 5<<30 || len(story.Taken.Files) != 1 || story.Steps[3].Account != "frontdesk" {
		t.Errorf("got entry %s, %d bytes outside, %d files, account %q; want the gate, 5 GiB, 1, frontdesk", story.Entry, story.Taken.Outside, len(story.Taken.Files), story.Steps[3].Account)
	}
}

// TestGaps: a stage without evidence is told as one, with what could have shown it.
func TestGaps(t *testing.T) {
	s := newScene()
	s.guessedIn()
	story := s.build()
	for _, step := range story.Steps {
		if step.Found != (step.Stage == Entered) {
			t.Errorf("%s: got found %t", step.Stage, step.Found)
		}
		if !step.Found && (step.Because == "" || len(step.Findings) > 0 || step.Says != "" || !step.First.IsZero() || step.Belief != "") {
			t.Errorf("%s: got %+v, want a gap that says what could have shown it", step.Stage, step)
		}
	}
}

// TestHonest: what clinics have on every day is no story, however much of it there is.
func TestHonest(t *testing.T) {
	s := newScene()
	s.found(detect.FanOut, chaperone.Low, thief, none, night(0, 0))
	s.found(detect.RDPGuessed, chaperone.Medium, thief, gate, night(1, 0))
	s.found(detect.RDPExposed, chaperone.High, none, gate, night(1, 0))
	s.found(detect.LogonNewSource, chaperone.Medium, drop, gate, night(2, 0))
	s.found(detect.LogonNewSource, chaperone.Low, desk, gate, night(2, 0))
	s.found(detect.NewService, chaperone.Medium, none, gate, night(2, 30))
	s.found(detect.NewAccount, chaperone.Info, none, gate, night(2, 30))
	s.found(detect.LogCleared, chaperone.Medium, none, gate, night(2, 30))
	s.found(detect.WholeFile, chaperone.Info, files, desk, night(3, 0))
	s.found(detect.DeviceOutside, chaperone.Medium, ct, drop, night(3, 0))
	s.found(detect.NewRemote, chaperone.Info, desk, gate, night(3, 0))
	s.found(detect.InClear, chaperone.Medium, archive, viewer, night(3, 0))
	s.found(detect.Volume, chaperone.Medium, desk, drop, night(4, 0))
	s.opened(desk, gate, night(1, 0))
	s.passed(night(5, 0), archive, viewer, viewer, "A B C")
	s.Claims = []Claim{{Price: "10 BTC"}}
	story := s.build()
	if got := tell(story); got != "no story" {
		t.Errorf("got %s, want no story", got)
	}
	if len(story.Claims) != 1 {
		t.Errorf("got %d claims, want the one that is there all the same", len(story.Claims))
	}
}

// TestEnter: where a story begins.
func TestEnter(t *testing.T) {
	logon := func(from netip.Addr, when time.Time, edits ...func(*chaperone.Finding)) func(*scene) {
		return func(s *scene) {
			s.found(detect.LogonNewSource, chaperone.Medium, from, gate, when, append(edits, logged)...)
		}
	}
	leaves := func(when time.Time) func(*scene) { return func(s *scene) { s.leaves(gate, when) } }
	try(t, []trial{
		{name: "a guessed password, by the log", play: (*scene).guessedIn, want: "entered logged thief>gate | gate | thief"},
		{name: "a guessed password, by the wire only", play: func(s *scene) { s.found(detect.GuessedIn, chaperone.High, thief, gate, entered) },
			want: "entered inferred thief>gate | gate | thief"},
		{name: "guessed from inside, and nothing after it", play: func(s *scene) { s.found(detect.GuessedIn, chaperone.Critical, desk, gate, entered) }, want: "no story"},
		{name: "guessed from inside, and then acts: a gateway", play: func(s *scene) {
			s.found(detect.GuessedIn, chaperone.Critical, desk, gate, entered)
			leaves(night(5, 0))(s)
		}, want: "entered observed desk>gate, left observed gate>drop | gate | drop"},
		{name: "guessed from inside, and acts before it", play: func(s *scene) {
			s.found(detect.GuessedIn, chaperone.Critical, desk, gate, entered)
			leaves(night(1, 0))(s)
		}, want: "no story"},
		{name: "guessed from outside goes before guessed from inside", play: func(s *scene) {
			s.found(detect.GuessedIn, chaperone.Critical, desk, files, night(1, 0))
			s.leaves(files, night(5, 0))
			s.guessedIn()
		}, want: "entered logged thief>gate | gate | thief"},
		{name: "a first logon from outside, and nothing after it", play: logon(thief, entered), want: "no story"},
		{name: "a first logon from outside, and then acts", play: all(logon(thief, entered), leaves(night(5, 0))),
			want: "entered inferred thief>gate, left observed gate>drop | gate | drop+thief"},
		{name: "a first logon from outside, and acts of softer severity", play: all(logon(thief, entered), func(s *scene) {
			s.found(detect.Volume, chaperone.Medium, gate, drop, night(5, 0))
		}), want: "no story"},
		{name: "a first logon from outside, and acts before it", play: all(logon(thief, entered), leaves(night(1, 0))), want: "no story"},
		{name: "a first logon from outside, and acts of a system that was opened from there", play: all(logon(thief, entered), func(s *scene) {
			s.opened(gate, ct, night(2, 30))
			s.sweeps(ct, night(3, 0))
		}), want: "entered inferred thief>gate, moved observed gate>ct, collected observed ct>archive | gate+ct | thief"},
		{name: "a first logon from outside, and acts of a system that was not", play: all(logon(thief, entered), func(s *scene) {
			s.opened(desk, ct, night(2, 30))
			s.sweeps(ct, night(3, 0))
		}), want: "no story"},
		{name: "a first logon from outside, and a scan only", play: all(logon(thief, entered), func(s *scene) {
			s.found(detect.FanOut, chaperone.High, gate, none, night(3, 0))
		}), want: "no story"},
		{name: "a first logon from inside, and then acts", play: all(func(s *scene) { s.found(detect.LogonNewSource, chaperone.Medium, desk, gate, entered) }, leaves(night(5, 0))), want: "no story"},
		{name: "a first logon of softer severity, and then acts", play: all(func(s *scene) { s.found(detect.LogonNewSource, chaperone.Low, thief, gate, entered) }, leaves(night(5, 0))), want: "no story"},
		{name: "a first logon whose session made an account", play: all(logon(thief, entered), leaves(night(5, 0)), func(s *scene) {
			s.found(detect.NewAccount, chaperone.High, thief, gate, night(2, 10), logged)
		}), want: "entered logged thief>gate, persisted logged thief>gate, left observed gate>drop | gate | drop+thief"},
		{name: "two first logons: the last before the first act", play: all(logon(botnet, night(0, 0)), logon(thief, entered), leaves(night(5, 0))),
			want: "entered inferred thief>gate, left observed gate>drop | gate | drop+thief"},
		{name: "two first logons: the one whose session changed something", play: all(logon(thief, night(0, 0)), logon(botnet, entered), leaves(night(5, 0)), func(s *scene) {
			s.found(detect.NewService, chaperone.High, thief, gate, night(0, 10), logged)
		}), want: "entered logged thief>gate, persisted logged thief>gate, left observed gate>drop | gate | drop+thief"},
		{name: "an everyday scan inside, days before",
			play: all(func(s *scene) { s.found(detect.FanOut, chaperone.High, desk, none, entered.Add(-days(2))) }, logon(thief, entered), leaves(night(5, 0))),
			want: "entered inferred thief>gate, left observed gate>drop | gate | drop+thief"},
		{name: "acts of two kinds, and no entry", play: func(s *scene) {
			s.sweeps(ct, night(3, 0))
			s.leaves(ct, night(5, 0))
		}, want: "collected inferred ct>archive, left inferred ct>drop | ct | drop"},
		{name: "acts of one kind", play: func(s *scene) {
			s.leaves(ct, night(3, 0))
			s.leaves(ct, night(5, 0))
		}, want: "no story"},
		{name: "acts of two kinds, of two systems", play: func(s *scene) {
			s.sweeps(ct, night(3, 0))
			s.leaves(desk, night(5, 0))
		}, want: "no story"},
		{name: "acts of two kinds, one of them softer", play: func(s *scene) {
			s.found(detect.StoreSweep, chaperone.Medium, ct, archive, night(3, 0))
			s.leaves(ct, night(5, 0))
		}, want: "no story"},
		{name: "acts of two kinds, outside", play: func(s *scene) {
			s.sweeps(thief, night(3, 0))
			s.leaves(thief, night(5, 0))
		}, want: "no story"},
		{name: "two ways to call one scan", play: func(s *scene) {
			s.found(detect.FanOut, chaperone.High, ct, none, night(3, 0))
			s.found(detect.ClinicalSweep, chaperone.High, ct, none, night(3, 0))
		}, want: "no story"},
		{name: "a scan and a way on, but no data", play: func(s *scene) {
			s.found(detect.FanOut, chaperone.High, ct, none, night(3, 0))
			s.found(detect.DeviceActs, chaperone.High, ct, files, night(4, 0))
		}, want: "no story"},
		{name: "two such systems: the one that began", play: func(s *scene) {
			for i, a := range []netip.Addr{desk, ct} {
				s.sweeps(a, night(4-i, 0))
				s.leaves(a, night(5, 0))
			}
		}, want: "collected inferred ct>archive, left inferred ct>drop | ct | drop"},
		{name: "a computer without an address", play: func(s *scene) {
			lost := inventory.Unplaced("LOST01")
			s.found(detect.GuessedIn, chaperone.Critical, thief, lost, entered, logged)
			s.found(detect.NewService, chaperone.High, thief, lost, night(2, 10), logged)
			s.found(detect.NewService, chaperone.Info, none, inventory.Unplaced("LOST02"), night(2, 10), logged)
			s.found(detect.NewService, chaperone.Info, none, lost, night(2, 10), logged)
		}, want: "entered logged thief>LOST01, persisted logged thief>LOST01 | LOST01 | thief"},
		{name: "two ways in", play: func(s *scene) {
			s.guessedIn()
			s.found(detect.GuessedIn, chaperone.Critical, botnet, files, night(3, 0), logged)
		}, want: "entered logged thief+botnet>gate+files | gate+files | thief+botnet"},
	})
}

// all plays one after the other.
func all(plays ...func(*scene)) func(*scene) {
	return func(s *scene) {
		for _, play := range plays {
			play(s)
		}
	}
}

// TestEntryBecause: how sure an entry is, and why.
func TestEntryBecause(t *testing.T) {
	for _, test := range []struct {
		name string
		play func(*scene)
		want string
	}{
		{"by the log", (*scene).guessedIn, "guessed"},
		{"by the wire", func(s *scene) { s.found(detect.GuessedIn, chaperone.High, thief, gate, entered) }, "the log of the system would prove it"},
		{"from inside", func(s *scene) {
			s.found(detect.GuessedIn, chaperone.Critical, desk, gate, entered)
			s.leaves(gate, night(5, 0))
		}, "behind which a gateway or a VPN may stand"},
		{"a first logon", func(s *scene) {
			s.found(detect.LogonNewSource, chaperone.Medium, thief, gate, entered)
			s.leaves(gate, night(5, 0))
		}, "nothing else ties it to the rest"},
		{"a first logon and its session", func(s *scene) {
			s.found(detect.LogonNewSource, chaperone.Medium, thief, gate, entered)
			s.found(detect.NewAccount, chaperone.High, thief, gate, night(2, 10))
			s.leaves(gate, night(5, 0))
		}, "what its session changed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene()
			test.play(s)
			if got := s.build().Steps[2].Because; !strings.Contains(got, test.want) {
				t.Errorf("got %q, want it to say: %s", got, test.want)
			}
		})
	}
}
