package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// unsigned takes a copy of the log, and puts it back when something was recorded: so nobody has signed that.
func unsigned(t *testing.T, dir string, record func()) {
	t.Helper()
	older := filepath.Join(t.TempDir(), "log")
	if err := os.CopyFS(older, os.DirFS(filepath.Join(dir, logFolder))); err != nil {
		t.Fatal(err)
	}
	record()
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, logFolder)), os.CopyFS(filepath.Join(dir, logFolder), os.DirFS(older))); err != nil {
		t.Fatal(err)
	}
}

// TestLiveBehindDamage: after a crash three batches are on record that nobody signed. Where the first or the second of them is damaged, the record
// does not end there: an answer without them would look like a whole one. A damaged last one cannot be told from a write that was cut off.
func TestLiveBehindDamage(t *testing.T) {
	for _, test := range []struct {
		name    string
		damaged int
		later   bool // asked an hour afterwards
		says    string
	}{
		{"none, asked at once", -1, false, ""},
		{"none", -1, true, "3 batches are on record, written since "},
		{"the first, asked at once", 0, false, "2 whole batches follow"},
		{"the first", 0, true, "2 whole batches follow"},
		{"the second", 1, true, "1 whole batch follows"},
		{"the last", 2, true, "2 batches are on record, written since "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // they wait for somebody who signs
			o := nowhere(t)
			l := open(t, o)
			mustRecord(t, l, someBatch(0, 5))
			if err := l.sign(t.Context()); err != nil {
				t.Fatal(err)
			}
			var at []int64
			unsigned(t, o.Dir, func() {
				for n := range 3 {
					at = append(at, l.end.Offset)
					mustRecord(t, l, someBatch(5+5*n, 5))
				}
				l.crash()
			})
			if test.damaged >= 0 {
				segment := filepath.Join(o.Dir, recordFolder, "0000000000.seg")
				b, err := os.ReadFile(segment)
				if err != nil {
					t.Fatal(err)
				}
				damage(t, segment, b, int(at[test.damaged])+300)
			}
			asking := Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true, Live: true}
			if test.later {
				asking.Now = func() time.Time { return time.Now().Add(time.Hour) }
			}
			one, err := Open(t.Context(), asking)
			if err == nil {
				defer one.Close()
			}
			switch {
			case test.says != "" && err == nil:
				t.Errorf("got an answer of %d of 20 disclosures, and %+v", count(t, one).Disclosures, one.Seal())
			case test.says == "" && err != nil:
				t.Error(err)
			case err != nil && (!strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "ledger verify") || strings.Contains(err.Error(), "restore this file") || strings.Contains(err.Error(), "\n")):
				t.Errorf("got %v, want that it says %q and sends to ledger verify", err, test.says)
			}
		})
	}
}

// looking is a ledger's verifier that does something else whenever the checkpoint was read: so others' work comes between two looks, and not by chance.
type looking struct {
	note.Verifier
	looked func(times int)
	times  int
}

func (l *looking) Verify(text, sig []byte) bool {
	l.times++
	l.looked(l.times)
	return l.Verifier.Verify(text, sig)
}

// TestLiveDamageThatPasses: what looks damaged while somebody writes is looked at again.
func TestLiveDamageThatPasses(t *testing.T) {
	o := nowhere(t)
	l := open(t, o)
	defer l.crash()
	mustRecord(t, l, someBatch(0, 5))
	if err := l.sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := l.end.Offset
	l.stop() // nobody signs what comes
	l.done.Wait()
	mustRecord(t, l, someBatch(5, 5))
	mustRecord(t, l, someBatch(10, 5))
	segment := filepath.Join(o.Dir, recordFolder, "0000000000.seg")
	b, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	damage(t, segment, b, int(at)+300)
	v := &looking{Verifier: l.verify, looked: func(times int) {
		if times == 2 {
			if err := os.WriteFile(segment, b, 0o600); err != nil {
				t.Error(err)
			}
		}
	}}
	if n, err := OnRecord(t.Context(), o.Dir, l.meta.ID, v, time.Now); n != 3 || err != nil || v.times != 2 {
		t.Errorf("got %d batches and %v after %d looks, want 3 after 2", n, err, v.times)
	}
}

// TestLiveBrokenOff: whoever breaks off a question does not wait until all that nobody signed was read.
func TestLiveBrokenOff(t *testing.T) {
	o := nowhere(t)
	l := open(t, o)
	defer l.crash()
	mustRecord(t, l, someBatch(0, 5))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := behind(ctx, o.Dir, l.meta.ID, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// TestLiveOtherClock: somebody who records and signs is seen to do so, whatever the clock of that host says.
func TestLiveOtherClock(t *testing.T) {
	for _, behind := range []time.Duration{time.Minute, -time.Minute} {
		o := nowhere(t)
		o.Now = func() time.Time { return time.Now().Add(-behind) }
		l := open(t, o)
		stop := keepRecording(t.Context(), l, 0, 1, func(int) error { return nil })
		for range 3 {
			one, err := Open(t.Context(), Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true, Live: true})
			if err != nil {
				t.Errorf("its clock is %v behind: %v", behind, err)
				continue
			}
			if err := one.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := errors.Join(stop(), l.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
