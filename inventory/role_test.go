package inventory

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/wire"
	"chaperone/wire/dimse"
)

// host gives an address of the clinic.
func host(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}) }

// hour gives a time of the evidence.
func hour(n int) time.Time { return morning.Add(time.Duration(n) * time.Hour) }

// message lets a client (by its last number) and a server pass a message.
func message(v *Inventory, when time.Time, p chaperone.Protocol, client, server int, m wire.Message) {
	m.At.Time = when
	v.Event(&exchange.Connection{Protocol: p, Client: netip.AddrPortFrom(host(client), 50000), Server: netip.AddrPortFrom(host(server), 104)}, wire.Event{Stage: wire.Head, Message: &m})
}

// connect lets a client connect to a server: 20 KB each way.
func connect(v *Inventory, when time.Time, p chaperone.Protocol, client, server int, edits ...func(*exchange.Contact)) {
	c := &exchange.Contact{Protocol: p, Client: netip.AddrPortFrom(host(client), 50000), Server: netip.AddrPortFrom(host(server), 443), Bytes: [2]int64{20 << 10, 20 << 10}, First: when, Last: when}
	for _, edit := range edits {
		edit(c)
	}
	v.Contact(c, false)
}

func failed(c *exchange.Contact) { c.Failed = true }

func store(v *Inventory, when time.Time, from, to int) {
	message(v, when, chaperone.DICOM, from, to, wire.Message{Action: "C-STORE"})
}

func plan(v *Inventory, when time.Time, from, to int) {
	message(v, when, chaperone.DICOM, from, to, wire.Message{Action: "C-FIND", Role: wire.Query, Class: dimse.Worklist, Data: wire.FromServer})
}

func query(v *Inventory, when time.Time, from, to int) {
	message(v, when, chaperone.DICOM, from, to, wire.Message{Action: "C-FIND", Role: wire.Query, Data: wire.FromServer})
}

// fetch retrieves by C-GET, move by C-MOVE, whose images come on a connection of the archive's.
func fetch(v *Inventory, when time.Time, from, to int) {
	message(v, when, chaperone.DICOM, from, to, wire.Message{Action: "C-STORE", Role: wire.Reply, Data: wire.FromServer})
}

func move(v *Inventory, when time.Time, from, to int) {
	message(v, when, chaperone.DICOM, from, to, wire.Message{Action: "C-MOVE", Role: wire.Move, Data: wire.FromServer})
	message(v, when, chaperone.DICOM, to, from, wire.Message{Action: "C-STORE", Retrieve: &wire.Retrieve{}})
}

func tell(v *Inventory, when time.Time, name string, from, to int) {
	message(v, when, chaperone.HL7, from, to, wire.Message{Action: "ADT^A01", From: name})
}

// TestJudge: what a system is, by what it usually does. .1 is judged.
func TestJudge(t *testing.T) {
	smb, rdp, tls := chaperone.SMB, chaperone.RDP, chaperone.SSL
	for _, test := range []struct {
		name string
		play func(*Inventory)
		want Role
	}{
		{name: "modality", want: Modality, play: func(v *Inventory) { store(v, morning, 1, 9); plan(v, morning, 1, 8) }},
		{name: "one sign is not enough", want: Unknown, play: func(v *Inventory) { store(v, morning, 1, 9) }},
		{name: "the strongest sign alone is not enough", want: Unknown, play: func(v *Inventory) {
			connect(v, morning, smb, 2, 1)
			connect(v, morning, smb, 2, 1)
		}},
		{name: "archive", want: PACS, play: func(v *Inventory) { store(v, morning, 2, 1); query(v, morning, 3, 1) }},
		{name: "archive that only gives", want: PACS, play: func(v *Inventory) { query(v, morning, 3, 1); fetch(v, morning, 3, 1) }},
		{name: "archive that sends by itself what it was asked for", want: PACS, play: func(v *Inventory) { move(v, morning, 3, 1) }},
		{name: "viewer", want: Viewer, play: func(v *Inventory) { query(v, morning, 1, 9); fetch(v, morning, 1, 9) }},
		{name: "viewer that retrieves by C-MOVE", want: Viewer, play: func(v *Inventory) { move(v, morning, 1, 9) }},
		{name: "viewer that only asks", want: Unknown, play: func(v *Inventory) { query(v, morning, 1, 9) }},
		{name: "modality that also asks the archive", want: Modality, play: func(v *Inventory) {
			store(v, morning, 1, 9)
			plan(v, morning, 1, 8)
			query(v, morning, 1, 9)
		}},
		{name: "modality and viewer in one: too close to say", want: Unknown, play: func(v *Inventory) {
			store(v, morning, 1, 9)
			plan(v, morning, 1, 8)
			query(v, morning, 1, 9)
			fetch(v, morning, 1, 9)
		}},
		{name: "engine, by the name under which it sends", want: Engine, play: func(v *Inventory) {
			tell(v, morning, "REG", 2, 1)
			tell(v, morning, "REG", 1, 3)
		}},
		{name: "engine, by how soon it sends", want: Engine, play: func(v *Inventory) {
			for i := range 5 {
				tell(v, morning.Add(time.Duration(i)*time.Minute), "REG", 2, 1)
				tell(v, morning.Add(time.Duration(i)*time.Minute+5*time.Second), "ENGINE", 1, 3)
			}
		}},
		{name: "engine to which several connect", want: Engine,
			play: func(v *Inventory) {
				tell(v, morning, "REG", 2, 1)
				tell(v, morning, "LAB", 3, 1)
				connect(v, morning, chaperone.HL7, 2, 1)
				connect(v, morning, chaperone.HL7, 3, 1)
				tell(v, morning, "REG", 1, 4)
				tell(v, morning, "LAB", 1, 5)
			}},
		{name: "four messages are too few to call prompt", want: Unknown, play: func(v *Inventory) {
			for i := range 4 {
				tell(v, morning.Add(time.Duration(i)*time.Minute), "REG", 2, 1)
				tell(v, morning.Add(time.Duration(i)*time.Minute), "EHR", 1, 3)
			}
		}},
		{name: "it takes longer than an engine", want: Unknown, play: func(v *Inventory) {
			for i := range 5 {
				tell(v, morning.Add(time.Duration(i)*time.Minute), "REG", 2, 1)
				tell(v, morning.Add(time.Duration(i)*time.Minute+6*time.Second), "EHR", 1, 3)
			}
		}},
		{name: "it answers whom it heard", want: Unknown, play: func(v *Inventory) {
			for i := range 9 {
				tell(v, morning.Add(time.Duration(i)*time.Minute), "REG", 2, 1)
				tell(v, morning.Add(time.Duration(i)*time.Minute), "EHR", 1, 2)
			}
		}},
		{name: "four of five at once", want: Engine, play: func(v *Inventory) {
			tell(v, morning, "ENGINE", 1, 3)
			for i := range 4 {
				tell(v, morning.Add(time.Duration(i)*time.Minute), "REG", 2, 1)
				tell(v, morning.Add(time.Duration(i)*time.Minute), "ENGINE", 1, 3)
			}
		}},
		{name: "three of five at once", want: Unknown, play: func(v *Inventory) {
			tell(v, morning, "EHR", 1, 3)
			tell(v, morning, "EHR", 1, 3)
			for i := range 3 {
				tell(v, morning.Add(time.Duration(i)*time.Minute), "REG", 2, 1)
				tell(v, morning.Add(time.Duration(i)*time.Minute), "EHR", 1, 3)
			}
		}},
		{name: "server that sends and receives HL7, and to which several connect", want: Server, play: func(v *Inventory) {
			tell(v, morning, "REG", 2, 1)
			tell(v, hour(1), "EHR", 1, 2)
			connect(v, morning, chaperone.HL7, 2, 1)
			connect(v, morning, chaperone.HL7, 3, 1)
		}},
		{name: "server of a worklist and of desktops", want: Server, play: func(v *Inventory) {
			plan(v, morning, 2, 1)
			connect(v, morning, rdp, 3, 1)
		}},
		{name: "a logon that failed lets nobody in", want: Unknown, play: func(v *Inventory) {
			plan(v, morning, 2, 1)
			connect(v, morning, rdp, 3, 1, func(c *exchange.Contact) { c.Bytes = [2]int64{8 << 10, 8 << 10} })
		}},
		{name: "file server", want: FileServer, play: func(v *Inventory) { connect(v, morning, smb, 2, 1); connect(v, morning, smb, 3, 1) }},
		{name: "file server that one client alone uses", want: Unknown, play: func(v *Inventory) { connect(v, morning, smb, 2, 1); connect(v, morning, tls, 3, 1) }},
		{name: "workstation", want: Workstation, play: func(v *Inventory) { connect(v, morning, smb, 1, 9); connect(v, morning, rdp, 1, 8) }},
		{name: "workstation that browses", want: Workstation, play: func(v *Inventory) {
			connect(v, morning, smb, 1, 9)
			for i := range 3 {
				connect(v, morning, []chaperone.Protocol{tls, "", tls}[i], 1, 20+i)
			}
		}},
		{name: "two pages are not browsing", want: Unknown, play: func(v *Inventory) {
			connect(v, morning, smb, 1, 9)
			connect(v, morning, tls, 1, 20)
			connect(v, morning, tls, 1, 21)
		}},
		{name: "what failed says nothing", want: Unknown, play: func(v *Inventory) { connect(v, morning, smb, 1, 9, failed); connect(v, morning, rdp, 1, 8, failed) }},
		{name: "what carried nothing says nothing", want: Unknown, play: func(v *Inventory) {
			nothing := func(c *exchange.Contact) { c.Bytes = [2]int64{} }
			connect(v, morning, smb, 1, 9, nothing)
			connect(v, morning, rdp, 1, 8, nothing)
		}},
		{name: "what it does seldom does not change it", want: Modality, play: func(v *Inventory) {
			for i := range 30 {
				store(v, hour(i), 1, 9)
				plan(v, hour(i), 1, 8)
			}
			connect(v, hour(7), smb, 1, 9)
			connect(v, hour(7), rdp, 1, 8)
		}},
		{name: "what it does often does", want: Unknown, play: func(v *Inventory) {
			for i := range 30 {
				store(v, hour(i), 1, 9)
				plan(v, hour(i), 1, 8)
				if i%10 == 0 {
					connect(v, hour(i), smb, 1, 9)
					connect(v, hour(i), rdp, 1, 8)
				}
			}
		}},
		{name: "an engine that serves its maker once", want: Engine, play: func(v *Inventory) {
			for i := range 30 {
				tell(v, hour(i), "REG", 2, 1)
				tell(v, hour(i), "REG", 1, 3)
			}
			connect(v, hour(7), rdp, 40, 1)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := New()
			test.play(v)
			s := v.Systems()[0]
			if s.Addr != host(1) || s.Role != test.want {
				t.Errorf("got %q for %s, want %q for .1: %v", s.Role, s.Addr, test.want, s.Signs)
			}
			if (s.Role == Unknown) != (s.Sure == 0) || s.Sure != 0 && s.Sure < 0.95 || s.Sure > 1 {
				t.Errorf("got %q with sureness %f", s.Role, s.Sure)
			}
		})
	}
}

// TestSigns: a role is told with the signs that speak for it, the one of most hours first.
func TestSigns(t *testing.T) {
	v := New()
	for i := range 20 {
		plan(v, hour(i), 1, 8)
		plan(v, hour(i).Add(time.Minute), 1, 8)
		if i%2 == 0 {
			store(v, hour(i), 1, 9)
			query(v, hour(i), 1, 9)
		}
	}
	s := v.Systems()[0]
	if got, want := fmt.Sprint(s.Signs), "[{asks for the worklist 20} {sends images it made 10}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
