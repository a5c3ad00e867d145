package clinicsim

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// exposed are the systems that can be reached from outside, and by which port.
var exposed = map[Host]uint16{terminal: portDesktop, terminal2: portDesktop, records: portHL7TLS}

// tried are the ports that scanners ask for.
var tried = []uint16{21, 22, 23, 25, 80, 104, 443, 445, 1433, 2575, 3306, 3389, 5900, 8080, 11112}

// probe asks for a port of an address, and hangs up if somebody is there. The firewall is silent for most addresses,
// and where it is not, the host refuses.
func (w *week) probe(r *rand.Rand, at time.Duration, from, to netip.Addr, port uint16) {
	for h, open := range exposed {
		if h.Addr == to && open == port {
			f := w.net.open(r, at, from, to, port)
			f.reset(FromClient)
			return
		}
	}
	refuses := role(to) == "server" && (to.As4()[3]+byte(w.Seed))%3 == 0
	w.net.knock(r, at, from, to, port, refuses)
}

// scan looks for what the clinic shows to the outside.
func (t *theft) scan(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
	until := t.times["scanned"][1]
	type target struct {
		addr netip.Addr
		port uint16
	}
	var list []target
	last := 30 + r.IntN(60)
	for n := 1; n <= last; n++ { // one port of many addresses
		list = append(list, target{netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), portDesktop})
	}
	for _, h := range []Host{gateway, terminal, terminal2} { // many ports of a few
		for _, port := range tried {
			if port != portDesktop {
				list = append(list, target{h.Addr, port})
			}
		}
	}
	if one(r, 2) {
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	step := (until - at) / time.Duration(len(list)+1)
	for i, x := range list {
		when := at + time.Duration(i)*step + time.Duration(r.Int64N(int64(step/2)))
		wait(when)
		t.probe(r, when, t.from.Addr, x.addr, x.port)
	}
}

// guess tries passwords at the entry. A few connections look how far one gets without network level authentication.
func (t *theft) guess(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
	until := t.times["guessed"][1]
	names := []string{"administrator", "admin", "user", "test", "guest", "office", "praxis", "owner", "nurse", "support", "pacs", "dicom"}
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	names = append(names[:4+r.IntN(6)], t.account)
	n := 60 + r.IntN(140)
	if one(r, 4) {
		n = 60 + r.IntN(240)
	}
	step := (until - at) / time.Duration(n+1)
	for i := range n {
		when := at + time.Duration(i)*step + time.Duration(r.Int64N(int64(step/2)))
		wait(when)
		name := pick(r, names...)
		if i < 3 || one(r, 12) {
			t.look(r, when, name)
			continue
		}
		d := t.desktop(r, when, t.guesser, t.entry, name, desktopNLA)
		d.authenticate(false)
		t.logs.failed(t.entry, d.now, name, name != t.account && !slices.Contains(localAccounts, name), d.origin(t.machine))
	}
}

// localAccounts exist on every Windows computer of the clinic.
var localAccounts = []string{"administrator", "guest", "office", "support"}

// look asks for a session without network level authentication, and goes when the server would give one.
func (t *theft) look(r *rand.Rand, at time.Duration, name string) {
	d := t.desktop(r, at, t.guesser, t.entry, name, desktopTLS)
	d.Send(FromClient, sealed(r, 420+r.IntN(80)))
	d.Send(FromServer, sealed(r, 130))
	d.close(FromClient)
}

// enter is the attempt that succeeds, and what is done at once.
func (t *theft) enter(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
	d := t.desktop(r, at, t.guesser, t.entry, t.account, desktopNLA)
	t.logonID = t.welcome(d, t.account)
	until := t.times["entered"][1]
	if t.stay {
		until = t.times["collected"][1] + 8*time.Minute
	}
	t.root(r)
	d.work(until, 210000+r.IntN(80000), wait)
	d.leave()
	t.logs.logoff(t.entry, d.now, t.account, t.logonID, logonDesktop)
}

// again is a later session of the intruder.
func (t *theft) again(until time.Duration) func(*rand.Rand, time.Duration, func(time.Duration)) {
	return func(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
		d := t.desktop(r, at, t.guesser, t.entry, t.account, desktopNLA)
		id := t.welcome(d, t.account)
		t.logs.privileged(t.entry, d.now+15*time.Millisecond, t.account, id)
		d.work(until, 30000+r.IntN(30000), wait)
		d.leave()
		t.logs.logoff(t.entry, d.now, t.account, id, logonDesktop)
	}
}

func (t *theft) welcome(d *desktop, account string) string {
	return t.week.welcome(d, t.entry, t.machine, account)
}

// welcome is a good logon: the network's for the proof, then the desktop's, whose number it gives.
func (w *week) welcome(d *desktop, server Host, machine, account string) string {
	d.authenticate(true)
	w.logs.logon(server, d.now, account, logonNetwork, d.origin(machine))
	d.connect()
	return w.logs.logon(server, d.now+800*time.Millisecond, account, logonDesktop, d.origin(machine))
}
