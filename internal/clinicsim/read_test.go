package clinicsim

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// stream is one TCP connection put together again in the plainest way.
type stream struct {
	name  string
	port  uint16 // of the server
	bytes [2][]byte
}

// reassemble puts every connection together and checks that nothing is missing, that repeated bytes are the same,
// and that no acknowledgement covers bytes that were not captured before it.
func reassemble(t *testing.T, packets []Packet) []*stream {
	t.Helper()
	type side struct {
		first, next uint32
		early       map[uint32][]byte
	}
	type conn struct {
		*stream
		sides [2]side
	}
	open := map[string]*conn{}
	var all []*stream
	for i, p := range packets {
		if i > 0 && p.Time.Before(packets[i-1].Time) {
			t.Fatalf("packet %d is out of time", i+1)
		}
		b := p.Frame
		if len(b) < 60 || b[23] != protocolTCP {
			continue
		}
		b = b[14 : 14+int(binary.BigEndian.Uint16(b[16:]))] // without padding
		tcp := b[20:]
		payload := tcp[tcp[12]>>4*4:]
		seq, ack, flags := binary.BigEndian.Uint32(tcp[4:]), binary.BigEndian.Uint32(tcp[8:]), tcp[13]
		key := fmt.Sprintf("%v:%v-%v:%v", b[12:16], tcp[0:2], b[16:20], tcp[2:4])
		back := fmt.Sprintf("%v:%v-%v:%v", b[16:20], tcp[2:4], b[12:16], tcp[0:2])
		if flags&(flagSYN|flagACK) == flagSYN {
			c := &conn{stream: &stream{name: key, port: binary.BigEndian.Uint16(tcp[2:])}}
			open[key] = c
			all = append(all, c.stream)
		}
		dir := FromClient
		c := open[key]
		if c == nil {
			c, dir = open[back], FromServer
		}
		me, peer := &c.sides[dir], &c.sides[dir.Other()]
		if flags&flagSYN != 0 {
			*me = side{seq, seq + 1, map[uint32][]byte{}}
		}
		if flags&flagACK != 0 && int32(ack-peer.next) > 0 {
			t.Fatalf("packet %d acknowledges %d bytes that were not captured", i+1, ack-peer.next)
		}
		if len(payload) > 0 {
			me.early[seq] = payload
		}
		for again := true; again; {
			again = false
			for at, data := range me.early {
				if int32(at-me.next) > 0 {
					continue
				}
				delete(me.early, at)
				have := c.bytes[dir]
				old := min(int(me.next-at), len(data))
				if !bytes.Equal(data[:old], have[len(have)-int(me.next-at):][:old]) {
					t.Fatalf("packet %d repeats other bytes", i+1)
				}
				c.bytes[dir] = append(have, data[old:]...)
				me.next += uint32(len(data) - old)
				again = true
			}
		}
		if flags&flagFIN != 0 {
			me.next++
			if len(me.early) > 0 {
				t.Fatalf("%s ends with a hole", key)
			}
		}
	}
	return all
}

// tallied is what the plain readers below count.
type tallied struct {
	messages, acks, pids       int
	associations, objects      int
	aborted, matches, rejected int
	cancelled                  int
}

// readMLLP counts messages and PID segments.
func (n *tallied) readMLLP(t *testing.T, b []byte) {
	t.Helper()
	for len(b) > 0 {
		end := bytes.Index(b, []byte{0x1c, '\r'})
		if b[0] != 0x0b || end < 0 {
			t.Fatal("a frame does not begin or end")
		}
		for segment := range strings.SplitSeq(strings.TrimSuffix(string(b[1:end]), "\r"), "\r") {
			if len(segment) < 4 || segment[3] != '|' {
				t.Fatalf("a segment of %d bytes has no name", len(segment))
			}
			switch segment[:3] {
			case "MSH":
				n.messages++
				if kind := strings.Split(segment, "|")[8]; kind == "ACK" || strings.HasPrefix(kind, "ACK^") {
					n.messages--
					n.acks++
				}
			case "PID":
				n.pids++
			}
		}
		b = b[end+2:]
	}
}

// readDICOM counts what passes in one direction of a connection, and checks lengths. A message that is cut off is counted as aborted.
func (n *tallied) readDICOM(t *testing.T, b []byte) {
	t.Helper()
	var command []byte
	var data int
	var storing bool
	for len(b) > 0 {
		size := int(binary.BigEndian.Uint32(b[2:]))
		kind, body := b[0], b[6:6+size]
		b = b[6+size:]
		switch kind {
		case 1:
			n.associations++
		case 3:
			n.rejected++
		case 4:
			for len(body) > 0 {
				size := int(binary.BigEndian.Uint32(body))
				flags, part := body[5], body[6:4+size]
				body = body[4+size:]
				if len(part)%2 != 0 {
					t.Fatal("a fragment of odd length")
				}
				switch flags {
				case 0:
					data += len(part)
				case 1:
					command = append(command, part...)
				case 2:
					if storing {
						n.objects++
					}
					storing, data = false, 0
				case 3:
					command = append(command, part...)
					storing = n.command(t, command)
					command = nil
				}
			}
		}
	}
	if storing && data > 0 {
		n.aborted++
	}
}

// command counts a command set; it tells whether the data set of a C-STORE follows.
func (n *tallied) command(t *testing.T, b []byte) bool {
	t.Helper()
	if int(binary.LittleEndian.Uint32(b[8:])) != len(b)-12 {
		t.Fatal("a command set has another length than it says")
	}
	field, status, last := uint16(0), uint16(0), uint32(0)
	for len(b) > 0 {
		tag := uint32(binary.LittleEndian.Uint16(b))<<16 | uint32(binary.LittleEndian.Uint16(b[2:]))
		size := int(binary.LittleEndian.Uint32(b[4:]))
		if tag < last || size%2 != 0 {
			t.Fatal("a command set is out of order")
		}
		value := b[8 : 8+size]
		switch tag {
		case 0x00000100:
			field = binary.LittleEndian.Uint16(value)
		case 0x00000900:
			status = binary.LittleEndian.Uint16(value)
		}
		b, last = b[8+size:], tag
	}
	switch {
	case field == cFind|answer && status == Pending:
		n.matches++
	case field == cCancel:
		n.cancelled++
	}
	return field == cStore
}
