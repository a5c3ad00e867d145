package source

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// TestPeer reads real captures, and what pcapgo writes, as pcapgo reads them.
func TestPeer(t *testing.T) {
	files, err := filepath.Glob("testdata/*.pcap*")
	if err != nil || len(files) < 5 {
		t.Fatalf("got %d captures in testdata (%v), want at least 5", len(files), err)
	}
	files = append(files, pcapgoFiles(t)...)
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			want := peerRead(t, name)
			c, err := Open(t.Context(), []string{name}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			got := readAll(t, c)
			if f := c.Files()[0]; f.Err != nil || len(got) != len(want) || len(got) == 0 {
				t.Fatalf("got %d packets and error %v, want %d", len(got), f.Err, len(want))
			}
			for i, w := range want {
				g := got[i]
				if !g.Mark.Time.Equal(w.Mark.Time) || g.Length != w.Length || g.Link != w.Link || !bytes.Equal(g.Data, w.Data) {
					t.Errorf("packet %d: got %v %d %v, want %v %d %v", i+1, g.Mark.Time, g.Length, g.Link, w.Mark.Time, w.Length, w.Link)
				}
			}
		})
	}
}

func pcapgoFiles(t *testing.T) []string {
	t.Helper()
	info := gopacket.CaptureInfo{Timestamp: noon.Add(123456789), CaptureLength: 60, Length: 90}
	data := frame("written by pcapgo")[:60]
	var nano, ng bytes.Buffer
	w := pcapgo.NewWriterNanos(&nano)
	if err := errors.Join(w.WriteFileHeader(65535, layers.LinkTypeEthernet), w.WritePacket(info, data)); err != nil {
		t.Fatal(err)
	}
	n, err := pcapgo.NewNgWriter(&ng, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	id, err := n.AddInterface(pcapgo.NgInterface{Name: "any", LinkType: layers.LinkTypeLinuxSLL2})
	if err != nil {
		t.Fatal(err)
	}
	second := info
	second.InterfaceIndex = id
	if err := errors.Join(n.WritePacket(info, data), n.WritePacket(second, data), n.Flush()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return []string{write(t, dir, "nano.pcap", nano.Bytes()), write(t, dir, "two-links.pcapng", ng.Bytes())}
}

func peerRead(t *testing.T, name string) []Packet {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r gopacket.PacketDataSource
	link := layers.LinkTypeEthernet
	if strings.Contains(name, ".pcapng") {
		r, err = pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	} else {
		var p *pcapgo.Reader
		if p, err = pcapgo.NewReader(f); err == nil {
			r, link = p, p.LinkType()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	var packets []Packet
	for {
		data, info, err := r.ReadPacketData()
		if err == io.EOF {
			return packets
		}
		if err != nil {
			t.Fatal(err)
		}
		p := Packet{Length: info.Length, Data: data, Link: link}
		p.Mark.Time = info.Timestamp
		if len(info.AncillaryData) > 0 {
			p.Link = info.AncillaryData[0].(layers.LinkType)
		}
		packets = append(packets, p)
	}
}
