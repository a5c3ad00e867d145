package exchange

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/patient"
)

// passed makes a disclosure of the archive to the viewer, at a time after eight, changed as the edits say.
func passed(after time.Duration, people []patient.Node, edits ...func(*Disclosed)) *Disclosed {
	d := &Disclosed{Nodes: people, Class: "1.2", Disclosure: chaperone.Disclosure{Time: start.Add(after), Protocol: chaperone.DICOM, Action: "C-FIND", Records: len(people), Bytes: 100,
		From: chaperone.Party{Addr: pacs.Addr(), Port: 104, Claimed: "PACS"}, To: chaperone.Party{Addr: viewer.Addr(), Claimed: "VIEWER1"},
		Evidence: chaperone.Evidence{File: "a.pcap", Packet: int64(after.Seconds()) + 1}}}
	for _, edit := range edits {
		edit(d)
	}
	return d
}

func asked(by netip.Addr) func(*Disclosed) {
	return func(d *Disclosed) { d.RequestedBy = &chaperone.Party{Addr: by, Port: 50000} }
}

// ways says of each trail who, whom, at whose request, by what, and in how many hours.
func ways(t *Trails) string {
	var out []string
	for _, x := range t.All() {
		out = append(out, fmt.Sprintf("%s>%s by %s: %s %s %s to %s, %d", x.From, x.To, x.Asker(), x.Protocol, x.Action, x.Class, x.Receiver, len(x.Hours)))
	}
	return strings.Join(out, "\n")
}

// TestTrails: what is one trail and what is another.
func TestTrails(t *testing.T) {
	const usual = "192.0.2.60>192.0.2.71 by 192.0.2.60: dicom C-FIND 1.2 to VIEWER1, 1"
	for _, test := range []struct {
		name string
		edit func(*Disclosed)
		want string
	}{
		{"the same", func(*Disclosed) {}, usual},
		{"other ports", func(d *Disclosed) { d.From.Port, d.To.Port = 1, 2 }, usual},
		{"another name of the sender", func(d *Disclosed) { d.From.Claimed = "ARCHIVE" }, usual},
		{"another name of the receiver", func(d *Disclosed) { d.To.Claimed = "TEACHING" }, "192.0.2.60>192.0.2.71 by 192.0.2.60: dicom C-FIND 1.2 to TEACHING, 1\n" + usual},
		{"another service", func(d *Disclosed) { d.Action = "C-STORE" }, usual + "\n192.0.2.60>192.0.2.71 by 192.0.2.60: dicom C-STORE 1.2 to VIEWER1, 1"},
		{"another class", func(d *Disclosed) { d.Class = "1.1" }, "192.0.2.60>192.0.2.71 by 192.0.2.60: dicom C-FIND 1.1 to VIEWER1, 1\n" + usual},
		{"another sender", func(d *Disclosed) { d.From.Addr = teaching.Addr() }, usual + "\n198.51.100.90>192.0.2.71 by 198.51.100.90: dicom C-FIND 1.2 to VIEWER1, 1"},
		{"another receiver", func(d *Disclosed) { d.To.Addr = teaching.Addr() }, usual + "\n192.0.2.60>198.51.100.90 by 192.0.2.60: dicom C-FIND 1.2 to VIEWER1, 1"},
		{"somebody asked", asked(teaching.Addr()), usual + "\n192.0.2.60>192.0.2.71 by 198.51.100.90: dicom C-FIND 1.2 to VIEWER1, 1"},
		{"HL7", func(d *Disclosed) { d.Protocol = chaperone.HL7 }, "192.0.2.60>192.0.2.71 by 192.0.2.60: hl7   to , 1\n" + usual},
		{"another hour", func(d *Disclosed) { d.Time = d.Time.Add(time.Hour) }, strings.TrimSuffix(usual, "1") + "2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			trails := NewTrails()
			trails.Add(passed(0, nil))
			trails.Add(passed(0, nil, test.edit))
			if got := ways(trails); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestTrailOfMessages: HL7 has many events; they are one way.
func TestTrailOfMessages(t *testing.T) {
	trails := NewTrails()
	for _, action := range []string{"ADT^A01", "ORU^R01", "ADT^A08"} {
		trails.Add(passed(0, nil, func(d *Disclosed) { d.Protocol, d.Action, d.To.Claimed = chaperone.HL7, action, action }))
	}
	if all := trails.All(); len(all) != 1 || all[0].Hours[0].Disclosures != 3 {
		t.Errorf("got %s, want one trail of three messages", ways(trails))
	}
}

// TestStretch: what is added up in an hour, in whatever order it comes.
func TestStretch(t *testing.T) {
	nodes := func(list ...patient.Node) []patient.Node { return list }
	trails := NewTrails()
	for _, d := range []*Disclosed{
		passed(70*time.Minute, nodes(5, 6)),
		passed(30*time.Minute, nodes(3, 2)),
		passed(10*time.Minute, nodes(1, 2), func(d *Disclosed) { d.Unidentified, d.Records, d.From.Claimed = 4, 6, "ARCHIVE" }),
		passed(190*time.Minute, nodes(9)),
		passed(50*time.Minute, nodes(3)),
		passed(59*time.Minute+59*time.Second, nil),
		passed(119*time.Minute, nodes(5, 6)),
		passed(-time.Second, nodes(7)),
	} {
		trails.Add(d)
	}
	all := trails.All()
	if len(all) != 1 || all[0].Sender != "PACS" {
		t.Fatalf("got %s, want one trail of PACS, as it was first called", ways(trails))
	}
	var out []string
	for _, s := range all[0].Hours {
		out = append(out, fmt.Sprintf("%s %v %d disclosures, %d records, %d unidentified, %d bytes, %s to %s, packet %d", time.Unix(s.Hour*3600, 0).UTC().Format("15h"), s.Nodes, s.Disclosures,
			s.Records, s.Unidentified, s.Bytes, s.First.Format("15:04:05"), s.Last.Format("15:04:05"), s.Evidence.Packet))
	}
	want := `07h [7] 1 disclosures, 1 records, 0 unidentified, 100 bytes, 07:59:59 to 07:59:59, packet 0
08h [1 2 3] 4 disclosures, 9 records, 4 unidentified, 400 bytes, 08:10:00 to 08:59:59, packet 601
09h [5 6] 2 disclosures, 4 records, 0 unidentified, 200 bytes, 09:10:00 to 09:59:00, packet 4201
11h [9] 1 disclosures, 1 records, 0 unidentified, 100 bytes, 11:10:00 to 11:10:00, packet 11401`
	if got := strings.Join(out, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if again := trails.All(); len(again[0].Hours[1].Nodes) != 3 {
		t.Error("asking twice changes the answer")
	}
}

// TestStretchBound: the same people again and again are kept once, not once a message.
func TestStretchBound(t *testing.T) {
	trails := NewTrails()
	for i := range 100_000 {
		trails.Add(passed(time.Minute, []patient.Node{patient.Node(i % 10), patient.Node(i % 7)}))
	}
	trail := trails.trails[Path{From: pacs.Addr(), To: viewer.Addr(), Protocol: chaperone.DICOM, Receiver: "VIEWER1", Action: "C-FIND", Class: "1.2"}]
	if trail == nil || cap(trail.Hours[0].Nodes) > 1000 {
		t.Errorf("got room for %d nodes of ten people, want less than 1000", cap(trail.Hours[0].Nodes))
	}
	if got := len(trails.All()[0].Hours[0].Nodes); got != 10 {
		t.Errorf("got %d people, want 10", got)
	}
}

// TestAsker: who made the records travel.
func TestAsker(t *testing.T) {
	if got := (Path{From: pacs.Addr(), To: teaching.Addr()}).Asker(); got != pacs.Addr() {
		t.Errorf("nobody asked: got %s, want the sender", got)
	}
	if got := (Path{From: pacs.Addr(), To: teaching.Addr(), RequestedBy: viewer.Addr()}).Asker(); got != viewer.Addr() {
		t.Errorf("somebody asked: got %s, want the viewer", got)
	}
}

// TestContact: how much and how long.
func TestContact(t *testing.T) {
	c := Contact{Bytes: [2]int64{3, 4}, First: start, Last: start.Add(time.Minute)}
	if c.Total() != 7 || c.Length() != time.Minute {
		t.Errorf("got %d bytes in %s, want 7 in a minute", c.Total(), c.Length())
	}
}
