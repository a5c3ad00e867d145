package exchange

import (
	"net/netip"
	"time"

	"chaperone"
	"chaperone/wire"
)

// Contact is one TCP connection as a whole, told when it is over.
type Contact struct {
	Client, Server netip.AddrPort
	Protocol       chaperone.Protocol // "" when its content was not recognised
	Opened         bool               // its beginning was seen
	Failed         bool               // the server refused it, or nothing answered
	Silent         bool               // nothing answered: there may be no such server
	Bytes          [2]int64           // that passed, by direction, gaps included
	First, Last    time.Time
	Evidence       chaperone.Evidence // its first packet
	Desktop        *wire.Desktop      // of an RDP connection
	Tunnel         *wire.Tunnel       // of a TLS connection
}

// Total gives the bytes of both directions.
func (c *Contact) Total() int64 { return c.Bytes[0] + c.Bytes[1] }

// Length gives how long it lasted.
func (c *Contact) Length() time.Duration { return c.Last.Sub(c.First) }
