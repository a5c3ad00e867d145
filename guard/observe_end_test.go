package guard

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"chaperone/wire"
)

// behindFor is a system behind a listener that does something of a test's own with each connection.
func behindFor(t *testing.T, serve func(c net.Conn)) *engine {
	t.Helper()
	return &engine{Listener: serving(t, "127.0.0.2", serve), answer: ack}
}

// TestObserveBreaks: who breaks off in the middle of a message is told of where a listener observes as where it enforces.
func TestObserveBreaks(t *testing.T) {
	begun := framedText(result("LAB|NORTH", "m2", "1"))
	begun = begun[:len(begun)-20]
	for name, test := range map[string]struct {
		client func(c *caller)
		serve  func(c net.Conn, mode string)
	}{
		"the client resets it": {
			func(c *caller) {
				c.send(result("LAB|NORTH", "m1", "1"))
				_, _ = c.Write(begun)
				time.Sleep(200 * time.Millisecond) // it has arrived
				_ = c.Conn.(*net.TCPConn).SetLinger(0)
				_ = c.Close()
			},
			func(c net.Conn, _ string) {
				b := make([]byte, 1<<16)
				n, _ := c.Read(b)
				_, _ = c.Write(framedText(ack(string(b[1 : n-2]))))
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			},
		},
		"the system behind does, and the client has sent all": {
			func(c *caller) {
				_, _ = c.Write(framedText(result("LAB|NORTH", "m1", "1")))
				_ = c.Conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c)
			},
			func(c net.Conn, mode string) {
				b := make([]byte, 1<<16)
				n, _ := c.Read(b)
				if mode == "observe" {
					_, _ = io.Copy(io.Discard, c) // that the client has sent all comes through
				}
				answer := framedText(ack(string(b[1 : n-2])))
				_, _ = c.Write(answer[:len(answer)-8])
				_ = c.Close()
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			told := map[string]map[string]int{}
			for _, mode := range []string{"enforce", "observe"} {
				r := begin(t, answering(behindFor(t, func(c net.Conn) { test.serve(c, mode) }), mode))
				test.client(r.call("hl7"))
				eventually(t, "all of it is read", func() bool { return r.open() == 0 })
				told[mode] = r.refusals()
			}
			if len(told["enforce"]) != 1 || !maps.Equal(told["enforce"], told["observe"]) {
				t.Errorf("told of are %v", told)
			}
		})
	}
}

// TestObserveEnded: who is in the middle of a message when the guard ends the connection is not to blame.
func TestObserveEnded(t *testing.T) {
	e := newEngine(t)
	r := begin(t, answering(e, "observe"))
	c := r.call("hl7")
	c.send(numbered(0))
	begun := framedText(numbered(1))
	if _, err := c.Write(begun[:len(begun)-20]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has arrived", func() bool { return e.has("|m1|") })
	r.guard.mu.Lock()
	for one := range r.guard.conns {
		one.close(errRefused)
	}
	r.guard.mu.Unlock()
	eventually(t, "all of it is read", func() bool { return r.open() == 0 })
	if refused := r.refusals(); len(refused) > 0 {
		t.Errorf("would be refused: %v", refused)
	}
}

// TestObserveLeft: a connection ends where a listener observes, too, when its client is gone and the system behind neither says anything nor ends it.
func TestObserveLeft(t *testing.T) {
	done := make(chan bool)
	defer close(done)
	e := behindFor(t, func(c net.Conn) {
		b := make([]byte, 1<<16)
		n, _ := c.Read(b)
		_, _ = c.Write(framedText(ack(string(b[1 : n-2]))))
		<-done
		_ = c.Close()
	})
	r := begin(t, strings.Replace(answering(e, "observe"), "\n\n", "\n", 1), func(o *Options) { o.pace = quick; o.pace.left = time.Second })
	for i := range 3 {
		c := r.call("hl7")
		c.send(result("LAB|NORTH", fmt.Sprint("m", i), "1"))
		_ = c.Close()
	}
	eventually(t, "they are over", func() bool { return r.open() == 0 })
	if refused := r.refusals(); len(refused) > 0 {
		t.Errorf("would be refused: %v", refused)
	}
}

// TestObserveStays: a connection of which one side has ended its direction goes on, however long it is silent, as it does without the guard.
func TestObserveStays(t *testing.T) {
	const silence = 600 * time.Millisecond
	for name, test := range map[string]struct {
		client func(c *caller) // it ends with nothing more to send
		serve  func(c net.Conn)
		left   time.Duration
	}{
		"of a system behind that never answers": {
			func(c *caller) {
				for i := range 2 {
					_, _ = c.Write(framedText(numbered(i)))
					time.Sleep(silence)
				}
				_ = c.Close()
			},
			func(c net.Conn) {
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			},
			2 * silence,
		},
		"of a client that has sent all": {
			func(c *caller) {
				_, _ = c.Write(append(framedText(numbered(0)), framedText(numbered(1))...))
				_ = c.Conn.(*net.TCPConn).CloseWrite()
				for i := range 2 {
					if got := c.answer(); got != ack(numbered(i)) {
						t.Errorf("got %q", got)
					}
				}
			},
			func(c net.Conn) {
				_, _ = io.Copy(io.Discard, c)
				for i := range 2 {
					time.Sleep(silence)
					_, _ = c.Write(framedText(ack(numbered(i))))
				}
				_ = c.Close()
			},
			2 * silence,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := begin(t, strings.Replace(answering(behindFor(t, test.serve), "observe")+"    limits: {idle: 1s}\n", "\n\n", "\n", 1), func(o *Options) { o.pace = quick; o.pace.left = test.left })
			test.client(r.call("hl7"))
			eventually(t, "all of it is read", func() bool { return r.open() == 0 })
			if n := len(r.rows()); n != 2 {
				t.Errorf("%d messages of 2 are on record", n)
			}
		})
	}
}

// TestObserveUnreadEnd: nobody is to blame for a message whose end passed unread, and who is behind when a connection ends.
func TestObserveUnreadEnd(t *testing.T) {
	r, o := reading(t)
	whole := framedText(result("LAB|NORTH", "last", "2"))
	for i := range mostChunks - 1 {
		o.offer(wire.FromClient, framedText(result("LAB|NORTH", fmt.Sprint("m", i), "1")))
	}
	o.offer(wire.FromClient, whole[:len(whole)/2])
	o.offer(wire.FromClient, whole[len(whole)/2:]) // there is no room
	o.quit[wire.FromClient].Store(true)
	close(o.chunks)
	o.read(t.Context())
	if refused := r.refusals(); len(refused) > 0 {
		t.Errorf("would be refused: %v", refused)
	}
}

// TestObserveLarge: messages that are begun and not ended take so much memory at most where listeners observe, too, of all connections
// together. What finds none passes, and is told of as unread; when there is some again messages are read again.
func TestObserveLarge(t *testing.T) {
	const each, clients, most = 4 << 20, 16, 8 << 20
	for _, noise := range []bool{false, true} { // true: only the lenient reader is left
		t.Run(fmt.Sprint(noise), func(t *testing.T) {
			r := begin(t, answering(behindFor(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c); _ = c.Close() }), "observe"))
			r.guard.passing.most = most
			begun := append(framedText(result("LAB|NORTH", "m", "1"))[:60], bytes.Repeat([]byte("x"), each)...)
			if noise {
				begun = append([]byte("noise"), begun...)
			}
			var all []*caller
			before := heap().HeapAlloc
			for range clients {
				c := r.call("hl7")
				if _, err := c.Write(begun); err != nil {
					t.Fatal(err)
				}
				all = append(all, c)
			}
			eventually(t, "what finds no room is told of as unread", func() bool { return r.metric(`chaperone_guard_turned_away_total{listener="hl7",why="unread"}`) > 0 })
			time.Sleep(time.Second) // all of it is read along
			if n := r.guard.large.held.Load(); n != 0 {
				t.Errorf("%d bytes are taken from where the guard enforces", n)
			}
			if grew, held := int64(heap().HeapAlloc)-int64(before), r.guard.passing.held.Load(); grew > 3*most || held > most {
				t.Errorf("%d MiB are held, %d MiB of them counted", grew>>20, held>>20)
			}
			for _, c := range all {
				_ = c.Close()
			}
			eventually(t, "they are over, and gave it back", func() bool { return r.open() == 0 && r.guard.passing.held.Load() == 0 })
			if n := r.refusals()["connection from 127.0.0.1 to 127.0.0.2: malformed"]; !noise && n > clients/2 {
				t.Errorf("%d are told of whose messages found no room", n)
			}
			c := r.call("hl7")
			if _, err := c.Write(framedText(result("LAB|NORTH", "after", "7"))); err != nil {
				t.Fatal(err)
			}
			eventually(t, "messages are on record", func() bool { rows := r.rows(); return len(rows) > 0 && rows[len(rows)-1].Disclosure.Records == 1 })
		})
	}
}
