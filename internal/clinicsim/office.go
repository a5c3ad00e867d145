package clinicsim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// honest calls in everybody who belongs to the clinic or has always been around it.
func (w *week) honest() {
	w.offices()
	w.letters()
	w.print()
	w.surf()
	w.night()
	w.watchAll()
	w.interfaceEngine()
	w.research()
	w.administer()
	w.support()
	w.workAtHome()
	w.update()
	w.internet()
}

// offices look patients up in the Access file, page by page: three workstations, and a fourth when a newcomer has
// an account.
func (w *week) offices() {
	for i, client := range []Host{office, office3, office4, office2} {
		account := fmt.Sprintf("clerk%d", i+1)
		if client == office2 {
			account = w.newcomer
		}
		w.each("database "+client.Name, true, 7.5, 15.5, func(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
			if client == office2 && int(at/(24*time.Hour)) <= w.hired {
				return
			}
			s := w.mount(r, at, client, files, account, w.stored.share)
			w.stored.use(s, r, 2+r.IntN(4), wait)
			w.unmount(s)
		})
	}
}

// letters are other files of the same share.
func (w *week) letters() {
	for i, client := range []Host{office, office3, office4} {
		account := fmt.Sprintf("clerk%d", i+1)
		w.each("letters "+client.Name, true, 7.5, 16, func(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
			s := w.mount(r, at, client, files, account, w.stored.share)
			f := s.open("", 0, toRead, 1)
			s.list(f, w.stored.name, w.stored.lockFile(), "letters", "scans")
			s.shut(f)
			letter := []byte(strings.Repeat("Dear colleague, thank you for sending this patient. ", 20+r.IntN(80)))
			f = s.open(fmt.Sprintf(`letters\letter%04d.doc`, r.IntN(10000)), int64(len(letter)), toRead, 1)
			s.read(f, 0, letter)
			s.shut(f)
			w.unmount(s)
		})
	}
}

// print sends pages to the printer (port 9100, as they are).
func (w *week) print() {
	for i := range 4 {
		w.each(fmt.Sprint("print ", i), true, 8, 16.5, func(r *rand.Rand, at time.Duration, _ func(time.Duration)) {
			f := w.net.open(r, at, pick(r, office, office2, office3, office4).Addr, printer.Addr, 9100)
			f.Send(FromClient, []byte("\x1b%-12345X@PJL JOB\r\n@PJL ENTER LANGUAGE=PCL\r\n"))
			f.Send(FromClient, random(r, 1500+r.IntN(3000)))
			f.Send(FromClient, []byte("\x1b%-12345X@PJL EOJ\r\n"))
			f.close(FromClient)
		})
	}
}

// surf is what people do on the web and with mail, in and after the hours.
func (w *week) surf() {
	sites := []struct {
		host Host
		port uint16
		name string
	}{{outsideNews, portHTTPS, "news.invented.example"}, {outsideBank, portHTTPS, "bank.invented.example"}, {outsideMail, 993, "mail.invented.example"}}
	for i := range 6 {
		w.each(fmt.Sprint("surf ", i), true, 7.2, 17.5, func(r *rand.Rand, at time.Duration, _ func(time.Duration)) {
			site := sites[i%len(sites)]
			client := pick(r, office, office2, office3, office4, keeper)
			w.lookup(r, at, client, site.name, site.host)
			w.secure(r, at+25*time.Millisecond, client, site.host, site.port, site.name)
		})
	}
}

// interfaceEngine receives what the cardiogram measures and forwards it to the records.
func (w *week) interfaceEngine() {
	w.each("engine", true, 7.3, 7.6, func(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
		in := w.link(r, wait, at, cardiogram, engine, portHL7)
		out := w.link(r, wait, at+time.Second, engine, records, portHL7)
		for range 5 + r.IntN(5) {
			in.until(max(in.flow.now, out.flow.now) + time.Duration(5+r.IntN(80))*time.Minute)
			p := pick(r, w.people[16:]...)
			segment, record := in.pid(1, p, p.usual())
			segments := append([]string{segment, in.pv1("O")}, in.results(1)...)
			in.push("AA", in.message(Header{Type: "ORU^R01", Version: "2.4"}, segments, []Record{record}, nil))
			out.until(in.flow.now + time.Duration(20+r.IntN(200))*time.Millisecond)
			out.push("AA", out.message(Header{Type: "ORU^R01", Version: "2.4"}, segments, []Record{record}, nil))
		}
		in.until(out.flow.now)
		in.flow.close(FromClient)
		out.until(in.flow.now)
		out.flow.close(FromClient)
	})
}

// research asks for a list of studies every day, and lets the archive send some of them to itself: it always did.
func (w *week) research() {
	w.each("research", true, 12, 14, func(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
		c := w.dial(r, wait, at, teaching, archive, portDICOM, accepted(StudyRootFind, ExplicitLE), accepted(StudyRootMove, ImplicitLE))
		c.Open()
		first := w.time(at).AddDate(0, 0, -20-r.IntN(500))
		span := fmt.Sprintf("%s-%s", first.Format("20060102"), first.AddDate(0, 0, 19).Format("20060102"))
		var matches []DataSet
		var list []Record
		var some []*study
		for _, s := range w.archived {
			if isHeld(s) && s.date[:8]+"-" >= span[:9] && s.date[:8] <= span[9:] {
				ds, rec := s.match(true, true)
				matches, list = append(matches, ds), append(list, rec)
				if s.person.Imaging != "" {
					some = append(some, s)
				}
			}
		}
		c.list(StudyRootFind, query(Text(0x00080020, "DA", span)), matches, list)
		for _, s := range some[:min(2, len(some))] {
			c.until(c.flow.now + time.Duration(5+r.IntN(60))*time.Second)
			c.fetch(r, s, teaching, teaching.Name)
		}
		c.hangUp()
	})
}
