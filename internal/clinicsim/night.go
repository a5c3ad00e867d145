package clinicsim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// night is what happens while nobody is there: the database is read as a whole, and a large backup leaves the clinic.
func (w *week) night() {
	w.each("backup", false, 0.5, 1.5, func(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
		s := w.mount(r, at, backup, files, "svc_backup", w.stored.share)
		f := s.open("", 0, toRead, 1)
		s.list(f, w.stored.name, "letters", "scans")
		s.shut(f)
		w.stored.copy(65536, wait, s)
		w.logs.privileged(files, s.now, "svc_backup", s.logonID)
		w.unmount(s)
	})
	w.each("vault", false, 2, 2.6, func(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
		w.upload(r, at, at+time.Duration(40+r.IntN(60))*time.Minute, backup, vault, "vault.invented.example", int64(60+r.IntN(20))<<20, wait)
	})
}

// watchAll lets the monitoring host ask all servers whether they are there. One has been switched off long ago, and
// one service does not run any more.
func (w *week) watchAll() {
	services := []struct {
		host Host
		port uint16
	}{{records, portHL7}, {radiology, portOrders}, {archive, portDICOM}, {files, portShares}, {terminal, portDesktop}, {terminal2, portDesktop},
		{intranet, portHTTP}, {viewer, portDICOMUp}, {engine, portHL7}, {printer, 9100}, {laboratory, 22}}
	for i := range 8 {
		w.each(fmt.Sprint("monitor ", i), false, float64(3*i), float64(3*i)+0.01, func(r *rand.Rand, at time.Duration, _ func(time.Duration)) {
			for n, s := range services {
				f := w.net.open(r, at+time.Duration(n)*200*time.Millisecond, monitor.Addr, s.host.Addr, s.port)
				f.close(FromClient)
			}
			w.net.knock(r, at+3*time.Second, monitor.Addr, printer.Addr, 631, true)
			w.net.knock(r, at+4*time.Second, monitor.Addr, retired.Addr, portDICOM, false)
		})
	}
}

// update fetches software at night; on a day or two a server gets a service of it.
func (w *week) update() {
	for _, client := range []Host{office4, terminal} {
		w.each("update "+client.Name, false, 3, 4.5, func(r *rand.Rand, at time.Duration, _ func(time.Duration)) {
			w.secure(r, at, client, updates, portHTTPS, "updates.invented.example")
		})
	}
	r := w.net.random("updates")
	for i := range 1 + r.IntN(2) {
		at := time.Duration(r.IntN(w.Days)*24+4)*time.Hour + time.Duration(r.IntN(3000))*time.Second
		h := pick(r, terminal, terminal2, files)
		version := fmt.Sprintf("4.%d.%d", 10+r.IntN(9), 200+r.IntN(700))
		w.logs.service(h, at, "Endpoint Protection Update "+version, `"C:\Program Files\Invented Software\Endpoint `+version+`\agent.exe"`, "")
		if i == 0 {
			continue
		}
		w.logs.service(h, at+time.Minute, "Print Driver Host", `C:\Windows\System32\spool\drivers\x64\3\pdhost.exe`, "")
	}
	for _, h := range []Host{terminal, terminal2, files} {
		w.each("services "+h.Name, false, 4.8, 5, func(r *rand.Rand, at time.Duration, _ func(time.Duration)) {
			for i, name := range []string{"Windows Update", "Windows Modules Installer", "Volume Shadow Copy", "Windows Update"} {
				w.logs.running(h, at+time.Duration(i)*time.Duration(30+r.IntN(200))*time.Second, name, pick(r, "running", "stopped"))
			}
			id := w.logs.logon(h, at+time.Minute, "svc_update", logonService, origin{"-", "-", 0})
			w.logs.privileged(h, at+time.Minute+time.Millisecond, "svc_update", id)
		})
	}
}
