package clinicsim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// visit is one honest remote desktop session: perhaps some mistyped passwords, then the logon, work, and the end.
type visit struct {
	client, server Host
	account        string
	machine        string // the client's own name
	admin          bool   // the account has an administrator's rights on the server
	mistyped       int
	length         time.Duration
	bytes          int
	during         func(at time.Duration, logonID string) // what is done meanwhile
}

func (w *week) visit(r *rand.Rand, at time.Duration, v visit, wait func(time.Duration)) {
	for range v.mistyped {
		d := w.desktop(r, at, v.client, v.server, v.account, desktopNLA)
		d.authenticate(false)
		w.logs.failed(v.server, d.now, v.account, false, d.origin(v.machine))
		at = d.now + time.Duration(4+r.IntN(15))*time.Second
		wait(at)
	}
	d := w.desktop(r, at, v.client, v.server, v.account, desktopNLA)
	id := w.welcome(d, v.server, v.machine, v.account)
	if v.admin {
		w.logs.privileged(v.server, d.now+820*time.Millisecond, v.account, id)
	}
	if v.during != nil {
		v.during(d.now+2*time.Minute, id)
	}
	d.work(d.now+v.length, v.bytes, wait)
	d.leave()
	w.logs.logoff(v.server, d.now, v.account, id, logonDesktop)
}

// minutes gives a length of time.
func minutes(r *rand.Rand, from, to int) time.Duration {
	return time.Duration(from*60+r.IntN((to-from)*60)) * time.Second
}

// administer is the administrator's work: from one computer to all servers, now and then with a slip of the fingers,
// once with an account for a new employee, and once on from one server to the next.
func (w *week) administer() {
	const account = "it.admin"
	r := w.net.random("administer")
	hops := r.IntN(min(w.Days, 5))
	w.each("administer early", true, 7.4, 9, func(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
		v := visit{client: keeper, server: pick(r, terminal, terminal2), account: account, machine: keeper.Name, admin: true,
			length: minutes(r, 8, 25), bytes: 8000 + r.IntN(12000)}
		if one(r, 3) {
			v.mistyped = 1 + r.IntN(2)
		}
		switch int(at / (24 * time.Hour)) {
		case w.hired:
			v.during = func(at time.Duration, id string) { w.logs.created(v.server, at, w.newcomer, account, id) }
		case hops:
			w.net.actor(at+4*time.Minute, func(wait func(time.Duration)) {
				w.visit(r, at+4*time.Minute, visit{client: v.server, server: files, account: account, machine: v.server.Name, admin: true,
					length: minutes(r, 2, 4), bytes: 12000}, wait)
			})
		}
		w.visit(r, at, v, wait)
	})
	w.each("administer late", true, 14, 16, func(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
		if one(r, 3) { // the file server takes no session without network level authentication
			d := w.negotiate(r, at, keeper, files, account, desktopTLS, 0, nlaMissing)
			d.close(FromServer)
			at = d.now + time.Second
		}
		w.visit(r, at, visit{client: keeper, server: files, account: account, machine: keeper.Name, admin: true, length: minutes(r, 5, 15),
			bytes: 6000 + r.IntN(9000)}, wait)
	})
}

// support is the vendor, who comes from outside every day, to the same server, as an administrator.
func (w *week) support() {
	w.each("support", true, 9, 15, func(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
		v := visit{client: vendor, server: terminal, account: "vendor_sup", machine: "SUPPORT-PC4", admin: true, length: minutes(r, 15, 45),
			bytes: 14000 + r.IntN(20000)}
		if one(r, 4) {
			v.mistyped = 1
		}
		w.visit(r, at, v, wait)
	})
}

// workAtHome is a doctor who reads in the evening. In some weeks the home gets another address.
func (w *week) workAtHome() {
	moves := w.net.random("home moves").IntN(3 * w.Days)
	w.each("home", true, 18.5, 20, func(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
		home := homeOffice
		if n := int(at / (24 * time.Hour)); n > 0 && n >= moves {
			home = homeAgain
		}
		w.visit(r, at, visit{client: home, server: terminal2, account: "dr.merriwald", machine: "HOME-LAPTOP", length: minutes(r, 20, 60),
			bytes: 10000 + r.IntN(12000)}, wait)
	})
}

// internet is what comes from outside every day: some who ask for a few ports and go on, and one who tries one password.
func (w *week) internet() {
	address := w.strangers()
	for i := range 3 {
		w.each(fmt.Sprint("passer-by ", i), false, 0, 23.5, func(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
			from := address()
			for range 3 + r.IntN(5) {
				at += time.Duration(1+r.IntN(400)) * time.Second
				wait(at)
				w.probe(r, at, from.Addr, pick(r, gateway, terminal, terminal2).Addr, pick(r, tried...))
			}
		})
	}
	w.each("single guess", false, 0, 23.5, func(r *rand.Rand, at time.Duration, _ func(time.Duration)) {
		name := pick(r, "administrator", "admin", "user")
		server := pick(r, terminal, terminal2)
		d := w.desktop(r, at, address(), server, name, desktopNLA)
		d.authenticate(false)
		w.logs.failed(server, d.now, name, name != "administrator", d.origin("-"))
	})
}
