package propose

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/inventory"
	"chaperone/patient"
	"chaperone/site"
	"chaperone/wire"
)

var morning = time.Date(2025, 3, 3, 8, 0, 0, 0, time.UTC)

func address(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }

// tell gives the answer to a message that a client sent to port 104 of a server.
func tell(c *Collector, p chaperone.Protocol, client, server netip.Addr, m wire.Message) {
	m.At.Time = morning
	x := &exchange.Connection{Protocol: p, Client: netip.AddrPortFrom(client, 50000), Server: netip.AddrPortFrom(server, 104)}
	c.Event(x, wire.Event{Stage: wire.Answer, Message: &m})
}

// write gives what is proposed for a site of 10.0.0.0/8, which must be good.
func write(t *testing.T, c *Collector, names map[netip.Addr]string) (string, *site.Site) {
	t.Helper()
	s := inventory.NewSite(inventory.New(), inventory.Given{Own: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, morning, morning.Add(time.Hour))
	var out bytes.Buffer
	if err := c.Site(Known{Site: s, Trails: exchange.NewTrails(), Census: patient.NewCensus(), Names: names}).Write(&out); err != nil {
		t.Fatal(err)
	}
	good, problems := site.Parse(out.Bytes())
	if good == nil {
		t.Fatalf("%s\n%s", (&site.Error{Path: "proposed", Problems: problems}).Error(), out.String())
	}
	return out.String(), good
}

// TestOutside: what leaves the site says so.
func TestOutside(t *testing.T) {
	c := New()
	partner := netip.MustParseAddr("198.51.100.7")
	tell(c, chaperone.HL7, address(1), partner, wire.Message{Action: "ORU^R01", Role: wire.Push, From: "LAB@A"})
	tell(c, chaperone.HL7, partner, address(1), wire.Message{Action: "QRY^A19", Role: wire.Query, Data: chaperone.FromServer, Requester: "PORTAL@B"})
	tell(c, chaperone.DICOM, address(1), partner, wire.Message{Action: "A-ASSOCIATE", From: "A", To: "B"})
	text, s := write(t, c, map[netip.Addr]string{address(1): "Front Desk!", partner: "self"})
	if p := s.Party("self-1"); p == nil || !p.Outside || s.Party("front-desk") == nil {
		t.Fatalf("the parties are others:\n%s", text)
	}
	leaving := 0
	for _, g := range s.Grants {
		if g.Outside && fmt.Sprint(g.To) == "[self-1]" {
			leaving++
		}
	}
	if leaving != 3 || strings.Count(text, "THIS LEAVES THE SITE") != 3 {
		t.Errorf("got %d grants that leave the site, want 3:\n%s", leaving, text)
	}
}

// TestClaims: a name is of who used it first, and the other is told of.
func TestClaims(t *testing.T) {
	c := New()
	for n := 1; n <= 2; n++ {
		tell(c, chaperone.DICOM, address(n), address(9), wire.Message{Action: "A-ASSOCIATE", From: "CT1", To: "PACS"})
		tell(c, chaperone.HL7, address(n), address(9), wire.Message{Action: "ADT^A01", Role: wire.Push, From: "REG@A|B"}) // no file can hold it
	}
	tell(c, chaperone.DICOM, address(1), address(9), wire.Message{Action: "C-MOVE", Role: wire.Move, Retrieve: &wire.Retrieve{Destination: "NOWHERE"}})
	tell(c, chaperone.DICOM, address(3), address(9), wire.Message{Action: "A-ASSOCIATE", From: "GUESS", To: "PACS", Outcome: chaperone.Refused})
	tell(c, chaperone.HL7, address(3), address(9), wire.Message{Action: "?", Role: wire.Push})
	text, s := write(t, c, nil)
	if a, b := s.Party("system1"), s.Party("system2"); len(s.Parties) != 3 || fmt.Sprint(a.Titles, b.Titles, a.Applications) != "[CT1] [] []" {
		t.Errorf("got other parties:\n%s", text)
	}
	for _, want := range []string{"it also used the title CT1, which is of system1 here: 1 time", "not granted: 1 C-MOVE for NOWHERE, who was not seen",
		"asked to send to NOWHERE", "1 HL7 message is not in it"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q:\n%s", want, text)
		}
	}
}

// TestNames: several addresses under one name are one party, and names that are made up do not meet those that are given.
func TestNames(t *testing.T) {
	c := New()
	for n := 1; n <= 4; n++ {
		tell(c, chaperone.HL7, address(n), address(9), wire.Message{Action: "ADT^A01", Role: wire.Push, From: fmt.Sprint("REG", n)})
	}
	text, s := write(t, c, map[netip.Addr]string{address(2): "REG", address(3): "reg", address(9): "system1"})
	var names []string
	for _, p := range s.Parties {
		names = append(names, fmt.Sprint(p.Name, len(p.Addresses)))
	}
	if got := strings.Join(names, " "); got != "system21 reg2 system31 system11" {
		t.Errorf("got %s:\n%s", got, text)
	}
}

// TestBounds: a scan does not fill the memory, and the proposal says that it is not all.
func TestBounds(t *testing.T) {
	c := New()
	for i := range maxSpeakers + 10 {
		from := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		tell(c, chaperone.DICOM, from, address(9), wire.Message{Action: "A-ASSOCIATE", From: "SCAN", To: fmt.Sprint("AE", i)})
	}
	text, s := write(t, c, nil)
	if len(s.Parties) > maxSpeakers || !strings.Contains(text, "NOT COMPLETE") {
		t.Errorf("got %d parties", len(s.Parties))
	}
	if got := len(c.speakers[address(9)].titles); got != maxNames {
		t.Errorf("got %d titles of one system, want %d", got, maxNames)
	}
}

// TestRound: twice as many, and a number that is easily said.
func TestRound(t *testing.T) {
	for seen, want := range map[int]int{0: 10, 5: 10, 6: 20, 10: 20, 11: 50, 44: 100, 100: 200, 101: 500, 251: 1000, 12345: 50000} {
		if got := round(seen); got != want {
			t.Errorf("%d: got %d, want %d", seen, got, want)
		}
	}
}
