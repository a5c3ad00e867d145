package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/gopacket/gopacket/reassembly"
)

// countStreams is bare reassembly in gopacket's fastest way of use: no copy of the packets, preallocated layers, and
// streams whose bytes are only counted.
func countStreams(path string, stdout io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in, err := pcapgo.NewNgReader(bufio.NewReaderSize(f, 1<<20), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		return fmt.Errorf("bench: gopacket: %w", err)
	}
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
	for {
		data, info, err := in.ZeroCopyReadPacketData()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("bench: gopacket: %w", err)
		}
		packets++
		if parser.DecodeLayers(data, &found) != nil || len(found) < 3 {
			continue
		}
		at.info = info
		assembler.AssembleWithContext(ip.NetworkFlow(), &tcp, &at)
		if packets%10_000 == 0 { // its memory grows without end otherwise
			assembler.FlushWithOptions(reassembly.FlushOptions{T: info.Timestamp.Add(-30 * time.Second), TC: info.Timestamp.Add(-24 * time.Hour)})
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
