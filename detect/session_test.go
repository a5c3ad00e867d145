package detect

import (
	"strings"
	"testing"
	"time"
)

// guessedIn lets the thief guess a password of the gate, and come in at half past nine of the third day as session 1a.
func guessedIn(s *scene) {
	s.awake()
	s.failures(at(3, 9, 0), thief, 30, time.Second)
	s.logon(at(3, 9, 30), "GATE01", thief, "frontdesk", "10", "0x1a")
}

// maintained lets a vendor come in who is new: session 1a.
func maintained(s *scene) {
	s.awake()
	s.logon(at(3, 9, 30), "GATE01", vendor, "maintenance", "10", "0x1a")
}

// Events of the gate.
func (s *scene) privileged(t time.Time, id string) {
	s.log(t, "GATE01", privileged, "SubjectUserName", "frontdesk", "SubjectLogonId", id)
}

func (s *scene) installs(t time.Time, name, path string) {
	s.log(t, "GATE01", serviceAdded, "ServiceName", name, "ImagePath", path)
}

func (s *scene) makes(t time.Time, account, id string) {
	s.log(t, "GATE01", accountMade, "TargetUserName", account, "SubjectUserName", "itadmin", "SubjectLogonId", id)
}

func (s *scene) clears(t time.Time, event uint16, id string) {
	s.log(t, "GATE01", event, "SubjectLogonId", id)
}

// after plays an entry and then something.
func after(entry, then func(*scene)) func(*scene) {
	return func(s *scene) {
		entry(s)
		then(s)
	}
}

func TestPrivileges(t *testing.T) {
	with := func(when time.Time, id string) func(*scene) { return func(s *scene) { s.privileged(when, id) } }
	const found = "logon-privileged high thief>gate"
	try(t, week, []trial{
		{name: "of the guessed session", play: after(guessedIn, with(at(3, 9, 30), "0x1a")), want: found},
		{name: "in another spelling", play: after(guessedIn, with(at(3, 9, 30), "26")), want: found},
		{name: "written a moment before the logon", play: after(guessedIn, with(at(3, 9, 29), "0x1a")), want: found},
		{name: "written long before the logon: another's", play: after(guessedIn, with(at(3, 9, 28), "0x1a"))},
		{name: "of another session", play: after(guessedIn, with(at(3, 9, 31), "0x1b"))},
		{name: "of a new source", play: after(maintained, with(at(3, 9, 30), "0x1a")), want: "logon-privileged medium vendor>gate"},
		{name: "of nobody in particular", play: after(maintained, with(at(3, 9, 30), "0x0"))},
		{name: "of a session that is nothing new", play: func(s *scene) {
			s.logon(at(1, 9, 0), "GATE01", desk, "itadmin", "10", "0x1a")
			s.privileged(at(1, 9, 0), "0x1a")
		}},
		{name: "of somebody inside who is new", play: func(s *scene) {
			s.awake()
			s.logon(at(3, 9, 0), "GATE01", desk, "itadmin", "10", "0x1a")
			s.privileged(at(3, 9, 0), "0x1a")
		}},
		{name: "the number was given again after a restart", play: after(guessedIn, func(s *scene) {
			s.logon(at(4, 9, 0), "GATE01", desk, "itadmin", "10", "0x1a")
			s.privileged(at(4, 9, 0), "0x1a")
		})},
		{name: "the number was another's before the restart", play: after(func(s *scene) {
			s.awake()
			s.logon(at(2, 9, 0), "GATE01", desk, "itadmin", "10", "0x1a")
			s.privileged(at(2, 9, 0), "0x1a")
		}, func(s *scene) {
			guessedIn(s)
			s.privileged(at(3, 9, 31), "0x1a")
		}), want: found},
		{name: "a session of the same number on another computer", play: after(guessedIn, func(s *scene) {
			s.log(at(3, 9, 31), "FILES01", privileged, "SubjectLogonId", "0x1a")
		})},
	}, Privileges)
}

// TestPrivilegesOnce: a session gets them again and again; the first time is told.
func TestPrivilegesOnce(t *testing.T) {
	s := week()
	guessedIn(s)
	s.privileged(at(3, 9, 40), "0x1a")
	s.privileged(at(3, 9, 31), "0x1a")
	found := s.judged(Privileges)
	if len(found) != 1 || !found[0].First.Equal(at(3, 9, 31)) || found[0].Account != "frontdesk" {
		t.Errorf("got %+v, want one finding at 09:31 as frontdesk", found)
	}
}

func TestServices(t *testing.T) {
	const usual = `C:\Program Files\Archive\update.exe`
	install := func(when time.Time, path string) func(*scene) {
		return func(s *scene) { s.installs(when, "Update", path) }
	}
	const suspicious, honest, odd = "new-service high thief>gate", "new-service info ->gate", "new-service medium ->gate"
	trials := []trial{
		{name: "nobody suspicious is there", play: install(at(3, 9, 40), usual), want: honest},
		{name: "during the guessed session, by its time", play: after(guessedIn, install(at(3, 9, 40), usual)), want: suspicious},
		{name: "before it", play: after(guessedIn, install(at(3, 9, 29), usual)), want: honest},
		{name: "hours after it", play: after(guessedIn, install(at(3, 13, 30), usual)), want: suspicious},
		{name: "many hours after it", play: after(guessedIn, install(at(3, 13, 31), usual)), want: honest},
		{name: "after its end", play: after(guessedIn, func(s *scene) {
			s.log(at(3, 9, 35), "GATE01", loggedOff, "TargetLogonId", "0x1a")
			s.installs(at(3, 9, 40), "Update", usual)
		}), want: honest},
		{name: "before its end", play: after(guessedIn, func(s *scene) {
			s.log(at(3, 23, 0), "GATE01", userLoggedOff, "TargetLogonId", "0x1a")
			s.installs(at(3, 22, 0), "Update", usual)
		}), want: suspicious},
		{name: "the end was that of an earlier session of this number", play: after(guessedIn, func(s *scene) {
			s.log(at(2, 9, 35), "GATE01", loggedOff, "TargetLogonId", "0x1a")
			s.installs(at(3, 9, 40), "Update", usual)
		}), want: suspicious},
		{name: "after its connection ended", play: after(guessedIn, func(s *scene) {
			s.session(at(3, 9, 29), thief)
			s.installs(at(3, 9, 51), "Update", usual)
		}), want: honest},
		{name: "as its connection ended, by clocks that differ", play: after(guessedIn, func(s *scene) {
			s.session(at(3, 9, 29), thief)
			s.installs(at(3, 9, 50), "Update", usual)
		}), want: suspicious},
		{name: "somebody is there who is merely new", play: after(maintained, install(at(3, 9, 40), usual)), want: honest},
		{name: "by the new one's session", play: after(maintained, func(s *scene) {
			s.log(at(3, 9, 40), "GATE01", serviceAudited, "ServiceName", "Update", "ServiceFileName", usual, "SubjectLogonId", "0x1a")
		}), want: "new-service high vendor>gate"},
		{name: "by another's session at that time", play: after(guessedIn, func(s *scene) {
			s.log(at(3, 9, 40), "GATE01", serviceAudited, "ServiceName", "Update", "ServiceFileName", usual, "SubjectLogonId", "0x77")
		}), want: honest},
		{name: "both logs tell of one", play: after(guessedIn, func(s *scene) {
			s.installs(at(3, 9, 40), "Update", usual)
			s.log(at(3, 9, 40), "GATE01", serviceAudited, "ServiceName", "Update", "ServiceFileName", usual, "SubjectLogonId", "0x1a")
		}), want: suspicious},
		{name: "two services", play: func(s *scene) {
			s.installs(at(3, 9, 40), "One", usual)
			s.installs(at(3, 9, 41), "Two", usual)
		}, want: honest + "; " + honest},
		{name: "two computers that nobody can place", play: func(s *scene) {
			s.log(at(3, 9, 0), "LOST01", serviceAdded, "ServiceName", "Update", "ImagePath", usual)
			s.log(at(3, 9, 0), "LOST02", serviceAdded, "ServiceName", "Update", "ImagePath", usual)
		}, want: "new-service info ->LOST01; new-service info ->LOST02"},
		{name: "a session of one such computer is not one of the other", play: func(s *scene) {
			for i := range 30 {
				s.fails(at(3, 9, 0).Add(time.Duration(i)*time.Second), "LOST01", thief, "frontdesk")
			}
			s.logon(at(3, 9, 30), "LOST01", thief, "frontdesk", "10", "0x1a")
			s.logon(at(3, 9, 30), "LOST02", thief, "maintenance", "10", "0x1a")
			s.log(at(3, 9, 40), "LOST02", serviceAdded, "ServiceName", "Update", "ImagePath", usual)
		}, want: "new-service info ->LOST02"},
	}
	trials = append(trials, trial{name: "the bin",
		play: install(at(3, 9, 40), `C:\$Recycle.Bin\S-1-5-21\u.exe`), want: odd})
	for _, path := range []string{`C:\RECYCLER\u.exe`, `C:\Users\frontdesk\u.exe`, `C:\Windows\Temp\u.exe`, `C:\PerfLogs\u.exe`, `C:\ProgramData\u.exe`, `D:\AppData\u.exe`,
		`C:\Windows\Tasks\u.exe`, `D:\Public\u.exe`, `cmd.exe /k`, `CMD /C start`, `powershell -enc AA`, `rundll32 u.dll`,
		`mshta http:x`, `regsvr32 u.dll`, `wscript u.vbs`, `%COMSPEC% /k`} {
		trials = append(trials, trial{name: path, play: install(at(3, 9, 40), path), want: odd})
	}
	try(t, week, trials, NewService)
}

func TestAccounts(t *testing.T) {
	try(t, week, []trial{
		{name: "new staff", play: func(s *scene) { s.makes(at(3, 9, 40), "newnurse", "0x55") }, want: "new-account info ->gate"},
		{name: "by the guessed session", play: after(guessedIn, func(s *scene) { s.makes(at(3, 9, 40), "support2", "0x1a") }), want: "new-account high thief>gate"},
		{name: "by another session at that time", play: after(guessedIn, func(s *scene) { s.makes(at(3, 9, 40), "newnurse", "0x55") }), want: "new-account info ->gate"},
		{name: "two", play: func(s *scene) {
			s.makes(at(3, 9, 40), "newnurse", "0x55")
			s.makes(at(3, 9, 40), "newclerk", "0x55")
		}, want: "new-account info ->gate; new-account info ->gate"},
	}, NewAccount)
}

func TestCleared(t *testing.T) {
	try(t, week, []trial{
		{name: "somebody tidies up", play: func(s *scene) { s.clears(at(3, 9, 40), logCleared, "0x55") }, want: "log-cleared medium ->gate"},
		{name: "the system log", play: func(s *scene) { s.clears(at(3, 9, 40), sysLogCleared, "") }, want: "log-cleared medium ->gate"},
		{name: "by the guessed session", play: after(guessedIn, func(s *scene) { s.clears(at(3, 9, 40), logCleared, "0x1a") }), want: "log-cleared high thief>gate"},
		{name: "during the guessed session", play: after(guessedIn, func(s *scene) { s.clears(at(3, 9, 40), sysLogCleared, "") }), want: "log-cleared high thief>gate"},
		{name: "twice", play: func(s *scene) {
			s.clears(at(3, 9, 40), logCleared, "")
			s.clears(at(4, 9, 40), logCleared, "")
		}, want: "log-cleared medium ->gate; log-cleared medium ->gate"},
	}, LogCleared)
}

// TestChangeSays: what was made, by whom, and a name that somebody chose is bounded.
func TestChangeSays(t *testing.T) {
	s := week()
	s.makes(at(3, 9, 40), strings.Repeat("ä", 61), "0x55")
	s.makes(at(3, 9, 41), "", "0x55")
	found := s.judged(NewAccount)
	if want := "An account was made: " + strings.Repeat("ä", 60) + "…."; found[0].Title != want {
		t.Errorf("got %s, want %s", found[0].Title, want)
	}
	if want := "An account was made: without a name."; found[1].Title != want {
		t.Errorf("got %s, want %s", found[1].Title, want)
	}
	if f := found[0]; f.Account != "itadmin" || f.Count != 1 || f.Evidence.Record != 1 || f.To.Claimed != "GATE01" || !f.Last.Equal(at(3, 9, 40)) {
		t.Errorf("got %+v, want itadmin on GATE01 by record 1", f)
	}
}
