package guard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	clinic "chaperone/internal/clinicsim"
	"chaperone/wire"
)

// TestDICOMDrip: who goes on sending whole PDUs with next to nothing of a message in them is told that the association is over. It is
// counted, one line of the log, and nothing to the others.
func TestDICOMDrip(t *testing.T) {
	a := newArchive(t, well)
	r := begin(t, strings.Replace(fmt.Sprintf(dicomSite, 100, a.Addr()), "    destinations:", "    limits: {in_message: 1s}\n    destinations:", 1))
	beside := r.talk()
	beside.associate()
	_, _, image := object(1, 1, 1)
	store := set(1, fieldStore, 1, true)
	for i, test := range []struct {
		name    string
		began   int // bytes of the data set that come at once; -1: not even the command set
		drop    []byte
		command bool
	}{
		{"a command set", -1, []byte{0}, true},
		{"a command set of which nothing comes", -1, nil, true},
		{"a data set that is not decided yet", 0, []byte{8, 0}, false},
		{"a data set of which nothing comes", 0, nil, false},
		{"pixels", len(image) - 4000, []byte{1, 1}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := r.talk()
			k.associate()
			if test.began >= 0 {
				k.must(k.send(1, true, true, store))
				k.must(k.send(1, false, false, image[:test.began]))
			}
			over := make(chan struct{})
			go func() {
				defer close(over)
				drip := time.NewTicker(100 * time.Millisecond)
				defer drip.Stop()
				for range drip.C {
					if k.send(1, test.command, false, test.drop) != nil {
						return
					}
				}
			}()
			c, _, end := k.reply()
			if c != nil || end.kind != pduAbort || end.body[2] != 2 {
				t.Fatalf("got PDU %d % x, want an abort by the provider", end.kind, end.body)
			}
			_ = k.conn.Close()
			<-over
			eventually(t, "one line of the log", func() bool { return strings.Count(r.log.String(), errSlow.Error()) == i+1 })
			if n := r.metric(`chaperone_guard_turned_away_total{listener="dicom",why="silent"}`); n != float64(i+1) {
				t.Errorf("%v are counted, want %d", n, i+1)
			}
			beside.message(9, set(9, fieldEcho, uint16(i+1), false), nil)
			if c, _, _ := beside.reply(); c == nil || c.status != statusSuccess {
				t.Error("another's association is over too")
			}
		})
	}
	r.silentOf(t, r.log.String())
}

// TestDICOMSlowArchive: a system that sends next to nothing of its answer is not laid at its client's door.
func TestDICOMSlowArchive(t *testing.T) {
	a := newArchive(t, func(k *talker, c *command, _ []byte) {
		drip := time.NewTicker(100 * time.Millisecond)
		defer drip.Stop()
		for range drip.C {
			if k.send(c.context, true, false, []byte{0}) != nil {
				return
			}
		}
	})
	r := begin(t, strings.Replace(fmt.Sprintf(dicomSite, 100, a.Addr()), "    destinations:", "    limits: {in_message: 1s}\n    destinations:", 1))
	k := r.talk()
	k.associate()
	k.message(9, set(9, fieldEcho, 1, false), nil)
	if c, _, end := k.reply(); c != nil || end.kind != pduAbort {
		t.Errorf("got PDU %d, want an abort", end.kind)
	}
	eventually(t, "it is told", func() bool { return strings.Contains(r.log.String(), "the system behind it does not answer") })
	if r.metric(`chaperone_guard_turned_away_total{listener="dicom",why="silent"}`) != 0 {
		t.Error("it counts as the client's")
	}
}

// TestProgress: an image of 500 MB passes on a modem's line, however its PDUs are cut, and also when the guard has better to do now and then;
// what is below the least rate does not, in whatever pieces and pauses it comes.
func TestProgress(t *testing.T) {
	const image = 500 << 20
	for _, test := range []struct {
		name   string
		rate   int // bytes a second
		piece  int
		within time.Duration
		slow   bool
	}{
		{"a modem", 4000, 16 << 10, time.Minute, false},
		{"a modem, long PDUs", 4000, mostPDU, time.Minute, false},
		{"a modem, short PDUs", 4000, leastPDU, time.Minute, false},
		{"a modem, and little patience", 4000, 1 << 10, time.Second, false},
		{"a hospital's network", 10 << 20, usualPDU, time.Minute, false},
		{"just fast enough", leastRate + leastRate/8, 100, time.Minute, false},
		{"just too slow", leastRate - leastRate/8, 100, time.Minute, true},
		{"a byte at a time", 1, 1, time.Minute, true},
		{"a byte at a time, and much patience", 1, 1, time.Hour, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p progress
			slow := false
			pause := time.Duration(test.piece) * time.Second / time.Duration(test.rate)
			for came := 0; came < image && !slow; came += test.piece {
				p.waited += pause
				p.came += test.piece
				slow = p.tooSlow(test.within)
			}
			if slow != test.slow {
				t.Errorf("too slow: got %t, want %t", slow, test.slow)
			}
		})
	}
}

// TestRoomDrip: on a full listener, who is in the middle of a message that does not come on makes room; who is in the middle of one that
// does, or of none, does not.
func TestRoomDrip(t *testing.T) {
	r := full(t, fmt.Sprintf(dicomSite, 100, newArchive(t, well).Addr()), "dicom", 2)
	k, slow := r.talk(), r.talk()
	k.associate()
	slow.associate()
	slow.must(slow.send(1, true, true, set(1, fieldStore, 1, true)))
	slow.must(slow.send(1, false, false, []byte{8, 0}))
	eventually(t, "it is behind", func() bool { return r.latest("dicom") != nil })
	next := r.talk()
	next.associate()
	if !over(slow.conn) {
		t.Error("who sends nothing of its data set is still there")
	}
	for _, k := range []*talker{k, next} {
		k.message(9, set(9, fieldEcho, 1, false), nil)
		if c, _, _ := k.reply(); c == nil || c.status != statusSuccess {
			t.Error("who owes nothing is gone")
		}
	}
	eventually(t, "nobody owes anything between messages", func() bool { return r.owe() == 0 })
	_, _, image := object(1, 1, 1)
	next.message(1, set(1, fieldStore, 2, true, clinic.Text(0x1000, "UI", "2.25.1")), image)
	if c, _, _ := next.reply(); c == nil {
		t.Error("an image that came on is not answered")
	}
	eventually(t, "nobody owes anything behind an image", func() bool { return r.owe() == 0 })
}

// TestRoomSlow: who brings a message as fast as it has to keeps its place on a full listener, however long one may take; who does not owes
// what it is behind.
func TestRoomSlow(t *testing.T) {
	for _, test := range []struct {
		name   string
		rate   int // bytes a second
		piece  int
		within time.Duration
		shed   bool
	}{
		{"an uplink", 32 << 10, 16 << 10, time.Minute, false},
		{"an uplink, and much patience", 32 << 10, 16 << 10, time.Hour, false},
		{"an uplink, long PDUs", 32 << 10, 4 * usualPDU, time.Minute, false},
		{"a modem", 4000, leastPDU, time.Hour, false},
		{"just too slow", leastRate - leastRate/8, 100, time.Minute, true},
		{"a byte at a time", 1, 1, time.Minute, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &conn{}
			c.identified.Store(true)
			c.owing.said.Store(true)
			l := &listener{guard: &Guard{pace: usualPace}, conns: map[*conn]bool{c: true}}
			d := &dicomConn{conn: c, legs: [2]*leg{{}, {}}}
			m := &d.legs[wire.FromClient].message
			m.begun = true
			shed := false
			pause := time.Duration(test.piece) * time.Second / time.Duration(test.rate)
			for took := time.Duration(0); took < 3*test.within && !shed && !m.tooSlow(test.within); took += pause {
				m.waited += pause
				d.wait() // as if the pause were over, and the piece there but for a byte
				c.owing.part.Store(int64(test.piece - 1))
				c.owing.begin(time.Now().Add(-pause / 2)) // its PDU is
				shed = l.latest(func(*conn) bool { return true }) != nil
				c.owing.done()
				m.came += test.piece
			}
			if shed != test.shed {
				t.Errorf("it makes room: got %t, want %t", shed, test.shed)
			}
		})
	}
}

// TestProgressDataSet: what its command set took is not counted to a data set.
func TestProgressDataSet(t *testing.T) {
	r := begin(t, fmt.Sprintf(dicomSite, 100, newArchive(t, well).Addr()))
	c := &conn{guard: r.guard, listener: r.guard.listeners["dicom"]}
	d := &dicomConn{conn: c, legs: [2]*leg{{dir: wire.FromClient}, {dir: wire.FromServer}}, contexts: map[byte]*proposed{1: {}}}
	client := d.legs[wire.FromClient]
	client.message.waited = time.Minute - 1
	cancel := set(1, fieldCancel, 1, true)
	for _, f := range []fragment{{context: 1, command: true, last: true, data: cancel}, {context: 1, data: []byte{8, 0}}} {
		if err := d.fragment(t.Context(), client, f); err != nil {
			t.Fatal(err)
		}
	}
	client.message.waited++
	if m := &client.message; m.data == nil || m.came != 2 || m.tooSlow(time.Minute) {
		t.Errorf("got %+v, want two bytes of a data set that has a minute", m.progress)
	}
}
