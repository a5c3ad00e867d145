package guard

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// full is a rig whose listener takes few connections.
func full(t *testing.T, file, listener string, most int) *rig {
	file = strings.Replace(file, "  - name: "+listener+"\n", fmt.Sprintf("  - name: %s\n    limits: {connections: %d}\n", listener, most), 1)
	return begin(t, file, hurried)
}

// hurried is a guard on which nobody has a while.
func hurried(o *Options) {
	o.pace = quick
	o.pace.late = 1
}

// owe gives how many connections owe something.
func (r *rig) owe() (n int) {
	r.guard.mu.Lock()
	defer r.guard.mu.Unlock()
	for c := range r.guard.conns {
		if c.owing.owed() != 0 {
			n++
		}
	}
	return n
}

// latest gives who would make room on a listener.
func (r *rig) latest(listener string) *conn {
	l := r.guard.listeners[listener]
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latest(func(*conn) bool { return true })
}

func over(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err := c.Read(make([]byte, 1))
	timeout, ok := err.(net.Error)
	return err != nil && (!ok || !timeout.Timeout())
}

// TestRoom: when a listener is full, whoever has owed its first message, or the rest of one, for longest makes room; who is silent
// between messages does not, and without anybody who owes something nobody comes in.
func TestRoom(t *testing.T) {
	e := newEngine(t)
	r := full(t, fmt.Sprintf(hl7Site, e.Addr()), "hl7", 4)
	say := func(c *caller, id string) {
		t.Helper()
		if got := answered(c.send(result("LAB|NORTH", id, "1"))); got != "AA "+id {
			t.Fatalf("got %s, want AA %s", got, id)
		}
	}
	quiet := r.call("hl7")
	say(quiet, "m1")
	silent := r.call("hl7") // says nothing
	eventually(t, "it is there", func() bool { return r.owe() == 1 })
	slow := r.call("hl7") // has said something, and goes on with something that does not end
	say(slow, "m2")
	if _, err := slow.Write([]byte("\x0bMSH|")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has begun", func() bool { return r.owe() == 2 })
	last := r.call("hl7")
	eventually(t, "it is there", func() bool { return r.owe() == 3 })
	for i, late := range []*caller{silent, last, slow} {
		c := r.call("hl7")
		say(c, fmt.Sprint("n", i))
		if !over(late) {
			t.Fatalf("%d: who owed something for longest is still there", i)
		}
		say(quiet, fmt.Sprint("q", i))
	}
	if !over(r.call("hl7")) {
		t.Error("a fifth was let in though nobody owes anything")
	}
	say(quiet, "m3")
	if r.findings()["refused-busy"] == 0 {
		t.Errorf("got findings %v", r.findings())
	}
	_ = quiet.Close()
	eventually(t, "there is room again", func() bool {
		c, err := net.Dial("tcp", r.guard.Address("hl7").String())
		if err != nil {
			return false
		}
		defer c.Close()
		_, _ = c.Write([]byte("\x0b" + result("LAB|NORTH", "m4", "1") + "\x1c\r"))
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		n, _ := c.Read(make([]byte, 1))
		return n == 1
	})
}

// TestRoomDICOM: who asks for no association makes room for who does.
func TestRoomDICOM(t *testing.T) {
	r := full(t, fmt.Sprintf(dicomSite, 100, newArchive(t, well).Addr()), "dicom", 3)
	k := r.talk()
	k.associate()
	var slow []*talker
	for i, begin := range []string{"", "\x01\x00\x00"} {
		s := r.talk()
		if _, err := io.WriteString(s.conn, begin); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, s)
		eventually(t, "it is there", func() bool { return r.owe() == i+1 })
	}
	for i, s := range slow {
		next := r.talk()
		next.associate()
		if !over(s.conn) {
			t.Errorf("%d: who asks for nothing is still there", i)
		}
	}
	k.message(9, set(9, fieldEcho, 1, false), nil)
	if c, _, _ := k.reply(); c == nil || c.status != statusSuccess {
		t.Error("who had an association lost it")
	}
}

// TestRoomLatest: who is not known yet goes before who is, and who has said nothing before who has; then who has owed for longest.
func TestRoomLatest(t *testing.T) {
	l := &listener{guard: &Guard{pace: usualPace}, conns: map[*conn]bool{}, from: map[netip.Addr]int{}}
	add := func(since int64, s standing) *conn {
		c := &conn{}
		c.owing.since.Store(since)
		c.identified.Store(s >= silent)
		c.owing.said.Store(s == speaker)
		l.conns[c] = true
		return c
	}
	now := time.Now().UnixNano()
	idle, begun := add(0, speaker), add(now, speaker)
	late, later := add(2, speaker), add(1, speaker)
	mute, muter := add(now, silent), add(3, silent)
	young, old := add(now, stranger), add(8, stranger)
	for i, want := range []*conn{old, young, muter, mute, later, late, nil} {
		got := l.latest(func(*conn) bool { return true })
		if got != want {
			t.Fatalf("%d: got %p, want %p", i, got, want)
		}
		delete(l.conns, got)
	}
	if !l.conns[idle] || !l.conns[begun] {
		t.Error("who owes nothing, or has begun just now, is gone")
	}
}

// TestRoomTLS: handshakes that do not end make room for those that do, and only then for a proven party that is in the middle of a message;
// they are refused for that and not for their certificate.
func TestRoomTLS(t *testing.T) {
	p := newPapers(t)
	own, _ := p.issue(t, "ehr", true)
	e := secure(t, own)
	lab, _ := p.issue(t, "lab", false)
	file := strings.Replace(fmt.Sprintf(tlsSite, p.dir, e.Addr(), ""), "  - name: hl7\n", "  - name: hl7\n    limits: {connections: 3}\n", 1)
	r := begin(t, file, func(o *Options) { o.Trust, o.pace = p.trust, quick })
	slow := r.mustDial(client(lab))
	if _, err := slow.Write([]byte("\x0bMSH|")); err != nil {
		t.Fatal(err)
	}
	known := func() (n int) {
		l := r.guard.listeners["hl7"]
		l.mu.Lock()
		defer l.mu.Unlock()
		for c := range l.conns {
			if c.identified.Load() {
				n++
			}
		}
		return n
	}
	eventually(t, "it is known", func() bool { return known() == 1 })
	for i := range 20 {
		for range 2 {
			c := r.call("hl7")
			_, _ = c.Write([]byte{22, 3, 1}) // the beginning of a handshake; it may be gone already
		}
		c := r.mustDial(client(lab))
		if got := answered(c.send(result("LAB|NORTH", fmt.Sprint("m", i), "1"))); got != fmt.Sprint("AA m", i) {
			t.Fatalf("got %q", got)
		}
		_ = c.Close()
		eventually(t, "it has left", func() bool { return known() == 1 })
	}
	if _, err := slow.Write([]byte(result("LAB|NORTH", "slow", "1")[len("MSH|"):] + "\x1c\r")); err != nil {
		t.Fatal(err)
	}
	if got := answered(slow.answer()); got != "AA slow" {
		t.Errorf("got %q: who had proven itself made room before those that had not", got)
	}
	if found := r.findings(); found["refused-busy"] == 0 || found["refused-identity-handshake"] != 0 {
		t.Errorf("got findings %v", found)
	}
}

// TestLarge: clients who begin large messages and do not end them leave memory for the others' usual ones; a large one that finds none is
// refused, and goes through when it is sent again after they have gone.
func TestLarge(t *testing.T) {
	e := newEngine(t)
	r := begin(t, fmt.Sprintf(hl7Site, e.Addr()))
	r.guard.large.most = 128 << 10
	long := func(id string) string {
		return result("LAB|NORTH", id, "1") + strings.Repeat("OBX|1|TX|1^NOTE^L||"+strings.Repeat("x", 1000)+"||||||F\r", 100)
	}
	slow := r.call("hl7")
	if _, err := slow.Write([]byte("\x0b" + long("s")[:100<<10])); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is read", func() bool { return r.guard.large.held.Load() >= 80<<10 })
	c := r.call("hl7")
	if got := answered(c.send(result("LAB|NORTH", "m1", "1"))); got != "AA m1" {
		t.Errorf("got %s", got)
	}
	_, _ = c.Write([]byte("\x0b" + long("m2") + "\x1c\r")) // it may be cut off
	if !over(c) {
		t.Error("there was memory for two")
	}
	eventually(t, "it is told", func() bool { return r.findings()["refused-busy"] == 1 })
	_ = slow.Close()
	for _, id := range []string{"m2", "m3"} {
		eventually(t, "all is given back", func() bool { return r.guard.large.held.Load() == 0 }) // behind a message, too
		if got := answered(r.call("hl7").send(long(id))); got != "AA "+id {
			t.Errorf("got %s", got)
		}
	}
}
