// Package clinicsim invents a clinic: its people, systems and a day of traffic, all from one seed, and keeps the
// truth about whose records went where. The same seed gives the same bytes.
//
// Generate and Write play a day. Theft and WriteTheft play a week (week.go), honest or with an intruder who takes the
// records (theft.go), into a folder of evidence: captures, Windows logs, the sales post and the dump.
//
// Tests, benchmarks and demonstrations use it. It knows no decoder of this program, so that both can be compared.
// It writes HL7 v2 over MLLP, DICOM (PS3.7, PS3.8, PS3.5 little endian), remote desktop, SMB2, TLS, Windows event logs
// and pcapng. All people are invented and all addresses are from the documentation ranges of RFC 5737.
package clinicsim

//go:generate go run ./gen -dir ../../testdata
//go:generate go run ./gen -theft -seed 2087 -days 4 -dir ../../testdata/clinic-2016

import (
	"io"
	"net/netip"
	"strings"
	"time"
)

// Options say what day to play. The zero value gives the default of each.
type Options struct {
	Seed           uint64
	Patients       int     // size of the population, default 200, at least 16
	Hours          float64 // length of the day, default 10
	Images         int     // bytes of pixel data in an image, about; default 8192
	ImagesPerStudy int     // default 3
}

func (o Options) withDefaults() Options {
	if o.Patients == 0 {
		o.Patients = 200
	}
	if o.Hours == 0 {
		o.Hours = 10
	}
	if o.Images == 0 {
		o.Images = 8192
	}
	if o.ImagesPerStudy == 0 {
		o.ImagesPerStudy = 3
	}
	return o
}

// Clinic is one day, in memory.
type Clinic struct {
	Truth   Truth
	packets []Packet
}

// Generate plays a day.
func Generate(o Options) *Clinic {
	c := &Clinic{}
	truth, err := play(o, true, func(p Packet) error {
		c.packets = append(c.packets, p)
		return nil
	})
	if err != nil {
		panic(err) // the sink above cannot fail
	}
	c.Truth = truth
	return c
}

// Packets gives the packets in the order of their capture. The caller must not change the frames.
func (c *Clinic) Packets() []Packet { return c.packets }

// WriteTo writes the day as a pcapng file.
func (c *Clinic) WriteTo(w io.Writer) (int64, error) {
	count := &counter{w: w}
	err := WritePackets(count, c.packets)
	return count.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Host is a system of the clinic, or one it talks to.
type Host struct {
	Name string
	Addr netip.Addr
}

func host(name, addr string) Host { return Host{name, netip.MustParseAddr(addr)} }

// The systems. Those that speak DICOM have their AE title as name.
var (
	registration = host("REG", "192.0.2.10")
	laboratory   = host("LAB", "192.0.2.20")
	records      = host("EHR", "192.0.2.30")
	portal       = host("PORTAL", "198.51.100.40")
	radiology    = host("RIS", "192.0.2.50")
	resolver     = host("DNS", "192.0.2.53")
	archive      = host("PACS", "192.0.2.60")
	viewer       = host("VIEWER1", "192.0.2.71")
	intranet     = host("INTRANET", "192.0.2.80")
	office       = host("OFFICE1", "192.0.2.101")
	office2      = host("OFFICE2", "192.0.2.102")
	laptop       = host("LAPTOP7", "192.0.2.199")
	scanner      = host("CT1", "198.51.100.11")
	magnet       = host("MR1", "198.51.100.12")
	teaching     = host("TEACHING", "198.51.100.90")
	outsideWeb   = host("WEB", "203.0.113.10")
	outsideLab   = host("LABX", "203.0.113.77")
)

// Hosts gives all systems in the order of their addresses.
func Hosts() []Host {
	return []Host{registration, laboratory, records, radiology, resolver, archive, viewer, intranet, office, office2,
		laptop, scanner, magnet, portal, teaching, outsideWeb, outsideLab}
}

// HostsCSV gives the names of the systems as `address,name` lines behind a header.
func HostsCSV() []byte {
	var b strings.Builder
	b.WriteString("address,name\n")
	for _, h := range Hosts() {
		b.WriteString(h.Addr.String() + "," + h.Name + "\n")
	}
	return []byte(b.String())
}

// Ports that listen.
const (
	portHL7     = 2575
	portHL7TLS  = 2576
	portOrders  = 6661
	portDICOM   = 104
	portDICOMUp = 11112 // where a system need not be root to listen
	portDNS     = 53
	portHTTP    = 80
	portHTTPS   = 443
)

// play runs a day and gives its packets to sink.
func play(o Options, keep bool, sink func(Packet) error) (Truth, error) {
	o = o.withDefaults()
	t := newTally(keep)
	begin := time.Date(2025, time.March, 3, 7, 0, 0, 0, time.UTC)
	net := newNetwork(begin, o.Seed, t, sink)
	d := &day{
		Options: o,
		net:     net,
		tally:   t,
		length:  time.Duration(o.Hours * float64(time.Hour)),
		people:  population(net.random("people"), o.Patients),
	}
	d.plan()
	err := net.play()
	return t.close(), err
}

// plan calls in all who act on the day.
func (d *day) plan() {
	d.planStudies()
	d.registration()
	d.laboratory()
	d.orders()
	d.portal()
	d.modality(scanner, CTImage)
	d.modality(magnet, MRImage)
	d.viewers()
	d.stranger()
	d.noise()
}
