package smb_test

import (
	"slices"
	"strings"
	"testing"

	"chaperone"
	"chaperone/wire"
	"chaperone/wire/smb"
)

// TestSniff: frames are recognised at the beginning of a side, and in the middle of a connection behind anything.
func TestSniff(t *testing.T) {
	ask := string(frame(message(head{Command: read}, readAsk(file(5), 0, 1))))
	old := "\x00\x00\x00\x85\xffSMBr\x00\x00\x00\x00"
	request := "\x81\x00\x00\x44" + strings.Repeat("A", 0x44)
	for _, test := range []struct {
		name           string
		client, server string
		midstream      bool
		want           wire.Verdict
	}{
		{"nothing", "", "", false, wire.Maybe},
		{"SMB2", ask, "", false, wire.Yes},
		{"SMB2, the server's side only", "", ask, false, wire.Yes},
		{"SMB1", old, "", false, wire.Yes},
		{"half a signature", ask[:6], "", false, wire.Maybe},
		{"a NetBIOS request", request, "", false, wire.Maybe},
		{"half a NetBIOS request", request[:2], "", false, wire.Maybe},
		{"a NetBIOS request and SMB2", request + ask, "\x82\x00\x00\x00", false, wire.Yes},
		{"nothing but NetBIOS", strings.Repeat("\x85\x00\x00\x00", 4), "", false, wire.No},
		{"a long NetBIOS packet", "\x85\x00\x03\x00", "", false, wire.No},
		{"a header of another size", "\x00\x00\x00\x99\xfeSMB\x41\x00", "", false, wire.No},
		{"a frame that is too short", "\x00\x00\x00\x20\xfeSMB\x40\x00", "", false, wire.No},
		{"a sealed message at the beginning", "\x00\x00\x00\x99\xfdSMB\x00\x00", "", false, wire.No},
		{"another protocol", "\x00\x00\x00\x99abcd", "", false, wire.No},
		{"something else from the server", ask, "220 ready", false, wire.No},
		{"the middle of a file", strings.Repeat("SMB", 99), "", true, wire.Maybe},
		{"a frame behind the middle of a file", strings.Repeat("SMB", 99) + ask, "", true, wire.Yes},
		{"a sealed message in the middle", "", "rest\x00\x00\x00\x99\xfdSMB\x00\x00", true, wire.Yes},
		{"the middle of something long", strings.Repeat("x", 70<<10), "", true, wire.No},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := smb.Sniff([]byte(test.client), []byte(test.server), test.midstream); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

// BenchmarkRead passes a file of 1 MiB pieces by, in segments.
func BenchmarkRead(b *testing.B) {
	const piece = 1 << 20
	ask := frame(message(head{Command: read, ID: 1}, readAsk(file(5), 0, piece)))
	reply := frame(message(head{Command: read, ID: 1, Flags: answer}, readAnswer(strings.Repeat("x", piece))))
	s := smb.New(wire.DefaultLimits, false)
	b.SetBytes(int64(len(ask) + len(reply)))
	b.ReportAllocs()
	for b.Loop() {
		s.Feed(wire.FromClient, ask, chaperone.Mark{})
		noted := 0
		for segment := range slices.Chunk(reply, 1460) {
			noted += len(s.Feed(wire.FromServer, segment, chaperone.Mark{}))
		}
		if noted != 1 {
			b.Fatalf("got %d events", noted)
		}
	}
}

// BenchmarkPages is the same file read by the page, as a database does.
func BenchmarkPages(b *testing.B) {
	ask := frame(message(head{Command: read, ID: 1}, readAsk(file(5), 0, 4096)))
	reply := frame(message(head{Command: read, ID: 1, Flags: answer}, readAnswer(strings.Repeat("x", 4096))))
	s := smb.New(wire.DefaultLimits, false)
	b.SetBytes(int64(len(ask) + len(reply)))
	b.ReportAllocs()
	for b.Loop() {
		s.Feed(wire.FromClient, ask, chaperone.Mark{})
		s.Feed(wire.FromServer, reply, chaperone.Mark{})
	}
}
