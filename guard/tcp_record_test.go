package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/approval"
	"chaperone/ledger"
	"chaperone/ledger/disk"
)

// tallied is a site whose tunnels may carry much, and are put on record as often as a test wants.
func tallied(t *testing.T, mode string, tally time.Duration, change ...func(*Options)) *approvalRig {
	t.Helper()
	file := fmt.Sprintf(tcpSite, "", "tls: none\n    because: this is a test\n    mode: "+mode, newDesktop(t).Addr())
	file = strings.Replace(file, "4KiB", "1GiB", 1)
	a := &approvalRig{&rig{t: t, dir: t.TempDir(), log: &syncBuffer{}}, newClock(), file}
	a.start(file, func(o *Options) {
		o.Now, o.pace = a.now, quick
		o.pace.tally = tally
		for _, f := range change {
			f(o)
		}
	})
	t.Cleanup(a.end)
	return a
}

// of gives the findings of a rule.
func (r *rig) of(rule string) (all []chaperone.Finding) {
	r.t.Helper()
	err := r.ledger.Findings(context.Background(), ledger.Query{}, func(f chaperone.Finding) error {
		if f.Rule == rule {
			all = append(all, f)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// killed gives what a kill leaves: the files as they are, in another folder.
func (a *approvalRig) killed() *approvalRig {
	a.t.Helper()
	dir := a.t.TempDir()
	err := filepath.WalkDir(a.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, strings.TrimPrefix(path, a.dir))
		if e.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o600)
	})
	if err != nil {
		a.t.Fatal(err)
	}
	after := &approvalRig{&rig{t: a.t, dir: dir, log: &syncBuffer{}}, a.clock, a.file}
	after.t.Cleanup(after.end)
	after.start(a.file, func(o *Options) { o.Now = a.now })
	after.guard.lookApprovals(a.t.Context())
	return after
}

// TestTCPKilled: what a connection has carried is on record while it is open; after a kill it has a receipt, and counts once in that of
// its approval, however often the guard starts.
func TestTCPKilled(t *testing.T) {
	a := tallied(t, "enforce", 10*time.Millisecond)
	one, path := a.approve(approval.Approve, "ct-service", 20, time.Hour)
	first := a.call("desktop")
	if !says(first, []byte("hello")) {
		t.Fatal("it did not pass")
	}
	_ = first.Close()
	a.quiesce()
	a.move(time.Second)
	c := a.call("desktop")
	for n := range 3 {
		a.move(time.Second)
		if !says(c, make([]byte, 1000)) {
			t.Fatal("it did not pass")
		}
		eventually(t, "the bytes are on record", func() bool {
			all := a.of(TunnelSoFarRule)
			return len(all) > 0 && all[len(all)-1].Bytes == int64(n+1)*2000
		})
	}
	told := len(a.of(TunnelSoFarRule))
	time.Sleep(50 * time.Millisecond) // several times the tally
	if n := len(a.of(TunnelSoFarRule)); n != told {
		t.Errorf("got %d findings, want %d: nothing more has passed", n, told)
	}
	b := a.killed()
	for range 2 {
		ends := b.of(TunnelOverRule)
		if len(ends) != 2 || ends[0].Bytes+ends[1].Bytes != 6010 {
			t.Fatalf("got %+v, want two receipts, of 10 and 6000 bytes", ends)
		}
		b.again()
	}
	title := "ct-service was connected to ct1, when the guard was killed: 6.0 kB were on record by then, none of it was read."
	if ends := b.of(TunnelOverRule); ends[0].Title != title && ends[1].Title != title {
		t.Errorf("got %q and %q", ends[0].Title, ends[1].Title)
	}
	path = filepath.Join(b.dir, "approvals", filepath.Base(path))
	if _, ended, err := approval.End(filepath.Dir(path), one.ID, b.now()); err != nil || !ended {
		t.Fatal(err)
	}
	b.settle()
	if f := b.receipt(ApprovalOverRule); f.Bytes != 6010 || !strings.Contains(f.Title, "2 connections, whose content was not read") {
		t.Errorf("got %+v", f)
	}
}

// TestTCPKilledLongAgo: the receipt is written however long the machine was off.
func TestTCPKilledLongAgo(t *testing.T) {
	for _, off := range []time.Duration{3 * 24 * time.Hour, 200 * 24 * time.Hour} {
		a := tallied(t, "observe", 10*time.Millisecond)
		a.move(time.Second)
		c := a.call("desktop")
		if !says(c, []byte("hello")) {
			t.Fatal("it did not pass")
		}
		eventually(t, "the bytes are on record", func() bool { return len(a.of(TunnelSoFarRule)) > 0 })
		a.move(6 * 24 * time.Hour) // a long one
		eventually(t, "the clock is told of", func() bool { return len(a.of(ClockRule)) > 0 })
		a.move(off)
		if ends := a.killed().of(TunnelOverRule); len(ends) != 1 || ends[0].Bytes != 10 {
			t.Errorf("off for %s: got %+v, want a receipt of 10 bytes", off, ends)
		}
	}
}

// TestTCPMuch: much is on record before the time for it has come.
func TestTCPMuch(t *testing.T) {
	a := tallied(t, "observe", time.Hour)
	c := a.call("desktop")
	const size = mostUntold/2 + 1<<20
	go func() { _, _ = c.Write(make([]byte, size)) }()
	_ = c.SetDeadline(time.Now().Add(60 * time.Second))
	if _, err := io.ReadFull(c, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if f := a.receipt(TunnelSoFarRule); f.Bytes < mostUntold || f.Bytes > mostUntold+128<<10 {
		t.Errorf("got %d bytes on record, want %d and little more", f.Bytes, mostUntold)
	}
}

// TestTCPForDays: a connection that is busy for days is put on record less often, and what it carries after much is not so either.
func TestTCPForDays(t *testing.T) {
	const tally = 5 * time.Millisecond
	a := tallied(t, "observe", tally)
	c := a.call("desktop")
	if !says(c, []byte("hello")) {
		t.Fatal("it did not pass")
	}
	eventually(t, "the bytes are on record", func() bool { return len(a.of(TunnelSoFarRule)) > 0 })
	a.move(2 * 24 * time.Hour)
	before, began := len(a.of(TunnelSoFarRule)), time.Now()
	for time.Since(began) < 40*tally {
		if !says(c, []byte("hello")) {
			t.Fatal("it did not pass")
		}
	}
	told, most := len(a.of(TunnelSoFarRule))-before, int(time.Since(began)/(60*tally))+2 // one was due, one may have begun
	if told > most {
		t.Errorf("got %d findings, want %d at most", told, most)
	}
}

// TestTCPFindings: a desktop that is busy for the longest time that one may last, at a gigabyte a second, is a few hundred findings.
func TestTCPFindings(t *testing.T) {
	var told, passed int64
	findings, due := 0, time.Minute
	for age := time.Duration(0); age < longestTunnel; age += time.Second {
		if passed += 1e9; age >= due || passed-told > untold(told) {
			findings, told = findings+1, passed
		}
		if age >= due {
			due = age + time.Minute*rarer(age)
		}
	}
	if findings > 600 {
		t.Errorf("got %d findings", findings)
	}
	for _, test := range []struct {
		age  time.Duration
		want time.Duration
	}{{0, 1}, {time.Hour - 1, 1}, {time.Hour, 10}, {24 * time.Hour, 60}, {longestTunnel, 60}} {
		if got := rarer(test.age); got != test.want {
			t.Errorf("after %v: got every %d minutes, want every %d", test.age, got, test.want)
		}
	}
	for told, want := range map[int64]int64{0: mostUntold, 8 * mostUntold: mostUntold, 16 * mostUntold: 2 * mostUntold} {
		if got := untold(told); got != want {
			t.Errorf("after %d bytes: got %d, want %d", told, got, want)
		}
	}
}

// tunnel gives the one that is open.
func (r *rig) tunnel() (open *tunnel) {
	r.guard.mu.Lock()
	defer r.guard.mu.Unlock()
	for c := range r.guard.conns {
		open = c.tunnel.Load()
	}
	return open
}

// TestTCPMuchMore: what a connection has carried is on record when an eighth more has passed.
func TestTCPMuchMore(t *testing.T) {
	a := tallied(t, "observe", time.Hour)
	c := a.call("desktop")
	if !says(c, []byte("hello")) {
		t.Fatal("it did not pass")
	}
	open := a.tunnel()
	const much = 8 << 30
	open.told.Store(much)
	open.passed[0].Store(much + mostUntold)
	if !says(c, []byte("hello")) || len(a.of(TunnelSoFarRule)) != 0 {
		t.Errorf("got %+v", a.of(TunnelSoFarRule))
	}
	open.passed[0].Store(much + much/8)
	if !says(c, []byte("hello")) || len(a.of(TunnelSoFarRule)) != 1 {
		t.Errorf("got %+v", a.of(TunnelSoFarRule))
	}
}

// TestTCPUntold: a connection ends whose bytes the record does not take; one that is only observed goes on.
func TestTCPUntold(t *testing.T) {
	for mode, ends := range map[string]bool{"enforce": true, "observe": false} {
		sick := &faulty{}
		a := tallied(t, mode, 10*time.Millisecond, func(o *Options) {
			sick.Ledger = o.Ledger.(*disk.Ledger)
			o.Ledger = sick
		})
		if ends {
			a.approve(approval.Approve, "ct-service", 20, time.Hour)
		}
		c := a.call("desktop")
		if !says(c, []byte("hello")) {
			t.Fatalf("%s: it did not pass", mode)
		}
		sick.set(func(f *faulty) { f.record = errors.New("the disk is full") })
		_, _ = c.Write([]byte("more"))
		if ends && !gone(c) {
			t.Errorf("%s: the connection goes on", mode)
		}
		if !ends {
			eventually(t, "it is logged", func() bool { return strings.Contains(a.log.String(), "what has passed unread is not on record") })
			if _, err := io.ReadFull(c, make([]byte, 4)); err != nil || !says(c, []byte("still")) {
				t.Errorf("%s: the connection is gone", mode)
			}
		}
		sick.set(func(f *faulty) { f.record = nil })
		_ = c.Close()
		a.quiesce()
	}
}

// TestTCPUntoldOnce: while the record does not take what a connection that is only observed carries, what passes does not wait for it:
// the timer tries again, and that it failed is one line of the log until it succeeds.
func TestTCPUntoldOnce(t *testing.T) {
	sick := &faulty{}
	a := tallied(t, "observe", time.Hour, func(o *Options) {
		sick.Ledger = o.Ledger.(*disk.Ledger)
		o.Ledger = sick
	})
	c := a.call("desktop")
	if !says(c, []byte("hello")) {
		t.Fatal("it did not pass")
	}
	open := a.tunnel()
	check := func(tried, logged int) {
		t.Helper()
		for range 10 {
			if !says(c, []byte("hello")) {
				t.Fatal("it did not pass")
			}
		}
		n, lines := a.metric(`chaperone_guard_turned_away_total{listener="desktop",why="unrecorded"}`), strings.Count(a.log.String(), "what has passed unread is not on record")
		if n != float64(tried) || lines != logged {
			t.Errorf("it was tried %v times, and logged %d times, want %d and %d", n, lines, tried, logged)
		}
	}
	timer := func() {
		if err := open.tell(t.Context(), 0); err != nil {
			t.Error(err)
		}
	}
	sick.set(func(f *faulty) { f.record = errors.New("the disk is full") })
	open.passed[0].Add(mostUntold)
	check(1, 1)
	timer()
	check(2, 1)
	sick.set(func(f *faulty) { f.record = nil })
	check(2, 1)
	timer()
	if n := len(a.of(TunnelSoFarRule)); n != 1 {
		t.Errorf("got %d findings, want 1", n)
	}
	sick.set(func(f *faulty) { f.record = errors.New("the disk is full") })
	open.passed[0].Add(mostUntold)
	check(3, 2)
	sick.set(func(f *faulty) { f.record = nil })
}
