package guard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chaperone/wire"
)

// reading is a reader of what passes an HL7 listener that observes, without a connection: it is given chunks.
func reading(t *testing.T, change ...string) (*rig, *observer) {
	r := begin(t, strings.NewReplacer(change...).Replace(answering(newEngine(t), "observe")))
	c := r.call("hl7")
	c.send(result("LAB|NORTH", "first", "1"))
	eventually(t, "the first is on record", func() bool { return len(r.rows()) == 1 })
	r.guard.mu.Lock()
	defer r.guard.mu.Unlock()
	for one := range r.guard.conns {
		return r, newObserver(one)
	}
	t.Fatal("no connection")
	return nil, nil
}

func framedText(text string) []byte { return framed([]byte(text)) }

// passed is what has passed in a direction.
func passed(d wire.Dir, b []byte) chunk { return chunk{dir: d, bytes: b, at: time.Now()} }

// TestObservePieces: a frame is one wherever it is cut, also a large one.
func TestObservePieces(t *testing.T) {
	large := result("LAB|NORTH", "m1", "2") + "OBX|2|TX|B||" + strings.Repeat("fine ", 1<<16) + "\r"
	for _, size := range []int{1, 7, 32 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r, o := reading(t)
			small := result("LAB|NORTH", "m0", "3") + "ZZZ|" + secret + "\r"
			all := append(framedText(small), framedText(large)...)
			all = append(append(all, framedText(strings.ReplaceAll(small, "|m0|", "|m2|"))...), framedText("no hl7 at all")...)
			for len(all) > 0 {
				n := min(size, len(all))
				o.hear(t.Context(), passed(wire.FromClient, all[:n]))
				all = all[n:]
			}
			o.hear(t.Context(), passed(wire.FromServer, framedText(ack(small)+"ORC|OK|1\r")))
			if n, refused := len(r.rows()), r.refusals(); n != 4 || len(refused) != 1 || r.counted("refused-ambiguous") != 1 {
				t.Errorf("got %d on record, and would be refused %v", n, refused)
			}
		})
	}
}

// TestObserveAhead: a sender that is far ahead of its answers is answered for each of its messages.
func TestObserveAhead(t *testing.T) {
	const messages = 1000
	r, o := reading(t)
	for _, said := range []func(string) string{func(m string) string { return m }, func(m string) string { return ack(m) + "ORC|OK|1\r" }} {
		for i := range messages {
			m := result("LAB|NORTH", fmt.Sprint("m", i), "1")
			d := wire.FromClient
			if said(m) != m {
				d = wire.FromServer
			}
			o.hear(t.Context(), passed(d, framedText(said(m))))
		}
	}
	if refused := r.refusals(); len(refused) > 0 {
		t.Errorf("would be refused: %v", refused)
	}
}

// TestObserveGap: behind bytes that passed unread nobody knows what was asked. What is answered then is decided by grants, and not told of
// as what nobody asked for.
func TestObserveGap(t *testing.T) {
	r, o := reading(t)
	begun := framedText(result("LAB|NORTH", "m1", "2"))
	o.hear(t.Context(), passed(wire.FromClient, begun[:len(begun)/2]))
	o.hear(t.Context(), chunk{dir: wire.FromServer, gap: 100, at: time.Now()})
	o.hear(t.Context(), passed(wire.FromClient, begun[len(begun)/2:]))
	o.hear(t.Context(), passed(wire.FromClient, framedText(result("LAB|NORTH", "m2", "2"))))
	o.hear(t.Context(), passed(wire.FromServer, append([]byte("rest\x1c\r"), framedText(found("q1", "4711"))...)))
	if n, refused := len(r.rows()), r.refusals(); n != 4 || len(refused) > 0 {
		t.Errorf("got %d on record, and would be refused %v", n, refused)
	}
}

// TestObserveAskedUnread: where a query passed unread its answer is nobody's fault, however much the reader has caught up until that comes.
func TestObserveAskedUnread(t *testing.T) {
	r, o := reading(t)
	catchUp := func() {
		for len(o.chunks) > 0 {
			o.hear(t.Context(), <-o.chunks)
		}
	}
	for i := range mostChunks {
		o.offer(wire.FromClient, framedText(result("LAB|NORTH", fmt.Sprint("m", i), "1")))
	}
	o.offer(wire.FromClient, framedText(ask("q1", "9"))) // there is no room
	catchUp()
	o.offer(wire.FromServer, framedText(found("q1", "9")))
	catchUp()
	if refused := r.refusals(); len(refused) > 0 || o.strict != nil {
		t.Errorf("would be refused: %v", refused)
	}
}

// TestObserveKindUnread: where something passed unread, an answer is decided by the kind of its query still.
func TestObserveKindUnread(t *testing.T) {
	r, o := reading(t, "actions: [hl7.query]", "actions: [hl7.query], details: [QBP^Q22]")
	o.hear(t.Context(), chunk{dir: wire.FromClient, gap: 100, at: time.Now()})
	o.hear(t.Context(), passed(wire.FromClient, framedText(ask("q1", "9"))))
	o.hear(t.Context(), passed(wire.FromServer, framedText(found("q1", "9"))))
	if refused := r.refusals(); len(refused) > 0 {
		t.Errorf("would be refused: %v", refused)
	}
}

// TestObserveTogether: what came together is put on record together.
func TestObserveTogether(t *testing.T) {
	const messages = 100
	r, o := reading(t)
	var all []byte
	for i := range messages {
		all = append(all, framedText(result("LAB|NORTH", fmt.Sprint("m", i), "1"))...)
	}
	before, rows := r.ledger.Seal().Batches, len(r.rows())
	o.hear(t.Context(), passed(wire.FromClient, all))
	if n, more := r.ledger.Seal().Batches-before, len(r.rows())-rows; more != messages || n > messages/5 {
		t.Errorf("%d messages are %d disclosures in %d batches", messages, more, n)
	}
}

// TestObserveCut: what would be refused is the same however what passed was cut: who was shown beyond a budget counts from then on.
func TestObserveCut(t *testing.T) {
	for name, together := range map[string]bool{"together": true, "each alone": false} {
		t.Run(name, func(t *testing.T) {
			r, o := reading(t, "    role: lab\n", "    role: lab\n    budget: {24h: 2}\n")
			var all []byte
			for i, who := range []string{"9", "8", "7", "7", "7"} {
				o.hear(t.Context(), passed(wire.FromClient, framedText(ask(fmt.Sprint("q", i), who))))
				answer := framedText(found(fmt.Sprint("q", i), who))
				if all = append(all, answer...); !together {
					o.hear(t.Context(), passed(wire.FromServer, answer))
				}
			}
			if together {
				o.hear(t.Context(), passed(wire.FromServer, all))
			}
			if refused := r.refusals(); len(refused) != 1 || refused["RSP^K22 from 127.0.0.1 to 127.0.0.1: budget-24h"] != 1 {
				t.Errorf("would be refused: %v", refused)
			}
		})
	}
}

// TestObserveBatch: the messages of a large frame may each be answered with what they brought.
func TestObserveBatch(t *testing.T) {
	const messages = 400 // each of the frame's records: more than are remembered of one sender
	r, o := reading(t)
	var all, answers strings.Builder
	for i := range messages {
		m := result("LAB|NORTH", fmt.Sprint("m", i), fmt.Sprint(i))
		all.WriteString(m)
		answers.WriteString("\x0b" + ack(m) + "ORC|OK|1\r\x1c\r")
	}
	o.hear(t.Context(), passed(wire.FromClient, framedText(all.String())))
	o.hear(t.Context(), passed(wire.FromServer, []byte(answers.String())))
	if refused := r.refusals(); len(refused) > 0 {
		t.Errorf("would be refused: %v", refused)
	}
}

// TestObserveTypeless: a message without a type is on record, whatever would have become of it.
func TestObserveTypeless(t *testing.T) {
	for name, before := range map[string]string{"a frame": "", "read leniently": "noise"} {
		t.Run(name, func(t *testing.T) {
			r, o := reading(t)
			m := strings.Replace(result("LAB|NORTH", "m1", "2"), "ORU^R01^ORU_R01", "", 1)
			o.hear(t.Context(), passed(wire.FromClient, append([]byte(before), framedText(m)...)))
			if n := len(r.rows()); n != 2 {
				t.Errorf("%d are on record, want this one and the one before", n)
			}
		})
	}
}

// TestObserveRemembered: what is remembered of messages that nobody answers is bounded by how many records they brought, too.
func TestObserveRemembered(t *testing.T) {
	_, o := reading(t)
	for n := range 5 {
		m := result("LAB|NORTH", fmt.Sprint("m", n), "1")
		for i := range mostSent / 2 {
			m += fmt.Sprintf("PID|1||%d^^^NORTH^MR\r", n*mostSent+i)
		}
		o.hear(t.Context(), passed(wire.FromClient, framedText(m)))
	}
	if a := &o.strict.talk.asked; a.count == 0 || a.sent > mostSent {
		t.Errorf("%d messages are remembered, with %d records", a.count, a.sent)
	}
}

// TestObserveServerDies: a client is not blamed for a message that the system behind cut off.
func TestObserveServerDies(t *testing.T) {
	for name, whole := range map[string]bool{"the client ends it": true, "the system behind does": false} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			r := begin(t, answering(e, "observe"))
			c := r.call("hl7")
			c.send(result("LAB|NORTH", "m1", "1"))
			begun := framedText(result("LAB|NORTH", "m2", "1"))
			if _, err := c.Write(begun[:len(begun)-20]); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it has arrived", func() bool { return e.has("|m2|") })
			if !whole {
				e.leave()
				_, _ = c.in.ReadByte() // it hears that
			}
			_ = c.Close()
			eventually(t, "all of it is read", func() bool { return r.open() == 0 })
			if n := r.refusals()["connection from 127.0.0.1 to 127.0.0.1: malformed"]; (n > 0) != whole {
				t.Errorf("got %v", r.refusals())
			}
		})
	}
}
