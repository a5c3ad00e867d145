package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"iter"
)

// Places in an enhanced packet block as clinicsim writes it: little endian, nanoseconds, Ethernet, IPv4 without options
// (draft-ietf-opsawg-pcapng 4.3).
const (
	enhancedPacket = 6
	timeAt         = 12 // the upper 32 bits, then the lower
	capturedAt     = 20
	frameAt        = 28
	transportAt    = 23 // in the frame: the protocol above IP
	tcpAt          = 14 + 20
)

// blocks gives the blocks of a pcapng file, each valid until the next. Both the making of captures and gopacket
// read with it: pcapgo takes more than twice as long.
func blocks(r io.Reader) iter.Seq2[[]byte, error] {
	in := bufio.NewReaderSize(r, 1<<20)
	return func(yield func([]byte, error) bool) {
		for {
			head, err := in.Peek(8)
			if err == io.EOF && len(head) == 0 {
				return
			}
			var b []byte
			if err == nil {
				b, err = in.Peek(int(binary.LittleEndian.Uint32(head[4:])))
			}
			if !yield(b, err) || err != nil {
				return
			}
			_, _ = in.Discard(len(b)) // they were there
		}
	}
}

// frame gives the packet in a block, nil for a block of another type.
func frame(block []byte) []byte {
	if binary.LittleEndian.Uint32(block) != enhancedPacket {
		return nil
	}
	return block[frameAt : frameAt+int(binary.LittleEndian.Uint32(block[capturedAt:]))]
}
