package exchange

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/internal/wiretest"
	"chaperone/wire"
	"chaperone/wire/smb"
)

// filesStage records what Files tells, in words.
type filesStage struct {
	*Files
	out []FileRead
}

func newFilesStage() *filesStage {
	s := &filesStage{}
	s.Files = NewFiles(func(f FileRead) { s.out = append(s.out, f) })
	return s
}

func (s *filesStage) lines() []string {
	var lines []string
	for _, f := range s.out {
		line := fmt.Sprintf("%s %s %s of %d: read %d of %d passed, written %d, locks %d, connections %d", f.Account, f.Share, f.Name, f.Size,
			f.Read, f.Passed, f.Written, f.Locks, f.Connections)
		if f.Open {
			line += ", open"
		}
		if f.Capped {
			line += ", capped"
		}
		lines = append(lines, line)
	}
	return lines
}

var (
	desk     = netip.MustParseAddrPort("192.0.2.14:50001")
	desk2    = netip.MustParseAddrPort("192.0.2.14:50002")
	records  = netip.MustParseAddrPort("192.0.2.80:445")
	records2 = netip.MustParseAddrPort("192.0.2.80:139")
)

func opens(id byte, name string, size int64) wire.FileUse {
	return wire.FileUse{Step: wire.FileOpened, Session: 7, ID: [16]byte{id}, Share: `\\records\ehr`, Name: name, Size: size}
}

func step(kind wire.FileStep, id byte, offset, length int64) wire.FileUse {
	return wire.FileUse{Step: kind, Session: 7, ID: [16]byte{id}, Offset: offset, Length: length}
}

// TestFiles: what is told of the steps of open files.
func TestFiles(t *testing.T) {
	const who = `nurse \\records\ehr a.mdb of 9000: `
	for _, test := range []struct {
		name string
		play func(s *filesStage)
		want []string
	}{
		{"a file, read in order", func(s *filesStage) {
			s.Note(desk, records, opens(1, "a.mdb", 9000), at(0))
			for i := range int64(9) {
				s.Note(desk, records, step(wire.FileRead, 1, i*1000, 1000), at(1))
			}
			s.Note(desk, records, step(wire.FileClosed, 1, 0, 0), at(2))
		}, []string{who + "read 9000 of 9000 passed, written 0, locks 0, connections 1"}},
		{"a file, read in pieces that overlap, written and locked", func(s *filesStage) {
			s.Note(desk, records, opens(1, "a.mdb", 9000), at(0))
			for _, piece := range [][2]int64{{4000, 1000}, {0, 1000}, {500, 1000}, {2000, 500}, {0, 100}, {8000, 1000}} {
				s.Note(desk, records, step(wire.FileRead, 1, piece[0], piece[1]), at(1))
			}
			s.Note(desk, records, step(wire.FileWritten, 1, 0, 700), at(1))
			s.Note(desk, records, step(wire.FileLocked, 1, 1<<28, 1), at(1))
			s.Note(desk, records, step(wire.FileClosed, 1, 0, 0), at(2))
		}, []string{who + "read 4000 of 4600 passed, written 700, locks 1, connections 1"}},
		{"a file, read over two connections of its session", func(s *filesStage) {
			s.Note(desk, records, opens(1, "a.mdb", 9000), at(0))
			s.Note(desk2, records2, step(wire.FileRead, 1, 0, 4500), at(1))
			s.Note(desk, records, step(wire.FileRead, 1, 4500, 4500), at(1))
			s.Note(desk2, records2, step(wire.FileClosed, 1, 0, 0), at(2))
		}, []string{who + "read 9000 of 9000 passed, written 0, locks 0, connections 2"}},
		{"a piece that shows before the opening", func(s *filesStage) {
			s.Note(desk2, records, step(wire.FileRead, 1, 0, 100), at(0.1))
			s.Note(desk, records, opens(1, "a.mdb", 9000), at(0))
			s.Note(desk, records, step(wire.FileClosed, 1, 0, 0), at(2))
		}, []string{who + "read 100 of 100 passed, written 0, locks 0, connections 2"}},
		{"several opens of one file", func(s *filesStage) {
			for id := range byte(2) {
				s.Note(desk, records, opens(id+1, "a.mdb", 9000), at(0))
				s.Note(desk, records, step(wire.FileRead, id+1, int64(id)*50, 100), at(1))
				s.Note(desk, records, step(wire.FileClosed, id+1, 0, 0), at(2))
			}
		}, []string{who + "read 100 of 100 passed, written 0, locks 0, connections 1", who + "read 100 of 100 passed, written 0, locks 0, connections 1"}},
		{"a file that is not closed", func(s *filesStage) {
			s.Note(desk, records, opens(1, "a.mdb", 9000), at(0))
		}, []string{who + "read 0 of 0 passed, written 0, locks 0, connections 1, open"}},
		{"a number that is used again", func(s *filesStage) {
			s.Note(desk, records, opens(1, "a.mdb", 9000), at(0))
			s.Note(desk, records, opens(1, "b.mdb", 5), at(1))
			s.Note(desk, records, step(wire.FileClosed, 1, 0, 0), at(2))
		}, []string{who + "read 0 of 0 passed, written 0, locks 0, connections 1, open",
			`nurse \\records\ehr b.mdb of 5: read 0 of 0 passed, written 0, locks 0, connections 1`}},
		{"an opening that was not seen", func(s *filesStage) {
			s.Note(desk, records, step(wire.FileRead, 1, 50, 100), at(1))
			s.Note(desk, records, opens(1, "a.mdb", 9000), at(9))
			s.Note(desk, records, step(wire.FileClosed, 1, 0, 0), at(10))
		}, []string{"nurse   of -1: read 100 of 100 passed, written 0, locks 0, connections 1, open",
			who + "read 0 of 0 passed, written 0, locks 0, connections 1"}},
		{"pieces of nobody knows what", func(s *filesStage) {
			s.Note(desk, records, step(wire.FileRead, 0, -1, 100), at(1))
			s.Note(desk, records, step(wire.FileRead, 0, 700, 100), at(1))
			s.Note(desk, records, step(wire.FileRead, 1, -1, 100), at(1))
		}, []string{"nurse   of -1: read 0 of 200 passed, written 0, locks 0, connections 1, open",
			"nurse   of -1: read 0 of 100 passed, written 0, locks 0, connections 1, open"}},
		{"an opening that failed, and the close of a file that was not seen", func(s *filesStage) {
			failed := opens(0, "a.mdb", -1)
			failed.Status = 0xC0000022
			s.Note(desk, records, failed, at(0))
			s.Note(desk, records, step(wire.FileClosed, 1, 0, 0), at(2))
		}, nil},
		{"a session of nobody knows whom", func(s *filesStage) {
			use := opens(1, "a.mdb", 9000)
			use.Session = 8
			s.Note(desk, records, use, at(0))
		}, []string{` \\records\ehr a.mdb of 9000: read 0 of 0 passed, written 0, locks 0, connections 1, open`}},
		{"a piece beyond what any file holds", func(s *filesStage) {
			s.Note(desk, records, opens(1, "a.mdb", 9000), at(0))
			s.Note(desk, records, step(wire.FileRead, 1, 1<<63-5, 100), at(1))
			s.Note(desk, records, step(wire.FileClosed, 1, 0, 0), at(2))
		}, []string{who + "read 0 of 100 passed, written 0, locks 0, connections 1"}},
		{"more pieces than are kept", func(s *filesStage) {
			s.Note(desk, records, opens(1, "a.mdb", 9000), at(0))
			for i := range int64(maxRanges + 10) {
				s.Note(desk, records, step(wire.FileRead, 1, i*10, 1), at(1))
			}
			s.Note(desk, records, step(wire.FileRead, 1, 0, 100), at(1)) // joins eleven, and makes room
			s.Note(desk, records, step(wire.FileRead, 1, 1<<40, 1), at(1))
			s.Note(desk, records, step(wire.FileClosed, 1, 0, 0), at(2))
		}, []string{who + fmt.Sprintf("read %d of %d passed, written 0, locks 0, connections 1, capped", maxRanges-10+100+1, maxRanges+10+101)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newFilesStage()
			s.Logon(records, wire.Logon{Session: 7, Account: "nurse", Domain: "CLINIC"})
			s.Logon(records, wire.Logon{Session: 7, Account: "guess", Status: 0xC000006D})
			test.play(s)
			s.Close()
			if got := s.lines(); !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// TestFileTold: the parts of what is told that the table above does not show.
func TestFileTold(t *testing.T) {
	s := newFilesStage()
	s.Logon(records, wire.Logon{Session: 7, Account: "nurse", Domain: "CLINIC"})
	s.Note(desk, records, opens(1, "a.mdb", 9000), at(1))
	s.Note(desk2, records, step(wire.FileRead, 1, 10, 5), at(2))
	s.Note(desk, records, step(wire.FileRead, 1, 0, 5), at(3))
	s.Note(desk, records, step(wire.FileRead, 1, 15, 5), at(3))
	s.Note(desk, records, step(wire.FileClosed, 1, 0, 0), at(4))
	if len(s.out) != 1 {
		t.Fatalf("got %d files, want 1", len(s.out))
	}
	f := s.out[0]
	if f.Client != desk || f.Server != records || f.Session != 7 || f.ID != [16]byte{1} || f.Domain != "CLINIC" || f.At != at(1) {
		t.Errorf("got %+v", f)
	}
	if want := []Range{{0, 5}, {10, 20}}; !slices.Equal(f.Ranges, want) {
		t.Errorf("got ranges %v, want %v", f.Ranges, want)
	}
	if f.Opened != at(1).Time || f.Closed != at(4).Time {
		t.Errorf("got %v to %v, want %v to %v", f.Opened, f.Closed, at(1).Time, at(4).Time)
	}
}

// TestRanges compares merging with a map of bytes.
func TestRanges(t *testing.T) {
	f := &openFile{FileRead: FileRead{ID: [16]byte{1}}}
	seen := map[int64]bool{}
	for i := range int64(2000) {
		offset, length := i*7919%5000, i*31%60
		f.add(offset, length)
		for b := range length {
			seen[offset+b] = true
		}
		total := int64(0)
		for n, r := range f.Ranges {
			total += r.To - r.From
			if r.To <= r.From || n > 0 && r.From <= f.Ranges[n-1].To {
				t.Fatalf("step %d: got ranges %v", i, f.Ranges)
			}
		}
		if total != int64(len(seen)) {
			t.Fatalf("step %d: got %d bytes, want %d", i, total, len(seen))
		}
	}
}

// TestFileBounds: what is remembered is bounded, and what is given up is told, the longest idle first.
func TestFileBounds(t *testing.T) {
	s := newFilesStage()
	use := opens(1, "a.mdb", 9000)
	for i := range maxFiles + 100 {
		s.Logon(records, wire.Logon{Session: uint64(i), Account: "nurse"})
		use.Session = uint64(i)
		s.Note(desk, records, use, at(float64(i)))
		use.Session = 0
		s.Note(desk, records, wire.FileUse{Step: wire.FileRead, ID: use.ID, Length: 1}, at(float64(i))) // the first is in use
	}
	if len(s.open) != maxFiles || s.idle.Len() != maxFiles || len(s.sessions) != maxSessions || len(s.oldest) != maxSessions {
		t.Errorf("got %d files and %d sessions", len(s.open), len(s.sessions))
	}
	if len(s.out) != 100 || s.out[0].Session != 1 || !s.out[0].Open {
		t.Errorf("got %d files, the first of session %d; want 100 and 1", len(s.out), s.out[0].Session)
	}
	s = newFilesStage()
	for i := range int64(maxAllRanges + 5*maxRanges) {
		use := step(wire.FileRead, byte(i/maxRanges), i%maxRanges*10, 1)
		use.ID[1] = byte(i / maxRanges >> 8)
		use.ID[2] = 1
		s.Note(desk, records, use, at(0))
	}
	if s.ranges > maxAllRanges || len(s.out) != 5 {
		t.Errorf("got %d ranges and %d files given up, want at most %d and 5", s.ranges, len(s.out), maxAllRanges)
	}
	s.Close()
	if s.ranges != 0 || len(s.open) != 0 {
		t.Errorf("behind Close: got %d ranges of %d files", s.ranges, len(s.open))
	}
}

// TestPeerFiles: what a Samba server's log says of a capture.
func TestPeerFiles(t *testing.T) {
	s := newFilesStage()
	for i, c := range wiretest.Capture(t, "../testdata/peer/smb2-files.pcapng") {
		session := smb.New(wire.DefaultLimits, false)
		client := netip.AddrPortFrom(desk.Addr(), uint16(50000+i))
		hear := func(events []wire.Event) {
			for _, e := range events {
				switch f := e.Fact.(type) {
				case wire.Logon:
					s.Logon(records, f)
				case wire.FileUse:
					s.Note(client, records, f, e.At)
				}
			}
		}
		for n, turn := range c.Turns {
			hear(session.Feed(turn.Dir, turn.Bytes, chaperone.Mark{Packet: int64(n), Time: start.Add(time.Duration(i)*time.Minute + time.Duration(n)*time.Millisecond)}))
		}
		hear(session.Close(chaperone.Mark{}))
	}
	s.Close()
	s.out = slices.DeleteFunc(s.out, func(f FileRead) bool { return f.Passed+f.Written == 0 })
	want := []string{
		`root \\127.0.0.1\ehr appointments.mdb of 126976: read 126976 of 126976 passed, written 0, locks 0, connections 1`,
		`root \\127.0.0.1\ehr Ambulanz-Übersicht.txt of 1280: read 1280 of 1280 passed, written 0, locks 0, connections 1`,
		`root \\127.0.0.1\ehr note.txt of 0: read 0 of 0 passed, written 1700, locks 0, connections 1`,
		`root \\127.0.0.1\ehr appointments.mdb of 126976: read 26976 of 26976 passed, written 0, locks 0, connections 1`,
		`root \\127.0.0.1\ehr Ambulanz-Übersicht.txt of 1280: read 1280 of 1280 passed, written 0, locks 0, connections 1`,
	}
	if got := s.lines(); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
