package spool

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"chaperone/ledger/durable"
)

// TestObjectCrash: wherever a crash comes, before or behind a call of the disk, what was acknowledged and not delivered is there at the next opening, whole.
func TestObjectCrash(t *testing.T) {
	for seed := range uint64(2) {
		c := &crash{t: t, dir: t.TempDir(), must: map[string]bool{}}
		o := options(filepath.Join(c.dir, "live"))
		o.Bytes, o.Messages, o.Disk = 64<<20, 1000, Disk{
			Write:  func(f *os.File, b []byte, at int64) error { _, err := f.WriteAt(b, at); c.check(o); return err },
			Sync:   func(f *os.File) error { c.check(o); return f.Sync() },
			Folder: func(dir string) error { c.check(o); return durable.SyncFolder(dir) },
			Remove: func(path string) error { c.check(o); return os.Remove(path) },
		}
		s := open(t, o)
		r := rand.New(rand.NewPCG(seed, 3))
		var rejected []string
		for n := range 60 {
			k, err := s.Peek()
			what := r.IntN(7)
			switch {
			case err != nil:
			case what < 2 || k == nil && what < 5:
				if err = keep(t, s, n, bytesOf(100), 100); err == nil {
					c.must[message(n).IDs[0]] = true
				}
			case what == 2:
				delete(c.must, k.IDs[0]) // it may be gone from here on
				err = s.Delivered(k.Number)
			case what == 3:
				var path string
				path, err = s.Reject(k.Number, "status A900")
				rejected = append(rejected, path)
			case what == 4:
				err = s.Postpone(k.Number)
			case what == 5 && len(rejected) > 0:
				err = SendAgain(rejected[0])
				rejected = rejected[1:]
			default:
				_, err = s.TakeAgain()
			}
			if err != nil {
				t.Fatal(err)
			}
			c.check(o)
		}
	}
}

// crash looks what a spool is after it.
type crash struct {
	t    *testing.T
	dir  string
	must map[string]bool // acknowledged, not delivered
	many int
}

func (c *crash) check(o Options) {
	c.t.Helper()
	c.many++
	left := o
	left.Dir, left.Disk = filepath.Join(c.dir, fmt.Sprint(c.many)), Disk{}
	if err := os.CopyFS(left.Dir, os.DirFS(o.Dir)); err != nil {
		c.t.Fatal(err)
	}
	defer os.RemoveAll(left.Dir)
	s, err := Open(left)
	if err != nil {
		c.t.Fatalf("crash %d: %v", c.many, err)
	}
	defer s.Close()
	there := map[string]bool{}
	err = List(left.Dir, testKey, func(_ string, k Kept, _ State) error {
		there[k.IDs[0]] = true
		if !whole(s, &k) {
			c.t.Errorf("crash %d: the object of %s is not whole", c.many, k.IDs[0])
		}
		return nil
	})
	if err != nil {
		c.t.Fatalf("crash %d: %v", c.many, err)
	}
	for id := range c.must {
		if !there[id] {
			c.t.Errorf("crash %d: %s is lost", c.many, id)
		}
	}
}
