package guard

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"chaperone/guard/spool"
	"chaperone/ledger/durable"
)

// TestSpoolObjectsDuplicate: an archive that got an object, broke off before it said so, and calls it a duplicate when it comes again, has it. One that calls
// an object a duplicate that it never got has another one: that is for a person to look at.
func TestSpoolObjectsDuplicate(t *testing.T) {
	s := newShelf(t)
	s.store(1, 4, statusSuccess)
	var came atomic.Int64
	s.archive(func(k *talker, c *command, _ []byte) {
		switch {
		case c.id == 1 && came.Add(1) == 1:
			_ = k.conn.Close()
		case c.id < 3:
			_ = k.send(c.context, true, true, c.reply(statusDuplicate, ""))
		default:
			well(k, c, nil)
		}
	})
	eventually(t, "one is kept apart", func() bool { got := s.stats(); return got.Messages == 0 && got.Rejected == 1 })
	if answers := s.answers(); !strings.HasPrefix(answers, "status 0111 (duplicate SOP instance)") || strings.Count(s.log.String(), "counts as delivered") != 1 {
		t.Errorf("got %s", answers)
	}
}

// TestSpoolObjectsDuplicateRefused: an archive that got an object, broke off, and says then that it has no room for it, does not have it, as far as anybody
// knows. When it calls that a duplicate later, it may have another one: it is kept apart.
func TestSpoolObjectsDuplicateRefused(t *testing.T) {
	s := newShelf(t)
	s.store(1, 2, statusSuccess)
	var came atomic.Int64
	s.archive(func(k *talker, c *command, _ []byte) {
		switch came.Add(1) {
		case 1:
			_ = k.conn.Close()
		case 2:
			_ = k.send(c.context, true, true, c.reply(statusResources, ""))
		default:
			_ = k.send(c.context, true, true, c.reply(statusDuplicate, ""))
		}
	})
	eventually(t, "it is kept apart", func() bool { got := s.stats(); return got.Messages == 0 && got.Rejected == 1 })
	if answers := s.answers(); !strings.HasPrefix(answers, "status 0111 (duplicate SOP instance)") || len(s.files()) != 1 {
		t.Errorf("got %s, and files %v", answers, s.files())
	}
}

// TestSpoolObjectsDuplicateKilled: that an archive was given an object is known over a kill of the guard. One that it was not given, and calls a duplicate, is
// kept apart, and why can be read.
func TestSpoolObjectsDuplicateKilled(t *testing.T) {
	for name, given := range map[string]bool{"before it had the object": false, "when it had the object": true} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.store(1, 2, statusSuccess)
			before, here := filepath.Join(t.TempDir(), "before"), filepath.Join(s.dir, "dicom")
			kill := func() {
				if err := os.CopyFS(before, os.DirFS(here)); err != nil {
					t.Error(err)
				}
			}
			if !given {
				kill()
			}
			var killed sync.Once
			a := s.archive(func(k *talker, _ *command, _ []byte) {
				if given {
					killed.Do(kill)
				}
				_ = k.conn.Close()
			})
			s.arrivals(a, 1)
			s.end()
			_ = a.Close()
			if err := errors.Join(os.RemoveAll(here), os.CopyFS(here, os.DirFS(before))); err != nil { // the disk as it was
				t.Fatal(err)
			}
			s.start(s.file, spooling(s.dir, spool.Disk{}))
			s.archive(func(k *talker, c *command, _ []byte) { _ = k.send(c.context, true, true, c.reply(statusDuplicate, "")) })
			eventually(t, "nothing waits", func() bool { return s.stats().Messages == 0 })
			answer, told := s.answers(), strings.Contains(s.log.String(), "counts as delivered")
			if given && (answer != "" || !told || len(s.files()) > 0) || !given && answer != "status 0111 (duplicate SOP instance): it may have another object under that UID" {
				t.Errorf("got answer %q, told %v", answer, told)
			}
		})
	}
}

// TestSpoolObjectsDuplicateAgain: an archive that calls an object a duplicate before it was given it has another one. So it has when the object is sent again, with
// its archive breaking off when it has all of it, and calling it a duplicate once more; also after a restart.
func TestSpoolObjectsDuplicateAgain(t *testing.T) {
	for name, restarted := range map[string]bool{"at once": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.store(1, 2, statusSuccess)
			var came atomic.Int64
			s.archive(func(k *talker, c *command, _ []byte) {
				if came.Add(1) == 2 {
					_ = k.conn.Close()
					return
				}
				_ = k.send(c.context, true, true, c.reply(statusDuplicate, ""))
			})
			apart := func() bool { got := s.stats(); return got.Messages == 0 && got.Rejected == 1 }
			eventually(t, "it is kept apart", apart)
			if restarted {
				s.again()
			}
			if err := spool.SendAgain(glob(t, filepath.Join(s.dir, "dicom", "rejected", "*"))[0]); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it came twice more", func() bool { return came.Load() == 3 && s.stats().Messages == 0 })
			if !apart() || len(s.files()) != 1 || strings.Contains(s.log.String(), "counts as delivered") {
				t.Errorf("got %+v, and files %v", s.stats(), s.files())
			}
		})
	}
}

// TestSpoolObjectsDuplicateTwins: of two objects under one SOP instance UID the first is delivered. An archive that breaks off when it has all of the second, and
// calls it a duplicate then, may mean the first: the second is kept apart, also where the guard was restarted when it had delivered the first.
func TestSpoolObjectsDuplicateTwins(t *testing.T) {
	for name, restarted := range map[string]bool{"at once": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			k := s.talk()
			k.associate()
			_, _, data := object(1, 1, 1)
			for id := range uint16(2) {
				twin := bytes.Clone(data)
				twin[len(twin)-1] += byte(id)
				k.message(1, set(1, fieldStore, id+1, true, instanceOf(1)), twin)
				if c, _, end := k.reply(); c == nil || c.status != statusSuccess {
					t.Fatalf("got %+v, %v", c, end)
				}
			}
			_ = k.conn.Close()
			var second atomic.Int64
			archive := func(k *talker, c *command, _ []byte) {
				switch {
				case c.id == 1:
					well(k, c, nil)
				case second.Add(1) == 1:
					_ = k.conn.Close()
				default:
					_ = k.send(c.context, true, true, c.reply(statusDuplicate, ""))
				}
			}
			if restarted {
				a := s.archive(func(k *talker, c *command, _ []byte) {
					if c.id == 1 {
						well(k, c, nil)
						return
					}
					_ = k.conn.Close()
				})
				eventually(t, "the first is delivered", func() bool { return s.stats().Messages == 1 })
				_ = a.Close()
				s.again()
			}
			s.archive(archive)
			eventually(t, "nothing waits", func() bool { return s.stats().Messages == 0 })
			if got := s.stats(); got.Rejected != 1 || len(s.files()) != 1 {
				t.Errorf("got %+v, and files %v", got, s.files())
			}
		})
	}
}

// TestSpoolObjectsDuplicatePower: when an archive says that it has no room for an object that it was given before, that it was given is taken back on disk. A power cut
// brings back names that were removed without that, and nothing that an archive calls a duplicate is delivered by one.
func TestSpoolObjectsDuplicatePower(t *testing.T) {
	s := newShelf(t)
	s.store(1, 2, statusSuccess)
	s.end()
	var gone sync.Map // names that are off the disk
	s.start(s.file, spooling(s.dir, spool.Disk{Remove: func(path string) error { gone.Store(path, true); return durable.Remove(path) }}))
	mark := strings.TrimSuffix(s.files()[0], ".object") + ".given"
	marked := func() bool { _, err := os.Stat(mark); return err == nil }
	var came atomic.Int64
	var a *archive
	hold := make(chan struct{})
	a = s.archive(func(k *talker, c *command, _ []byte) {
		<-hold
		if came.Add(1) == 1 {
			_ = k.conn.Close()
			return
		}
		_ = a.Close() // it does not come a third time
		_ = k.send(c.context, true, true, c.reply(statusResources, ""))
	})
	close(hold)
	eventually(t, "it was taken back", func() bool { return came.Load() == 2 && !marked() })
	s.end()
	if _, off := gone.Load(mark); !off {
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.start(s.file, spooling(s.dir, spool.Disk{}))
	s.archive(func(k *talker, c *command, _ []byte) { _ = k.send(c.context, true, true, c.reply(statusDuplicate, "")) })
	eventually(t, "nothing waits", func() bool { return s.stats().Messages == 0 })
	if len(s.files()) != 1 {
		t.Errorf("got %+v, and files %v", s.stats(), s.files())
	}
}

// TestSpoolObjectsDuplicateDisk: when the disk does not take what an archive said of an object that it does not have, that is told. The object is not delivered by a
// duplicate, and not kept apart before the disk has it that there is another.
func TestSpoolObjectsDuplicateDisk(t *testing.T) {
	for _, test := range []struct {
		name, file, told string
		first            uint16
	}{
		{"that there is no room", ".given", "that an archive does not have an object is not on disk", statusResources},
		{"that it is a duplicate", ".another", "that an archive may have another object is not on disk", statusDuplicate},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newShelf(t)
			s.store(1, 2, statusSuccess)
			s.end()
			var full atomic.Bool
			full.Store(true)
			fails := func(path string) error {
				if full.Load() && strings.HasSuffix(path, test.file) {
					return errors.New("the disk does not take it")
				}
				return nil
			}
			s.start(s.file, spooling(s.dir, spool.Disk{
				Remove: func(path string) error { return errors.Join(fails(path), durable.Remove(path)) },
				Sync:   func(f *os.File) error { return errors.Join(fails(f.Name()), f.Sync()) },
			}))
			var came atomic.Int64
			s.archive(func(k *talker, c *command, _ []byte) {
				status := statusDuplicate
				if came.Add(1) == 1 {
					status = test.first
				}
				_ = k.send(c.context, true, true, c.reply(status, ""))
			})
			eventually(t, "it is told", func() bool { return strings.Contains(s.log.String(), test.told) && came.Load() > 1 })
			if got := s.stats(); test.first == statusDuplicate && got.Rejected > 0 {
				t.Errorf("before it is on disk: got %+v", got)
			}
			full.Store(false)
			eventually(t, "nothing waits", func() bool { return s.stats().Messages == 0 })
			if got := s.stats(); got.Rejected != 1 || len(s.files()) != 1 {
				t.Errorf("got %+v, and files %v", got, s.files())
			}
		})
	}
}
