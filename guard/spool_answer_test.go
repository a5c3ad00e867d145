package guard

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chaperone"
	"chaperone/guard/spool"
)

// TestSpoolAgain: what its receiver did not take is delivered when somebody asks for that, while the guard runs.
func TestSpoolAgain(t *testing.T) {
	r, e, files := rejectedFiles(t, filepath.Join(t.TempDir(), "spool"), spool.Disk{}, 1)
	if err := spool.SendAgain(files[0]); err != nil {
		t.Fatal(err)
	}
	checkArrived(t, e, 0, 1)
	eventually(t, "nothing left", func() bool {
		left := r.guard.spools.all["hl7"].spool.Stats()
		return left.Messages+left.Rejected == 0
	})
	eventually(t, "a word in the log", func() bool { return strings.Contains(r.log.String(), "sent again, as somebody asked") })
	if n := len(r.rows()); n != 1 {
		t.Errorf("got %d disclosures", n)
	}
}

// TestSpoolStuck: what somebody asked to send again and cannot be is a finding, once as long as it stays the same, and is sent when it can be.
func TestSpoolStuck(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	r, e, files := rejectedFiles(t, dir, spool.Disk{}, 1)
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(whole)
	broken[80] ^= 1
	if err := errors.Join(os.WriteFile(files[0], broken, 0o600), spool.SendAgain(files[0])); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a finding", func() bool { return r.findings()[SpoolStuckRule] > 0 })
	time.Sleep(5 * spoolPace.hold) // it looks several times
	path := filepath.Join(dir, "hl7", "again", filepath.Base(files[0]))
	all := r.of(SpoolStuckRule)
	if len(all) != 1 || all[0].Severity != chaperone.High || all[0].Count != 1 || all[0].To.Claimed != "hl7" || strings.Count(r.log.String(), path) != 1 {
		t.Errorf("got %+v, and in the log %s", all, r.log)
	}
	if err := os.WriteFile(path+".new", whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	checkArrived(t, e, 0, 1)
}

// rejectedFiles begins a guard whose system took none of n messages, and takes them from now on.
func rejectedFiles(t *testing.T, dir string, disk spool.Disk, n int) (r *rig, e *engine, files []string) {
	t.Helper()
	address := nowhere(t)
	r = begin(t, fmt.Sprintf(spoolSite, address), spooling(dir, disk))
	c := r.call("hl7")
	for i := range n {
		c.send(numbered(i))
	}
	e = comeBack(t, address, func(m string) string { return strings.Replace(ack(m), "MSA|AA", "MSA|AE", 1) })
	eventually(t, "rejected messages", func() bool {
		files, _ = filepath.Glob(filepath.Join(dir, "hl7", "rejected", "*.spool"))
		return len(files) == n && r.kept() == 0
	})
	e.mu.Lock()
	e.answer, e.got = ack, nil
	e.mu.Unlock()
	return r, e, files
}

// TestSpoolAgainFull: what waits in its folder for room in a full queue is on its way, and no finding, whether the queue is delivered or not; where
// nothing is left to be delivered, it is one, of all the files.
func TestSpoolAgainFull(t *testing.T) {
	r, e, files := rejectedFiles(t, filepath.Join(t.TempDir(), "spool"), spool.Disk{}, 4)
	s := r.guard.spools.all["hl7"].spool
	e.mu.Lock()
	e.answer = func(string) string { return "" } // it takes one, and does not answer
	e.mu.Unlock()
	s.SetLimits(64<<20, 1)
	for _, file := range files {
		if err := spool.SendAgain(file); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the first", func() bool { return len(e.frames()) == 1 })
	time.Sleep(5 * spoolPace.hold) // it looks several times
	if n := r.findings()[SpoolStuckRule]; n != 0 || strings.Contains(r.log.String(), "stays in its folder") {
		t.Errorf("got %d findings, and in the log %s", n, r.log)
	}
	s.SetLimits(0, 0)
	e.mu.Lock()
	e.answer = ack
	e.mu.Unlock()
	e.closeAll(t)
	eventually(t, "a finding", func() bool { return r.findings()[SpoolStuckRule] > 0 })
	path := filepath.Join(filepath.Dir(filepath.Dir(files[0])), "again", filepath.Base(files[1]))
	if all := r.of(SpoolStuckRule); len(all) != 1 || all[0].Count != 3 || strings.Count(r.log.String(), path) != 1 {
		t.Errorf("got %+v, and in the log %s", all, r.log)
	}
	e.mu.Lock()
	e.got = nil
	e.mu.Unlock()
	s.SetLimits(64<<20, 1)
	checkArrived(t, e, 1, 4)
}

// TestSpoolAgainNotRemoved: a message that is delivered, and whose file cannot be removed, is no message that nobody delivers: nobody is advised to
// have it sent again.
func TestSpoolAgainNotRemoved(t *testing.T) {
	var well atomic.Bool
	remove := func(path string) error {
		if well.Load() {
			return os.Remove(path)
		}
		return &os.PathError{Op: "remove", Path: path, Err: os.ErrPermission}
	}
	r, e, files := rejectedFiles(t, filepath.Join(t.TempDir(), "spool"), spool.Disk{Remove: remove}, 1)
	if err := spool.SendAgain(files[0]); err != nil {
		t.Fatal(err)
	}
	checkArrived(t, e, 0, 1)
	eventually(t, "a finding", func() bool { return r.findings()[SpoolStuckRule] > 0 })
	time.Sleep(5 * spoolPace.hold) // it looks several times
	all := r.of(SpoolStuckRule)
	if len(all) != 1 || all[0].Severity != chaperone.Medium || all[0].Count != 1 || !strings.Contains(all[0].Title, "are in the queue") || strings.Contains(all[0].Advice, "sender") ||
		strings.Count(r.log.String(), "in the queue, but not removed") != 1 {
		t.Errorf("got %+v, and in the log %s", all, r.log)
	}
	well.Store(true)
	eventually(t, "the file's end", func() bool {
		left, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(files[0])), "again", "*"))
		return len(left) == 0
	})
	if got := len(e.frames()); got != 1 {
		t.Errorf("got %d messages", got)
	}
}

// TestSpoolSilent: a system that takes what was kept and does not answer is left and reached again, and gets the message again, until it
// answers.
func TestSpoolSilent(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	file := fmt.Sprintf(spoolSite, address) + "    limits: {in_message: 1s}\n"
	r := begin(t, file, spooling(dir, spool.Disk{}))
	c := r.call("hl7")
	for n := range 3 {
		if got := c.send(numbered(n)); !strings.Contains(got, "MSA|AA|") {
			t.Fatalf("got %q", got)
		}
	}
	e := comeBack(t, address, func(string) string { return "" })
	eventually(t, "the message again", func() bool { return len(e.frames()) == 2 })
	if got := bytes.Join(e.frames(), nil); string(got) != strings.Repeat("\x0b"+numbered(0)+"\x1c\r", 2) {
		t.Errorf("got %q, want the first message twice", got)
	}
	e.mu.Lock()
	e.answer, e.got = ack, nil
	e.mu.Unlock()
	checkArrived(t, e, 0, 3)
	eventually(t, "an empty spool", func() bool { return r.kept() == 0 })
}

// TestSpoolHangs: a push that the system behind took and does not answer is kept and acknowledged after a while, as if its connection had
// broken, and so is what comes behind it.
func TestSpoolHangs(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	e := comeBack(t, address, func(string) string { return "" })
	file := fmt.Sprintf(spoolSite, address) + "    limits: {in_message: 1s}\n"
	r := begin(t, file, spooling(dir, spool.Disk{}))
	c := r.call("hl7")
	for n := range 3 {
		if got := c.send(numbered(n)); !strings.Contains(got, fmt.Sprintf("MSA|AA|m%d\r", n)) {
			t.Fatalf("got %q", got)
		}
	}
	if found := r.findings(); found[SpoolBeganRule] != 1 {
		t.Errorf("got findings %v", found)
	}
	e.leave()
	checkArrived(t, comeBack(t, address, ack), 0, 3)
	eventually(t, "an empty spool", func() bool { return r.kept() == 0 })
	if m := numbered(4); c.send(m) != ack(m) {
		t.Error("it does not pass on any more")
	}
}

// TestSpoolOtherAnswer: a push that was answered under another control ID is answered: it is not sent again when its time is over.
func TestSpoolOtherAnswer(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	e := comeBack(t, address, func(m string) string { return strings.Replace(ack(m), "MSA|AA|m", "MSA|AA|other", 1) })
	r := begin(t, fmt.Sprintf(spoolSite, address)+"    limits: {in_message: 1s}\n", spooling(dir, spool.Disk{}))
	c := r.call("hl7")
	if got := c.send(numbered(0)); !strings.Contains(got, "MSA|AA|other0") {
		t.Fatalf("got %q", got)
	}
	_ = c.SetReadDeadline(time.Now().Add(1500 * time.Millisecond))
	if b, err := c.in.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v: it was answered twice", b, err)
	}
	if got := c.send(numbered(1)); !strings.Contains(got, "MSA|AA|other1") {
		t.Errorf("got %q", got)
	}
	checkArrived(t, e, 0, 2)
}

// halting is a client's socket that takes half of what is written to it, once it is told to, as one does whose peer does not read any more.
type halting struct {
	net.Conn
	halts *atomic.Bool
}

func (h halting) Write(b []byte) (int, error) {
	if !h.halts.Load() {
		return h.Conn.Write(b)
	}
	h.halts.Store(false)
	n, _ := h.Conn.Write(b[:len(b)/2])
	return n, os.ErrDeadlineExceeded
}

type haltingListener struct {
	net.Listener
	halts *atomic.Bool
}

func (l haltingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return halting{c, l.halts}, err
}

// TestSpoolHalfAnAnswer: a connection ends whose client got half an answer to what was kept, or to what was not: another answer behind the half
// would be read as one with it. Nothing is lost: it is kept, or was not acknowledged.
func TestSpoolHalfAnAnswer(t *testing.T) {
	for _, sick := range []bool{false, true} {
		var halts, ill atomic.Bool
		disk := spool.Disk{Sync: func(f *os.File) error {
			if ill.Load() {
				return errors.New("no space left on device")
			}
			return f.Sync()
		}}
		held := func(o *Options) {
			socket, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			o.Sockets = []net.Listener{haltingListener{socket, &halts}}
			o.Site.Listeners[0].Listen = socket.Addr().(*net.TCPAddr).AddrPort()
		}
		r := begin(t, fmt.Sprintf(spoolSite, nowhere(t)), spooling(filepath.Join(t.TempDir(), "spool"), disk), held)
		c := r.call("hl7")
		if got := c.send(numbered(0)); !strings.Contains(got, "MSA|AA|m0") {
			t.Fatalf("got %q", got)
		}
		ill.Store(sick)
		halts.Store(true)
		_, _ = c.Write([]byte("\x0b" + numbered(1) + "\x1c\r"))
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		half, err := io.ReadAll(c)
		if err != nil || len(half) == 0 || bytes.Contains(half, []byte{endBlock}) {
			t.Errorf("the disk is sick %t: got %d bytes and %v, want half an answer and the end", sick, len(half), err)
		}
		if got, want := r.kept(), 1+map[bool]int{false: 1}[sick]; got != want {
			t.Errorf("the disk is sick %t: %d are kept, want %d", sick, got, want)
		}
		r.end()
	}
}
