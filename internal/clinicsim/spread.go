package clinicsim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// root makes the intruder an administrator who may come back: what the entry's logs show of it.
func (t *theft) root(r *rand.Rand) {
	t.logs.privileged(t.entry, t.times["escalated"][0], t.account, t.logonID)
	at := t.times["persisted"][0]
	name := pick(r, "WinUpdSvc", "RpcHelper", "SpoolMgr", "NetDDEx")
	path := pick(r,
		`C:\Users\Public\`+name+`.exe -k`,
		`%COMSPEC% /c start /b C:\Windows\Temp\`+name+`.exe`,
		`C:\PerfLogs\`+name+`.exe`,
		`cmd.exe /c echo `+name+` > \\.\pipe\`+fmt.Sprintf("%06x", r.IntN(1<<24)))
	t.logs.service(t.entry, at, name, path, t.account)
	at += time.Duration(20+r.IntN(100)) * time.Second
	t.logs.created(t.entry, at, t.later, t.account, t.logonID)
	t.logs.joined(t.entry, at+4*time.Second, t.later, "Administrators", t.account, t.logonID)
	if t.clears {
		t.logs.cleared(t.entry, t.times["persisted"][1], t.account, t.logonID)
	}
}

// move is the way from the entry to the console of a modality, and from there on.
func (t *theft) move(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
	until := t.times["moved"][1]
	step := (until - at) / 4
	if t.further != nil || one(r, 2) { // a look around, by desktop
		target := files
		if t.further != nil {
			target = *t.further
		}
		d := t.desktop(r, at, t.entry, target, t.account, desktopNLA)
		id := t.week.welcome(d, target, t.entry.Name, t.account)
		d.work(at+step*3/4, 20000+r.IntN(20000), wait)
		d.leave()
		t.logs.logoff(target, d.now, t.account, id, logonDesktop)
	}
	wait(at + step)
	t.implant(r, at+step, wait)
	if one(r, 3) { // and a look at its screen; consoles know no network level authentication
		when := t.net.clock() + 20*time.Second
		d := t.desktop(r, when, t.entry, t.console, "Administrator", desktopTLS)
		d.connect()
		d.work(max(at+step*7/4, d.now), 15000+r.IntN(15000), wait)
		d.leave()
	}
	wait(at + 2*step)
	s := t.mount(r, at+2*step, t.console, files, t.account, t.stored.share) // a console has never done that
	f := s.open("", 0, toRead, 1)
	s.list(f, t.stored.name, t.stored.lockFile(), "letters", "scans")
	s.shut(f)
	t.unmount(s)
	wait(max(s.now, at+3*step))
	target := pick(r, files, office)
	t.visited = append(t.visited, target)
	d := t.desktop(r, max(s.now, at+3*step), t.console, target, t.account, desktopNLA)
	id := t.week.welcome(d, target, t.console.Name, t.account)
	d.work(until, 20000+r.IntN(20000), wait)
	d.leave()
	t.logs.logoff(target, d.now, t.account, id, logonDesktop)
}

// implant brings a program to the console.
func (t *theft) implant(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
	s := t.mount(r, at, t.entry, t.console, "Administrator", `\\`+t.console.Name+`\ADMIN$`)
	program := append([]byte("MZ\x90\x00\x03\x00\x00\x00"), random(r, 16000+r.IntN(30000))...)
	f := s.open(`Temp\`+pick(r, "svc32", "dllhst", "spoolx")+".exe", 0, toWrite, 2)
	for at := 0; at < len(program); at += 16384 {
		s.write(f, int64(at), program[at:min(at+16384, len(program))])
	}
	s.shut(f)
	t.unmount(s)
	wait(s.now)
}
