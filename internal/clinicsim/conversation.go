package clinicsim

import (
	"math/rand/v2"
	"net/netip"
	"time"
)

// Dir is a direction of a connection. Its values are those of wire.Dir, which this package must not know.
type Dir uint8

// The two directions.
const (
	FromClient Dir = iota // from the side that opened the connection
	FromServer
)

// Other gives the opposite direction.
func (d Dir) Other() Dir { return d ^ 1 }

// Sender takes the application bytes of one connection, in the order in which they are sent. b is not kept.
type Sender interface {
	Send(d Dir, b []byte)
}

// Chunk is what one side wrote at once.
type Chunk struct {
	Dir   Dir
	Bytes []byte
}

// Conversation is a Sender that remembers: the application bytes of one connection, without packets and time.
// It is what tests of decoders feed. The zero value is empty and ready.
type Conversation struct {
	Chunks []Chunk
}

// Send appends what one side writes.
func (c *Conversation) Send(d Dir, b []byte) {
	c.Chunks = append(c.Chunks, Chunk{d, append([]byte(nil), b...)})
}

// Bytes gives everything one side wrote.
func (c *Conversation) Bytes(d Dir) []byte {
	var all []byte
	for _, chunk := range c.Chunks {
		if chunk.Dir == d {
			all = append(all, chunk.Bytes...)
		}
	}
	return all
}

// Packets gives the conversation as the packets of one TCP connection to a port, from handshake to FIN, with the late
// and repeated segments that the seed brings.
func (c *Conversation) Packets(seed uint64, port uint16) []Packet {
	var list []Packet
	n := newNetwork(time.Date(2025, time.March, 3, 7, 0, 0, 0, time.UTC), seed, newTally(false), func(p Packet) error {
		list = append(list, p)
		return nil
	})
	f := n.open(rand.New(rand.NewPCG(seed, 5)), 0, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), port)
	for _, chunk := range c.Chunks {
		f.Send(chunk.Dir, chunk.Bytes)
	}
	f.close(FromClient)
	n.release(1<<63 - 1)
	return list
}
