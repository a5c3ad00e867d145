package source

import (
	"net/netip"
	"path/filepath"
	"testing"
)

// TestRealCaptures counts what tshark 4.0.17 counts (frames and tcp.stream) in the captures of testdata/SOURCES.md.
func TestRealCaptures(t *testing.T) {
	tests := []struct {
		file, format string
		want         DecodeStats
		streams      int
	}{
		{"oracle.pcap", "pcap", DecodeStats{Segments: 6}, 1},
		{"tds7.pcap", "pcap", DecodeStats{Segments: 13}, 1},
		{"mime-header-size-limit.pcap.gz", "pcap", DecodeStats{Segments: 44}, 1},
		{"smtp-attachment-msg.pcap", "pcap", DecodeStats{Segments: 17}, 1},
		{"smtp-bdat-cmd-invalid.pcapng", "pcapng", DecodeStats{Segments: 66}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			c, err := Open(t.Context(), []string{filepath.Join("testdata", tt.file)}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			d := NewDecoder()
			streams := map[[2]netip.AddrPort]bool{}
			for _, p := range readAll(t, c) {
				if s, ok := d.Segment(p); ok && !streams[[2]netip.AddrPort{s.Dst, s.Src}] {
					streams[[2]netip.AddrPort{s.Src, s.Dst}] = true
				}
			}
			if f := c.Files()[0]; f.Err != nil || f.Format != tt.format {
				t.Errorf("got %s and error %v, want %s", f.Format, f.Err, tt.format)
			}
			if got := d.Stats(); got != tt.want || len(streams) != tt.streams {
				t.Errorf("got %+v in %d streams, want %+v in %d", got, len(streams), tt.want, tt.streams)
			}
		})
	}
}
