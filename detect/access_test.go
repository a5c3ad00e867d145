package detect

import (
	"net/netip"
	"testing"
	"time"

	"chaperone"
	"chaperone/exchange"
)

// reads lets a client read a database file of 1000 KB, changed as the edits say.
func (s *scene) reads(t time.Time, client netip.Addr, kb int64, edits ...func(*exchange.FileRead)) {
	f := exchange.FileRead{Client: netip.AddrPortFrom(client, 50000), Server: netip.AddrPortFrom(shares, 445), Share: `\\FILES01\practice`, Name: `data\patients.mdb`,
		Size: 1000 << 10, Read: kb << 10, Opened: t, Closed: t.Add(time.Minute), At: chaperone.Mark{Time: t}}
	for _, edit := range edits {
		edit(&f)
	}
	s.File(f, s.evidence())
}

func TestWholeFiles(t *testing.T) {
	read := func(when time.Time, kb int64, edits ...func(*exchange.FileRead)) func(*scene) {
		return func(s *scene) { s.reads(when, desk, kb, edits...) }
	}
	day3 := at(3, 9, 0)
	named := func(name string) func(*scene) { return read(day3, 1000, func(f *exchange.FileRead) { f.Name = name }) }
	sized := func(n int64) func(*exchange.FileRead) { return func(f *exchange.FileRead) { f.Size = n } }
	locks := func(f *exchange.FileRead) { f.Locks = 1 }
	const found, usual = "database-file-copied high desk>shares", "database-file-copied info desk>shares"
	trials := []trial{
		{name: "all of it", play: read(day3, 1000), want: found},
		{name: "nine tenths", play: read(day3, 900), want: found},
		{name: "less", play: read(day3, 899)},
		{name: "an application locks pages", play: read(day3, 1000, locks)},
		{name: "an application used it on that day", play: after(read(at(3, 8, 0), 10, locks), read(day3, 1000))},
		{name: "an application used it on another day", play: after(read(at(2, 8, 0), 10, locks), read(day3, 1000)), want: found},
		{name: "two opens add up", play: after(read(day3, 450), read(at(3, 10, 0), 450)), want: found},
		{name: "two opens of two days do not", play: after(read(day3, 450), read(at(4, 9, 0), 450))},
		{name: "two readers are two", play: after(read(day3, 450), func(s *scene) { s.reads(day3, viewer, 450) })},
		{name: "the size is not known", play: read(day3, 1000, sized(-1))},
		{name: "the size is known of another open", play: after(read(day3, 1000, sized(-1)), read(at(3, 10, 0), 1)), want: found},
		{name: "an empty file", play: read(day3, 0, sized(0))},
		{name: "a text", play: named(`data\letter.docx`)},
		{name: "no ending", play: named(`data\mdb`)},
		{name: "capitals", play: named(`DATA\PATIENTS.MDB`), want: found},
		{name: "the first day is learning", play: read(at(1, 9, 0), 1000), want: "database-file-copied low desk>shares"},
		{name: "a backup from the first day on", play: after(read(at(1, 23, 0), 1000), read(at(2, 23, 0), 1000)), want: usual},
		{name: "four days are a habit", play: func(s *scene) {
			for day := 2; day <= 5; day++ {
				s.reads(at(day, 23, 0), desk, 1000)
			}
		}, want: usual},
		{name: "three are not", play: func(s *scene) {
			for day := 2; day <= 4; day++ {
				s.reads(at(day, 23, 0), desk, 1000)
			}
		}, want: found},
		{name: "on the first day only in part", play: after(read(at(1, 23, 0), 500), read(at(2, 23, 0), 1000)), want: found},
		{name: "somebody else's backup", play: func(s *scene) {
			for day := 1; day <= 7; day++ {
				s.reads(at(day, 23, 0), viewer, 1000)
			}
			s.reads(day3, desk, 1000)
		}, want: found + "; database-file-copied info viewer>shares"},
		{name: "two files", play: after(named("a.mdb"), named("b.mdb")), want: found + "; " + found},
		{name: "the same file in two spellings of its path", play: after(read(day3, 450), read(day3, 450, func(f *exchange.FileRead) {
			f.Share, f.Name = `\\FILES01\practice\`, `\data/patients.mdb`
		})), want: found},
	}
	for _, ending := range []string{"mdb", "accdb", "mde", "accde", "mdw", "dbf", "fdb", "gdb", "sqlite", "sdf", "mdf", "bak", "db"} {
		trials = append(trials, trial{name: ending, play: named("a." + ending), want: found})
	}
	try(t, week, trials, WholeFile)
}

// TestCopies: what the finding and the copy say of a file; a second open is not counted twice, and no more than the file.
func TestCopies(t *testing.T) {
	s := week()
	account := func(f *exchange.FileRead) { f.Account = "frontdesk" }
	s.reads(at(3, 10, 0), desk, 700, account)
	s.reads(at(3, 9, 0), desk, 600)
	s.reads(at(2, 9, 0), viewer, 1000, func(f *exchange.FileRead) { f.Opened, f.Closed = time.Time{}, time.Time{} })
	list := s.Copies(s.site())
	if len(list) != 2 {
		t.Fatalf("got %d copies, want 2", len(list))
	}
	c := list[1]
	if c.Client != desk || c.Server != shares || c.Name != `\\FILES01\practice\data\patients.mdb` || c.Size != 1000<<10 || c.Read != 1000<<10 || c.Regular {
		t.Errorf("got %+v, want all of the file, once, by the desk", c)
	}
	if c.Account != "frontdesk" || !c.First.Equal(at(3, 9, 0)) || !c.Last.Equal(at(3, 10, 1)) || c.Evidence.Packet != 2 {
		t.Errorf("got %s from %s to %s, packet %d; want frontdesk from 09:00 to 10:01, packet 2", c.Account, c.First, c.Last, c.Evidence.Packet)
	}
	if c := list[0]; c.Client != viewer || !c.First.Equal(at(2, 9, 0)) || !c.Last.Equal(at(2, 9, 0)) {
		t.Errorf("got %s from %s to %s, want the viewer at 09:00, when something of it was seen", c.Client, c.First, c.Last)
	}
	f := s.judged(WholeFile)[1]
	if want := `A database file was copied as a whole over the network: \\FILES01\practice\data\patients.mdb, 1.0 MB.`; f.Title != want {
		t.Errorf("got  %s\nwant %s", f.Title, want)
	}
	if f.Bytes != 1000<<10 || f.Count != 1 || f.Account != "frontdesk" || !f.First.Equal(c.First) || !f.Last.Equal(c.Last) {
		t.Errorf("got %+v, want what the copy says", f)
	}
}

// TestCopiesOfDays: copies of several days are one finding that begins with the first.
func TestCopiesOfDays(t *testing.T) {
	s := week()
	s.reads(at(3, 9, 0), desk, 1000)
	s.reads(at(5, 9, 0), desk, 1000)
	f := s.judged(WholeFile)[0]
	if f.Count != 2 || !f.First.Equal(at(3, 9, 0)) || !f.Last.Equal(at(5, 9, 1)) {
		t.Errorf("got %d from %s to %s, want 2 from the third day to the fifth", f.Count, f.First, f.Last)
	}
}
