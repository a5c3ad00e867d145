package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/reassembly"
)

// countStreams is bare reassembly in the fastest way gopacket offers: no copy of a packet, layers that are used again,
// and streams whose bytes are only counted.
func countStreams(path string, stdout io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var (
		ethernet layers.Ethernet
		ip       layers.IPv4
		tcp      layers.TCP
		found    []gopacket.LayerType
		count    counter
		at       captured
	)
	parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &ethernet, &ip, &tcp)
	parser.IgnoreUnsupported = true
	assembler := reassembly.NewAssembler(reassembly.NewStreamPool(&count))
	packets := 0
	for block, err := range blocks(f) {
		if err != nil {
			return fmt.Errorf("bench: gopacket: %w", err)
		}
		data := frame(block)
		if data == nil {
			continue
		}
		packets++
		if parser.DecodeLayers(data, &found) != nil || len(found) < 3 {
			continue
		}
		high, low := binary.LittleEndian.Uint32(block[timeAt:]), binary.LittleEndian.Uint32(block[timeAt+4:])
		now := time.Unix(0, int64(high)<<32|int64(low))
		at.info = gopacket.CaptureInfo{Timestamp: now, CaptureLength: len(data), Length: len(data)}
		assembler.AssembleWithContext(ip.NetworkFlow(), &tcp, &at)
		if packets%10_000 == 0 { // its memory grows without end otherwise
			assembler.FlushWithOptions(reassembly.FlushOptions{T: now.Add(-30 * time.Second), TC: now.Add(-24 * time.Hour)})
		}
	}
	assembler.FlushAll()
	_, err = fmt.Fprintln(stdout, packets, count.bytes, count.lost)
	return err
}

// captured is the context of one packet.
type captured struct{ info gopacket.CaptureInfo }

func (c *captured) GetCaptureInfo() gopacket.CaptureInfo { return c.info }

// counter is every stream at once: they all do the same.
type counter struct{ bytes, lost int64 }

func (c *counter) New(_, _ gopacket.Flow, _ *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	return c
}

func (c *counter) Accept(*layers.TCP, gopacket.CaptureInfo, reassembly.TCPFlowDirection, reassembly.Sequence, *bool, reassembly.AssemblerContext) bool {
	return true
}

func (c *counter) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	n, _ := sg.Lengths()
	_, _, _, skipped := sg.Info()
	c.bytes += int64(n)
	c.lost += int64(max(0, skipped))
}

func (c *counter) ReassemblyComplete(reassembly.AssemblerContext) bool { return true }
