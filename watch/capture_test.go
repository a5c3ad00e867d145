package watch

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone/patient"
	"chaperone/source"
)

// testKey makes tokens that are equal from run to run.
var testKey = [32]byte{1, 2, 3}

// lines runs watch over a capture and gives its JSON lines.
func lines(t *testing.T, o Options) []map[string]any {
	t.Helper()
	var out bytes.Buffer
	j := NewJSON(&out, nil, false, false)
	o.Tokens = patient.NewTokenizer(testKey)
	o.Begin, o.Each = j.Begin, j.Each
	result, err := Run(context.Background(), o)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	if err := j.Close(result); err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("line %d is no JSON: %v", len(all)+1, err)
		}
		all = append(all, m)
	}
	return all
}

// disclosures gives the disclosures of a run as sorted text, without the fields that are not to be compared.
func disclosures(all []map[string]any, without ...string) []string {
	var out []string
	for _, m := range all {
		if m["kind"] != "disclosure" {
			continue
		}
		for _, field := range without {
			delete(m, field)
		}
		b, _ := json.Marshal(m)
		out = append(out, string(b))
	}
	slices.Sort(out)
	return out
}

// segments reads the TCP segments of a capture.
func segments(t *testing.T, capture io.Reader) []source.Segment {
	t.Helper()
	c, err := source.Open(context.Background(), []string{"-"}, source.Options{Stdin: capture})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	decoder := source.NewDecoder()
	var all []source.Segment
	for {
		p, err := c.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := decoder.Segment(p); ok {
			s.Payload = bytes.Clone(s.Payload)
			all = append(all, s)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pcap writes IPv4 TCP segments as a capture of raw IP packets with nanoseconds.
func pcap(all []source.Segment) []byte {
	le, be := binary.LittleEndian, binary.BigEndian
	b := le.AppendUint32(nil, 0xA1B23C4D)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = le.AppendUint32(b, 1<<18)
	b = le.AppendUint32(b, 101) // LINKTYPE_RAW
	for _, s := range all {
		n := uint32(40 + len(s.Payload))
		b = le.AppendUint32(b, uint32(s.Mark.Time.Unix()))
		b = le.AppendUint32(b, uint32(s.Mark.Time.Nanosecond()))
		b = le.AppendUint32(b, n)
		b = le.AppendUint32(b, n)
		ip := make([]byte, 40)
		ip[0], ip[8], ip[9] = 0x45, 64, 6
		be.PutUint16(ip[2:], uint16(n))
		from, to := s.Src.Addr().As4(), s.Dst.Addr().As4()
		copy(ip[12:], from[:])
		copy(ip[16:], to[:])
		be.PutUint16(ip[20:], s.Src.Port())
		be.PutUint16(ip[22:], s.Dst.Port())
		be.PutUint32(ip[24:], s.Seq)
		be.PutUint32(ip[28:], s.Ack)
		ip[32], ip[33] = 5<<4, byte(s.Flags)
		b = append(append(b, ip...), s.Payload...)
	}
	return b
}

var epoch = time.Date(2025, 3, 3, 8, 0, 0, 0, time.UTC)
