package source

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestTimes(t *testing.T) {
	const year10000 = 253402300800
	tests := []struct {
		name  string
		iface iface
		ticks uint64
		want  time.Time
	}{
		{"microseconds", iface{units: 1e6}, 1_500_000, time.Unix(1, 5e8)},
		{"attoseconds of a sort", iface{units: 1e19}, 15e18, time.Unix(1, 5e8)},
		{"2^-63 seconds", iface{units: 1 << 63}, 1<<63 | 1<<62, time.Unix(1, 5e8)},
		{"offset back", iface{units: 1, offset: -10}, 30, time.Unix(20, 0)},
		{"before 1970", iface{units: 1, offset: -31}, 30, time.Time{}},
		{"after the year 9999", iface{units: 1}, year10000, time.Time{}},
		{"the last second", iface{units: 1}, year10000 - 1, time.Unix(year10000-1, 0)},
		{"after the year 9999 with its offset", iface{units: 1, offset: 1}, year10000 - 1, time.Time{}},
		{"offset that overflows", iface{units: 1, offset: 1<<63 - 1}, 30, time.Time{}},
		{"offset that overflows downwards", iface{units: 1, offset: -1 << 63}, 1 << 63, time.Time{}},
		{"no clock", iface{}, 5, time.Time{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.iface.time(tt.ticks); !got.Equal(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestReadErrors(t *testing.T) {
	broken := errors.New("the disk is broken")
	file := simplePcap(1, 2)
	tests := []struct {
		name string
		from io.Reader
		want error
		text string
	}{
		{"between packets", io.MultiReader(bytes.NewReader(file), iotest.ErrReader(broken)), broken, "packet 3, at byte 174: reading failed: the disk is broken"},
		{"in a packet", io.MultiReader(bytes.NewReader(file[:160]), iotest.ErrReader(broken)), broken, "packet 2, at byte 99: reading failed: the disk is broken"},
		{"a reader that gives nothing", io.MultiReader(bytes.NewReader(file[:160]), stuck{}), io.ErrNoProgress, "packet 2, at byte 99: reading failed: multiple Read calls return no data or error"},
		{"one byte at a time", iotest.OneByteReader(bytes.NewReader(file)), nil, ""},
		{"an error with the last bytes", iotest.DataErrReader(bytes.NewReader(file)), nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Open(t.Context(), []string{"-"}, Options{Stdin: tt.from})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			readAll(t, c)
			f := c.Files()[0]
			if tt.want == nil && (f.Err != nil || f.Packets != 2) {
				t.Errorf("got %d packets and error %v, want 2 and none", f.Packets, f.Err)
			}
			if tt.want != nil && (!errors.Is(f.Err, tt.want) || f.Err.Error() != "standard input: "+tt.text) {
				t.Errorf("got  %v\nwant standard input: %s", f.Err, tt.text)
			}
		})
	}
}

// TestMemory: the buffer does not grow with the file, and with a damaged length only as far as there are bytes.
func TestMemory(t *testing.T) {
	read := func(t *testing.T, file []byte) int {
		t.Helper()
		c, err := Open(t.Context(), []string{write(t, t.TempDir(), "file", file)}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		most := 0
		for {
			if _, err := c.Next(); err != nil {
				break
			}
			most = max(most, len(c.all[0].w.buf))
		}
		return max(most, len(c.buf))
	}
	if got := read(t, simplePcap(make([]int, 20000)...)); got != windowSize {
		t.Errorf("a long file: got a buffer of %d bytes, want %d", got, windowSize)
	}
	large := pcapPacket(little, 1, 0, 0, make([]byte, 200_000))
	if got := read(t, cat(simplePcap(1), large, large)); got > 4*windowSize {
		t.Errorf("large packets: got a buffer of %d bytes", got)
	}
	if got := read(t, cat(ngSection(little, 1, 0), ngInterface(little, 1, 0), u32(little, blockEnhancedPacket, maxRecord), make([]byte, 1000))); got > windowSize {
		t.Errorf("a block of 16 MiB that is not there: got a buffer of %d bytes", got)
	}
}

// TestProgressAfterDamage: a file that is given up counts as done.
func TestProgressAfterDamage(t *testing.T) {
	file := cat(simplePcap(1), bytes.Repeat([]byte{0xFF}, 1<<20))
	c, err := Open(t.Context(), []string{write(t, t.TempDir(), "file", file)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if done, total := c.Progress(); done != 0 || total != int64(len(file)) {
		t.Errorf("at the beginning: got %d of %d, want 0 of %d", done, total, len(file))
	}
	readAll(t, c)
	if done, total := c.Progress(); done != total || total != int64(len(file)) {
		t.Errorf("at the end: got %d of %d, want all of %d", done, total, len(file))
	}
}

// TestBomb: a gzipped capture that becomes far longer than any capture does is read up to a bound, and said to be odd.
func TestBomb(t *testing.T) {
	capture := append(simplePcap(1), make([]byte, 300<<20)...) // empty packets without end
	path := write(t, t.TempDir(), "bomb.pcap.gz", zip(capture))
	c, err := Open(t.Context(), []string{path}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for {
		if _, err := c.Next(); err != nil {
			break
		}
	}
	f := c.Files()[0]
	if f.Err == nil || !strings.Contains(f.Err.Error(), "200 times") || f.Packets < 1 || f.Packets > (freely+windowSize)/16 {
		t.Errorf("got %d packets and %v", f.Packets, f.Err)
	}
}
