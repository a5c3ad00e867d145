package detect

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"chaperone"
)

// theft plays one theft with all that belongs to it: a scan, guesses, a way in, changes, ways on, archives and files, and the way out.
func theft(s *scene) {
	s.awake()
	s.connect(at(1, 9, 0), desk, shares, 445, speaks(chaperone.SMB))
	s.knocks(at(3, 1, 0), thief, "---------")
	s.failures(at(3, 2, 0), thief, 30, time.Second)
	s.guesses(at(3, 2, 0), thief, 30, time.Second)
	s.logon(at(3, 2, 10), "GATE01", thief, "frontdesk", "10", "0x1a")
	s.session(at(3, 2, 10), thief)
	s.logon(at(3, 2, 11), "FILES01", desk, "frontdesk", "10", "0x2b")
	s.logon(at(4, 2, 11), "FILES01", vendor, "maintenance", "10", "0x2c")
	s.privileged(at(3, 2, 11), "0x1a")
	s.installs(at(3, 2, 12), "Helper", `C:\ProgramData\h.exe`)
	s.makes(at(3, 2, 13), "support2", "0x1a")
	s.clears(at(3, 2, 14), logCleared, "0x1a")
	for i := range 5 {
		s.connect(at(3, 3, i), gate, door(20+i), 11112, failed)
	}
	s.connect(at(3, 4, 0), gate, shares, 3389, speaks(chaperone.RDP))
	s.connect(at(3, 4, 1), ct, shares, 445, speaks(chaperone.SMB))
	s.connect(at(3, 4, 2), ct, thief, 443)
	s.disclose(at(3, 5, 0), archive, gate, gate, people(1, 100))
	s.disclose(at(3, 6, 0), archive, vendor, netip.Addr{}, people(1, 100))
	s.reads(at(3, 7, 0), gate, 1000)
	s.connect(at(3, 8, 0), gate, vendor, 443, carries(5<<30, 1<<20))
}

// TestTheft: every rule that waits for the whole evidence finds its part, and says what to do and where it is proven.
func TestTheft(t *testing.T) {
	s := week()
	theft(s)
	found := s.Findings(s.site())
	kinds := map[string]bool{}
	for i, f := range found {
		kinds[f.Rule] = true
		if f.Title == "" || f.Advice == "" || f.First.IsZero() || f.Last.Before(f.First) || f.Count == 0 || f.Evidence == (chaperone.Evidence{}) {
			t.Errorf("the finding lacks something: %+v", f)
		}
		if i > 0 && f.Severity > found[i-1].Severity {
			t.Errorf("%s after %s, want the most severe first", f.Rule, found[i-1].Rule)
		}
	}
	for _, rule := range []string{FanOut, ClinicalSweep, RDPExposed, RDPGuessed, GuessedIn, LogonNewSource, Privileges, NewService, NewAccount, LogCleared, DeviceActs,
		DeviceOutside, NewRemote, StoreSweep, PatientSurge, NewParty, WholeFile, Volume} {
		if !kinds[rule] {
			t.Errorf("%s was not found", rule)
		}
	}
}

// TestTheftSame: the same evidence gives the same findings in the same order.
func TestTheftSame(t *testing.T) {
	first := ""
	for range 10 {
		s := week()
		theft(s)
		if got := fmt.Sprint(s.Findings(s.site())); first == "" {
			first = got
		} else if got != first {
			t.Fatalf("got  %s\nwant %s", got, first)
		}
	}
}

// TestEveryday: a week of what a clinic does is no finding but that its records pass in the clear.
func TestEveryday(t *testing.T) {
	s := week()
	for day := 1; day <= 7; day++ {
		s.daily(viewer, 20)
		s.connect(at(day, 8, 0), ct, archive, 104, speaks(chaperone.DICOM))
		s.connect(at(day, 8, 1), ct, archive, 104, failed)
		s.connect(at(day, 8, 2), desk, shares, 445, speaks(chaperone.SMB))
		s.connect(at(day, 8, 3), desk, vendor, 443, speaks(chaperone.SSL), carries(1<<20, 50<<20))
		s.logon(at(day, 8, 4), "GATE01", desk, "frontdesk", "10", fmt.Sprint(100+day))
		s.fails(at(day, 8, 5), "GATE01", desk, "frontdesk")
		s.reads(at(day, 23, 0), shares, 1000)
		s.disclose(at(day, 9, 0), engine, planner, netip.Addr{}, people(1, 40), hl7)
	}
	for _, f := range s.Findings(s.site()) {
		if f.Severity > chaperone.Info {
			t.Errorf("got %s %s: %s", f.Rule, f.Severity, f.Title)
		}
	}
}
