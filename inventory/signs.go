package inventory

import (
	"net/netip"
	"slices"

	"chaperone"
	"chaperone/exchange"
	"chaperone/wire"
	"chaperone/wire/dimse"
)

// maxSenders bounds the names under which HL7 messages are sent.
const maxSenders = 1 << 14

// signs notes what a medical message says about its two sides.
func (v *Inventory) signs(c *exchange.Connection, m *wire.Message) {
	client, server := v.system(c.Client.Addr()), v.system(c.Server.Addr())
	t := m.At.Time
	both := func(asking, answering act, asks, answers *System) {
		asks.saw(asking, t, answers.Addr)
		answers.saw(answering, t, asks.Addr)
	}
	asker, holder := client, server // of a query
	if m.Data == wire.FromClient {
		asker, holder = server, client
	}
	switch {
	case c.Protocol == chaperone.HL7 && m.Role == wire.Push && m.Data == wire.FromClient:
		both(sendsHL7, takesHL7, client, server)
		client.relay.sends(server.Addr, t)
		server.relay.received(client.Addr, t)
		if first, ok := v.senders[m.From]; ok && first != client.Addr {
			client.saw(passesOn, t, server.Addr)
		} else if !ok && m.From != "" && len(v.senders) < maxSenders {
			v.senders[m.From] = client.Addr
		}
	case c.Protocol != chaperone.DICOM:
	case m.Action == "C-STORE" && (m.Role == wire.Reply || m.Retrieve != nil):
		both(givesRetrieved, takesRetrieved, holderOf(m, client, server), receiverOf(m, client, server))
	case m.Action == "C-STORE":
		both(storesOwn, takesImages, holderOf(m, client, server), receiverOf(m, client, server))
	case m.Class == dimse.Worklist:
		both(asksWorklist, answersWork, asker, holder)
	case m.Role == wire.Query || m.Role == wire.Move:
		both(asksQuery, answersQuery, asker, holder)
	}
}

// holderOf gives the side that the data of a message comes from.
func holderOf(m *wire.Message, client, server *System) *System {
	if m.Data == wire.FromClient {
		return client
	}
	return server
}

func receiverOf(m *wire.Message, client, server *System) *System {
	if m.Data == wire.FromClient {
		return server
	}
	return client
}

// use notes what a connection says about its two sides.
func (v *Inventory) use(c *exchange.Contact) {
	if c.Failed || c.Total() == 0 {
		return // nobody took part but the one who tried
	}
	client, server := v.system(c.Client.Addr()), v.system(c.Server.Addr())
	t := c.First
	server.saw(accepts, t, client.Addr)
	switch c.Protocol {
	case chaperone.SMB:
		client.saw(opensFiles, t, server.Addr)
		server.saw(servesFiles, t, client.Addr)
	case chaperone.RDP:
		if c.Total() > attempt { // less is a logon that failed
			client.saw(opensDesktop, t, server.Addr)
			server.saw(servesDesktop, t, client.Addr)
		}
	case chaperone.SSL, "":
		client.saw(browses, t, server.Addr)
	}
	v.desktop(c, client, server)
}

// attempt is how many bytes an RDP connection has at most whose user was not let in.
const attempt = 16 << 10

// desktop notes the names that an RDP connection shows. The server's certificate is by default one that Windows made
// for the name of the machine.
func (v *Inventory) desktop(c *exchange.Contact, client, server *System) {
	d := c.Desktop
	if d == nil {
		return
	}
	client.name(d.Machine, "remote desktop client")
	if d.Tunnel != nil && len(d.Tunnel.Names) > 0 {
		server.name(d.Tunnel.Names[0], "remote desktop certificate")
	}
}

// Fact notes what a protocol says about the two sides of a connection.
func (v *Inventory) Fact(clientAddr, serverAddr netip.Addr, f wire.Fact) {
	client, server := v.system(clientAddr), v.system(serverAddr)
	switch f := f.(type) {
	case wire.Software:
		side := client
		if f.Dir == wire.FromServer {
			side = server
		}
		side.runs(f.Name, f.Context)
	case wire.Logon:
		client.name(f.Workstation, "SMB logon")
		server.name(f.Server, "SMB logon")
		if f.Build != "" {
			server.runs("Windows "+f.Build, "SMB logon")
		}
	}
}

func (s *System) name(text, from string) {
	n := Name{text, from}
	if text != "" && len(s.Names) < maxClaims && !slices.Contains(s.Names, n) {
		s.Names = append(s.Names, n)
	}
}

func (s *System) runs(text, from string) {
	n := Name{text, from}
	if text != "" && len(s.Software) < maxClaims && !slices.Contains(s.Software, n) {
		s.Software = append(s.Software, n)
	}
}
