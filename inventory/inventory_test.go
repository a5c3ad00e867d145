package inventory

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/wire"
)

var morning = time.Date(2025, 3, 3, 8, 0, 0, 0, time.UTC)

func connection(p chaperone.Protocol) *exchange.Connection {
	return &exchange.Connection{Protocol: p, Client: netip.MustParseAddrPort("192.0.2.1:50000"), Server: netip.MustParseAddrPort("192.0.2.2:104")}
}

// describe says what is known of the client (.1) and the server (.2).
func describe(v *Inventory) string {
	var out []string
	for _, s := range v.Systems() {
		out = append(out, fmt.Sprintf(".%d %s: %s", s.Addr.As4()[3], strings.Join(s.Claimed, "+"), strings.Trim(fmt.Sprint(s.Does), "[]")))
	}
	return strings.Join(out, "; ")
}

// TestRoles: what the two sides of a message are seen to do.
func TestRoles(t *testing.T) {
	for _, test := range []struct {
		name     string
		protocol chaperone.Protocol
		message  wire.Message
		stage    wire.Stage
		want     string
	}{
		{"admission", chaperone.HL7, wire.Message{Action: "ADT^A01", Role: wire.Push, From: "REG", To: "EHR"}, wire.Head, ".1 REG: sends HL7; .2 EHR: receives HL7"},
		{"HL7 query", chaperone.HL7, wire.Message{Action: "QBP^Q22", Role: wire.Query, Data: wire.FromServer, From: "EHR", To: "PORTAL"}, wire.Head, ".1 PORTAL: asks in HL7; .2 EHR: answers in HL7"},
		{"acknowledgement", chaperone.HL7, wire.Message{Action: "ACK", Role: wire.Control, Data: wire.FromServer, From: "EHR", To: "REG"}, wire.Head, ".1 REG: ; .2 EHR: "},
		{"image", chaperone.DICOM, wire.Message{Action: "C-STORE", Role: wire.Push, From: "CT1", To: "PACS"}, wire.Head, ".1 CT1: sends images; .2 PACS: receives images"},
		{"image that was asked for", chaperone.DICOM, wire.Message{Action: "C-STORE", Role: wire.Reply, Data: wire.FromServer, From: "PACS", To: "VIEWER"}, wire.Head, ".1 VIEWER: receives images; .2 PACS: sends images"},
		{"image query", chaperone.DICOM, wire.Message{Action: "C-FIND", Role: wire.Query, Data: wire.FromServer, From: "PACS", To: "VIEWER"}, wire.Head, ".1 VIEWER: asks for images; .2 PACS: answers image queries"},
		{"association", chaperone.DICOM, wire.Message{Action: "A-ASSOCIATE", From: "CT1", To: "PACS", Outcome: chaperone.Delivered}, wire.Answer, ".1 CT1: ; .2 PACS: "},
		{"rejected association: the called title is not the receiver's", chaperone.DICOM, wire.Message{Action: "A-ASSOCIATE", From: "LAPTOP", To: "GUESS", Outcome: chaperone.Refused}, wire.Answer, ".1 LAPTOP: ; .2 : "},
		{"association that is not answered yet", chaperone.DICOM, wire.Message{Action: "A-ASSOCIATE", From: "CT1", To: "PACS"}, wire.Head, ""},
		{"the end of a message says nothing new", chaperone.DICOM, wire.Message{Action: "C-STORE", Role: wire.Push, From: "CT1", To: "PACS"}, wire.Tail, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := New()
			test.message.At.Time = morning
			v.Event(connection(test.protocol), wire.Event{Stage: test.stage, Message: &test.message})
			if got := describe(v); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestBounds: a scanner that claims many names does not fill the memory, and one system is one.
func TestBounds(t *testing.T) {
	v := New()
	for i := range 1000 {
		m := &wire.Message{Action: "A-ASSOCIATE", From: fmt.Sprint("AE", i), To: "PACS", Outcome: chaperone.Delivered}
		m.At.Time = morning.Add(time.Duration(i) * time.Second)
		v.Event(connection(chaperone.DICOM), wire.Event{Stage: wire.Answer, Message: m})
	}
	v.Contact(&exchange.Contact{Client: netip.MustParseAddrPort("192.0.2.1:50000"), Server: netip.MustParseAddrPort("192.0.2.2:104"), First: morning.Add(-time.Hour), Last: morning}, true)
	all := v.Systems()
	if len(all) != 2 || len(all[0].Claimed) != maxClaims || !slices.Equal(all[1].Claimed, []string{"PACS"}) {
		t.Fatalf("got %d systems with %d and %v names, want 2 with %d and PACS", len(all), len(all[0].Claimed), all[1].Claimed, maxClaims)
	}
	s := all[0]
	if !s.First.Equal(morning.Add(-time.Hour)) || !s.Last.Equal(morning.Add(999*time.Second)) || s.Connections != 1 || s.Encrypted != 1 {
		t.Errorf("got %s to %s, %d connections, %d encrypted; want an hour before to 999 s after eight, 1 and 1", s.First, s.Last, s.Connections, s.Encrypted)
	}
}

// TestNames: what names a system, and what it runs; each once.
func TestNames(t *testing.T) {
	v := New()
	for range 3 {
		connect(v, morning, chaperone.RDP, 1, 2, func(c *exchange.Contact) {
			c.Desktop = &wire.Desktop{Machine: "FRONTDESK", Tunnel: &wire.Tunnel{Names: []string{"GATE01.clinic.example", "192.0.2.2"}}}
		})
		v.Fact(host(1), host(2), wire.Logon{Workstation: "DESK7", Server: "GATE01", Build: "10.0.17763"})
		v.Fact(host(1), host(2), wire.Software{Dir: wire.FromClient, Name: "VIEW_1", Context: "A-ASSOCIATE"})
		v.Fact(host(1), host(2), wire.Software{Dir: wire.FromServer, Name: "PACS_2", Context: "A-ASSOCIATE"})
		v.Fact(host(1), host(2), wire.Share{Path: `\\GATE01\c`})
	}
	all := v.Systems()
	for i, want := range []string{
		"[{FRONTDESK remote desktop client} {DESK7 SMB logon}] [{VIEW_1 A-ASSOCIATE}]",
		"[{GATE01.clinic.example remote desktop certificate} {GATE01 SMB logon}] [{Windows 10.0.17763 SMB logon} {PACS_2 A-ASSOCIATE}]",
	} {
		if got := fmt.Sprint(all[i].Names, all[i].Software); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestSilent: an address that nothing answers from is no system.
func TestSilent(t *testing.T) {
	v := New()
	connect(v, morning, "", 1, 2, failed, func(c *exchange.Contact) { c.Silent = true })
	connect(v, morning, "", 1, 3, failed)
	if all := v.Systems(); len(all) != 2 || all[0].Addr != host(1) || all[1].Addr != host(3) || all[0].Connections != 2 {
		t.Errorf("got %+v, want .1 with two connections and .3, which refused", all)
	}
}
