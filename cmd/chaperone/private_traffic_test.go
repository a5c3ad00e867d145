package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"chaperone/internal/clinicsim"
)

// Addresses by which a guard knows in the clear who calls.
const (
	atLab = 1 + iota
	atCT
	atViewer
	atService
)

// dial connects from an address, and gives up in the end.
func (p *private) dial(from byte, address string) net.Conn {
	p.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, from)}}).Dial("tcp", address)
	p.must(err)
	p.must(c.SetDeadline(time.Now().Add(patience)))
	return c
}

// send sends messages behind each other, and waits for as many answers.
func (g *guardedSite) send(address string, from, until int) {
	g.Helper()
	c := g.dial(atLab, address)
	defer c.Close()
	go func() {
		for i := from; i < until; i++ {
			if _, err := c.Write(clinicsim.Frame([]byte(markedMessage(i)))); err != nil {
				return // no answer will come either
			}
		}
	}()
	in := bufio.NewReader(c)
	for i := from; i < until; i++ {
		if _, err := in.ReadString(0x1C); err != nil {
			g.Fatalf("no answer to message %d: %v: %s", i, err, lastLine(g.said()))
		}
	}
}

// markedMessage is what a laboratory sends, as a guard lets it pass. Its control ID is what it is listed by: it names nobody.
func markedMessage(i int) string {
	id := fmt.Sprintf("%s%06d", mark, i)
	return string(clinicsim.Message(clinicsim.Header{From: "LAB|NORTH", To: "EHR|NORTH", Time: "20260301", Type: "ORU^R01^ORU_R01", Control: fmt.Sprintf("c%d", i*10)},
		"PID|1|"+id+"|"+id+"^^^NORTH^MR|"+id+"|"+mark+"SON^"+mark+"INE||19700101|F|||"+mark+" STREET", "NK1|1|"+mark+"^MOTHER", "PV1|1|I|"+mark, "OBX|1|TX|A||"+mark+" is fine",
		"NTE|1||"+mark))
}

// messages lets the marked patients pass, at each listener.
func (g *guardedSite) messages() {
	g.Helper()
	g.send(g.address["device"], 0, markedPatients)
	g.send(g.address["clear"], markedPatients, markedPatients+200)
	g.send(g.address["seen"], markedPatients+200, markedPatients+400)
	if got := g.engine.got.Load(); got != markedPatients+400 {
		g.Errorf("the engine got %d messages, want all", got)
	}
}

// oddities sends what is not permitted or not understood, each on a connection of its own, to a guard that enforces and to one that observes.
func (g *guardedSite) oddities() {
	g.Helper()
	whole := markedMessage(17)
	frame := func(m string) string { return string(clinicsim.Frame([]byte(m))) }
	var all sync.WaitGroup
	defer all.Wait()
	hello := g.dial(atLab, g.address["hl7"]) // names somebody, and has no certificate
	all.Go(func() {
		defer hello.Close()
		_ = tls.Client(hello, &tls.Config{ServerName: mark + ".example", NextProtos: []string{mark}, InsecureSkipVerify: true}).Handshake()
		_, _ = io.Copy(io.Discard, hello)
	})
	for _, raw := range []string{
		frame(strings.Replace(whole, "LAB|NORTH", "EVIL|NORTH", 1)),
		frame(strings.Replace(whole, "ORU^R01^ORU_R01", mark+"^"+mark+"^"+mark, 1)),
		frame(strings.Replace(whole, "ORU^R01^ORU_R01", "ORU^"+mark, 1)),
		frame(strings.Replace(whole, "|20260301|", "|"+mark+"|", 1)),
		frame(strings.Replace(whole, "|P|2.5", "|"+mark+"|"+mark+"|"+mark+"||"+mark+"|"+mark, 1)),
		frame(strings.Replace(whole, "\rNK1", "\rPID|2||"+mark+"2^^^NORTH^MR||"+mark+"^B\rNK1", 1)),
		frame(strings.ReplaceAll(whole, "^", "#")), frame(strings.ReplaceAll(whole, "\r", "\n")), frame(strings.ReplaceAll(whole, "PID|", mark+"|")),
		frame(strings.Replace(whole, mark, mark+"\\X41\\", 1)), frame(strings.Replace(whole, mark, mark+"\x01", 1)), frame(strings.Replace(whole, mark, mark+"é", 1)),
		frame(strings.Replace(whole, "MSH|", "MSH|"+mark, 1)), frame(whole[20:]), frame(mark), frame(""),
		frame("MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||QBP^Q22^QBP_Q21|q1|P|2.5\rQPD|Q22^Find^HL7|t|@PID.5.1^" + mark + "\rRCP|I\r"),
		frame("MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||ACK|c19|P|2.5\rMSA|AA|" + mark + "\r"),
		frame(strings.Replace(whole, "|c170|", "|c179|", 1)), // its answer is none
		"GET /" + mark + " HTTP/1.1\r\nHost: " + mark + "\r\n\r\n", "\x0b" + whole, "\x0b\x0b" + whole + "\x1c\r", whole + "\x1c\r", mark, "\x16\x03\x01" + mark,
		string(append([]byte{1, 0, 0, 0, 0, 200}, bytes.Repeat([]byte(mark), 25)...)), string(append([]byte{4, 0, 0, 0, 0, 80}, bytes.Repeat([]byte(mark), 10)...)),
	} {
		for _, address := range []string{g.address["clear"], g.address["seen"], g.address["device"], g.address["hl7"]} {
			g.odd(&all, atLab, address, raw)
		}
		g.odd(&all, atCT, g.address["images"], raw)
		g.odd(&all, atCT, g.address["images_seen"], raw)
		g.odd(&all, atService, g.address["desktop"], raw)
	}
}

// odd sends bytes and hangs up when the other side has nothing more to say.
func (p *private) odd(all *sync.WaitGroup, from byte, address, raw string) {
	p.Helper()
	c := p.dial(from, address)
	all.Go(func() {
		defer c.Close()
		_, _ = c.Write([]byte(raw)) // it may end before
		_ = c.(*net.TCPConn).CloseWrite()
		_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
		_, _ = io.Copy(io.Discard, c)
	})
}

// associations has images stored and patients found: within the budget, beyond it, and in encodings that do not pass.
func (g *guardedSite) associations() {
	g.Helper()
	for _, address := range []string{g.address["images"], g.address["images_seen"]} {
		stored := g.associate(address, "CT1", clinicsim.CTImage, func(a *clinicsim.Association) {
			for _, i := range []int{0, 1, 2, 5, 7} {
				storeOne(a, i)
			}
		})
		if stored != nil {
			g.Errorf("an image was not stored: %v: %s", stored, lastLine(g.said()))
		}
		for _, i := range []int{3, 4, 6, 9} {
			_ = g.associate(address, "CT1", clinicsim.CTImage, func(a *clinicsim.Association) { storeOne(a, i) })
		}
		_ = g.associate(address, "CT1", clinicsim.CTImage, func(a *clinicsim.Association) {
			a.Write(clinicsim.FromClient, 1, []byte(mark+mark), []byte(mark+mark))
			a.Release()
		})
		_ = g.associate(address, "CT1", mark, func(*clinicsim.Association) {})
		found := g.associate(address, "VIEWER1", clinicsim.StudyRootFind, func(a *clinicsim.Association) { findSome(a, 0, false) })
		if found != nil {
			g.Errorf("nobody was found: %v: %s", found, lastLine(g.said()))
		}
		_ = g.associate(address, "VIEWER1", clinicsim.StudyRootFind, func(a *clinicsim.Association) { findSome(a, 0, false) }) // beyond the budget
	}
}

// associate plays a script with the archive. It may end early.
func (p *private) associate(address, calling, class string, script func(*clinicsim.Association)) error {
	p.Helper()
	from := byte(atCT)
	if calling == "VIEWER1" {
		from = atViewer
	}
	c := p.dial(from, address)
	defer c.Close()
	s := &dicomSide{c: c, own: clinicsim.FromClient}
	a := associationOf(s, calling, class)
	if a.Open(); s.err == nil {
		script(a)
	}
	if s.err == nil {
		a.Release()
	}
	return s.err
}

// approvals lets a vendor in for a time, and breaks the glass.
func (g *guardedSite) approvals() {
	g.Helper()
	table := filepath.Join(g.dir, "approvals", "0123456789ab.json") // what is there by mistake
	g.must(errors.Join(os.MkdirAll(filepath.Dir(table), 0o700), os.WriteFile(table, markedTable(20), 0o600)))
	said := g.call(0, "", "approve", "ct-service", "--site", g.site, "--reason", "tube is replaced", "--by", "Anna Berg")
	g.call(0, "", "approve", "list", "--site", g.site)
	g.eventually("the vendor", func() bool { return g.says(strings.Repeat(mark, 100)) })
	g.must(os.Remove(table)) // now the guard has looked there, too
	_, id, _ := strings.Cut(said, "approve end ")
	g.call(0, "", "approve", "end", strings.Fields(id)[0], "--site", g.site)
	g.call(0, "", "break-glass", "viewer1", "--site", g.site, "--reason", "mass accident", "--by", "Anna Berg")
	g.call(0, "", "approve", "list", "--site", g.site, "--all", "--json")
	g.eventually("the end of the approval", func() bool { return !g.says(mark) })
	_ = g.associate(g.address["images"], "VIEWER1", clinicsim.StudyRootFind, func(a *clinicsim.Association) { findSome(a, 0, false) })
}

// says reports whether a remote desktop can be worked with.
func (g *guardedSite) says(text string) bool {
	g.Helper()
	c := g.dial(atService, g.address["desktop"])
	defer c.Close()
	got := make([]byte, len(text))
	_, err := c.Write([]byte(text))
	_, too := io.ReadFull(c, got)
	return errors.Join(err, too) == nil && string(got) == text
}
